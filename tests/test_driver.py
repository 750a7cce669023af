"""The driver of runbooks notices one that would go another way in a replay, whichever way it drives."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from durabletask import task

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback
from orchestrators.verbs.failover import failover
from shared.operations.kinds import Kind
from tests.driver import DIFFERENT, Driver, Orchestrator
from tests.orchestrators.test_runbooks import Bench, plan

USUAL = Driver({"note": lambda payload: payload})
WARM, COLD = replace(USUAL, warm=True), replace(USUAL, cold=True)


def counting(runs: Iterator[int], at: int) -> Orchestrator:
    """An orchestrator of five activities, one of which has another payload each time that it is gone through."""

    def forgetful(ctx: task.OrchestrationContext, _payload: dict[str, Any]) -> Any:
        for number in range(5):
            yield ctx.call_activity("note", input={"run": next(runs) if number == at else 0})
            yield ctx.create_timer(timedelta(minutes=1))

    return forgetful


@pytest.mark.parametrize("way", [USUAL, WARM, COLD], ids=["as usual", "warm", "cold"])
def test_an_orchestrator_that_goes_the_same_way_again_is_driven_to_its_end(way: Driver) -> None:
    driver = replace(way, calls=[])
    assert driver.run(counting(iter([0] * 100), at=2), {}).failure == ""
    assert [name for name, _ in driver.calls] == ["note"] * 5


@pytest.mark.parametrize("way", [USUAL, COLD], ids=["as usual", "cold"])
@pytest.mark.parametrize("at", range(5))
def test_a_replay_that_asks_for_something_else_is_noticed_at_any_episode(at: int, way: Driver) -> None:
    with pytest.raises(AssertionError, match=DIFFERENT):
        way.run(counting(iter(range(100)), at), {})


def looking(ctx: task.OrchestrationContext, _payload: dict[str, Any]) -> Any:
    """Asks for something else while it is replayed."""
    yield ctx.call_activity("note", input={"replaying": ctx.is_replaying})
    yield ctx.create_timer(timedelta(minutes=1))
    yield ctx.call_activity("note", input={"replaying": ctx.is_replaying})


def test_what_is_asked_for_only_in_a_replay_is_noticed() -> None:
    with pytest.raises(AssertionError, match=DIFFERENT):
        USUAL.run(looking, {})


@pytest.mark.parametrize(
    ("runbook", "kind", "verb"),
    [
        (drill, "drill", "ReverseReplicate"),
        (failover, "failover", "ReverseReplicate"),
        (failback, "failback", "Commit"),
    ],
    ids=["drill", "failover", "failback"],
)
def test_a_host_with_no_memory_goes_the_same_way(runbook: Orchestrator, kind: Kind, verb: str) -> None:
    """The whole history, through the Functions worker, at each dispatch."""
    actions = []
    for cold in (True, False):
        bench = Bench()
        for machine in bench.azure.items.machines.values():
            machine.reach(verb)
        bench.driver.cold = cold
        episodes = bench.run(
            runbook, kind, document=plan(items=[{"vm": "dc"}, {"vm": "sql", "after": ["dc"]}])
        ).episodes
        actions.append([episode.actions for episode in episodes])
    assert actions[0] == actions[1]
