"""Whole runs whose messages to entities arrive again and again: they end as if each had come once."""

import random
from typing import Any

import pytest

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import failover
from shared.operations.kinds import Kind
from tests.driver import Orchestrator
from tests.orchestrators.test_runbooks import Bench

WAY: tuple[tuple[Orchestrator, Kind], ...] = (
    (drill, "drill"),
    (failover, "failover"),
    (failback, "failback"),
    (reprotect, "reprotect"),
)


def whole_way(repeats: random.Random | None) -> tuple[list[str], Any, dict[str, Any]]:
    """How each verb of the way out and home ended, what was sent to Azure, and what the entities keep."""
    bench = Bench()
    bench.driver.repeats = repeats
    ends = [bench.run(verb, name, f"{name}-1").output["state"] for verb, name in WAY]
    sent = [name for name, _ in bench.driver.calls]
    return ends, sent, bench.driver.states


@pytest.mark.parametrize("seed", range(3))
def test_a_run_whose_messages_come_again_ends_as_if_each_had_come_once(seed: int) -> None:
    plain = whole_way(None)
    assert plain[0] == ["succeeded"] * len(WAY)
    assert whole_way(random.Random(seed)) == plain
