"""Runs that wait: a word ends them before they have begun, their leases last, and silence of Azure ends nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.run import ticks as conduct
from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback
from orchestrators.verbs.failover import failover
from shared.operations.kinds import Kind
from shared.plans.machines import lease_key
from shared.plans.plan import PlanDocument
from tests.driver import Orchestrator
from tests.failures import failure_texts
from tests.orchestrators.test_runbooks import BROKEN, ORDER, SITE, Bench, plan, said, word

TABLE = "@leases@11111111-1111-1111-1111-111111111111|rg-dr|vault-dr"
SQL = lease_key(SITE.hyper_v_site, "sql")
ABORT = {**said("abort"), "comment": "not tonight"}
MINUTES = timedelta(minutes=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def guarded(**changes: Any) -> PlanDocument:
    return plan(approvals={"count": 2, "expires": "P30D"}, **changes)


def nothing_done(bench: Bench, output: dict[str, Any]) -> None:
    assert output["state"] == "aborted", output
    assert [(one["verdict"], one["by"], one["comment"]) for one in output["decisions"]] == [
        ("abort", "ann", "not tonight")
    ]
    assert (bench.azure.jobs.sent, bench.held(), bench.owed()) == ([], {}, set())
    assert bench.azure.evidence.list_kinds().count("decision") == 1
    assert bench.azure.evidence.list_kinds()[-1] == "outcome"
    assert bench.azure.runs.list_event_types()[-1].endswith("Finished")


def leases_of(bench: Bench) -> dict[str, Any]:
    held: dict[str, Any] = bench.driver.states.get(TABLE) or {}
    return held


def at(bench: Bench, activity: str, do: Callable[[], None], times: int = 1) -> None:
    """Have something happen while an activity is at work."""
    done, left = bench.driver.activities[activity], [times]

    def noted(payload: dict[str, Any]) -> dict[str, Any]:
        if left[0] > 0:
            left[0] -= 1
            do()
        return done(payload)

    bench.driver.activities = {**bench.driver.activities, activity: noted}


def lasting(bench: Bench) -> list[datetime]:
    """Moments at which a lease that is held had expired, from now on."""
    lapsed: list[datetime] = []

    def look(now: datetime) -> None:
        if any(datetime.fromisoformat(lease["until"]) <= now for lease in leases_of(bench).values()):
            lapsed.append(now)

    bench.driver.clock.watchers.append(look)
    return lapsed


def test_an_abort_ends_the_wait_for_an_approval_at_once_and_nobody_can_approve_it_any_more(bench: Bench) -> None:
    document = guarded()
    bench.driver.say(10 * MINUTES, "approve", word("bob", document))
    bench.driver.say(20 * MINUTES, "decide", ABORT)
    bench.driver.say(30 * MINUTES, "approve", word("eve", document))
    began = bench.driver.clock.now
    output = bench.run(failover, "failover", document=document).output
    nothing_done(bench, output)
    assert bench.driver.clock.now - began == 20 * MINUTES
    assert [one["person"] for one in output["approvals"]] == ["bob"]
    assert {item["state"] for item in output["items"]} == {"blocked"}


def test_an_abort_that_comes_with_the_last_approval_wins(bench: Bench) -> None:
    document = plan(approvals={"count": 1})
    bench.driver.say(10 * MINUTES, "approve", word("bob", document))
    at(bench, "compute_preview", lambda: bench.driver.say(timedelta(0), "decide", ABORT), times=2)
    nothing_done(bench, bench.run(failover, "failover", document=document).output)


@pytest.mark.parametrize("activity", ["read_items", "publish_event"])
def test_what_was_said_before_the_first_verb_is_heard_before_it(bench: Bench, activity: str) -> None:
    at(bench, activity, lambda: bench.driver.say(timedelta(0), "decide", ABORT))
    nothing_done(bench, bench.run(failover, "failover").output)


def test_an_abort_during_the_last_look_before_a_failback_is_heard_before_its_first_verb(bench: Bench) -> None:
    document = plan(approvals={"count": 1, "verbs": ["failover", "failback"]})
    for vm in ORDER:
        bench.azure.items.machines[vm].reach("Commit")
    bench.driver.say(10 * MINUTES, "approve", word("bob", document))
    began = bench.driver.clock.now

    def abort() -> None:
        if bench.driver.clock.now - began >= 10 * MINUTES:
            bench.driver.say(timedelta(0), "decide", ABORT)

    at(bench, "read_providers", abort, times=2)
    output = bench.run(failback, "failback", document=document).output
    assert (output["state"], bench.azure.jobs.sent, bench.held(), bench.owed()) == ("aborted", [], {}, set())
    assert bench.azure.evidence.list_kinds().count("decision") == 1


def test_a_run_that_waits_for_a_drill_to_make_way_can_be_aborted(bench: Bench) -> None:
    bench.driver.states[TABLE] = {SQL: {"owner": "drill-0", "until": "2027-01-01T00:00:00Z"}}
    bench.lease_wait = timedelta(minutes=10)
    bench.driver.say(3 * MINUTES, "decide", ABORT)
    began = bench.driver.clock.now
    output = bench.run(failover, "failover").output
    assert (output["state"], output["decisions"][0]["by"]) == ("aborted", "ann")
    assert set(leases_of(bench)) == {SQL}
    assert bench.driver.clock.now - began == 3 * MINUTES
    assert (bench.azure.jobs.sent, bench.owed()) == ([], set())


def test_a_run_whose_vault_does_not_answer_says_so_and_can_be_aborted(bench: Bench) -> None:
    bench.azure.faults.crashes = {"read_items": 9}
    bench.driver.say(timedelta(seconds=50), "decide", ABORT)
    result = bench.run(failover, "failover")
    nothing_done(bench, result.output)
    assert result.custom_status["waitingFor"] == "vault vault-dr to answer"


def test_every_decision_of_a_run_is_in_its_evidence(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    bench.driver.say(timedelta(hours=2), "decide", said("skip"))
    result = bench.run(failover, "failover", document=plan(onFailure="ask"))
    assert len(result.output["decisions"]) == bench.azure.evidence.list_kinds().count("decision") == 1


@pytest.mark.parametrize("verdict", ["abort", "skip", "retry"])
def test_a_decision_that_is_sent_again_is_one_decision(bench: Bench, verdict: str) -> None:
    bench.driver.warm = True
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    for minutes in (0, 0, 1, 9):
        bench.driver.say(timedelta(hours=2, minutes=minutes), "decide", said(verdict))
    bench.driver.say(timedelta(hours=5), "decide", said("abort"))
    result = bench.run(failover, "failover", document=plan(onFailure="ask"))
    verdicts = [one["verdict"] for one in result.output["decisions"]]
    assert verdicts.count(verdict) == (2 if verdict == "retry" else 1)  # the second one found sql failed once more
    assert len(verdicts) == bench.azure.evidence.list_kinds().count("decision")


@pytest.mark.parametrize("minutes", range(10, 40, 3))
def test_an_abort_that_is_sent_again_keeps_nothing_of_a_drill_from_being_cleaned_up(bench: Bench, minutes: int) -> None:
    bench.azure.jobs.conflicts = {("dc", "TestFailoverCleanup"): 3}
    for after in (10, minutes, minutes + 1):
        bench.driver.say(timedelta(minutes=after), "decide", ABORT)
    output = bench.run(drill, "drill").output
    assert (output["state"], len(output["decisions"]), bench.owed()) == ("aborted", 1, set()), failure_texts(output)


def test_no_lease_lapses_while_a_run_waits_for_weeks_for_its_approval(bench: Bench) -> None:
    document, lapsed = guarded(), lasting(bench)
    for days, person in ((5, "bob"), (20, "eve")):
        bench.driver.say(timedelta(days=days), "approve", word(person, document))
    result = bench.run(failover, "failover", document=document)
    assert (result.output["state"], lapsed) == ("succeeded", [])
    assert result.longest_history < 1000


def test_no_lease_lapses_in_a_soak_of_days(bench: Bench) -> None:
    lapsed = lasting(bench)
    result = bench.run(failover, "failover", document=plan(commitAfter="P3D"))
    assert (result.output["state"], lapsed) == ("succeeded", [])


def test_no_lease_lapses_while_a_person_takes_days_to_decide(bench: Bench) -> None:
    lapsed = lasting(bench)
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    bench.driver.say(timedelta(days=9), "decide", said("skip"))
    result = bench.run(failover, "failover", document=plan(onFailure="ask"))
    assert (result.output["state"], lapsed) == ("succeeded", [])


def test_a_run_that_lost_a_machine_while_it_waited_is_refused_with_who_holds_it(bench: Bench) -> None:
    document = plan(approvals={"count": 1})
    theirs = {SQL: {"owner": "repair-n1-1", "until": "2027-01-01T00:00:00Z"}}
    bench.lease_wait = timedelta(hours=1)  # nor does it wait for an approval once more
    bench.driver.say(10 * MINUTES, "approve", word("bob", document))
    at(bench, "compute_preview", lambda: bench.driver.states.update({TABLE: theirs}), times=2)
    output = bench.run(failover, "failover", document=document).output
    assert (output["state"], output["problems"][0]["detail"]) == ("refused", "sql: held by repair-n1-1")
    assert (bench.azure.jobs.sent, set(leases_of(bench)), bench.owed()) == ([], {SQL}, set())


READS_BEFORE = pytest.mark.parametrize(
    ("activity", "runbook", "kind"),
    [
        ("read_items", failover, "failover"),
        ("compute_preview", failover, "failover"),
        ("list_drill_resources", drill, "drill"),
        ("read_drill_network", drill, "drill"),
    ],
)
"""What a run reads before its first verb."""


@READS_BEFORE
def test_ten_minutes_without_an_answer_delay_a_run_and_do_not_end_it(
    bench: Bench, activity: str, runbook: Orchestrator, kind: Kind
) -> None:
    document = plan(approvals={"count": 1})
    bench.driver.say(timedelta(minutes=5), "approve", word("bob", document))
    bench.azure.faults.crashes = {activity: 36}
    began = bench.driver.clock.now
    result = bench.run(runbook, kind, document=document)
    assert result.output["state"] == "succeeded", result.output
    first = min(job.started for job in bench.azure.jobs.by_id.values())
    assert first - began > 8 * MINUTES


@READS_BEFORE
def test_what_azure_declines_refuses_the_run_at_once(
    bench: Bench, activity: str, runbook: Orchestrator, kind: Kind
) -> None:
    declined = {"refused": {"code": "AuthorizationFailed", "detail": "403"}}
    bench.driver.activities = {**bench.driver.activities, activity: lambda _ask: declined}
    document = plan(approvals={"count": 1}) if activity == "compute_preview" else plan()
    bench.driver.say(MINUTES, "approve", word("bob", document))
    began = bench.driver.clock.now
    output = bench.run(runbook, kind, document=document).output
    assert (output["state"], bench.held()) == ("refused", {})
    assert bench.driver.clock.now - began <= MINUTES


def test_words_that_come_one_after_the_other_at_the_end_of_a_generation_are_all_heard(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each comes while the one before it is written down; the last of them ends the run."""
    monkeypatch.setattr(conduct, "MOST_ITEMS_REPLAYED", 1)
    words = [None, said("resume"), said("resume", "sql"), ABORT]
    written = bench.driver.activities["write_evidence_records"]

    def noted(payload: dict[str, Any]) -> dict[str, Any]:
        if words and (next_word := words.pop(0)):
            bench.driver.say(timedelta(0), "decide", next_word)
        return written(payload)

    bench.driver.activities = {**bench.driver.activities, "write_evidence_records": noted}
    output = bench.run(failover, "failover").output
    assert words == []
    assert [one["verdict"] for one in output["decisions"]] == ["resume", "resume", "abort"]
    assert output["state"] == "aborted"


def test_a_cleanup_asks_nobody_but_ends_for_the_timer_to_try_again(bench: Bench) -> None:
    bench.azure.jobs.failures[("sql", "TestFailoverCleanup")] = BROKEN
    assert bench.run(drill, "drill").output["state"] == "failed"
    asking = plan(on_failure="ask")
    assert bench.run(cleanup, "cleanup", "cleanup-1", document=asking).output["state"] == "failed"
    assert bench.held() == {}
    bench.azure.jobs.failures.clear()
    assert bench.run(cleanup, "cleanup", "cleanup-2", document=asking).output["state"] == "succeeded"


@pytest.mark.parametrize("lost", [True, False], ids=["sent, and the answer lost", "never sent"])
def test_what_was_asked_for_without_an_answer_is_looked_for_after_an_abort_and_not_sent(
    bench: Bench, lost: bool
) -> None:
    """Four tries of the first batch go unanswered; somebody aborts before the fifth."""
    (bench.azure.faults.lost_answers if lost else bench.azure.faults.crashes)["start_verbs"] = 4
    bench.driver.say(timedelta(seconds=50), "decide", ABORT)
    output = bench.run(failover, "failover").output
    assert output["state"] == "aborted"
    assert bench.azure.jobs.sent == ([("dc", "PlannedFailover")] if lost else [])
    assert {item["vm"]: item["state"] for item in output["items"]}["dc"] == ("done" if lost else "failed")
