"""What Azure has no room for: done again when it said, by nobody before, and closed in the budget of all."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from activities.bindings import bind_activity
from orchestrators.durable.steps import call, call_all
from shared.errors import CallKind, Throttled, Transient
from shared.site_recovery.contract import READ_ITEMS, ReadItems
from shared.site_recovery.request_budget import READS, Buckets, CallRequest, Closure, close_calls, grant_calls
from tests.orchestrators.throttled import ThrottledRun

NOW = datetime.fromisoformat("2026-11-26T10:00:00+00:00")
ITEMS: Mapping[str, Any] = {"items": []}


def throttled(wait: int, subscription: str = "sub", kind: CallKind = "reads") -> dict[str, Any]:
    return {"throttled": {"detail": "no room", "wait": wait, "subscription": subscription, "kind": kind}}


def request() -> ReadItems:
    vault = {"subscription_id": "sub", "resource_group": "rg", "vault": "v"}
    return ReadItems.model_validate({"vault": vault})


def test_it_is_done_again_when_azure_said_and_not_before() -> None:
    run = ThrottledRun({"read_items": [throttled(17), throttled(3), ITEMS]})
    assert run.play(lambda ctx: call(ctx, READ_ITEMS, request())).items == ()
    assert run.sleeps == [timedelta(seconds=17), timedelta(seconds=3)]


def test_the_budget_is_closed_for_all_before_anybody_waits() -> None:
    run = ThrottledRun({"read_items": [throttled(17), ITEMS]})
    run.play(lambda ctx: call(ctx, READ_ITEMS, request()))
    ((entity, key, operation, closure),) = run.entity_calls
    assert (entity, key, operation) == ("request_budget", "sub", "close")
    assert closure["kind"] == "reads"
    assert datetime.fromisoformat(closure["until"]) - datetime.fromisoformat(closure["now"]) == timedelta(seconds=17)
    assert run.order.index("entity") < run.order.index("sleep")


def test_of_many_at_once_only_those_without_room_are_done_again_after_one_wait() -> None:
    run = ThrottledRun({"read_items": [ITEMS, throttled(5), throttled(9), ITEMS, ITEMS, ITEMS]})
    answers = run.play(lambda ctx: call_all(ctx, READ_ITEMS, [request()] * 4))
    assert len(answers) == 4
    assert run.sleeps == [timedelta(seconds=9)]
    assert run.activities == 6


def test_who_is_throttled_for_ever_is_told_so_in_the_end() -> None:
    """Then the run hears people again, and asks once more by its own patience."""
    run = ThrottledRun({"read_items": [throttled(17)] * 100})
    with pytest.raises(Throttled):
        run.play(lambda ctx: call(ctx, READ_ITEMS, request()))
    assert timedelta(minutes=2) <= sum(run.sleeps, timedelta(0)) <= timedelta(minutes=2, seconds=17)


def test_what_an_activity_got_over_closes_the_budget_and_costs_no_wait() -> None:
    run = ThrottledRun({"read_items": [{**ITEMS, "gotOver": [throttled(17)["throttled"]]}]})
    assert run.play(lambda ctx: call(ctx, READ_ITEMS, request())).items == ()
    assert [call[2] for call in run.entity_calls] == ["close"]
    assert run.sleeps == []


def test_a_service_that_asks_for_time_gets_it_and_closes_no_budget() -> None:
    run = ThrottledRun({"read_items": [throttled(17, subscription=""), ITEMS]})
    assert run.play(lambda ctx: call(ctx, READ_ITEMS, request())).items == ()
    assert (run.sleeps, run.entity_calls) == ([timedelta(seconds=17)], [])


@pytest.mark.parametrize(
    ("raised", "subscription"),
    [(Throttled("no room", 17, "sub", "reads"), "sub"), (Transient("no room", 17), "")],
    ids=["429", "503"],
)
async def test_an_activity_that_is_told_to_wait_answers_and_does_not_raise(
    raised: Transient, subscription: str
) -> None:
    """What it raises the engine would try again by its own clock, and how long Azure asked to wait would be lost."""
    import azure.durable_functions as df  # noqa: PLC0415

    async def read(_request: ReadItems) -> Any:
        raise raised

    blueprint = df.Blueprint()
    bind_activity(blueprint, READ_ITEMS, read)
    built = blueprint._function_builders[-1]
    answer = await built._function.get_user_function()(request().model_dump(mode="json"))
    assert answer == throttled(17, subscription)


@pytest.mark.parametrize("kind", ["reads", "writes"])
def test_a_closed_budget_grants_nothing_before_its_time_to_anybody(kind: CallKind) -> None:
    buckets = close_calls(Buckets(), Closure(now=NOW, kind=kind, until=NOW + timedelta(seconds=40)))
    for _ in range(3):
        buckets, grant = grant_calls(buckets, CallRequest(now=NOW, reads=10, writes=10))
        closed, free = (
            (grant.reads_from, grant.writes_from) if kind == "reads" else (grant.writes_from, grant.reads_from)
        )
        assert closed >= NOW + timedelta(seconds=40)
        assert free <= NOW + timedelta(seconds=1)


def test_after_a_closure_grants_come_one_after_the_other() -> None:
    buckets = close_calls(Buckets(), Closure(now=NOW, kind="reads", until=NOW + timedelta(seconds=10)))
    moments = []
    for _ in range(20):
        buckets, grant = grant_calls(buckets, CallRequest(now=NOW, reads=50))
        moments.append(grant.reads_from)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) >= timedelta(seconds=50 / READS.rate) - timedelta(milliseconds=1)
