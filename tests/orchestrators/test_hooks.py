"""The hooks of a failover, a failback and a drill: what they hold up, what they end, and what is told of them."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failback import failback
from orchestrators.verbs.failover import failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.recovery import contract as recovery_contract
from shared.site_recovery.contract import JobEnd
from shared.site_recovery.verb_options import VerbOptions
from tests.failures import failure_texts
from tests.orchestrators.azure.protected_items import LIFE
from tests.orchestrators.test_drills import drill_plan
from tests.orchestrators.test_roundtrip import prove
from tests.orchestrators.test_runbooks import Bench, plan

AUTOMATION = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Automation/automationAccounts/aa-dr"
MACHINE = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.HybridCompute/machines/n1"
HTTP = {"name": "ask", "url": "https://example.org/hook"}
SCRIPT = {
    "name": "switch off",
    "kind": "run-command",
    "machine": MACHINE,
    "script": "Stop-Service App; exit 0",
    "parameters": {"Name": "a"},
}
RUNBOOK = {"name": "switch dns", "kind": "runbook", "runbook": f"{AUTOMATION}/runbooks/Switch-Dns", "runOn": "hw"}
MANUAL = {"name": "look", "kind": "manual", "instructions": "Look at the order page.", "deadline": "P2D"}
KINDS = pytest.mark.parametrize("hook", [SCRIPT, RUNBOOK], ids=["run-command", "runbook"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def hooked(verb: str = "failover", before: Any = (), after: Any = (), **changes: Any) -> Any:
    return plan(hooks={verb: {"before": list(before), "after": list(after)}}, **changes)


def told(result: Any) -> list[tuple[str, str, str]]:
    return [(end["name"], end["moment"], end["state"]) for end in result.output["hooks"]]


def resumed(comment: str = "") -> dict[str, Any]:
    return {"verdict": "resume", "by": "ann", "vms": [], "comment": comment}


@KINDS
def test_what_runs_before_is_over_before_the_first_verb_and_what_runs_after_before_the_commit(
    bench: Bench, hook: dict[str, Any]
) -> None:
    began = bench.azure.clock.now
    sent_at: dict[tuple[str, str], datetime] = {}

    def note(now: datetime) -> None:
        for sent in bench.azure.jobs.sent:
            sent_at.setdefault(sent, now)

    bench.azure.clock.watchers.append(note)
    result = bench.run(failover, "failover", document=hooked(before=[hook], after=[hook]))
    assert result.output["state"] == "succeeded", result.output
    assert told(result) == [(hook["name"], "before", "passed"), (hook["name"], "after", "passed")]
    assert min(sent_at.values()) - began >= bench.azure.hooks.work_takes
    last = bench.azure.hooks.work_due["run-1:failover:after:0"]
    assert min(at for (_, verb), at in sent_at.items() if verb == "Commit") >= last
    assert last - bench.azure.hooks.work_takes > max(
        at for (_, verb), at in sent_at.items() if verb == "PlannedFailover"
    )
    assert sorted(bench.azure.hooks.ended_work) == sorted(bench.azure.hooks.work)
    assert bench.azure.evidence.list_kinds().count("hook") == 2
    assert bench.owed() == {"reprotect"}


@KINDS
def test_a_required_hook_that_fails_before_begins_nothing_and_owes_nothing(bench: Bench, hook: dict[str, Any]) -> None:
    bench.options = VerbOptions(failover_type="unplanned")
    bench.azure.hooks.work_ends = recovery_contract.HookAnswer(
        state="failed", status=3, detail="ended Failed with 3: no such service"
    )
    result = bench.run(failover, "failover", document=hooked(before=[hook, HTTP], after=[HTTP]))
    assert result.output["state"] == "failed"
    assert failure_texts(result.output)[0] == f"hook {hook['name']}: hook-failed: ended Failed with 3: no such service"
    assert told(result) == [
        (hook["name"], "before", "failed"),
        ("ask", "before", "skipped"),
        ("ask", "after", "skipped"),
    ]
    assert (bench.azure.jobs.sent, bench.azure.hooks.calls, bench.owed(), bench.held()) == ([], [], set(), {})
    assert bench.azure.hooks.ended_work == ["run-1:failover:before:0"]


def test_what_an_earlier_run_owes_stays_owed_when_a_hook_keeps_the_next_one_from_beginning(bench: Bench) -> None:
    bench.options = VerbOptions(failover_type="unplanned")
    bench.azure.jobs.failures[("app", "UnplannedFailover")] = JobEnd(job="", outcome="failed", state="Failed", code="1")
    bench.run(failover, "failover", "failover-1")
    owed = bench.owed()
    assert owed == {"commit", "reprotect", "source-off"}
    bench.azure.hooks.answers["before"] = recovery_contract.HookAnswer(
        state="failed", status=409, detail="change freeze"
    )
    bench.run(failover, "failover", "failover-2", hooked(before=[HTTP]))
    assert bench.owed() == owed


def test_a_hook_that_is_not_required_stops_nothing(bench: Bench) -> None:
    bench.azure.hooks.work_ends = recovery_contract.HookAnswer(state="failed", detail="the job is Failed")
    optional = {**RUNBOOK, "required": False}
    result = bench.run(failover, "failover", document=hooked(before=[optional], after=[optional]))
    assert (result.output["state"], [state for _, _, state in told(result)]) == ("succeeded", ["failed", "failed"])


def test_a_required_hook_that_fails_after_fails_the_run_and_there_is_no_commit(bench: Bench) -> None:
    bench.azure.hooks.work_ends = recovery_contract.HookAnswer(state="failed", detail="the job is Failed")
    document = hooked(after=[RUNBOOK, HTTP], commitAfter="PT1H")
    result = bench.run(failover, "failover", document=document)
    assert (result.output["state"], failure_texts(result.output)) == (
        "failed",
        ["hook switch dns: hook-failed: the job is Failed"],
    )
    assert told(result) == [("switch dns", "after", "failed"), ("ask", "after", "skipped")]
    assert not [verb for _, verb in bench.azure.jobs.sent if verb == "Commit"]
    assert bench.owed() == {"commit", "reprotect"}


def test_where_a_machine_did_not_come_up_what_would_run_after_is_not_done(bench: Bench) -> None:
    bench.azure.items.silent_vms.add("web")
    result = bench.run(failover, "failover", document=hooked(after=[SCRIPT]))
    assert (told(result), bench.azure.hooks.work) == ([("switch off", "after", "skipped")], {})


@KINDS
def test_what_takes_too_long_is_ended_and_has_failed(bench: Bench, hook: dict[str, Any]) -> None:
    bench.azure.hooks.work_takes = timedelta(hours=9)
    began = bench.azure.clock.now
    result = bench.run(failover, "failover", document=hooked(before=[{**hook, "deadline": "PT20M"}]))
    assert "not done within 0:20:00: the job is Running" in failure_texts(result.output)[0]
    assert bench.azure.clock.now - began == timedelta(minutes=20)
    assert bench.azure.hooks.ended_work == ["run-1:failover:before:0"]


def test_a_long_wait_costs_few_looks(bench: Bench) -> None:
    bench.azure.hooks.work_takes = timedelta(days=3)
    result = bench.run(failover, "failover", document=hooked(before=[{**RUNBOOK, "deadline": "P4D"}]))
    assert result.output["state"] == "succeeded"
    assert len([name for name, _ in bench.driver.calls if name == "read_hook_work"]) < 100


@pytest.mark.parametrize("how", ["crashes", "lost_answers"])
def test_a_call_that_fails_is_made_again_under_the_same_id_and_begins_nothing_twice(bench: Bench, how: str) -> None:
    """Before the work, or after it: an activity that died says nothing of which."""
    setattr(bench.azure.faults, how, {"start_hook_work": 6, "read_hook_work": 5, "end_hook_work": 5})
    result = bench.run(failover, "failover", document=hooked(before=[{**SCRIPT, "deadline": "PT1H"}]))
    assert result.output["state"] == "succeeded", result.output
    assert list(bench.azure.hooks.work) == ["run-1:failover:before:0"]
    assert len({ask["id"] for name, ask in bench.driver.calls if name == "start_hook_work"}) == 1
    assert bench.azure.hooks.work["run-1:failover:before:0"].parameters == {"Name": "a"}


def test_what_cannot_be_removed_afterwards_is_named(bench: Bench) -> None:
    bench.azure.faults.crashes = {"end_hook_work": 10**6}
    result = bench.run(failover, "failover", document=hooked(before=[SCRIPT]))
    assert result.output["state"] == "succeeded"
    assert f"what it left on {MACHINE} could not be removed" in result.output["hooks"][0]["detail"]


def test_a_step_by_hand_waits_for_a_person_and_goes_on_with_their_word(bench: Bench) -> None:
    bench.driver.say(timedelta(hours=30), "decide", resumed("orders are there, see https://x.example/a?sig=abc"))
    began = bench.azure.clock.now
    result = bench.run(failover, "failover", document=hooked(before=[MANUAL]))
    assert result.output["state"] == "succeeded", result.output
    assert bench.azure.clock.now - began > timedelta(hours=30)
    (end,) = result.output["hooks"]
    assert end["detail"] == "ann: orders are there, see https://x.example/a?[redacted]"
    assert [one["by"] for one in result.output["decisions"]] == ["ann"]
    assert bench.azure.evidence.list_kinds().count("decision") == 1
    assert "HciSiteRecovery.Operation.Waiting" in bench.azure.runs.list_event_types()


def test_a_word_that_was_said_twice_is_no_word_on_the_next_step_by_hand(bench: Bench) -> None:
    said = {**resumed("first"), "about": "hook:failover:before:0"}
    for minutes in (10, 11):
        bench.driver.say(timedelta(minutes=minutes), "decide", said)
    bench.driver.say(timedelta(hours=9), "decide", {**resumed("second"), "about": "hook:failover:before:1"})
    result = bench.run(failover, "failover", document=hooked(before=[MANUAL, MANUAL]))
    assert [end["detail"] for end in result.output["hooks"]] == ["ann: first", "ann: second"]


def test_nobody_comes_for_a_step_by_hand(bench: Bench) -> None:
    result = bench.run(failover, "failover", document=hooked(after=[MANUAL]))
    assert "not done within 2 days, 0:00:00: nobody said that it is done" in failure_texts(result.output)[0]
    assert bench.owed() == {"commit", "reprotect"}


@pytest.mark.parametrize("hook", [MANUAL, RUNBOOK, HTTP], ids=["manual", "runbook", "http"])
def test_an_abort_ends_a_hook_and_nothing_is_begun(bench: Bench, hook: dict[str, Any]) -> None:
    bench.azure.hooks.work_takes = timedelta(hours=9)
    bench.azure.hooks.answers["before"] = recovery_contract.HookAnswer(state="unanswered", detail="no answer")
    bench.driver.say(timedelta(minutes=3), "decide", {**resumed(), "verdict": "abort"})
    result = bench.run(failover, "failover", document=hooked(before=[hook]))
    assert result.output["state"] == "aborted"
    assert result.output["hooks"][0]["detail"] == "ann aborted the run"
    assert (bench.azure.jobs.sent, bench.owed(), bench.held()) == ([], set(), {})


def test_an_abort_while_a_hook_runs_after_leaves_the_failover_uncommitted(bench: Bench) -> None:
    bench.driver.say(timedelta(hours=5), "decide", {**resumed(), "verdict": "abort"})
    result = bench.run(failover, "failover", document=hooked(after=[MANUAL]))
    assert result.output["state"] == "aborted"
    assert not [verb for _, verb in bench.azure.jobs.sent if verb == "Commit"]
    assert bench.owed() == {"commit", "reprotect"}


def test_an_abort_that_is_sent_again_does_not_end_what_follows_the_cleanup(bench: Bench) -> None:
    bench.azure.hooks.work_takes = timedelta(minutes=8)
    for minutes in range(12, 40, 3):
        bench.driver.say(timedelta(minutes=minutes), "decide", {**resumed(), "verdict": "abort"})
    result = bench.run(drill, "drill", document=drill_plan(hooks={"afterCleanup": [RUNBOOK]}))
    assert [(end["moment"], end["state"]) for end in result.output["hooks"]] == [("after-cleanup", "passed")]
    assert (result.output["state"], len(result.output["decisions"])) == ("aborted", 1)


def test_leases_outlast_a_person_who_takes_two_days(bench: Bench) -> None:
    bench.driver.say(timedelta(hours=47), "decide", resumed())
    left: list[timedelta] = []
    bench.azure.clock.watchers.append(lambda now: left.extend(lease_ends(bench, now)))
    bench.run(failover, "failover", document=hooked(before=[MANUAL]))
    assert min(left) > timedelta(hours=12)


def lease_ends(bench: Bench, now: datetime) -> list[timedelta]:
    states = (state for key, state in bench.driver.states.items() if "@leases@" in key)
    return [datetime.fromisoformat(one["until"]) - now for state in states for one in state.values()]


def test_a_failback_has_hooks_of_its_own(bench: Bench) -> None:
    for machine in bench.azure.items.machines.values():
        machine.reach("Commit")
    document = hooked("failback", before=[HTTP], after=[RUNBOOK])
    result = bench.run(failback, "failback", document=document)
    assert told(result) == [("ask", "before", "passed"), ("switch dns", "after", "passed")]
    assert [ask.id for ask in bench.azure.hooks.calls] == ["run-1:failback:before:0"]
    assert [verb for _, verb in bench.azure.jobs.sent][-1] == "FinalizeFailback"


def test_a_drill_does_every_kind_of_hook_however_its_rehearsal_went(bench: Bench) -> None:
    bench.azure.jobs.failures[("app", "TestFailover")] = JobEnd(job="", outcome="failed", state="Failed", code="1")
    for hours in (3, 6):
        bench.driver.say(timedelta(hours=hours), "decide", resumed())
    hooks = {"before": [SCRIPT], "after": [RUNBOOK, MANUAL], "afterCleanup": [HTTP, MANUAL]}
    result = bench.run(drill, "drill", document=drill_plan(hooks=hooks))
    assert [state for _, _, state in told(result)] == ["passed"] * 5
    assert [ask.state for ask in bench.azure.hooks.calls] == ["failed"]
    assert (bench.azure.evidence.list_kinds().count("hook"), bench.azure.evidence.list_kinds().count("decision")) == (
        5,
        2,
    )
    assert bench.owed() == set()


def test_a_person_who_does_not_come_keeps_no_drill_beyond_its_time_to_live(bench: Bench) -> None:
    document = drill_plan(timeToLive="PT2H", hooks={"after": [MANUAL]})
    began = bench.azure.clock.now
    result = bench.run(drill, "drill", document=document)
    assert "nobody said that it is done" in failure_texts(result.output)[0]
    assert bench.azure.clock.now - began < timedelta(hours=3)
    assert bench.owed() == set()


def round_trip(bench: Bench) -> Any:
    hooks = {"failover": {"before": [HTTP], "after": [RUNBOOK]}, "failback": {"before": [SCRIPT], "after": [HTTP]}}
    bench.driver.say(timedelta(days=1), "decide", resumed())
    return bench.run(roundtrip, "roundtrip", document=plan(hooks=hooks))


def test_a_round_trip_has_the_hooks_of_both_ways_each_once(bench: Bench) -> None:
    result = round_trip(bench)
    assert result.output["state"] == "succeeded", result.output
    names = ["ask", "switch dns", "switch off", "ask"]
    assert [name for name, _, _ in told(result)] == names
    assert [ask.id for ask in bench.azure.hooks.calls] == ["run-1:failover:before:0", "run-1:failback:after:0"]
    home = bench.azure.hooks.work_due["run-1:failback:before:0"]
    assert home > min(job.due for job in bench.azure.jobs.by_id.values() if job.step == "Commit") + timedelta(hours=20)
    assert bench.owed() == set()


def test_a_hook_that_fails_before_the_way_home_leaves_the_machines_in_azure_committed(bench: Bench) -> None:

    def break_(now: datetime) -> None:
        if bench.azure.items.machines["web"].protection == LIFE["Commit"][0]:
            bench.azure.hooks.work_ends = recovery_contract.HookAnswer(
                state="failed", detail="the script ended Failed with 1"
            )

    bench.azure.clock.watchers.append(break_)
    result = round_trip(bench)
    assert result.output["state"] == "failed"
    assert "switch off: hook-failed: the script ended Failed with 1" in failure_texts(result.output)[0]
    assert not [verb for _, verb in bench.azure.jobs.sent if verb == "Failback"]
    assert bench.owed() == {"reprotect"}


def test_hooks_before_the_way_home_wait_until_it_is_open(bench: Bench) -> None:
    bench.options = VerbOptions(failover_type="unplanned")
    proven = bench.azure.clock.now + timedelta(hours=40)
    bench.azure.clock.watchers.append(lambda now: prove(bench) if now >= proven else None)
    result = round_trip(bench)
    assert result.output["state"] == "succeeded", result.output
    assert bench.azure.hooks.work_due["run-1:failback:before:0"] > proven
    assert bench.owed() == set()
