"""The round trip: one operation that goes out, waits for a person, comes home and ends Protected."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.roundtrip import roundtrip
from shared.recovery.operation import Operation, options_for
from shared.site_recovery.verb_options import VerbOptions
from tests.driver import Result
from tests.orchestrators.owed import owed_by_kind, settle
from tests.orchestrators.test_runbooks import BROKEN, ORDER, SITE, Bench, plan

RESUME = {"verdict": "resume", "by": "ann", "vms": []}
WAY = ["PlannedFailover", "Commit", "Failback", "FinalizeFailback", "ReverseReplicate"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def trip(bench: Bench, **more: Any) -> Result:
    document = plan(**more.pop("plan", {}))
    options = options_for("roundtrip", VerbOptions.model_validate(more), document)
    operation = Operation.model_validate(
        {"id": "trip-1", "kind": "roundtrip", "plan": "payroll", "requested_by": "ann", "digest": document.digest}
        | {"document": document, "sites": {"hci-01": SITE}, "options": options}
    )
    return bench.driver.run(roundtrip, operation.model_dump(mode="json"), "trip-1")


def verbs(bench: Bench, vm: str) -> list[str]:
    return [verb for name, verb in bench.azure.jobs.sent if name == vm]


def test_it_comes_home_when_a_person_says_so_and_owes_nothing(bench: Bench) -> None:
    bench.driver.say(timedelta(days=2), "decide", {**RESUME, "comment": "the racks are back"})
    result = trip(bench)
    assert result.output["state"] == "succeeded", result.output
    assert {vm: verbs(bench, vm) for vm in ORDER} == dict.fromkeys(ORDER, WAY)
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "PlannedFailover"] == list(ORDER)
    assert [vm for vm, verb in bench.azure.jobs.sent if verb == "Failback"] == list(ORDER)[::-1]
    assert {machine.protection for machine in bench.azure.items.machines.values()} == {"Protected"}
    assert (bench.owed(), bench.held()) == (set(), {})


def test_it_comes_home_by_itself_at_the_time_that_was_set(bench: Bench) -> None:
    at = bench.driver.clock.now + timedelta(hours=30)
    result = trip(bench, return_at=at)
    assert result.output["state"] == "succeeded", result.output
    began = [step["began"] or "" for item in result.output["items"] for step in item["steps"]]
    assert began
    assert bench.driver.clock.now > at


def test_where_commits_are_left_to_a_person_it_waits_before_each(bench: Bench) -> None:
    seen: list[int] = []
    for hours in (2, 4, 6):
        bench.driver.say(timedelta(hours=hours), "decide", RESUME)
    bench.driver.clock.watchers.append(lambda _now: seen.append(len(bench.azure.jobs.sent)))
    result = trip(bench, plan={"commit": "manual"})
    assert result.output["state"] == "succeeded", result.output
    assert len(result.output["decisions"]) == 3
    assert {4, 8, 12} <= set(seen), "it stopped after the failover, the commit and the failback"


def test_an_abort_during_the_pause_leaves_the_machines_in_azure_and_says_what_is_owed(bench: Bench) -> None:
    bench.driver.say(timedelta(days=1), "decide", {**RESUME, "verdict": "abort"})
    result = trip(bench)
    assert result.output["state"] == "aborted"
    assert {tuple(verbs(bench, vm)) for vm in ORDER} == {("PlannedFailover", "Commit")}
    assert (bench.owed(), bench.held()) == ({"reprotect"}, {})


def test_a_failover_that_fails_is_neither_committed_nor_brought_home(bench: Bench) -> None:
    bench.azure.jobs.failures["app", "PlannedFailover"] = BROKEN
    result = trip(bench)
    assert result.output["state"] == "failed"
    assert {verb for _, verb in bench.azure.jobs.sent} == {"PlannedFailover"}
    assert bench.owed() == {"commit", "reprotect"}


def test_the_way_home_stays_closed_until_the_machines_are_proven_off(bench: Bench) -> None:
    """Unplanned: a person may say what they like; the run looks again by itself once the proof is there."""
    bench.driver.say(timedelta(hours=3), "decide", RESUME)
    bench.driver.clock.watchers.append(lambda now: prove(bench) if now.hour >= 18 else None)
    result = trip(bench, failover_type="unplanned")
    assert result.output["state"] == "succeeded", result.output
    assert verbs(bench, "sql") == ["UnplannedFailover", *WAY[1:]]
    assert (bench.owed(), bench.held()) == (set(), {})


def prove(bench: Bench) -> None:
    """What the timer's proof does in the end."""
    owed = owed_by_kind(bench.driver.states)
    if "source-off" in owed:
        assert owed["source-off"]["provable"]
        assert not [verb for _, verb in bench.azure.jobs.sent if verb == "Failback"]
        settle(bench.driver.states, "source-off")


def test_both_commits_are_requests_of_their_own(bench: Bench) -> None:
    bench.driver.say(timedelta(hours=3), "decide", RESUME)
    trip(bench)
    commits = [job for job in bench.azure.jobs.by_id if "/Commit/" in job]
    assert len(commits) == len(set(commits)) == 2 * len(ORDER)
    told = [entry.body["requestId"] for _, entry in bench.azure.evidence.records if entry.kind == "verb"]
    assert len(told) == len(set(told)) == 5 * len(ORDER)
