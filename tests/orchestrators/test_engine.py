"""Runs through Site Recovery's recovery plans, in virtual time: one after the other, each machine by its own job."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.drill import cleanup, drill
from orchestrators.verbs.failback import failback, reprotect
from orchestrators.verbs.failover import commit, failover
from orchestrators.verbs.roundtrip import roundtrip
from shared.operations.kinds import Kind
from shared.recovery.operation import Operation, options_for
from shared.site_recovery.contract import JobEnd
from shared.site_recovery.request_budget import READS, WRITES
from shared.site_recovery.verb_options import VerbOptions
from tests.driver import Orchestrator, Result
from tests.failures import failure_texts
from tests.orchestrators.benches import PlanBench
from tests.orchestrators.owed import settle
from tests.orchestrators.test_resuming import said
from tests.orchestrators.test_runbooks import BROKEN, ISOLATED, ORDER, SITE, SUB

BUDGET = f"@request_budget@{SUB.rpartition('/')[2]}"


def begin(bench: PlanBench, runbook: Orchestrator, kind: Kind, run: str = "run-1", **more: Any) -> Result:
    document = bench.document
    options = options_for(kind, VerbOptions.model_validate(more), document)
    operation = Operation.model_validate(
        {"id": run, "kind": kind, "plan": "payroll", "requested_by": "ann", "digest": document.digest}
        | {"document": document, "sites": {"hci-01": SITE}, "options": options}
    )
    return bench.driver.run(runbook, operation.model_dump(mode="json"), run)


def sent(bench: PlanBench) -> list[tuple[str, str]]:
    return bench.azure.jobs.sent


def states(result: Result) -> dict[str, str]:
    return {item["vm"]: item["state"] for item in result.output["items"]}


def test_a_drill_sends_one_verb_to_the_recovery_plan_and_each_machine_has_its_own_job() -> None:
    bench = PlanBench()
    result = begin(bench, drill, "drill")
    assert result.output["state"] == "succeeded", result.output
    assert sent(bench) == [("payroll", "TestFailover"), ("payroll", "TestFailoverCleanup")]
    steps = [step["job"] for item in result.output["items"] for step in item["steps"]]
    assert len(set(steps)) == 2 * len(ORDER)
    assert (bench.owed(), bench.held()) == (set(), {})


def proven(bench: PlanBench) -> None:
    """Have the timer's proof that the machines are off come by itself."""
    bench.azure.clock.watchers.append(lambda _now: settle(bench.driver.states, "source-off"))


@pytest.mark.parametrize("kind", ["planned", "unplanned"])
def test_the_round_trip_ends_protected_with_nothing_owed(kind: str) -> None:
    bench = PlanBench()
    bench.driver.say(timedelta(hours=5), "decide", said("resume"))
    proven(bench)
    result = begin(bench, roundtrip, "roundtrip", failover_type=kind)
    assert result.output["state"] == "succeeded", result.output
    out = "PlannedFailover" if kind == "planned" else "UnplannedFailover"
    assert [verb for _, verb in sent(bench)] == [out, "Commit", "Failback", "Commit", "ReverseReplicate"]
    assert {name for name, _ in sent(bench)} == {"payroll"}
    assert bench.owed() == set()


def test_a_recovery_plan_that_is_not_in_step_is_refused_with_the_differences_and_the_remedy() -> None:
    bench = PlanBench()
    bench.azure.recovery_plans.parts["payroll"] = bench.azure.recovery_plans.parts["payroll"].model_copy(
        update={"groups": ()}
    )
    result = begin(bench, failover, "failover")
    problems = result.output["problems"]
    assert (result.output["state"], sent(bench), bench.held()) == ("refused", [], {})
    assert {problem["code"] for problem in problems} == {"recovery-plan-drifted"}
    assert "dc is not in the recovery plan payroll" in problems[0]["detail"]
    assert "POST /api/plans/payroll/recovery-plan" in problems[0]["detail"]


def test_recovery_plans_that_cannot_be_read_for_ten_minutes_delay_the_run() -> None:
    bench = PlanBench()
    bench.azure.faults.crashes = {"read_recovery_plans": 36}
    assert begin(bench, failover, "failover").output["state"] == "succeeded"


def test_recovery_plans_that_cannot_be_read_for_twenty_minutes_refuse_the_run() -> None:
    bench = PlanBench()
    bench.azure.faults.crashes = {"read_recovery_plans": 999}
    problems = begin(bench, failover, "failover").output["problems"]
    assert [problem["code"] for problem in problems] == ["recovery-plan-unreadable"]


def test_a_lost_answer_finds_the_job_again() -> None:
    bench = PlanBench()
    bench.azure.recovery_plans.unanswered = 1
    bench.azure.faults.lost_answers = {"start_recovery_plan": 1}
    assert begin(bench, failover, "failover").output["state"] == "succeeded"
    assert sent(bench) == [("payroll", "PlannedFailover"), ("payroll", "Commit")]


def test_a_recovery_plan_that_is_busy_is_asked_again() -> None:
    bench = PlanBench()
    bench.azure.recovery_plans.busy_starts = 3
    assert begin(bench, failover, "failover").output["state"] == "succeeded"


def test_a_recovery_plan_that_stays_busy_fails_its_machines() -> None:
    bench = PlanBench(patience="PT10M")
    bench.azure.recovery_plans.busy_starts = 999
    result = begin(bench, failover, "failover")
    assert set(states(result).values()) == {"failed"}
    assert "no start within 0:10:00" in failure_texts(result.output)[0]


def test_a_machine_that_fails_fails_alone_since_site_recovery_goes_on() -> None:
    bench = PlanBench()
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    result = begin(bench, failover, "failover")
    assert states(result) == {"dc": "done", "sql": "failed", "app": "done", "web": "done"}
    assert failure_texts(result.output) == ["sql: 539: planned failover: see the provider's error"]
    assert sent(bench) == [("payroll", "PlannedFailover")]


def test_a_machine_that_was_busy_is_asked_again_by_its_own_verb() -> None:
    bench = PlanBench()
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = JobEnd(
        job="", outcome="failed", state="Failed", code="532", detail="busy"
    )
    bench.azure.clock.watchers.append(
        lambda _now: bench.azure.jobs.failures.clear() if ("sql", "PlannedFailover") in bench.azure.jobs.sent else None
    )
    result = begin(bench, failover, "failover")
    assert result.output["state"] == "succeeded", result.output
    assert sent(bench)[:2] == [("payroll", "PlannedFailover"), ("sql", "PlannedFailover")]


def test_a_machine_that_the_recovery_plan_passes_over_has_failed_with_the_reason() -> None:
    bench = PlanBench()
    bench.azure.recovery_plans.skipped_vms = {"web"}
    result = begin(bench, failover, "failover")
    assert states(result)["web"] == "failed"
    assert "ended without coming to it" in failure_texts(result.output)[0]


def test_a_manual_action_waits_for_a_person_and_keeps_the_word() -> None:
    bench = PlanBench()
    bench.azure.recovery_plans.manual_actions = {"PlannedFailover": 1}
    bench.driver.say(timedelta(hours=5), "decide", said("resume", comment="they know"))
    result = begin(bench, failover, "failover")
    assert result.output["state"] == "succeeded", result.output
    job = next(job for job in bench.azure.recovery_plans.plan_jobs.values() if job.ask.verb == "PlannedFailover")
    assert job.comments == "they know"


def test_a_run_that_is_aborted_at_a_manual_action_says_what_is_still_suspended() -> None:
    bench = PlanBench()
    bench.azure.recovery_plans.manual_actions = {"PlannedFailover": 1}
    bench.driver.say(timedelta(hours=5), "decide", said("abort"))
    result = begin(bench, failover, "failover")
    assert result.output["state"] == "aborted"
    assert states(result) == {"dc": "done", "sql": "done", "app": "failed", "web": "failed"}
    assert "is still suspended" in failure_texts(result.output)[0]


@pytest.mark.parametrize("how", ["abort", "ttl"])
def test_a_drill_that_ends_at_a_manual_action_lets_it_run_out_and_cleans_up(how: str) -> None:
    """What is suspended keeps its machines busy, so that they could not be cleaned up."""
    bench = PlanBench(drill={"network": ISOLATED, "timeToLive": "PT2H"})
    bench.azure.recovery_plans.manual_actions = {"TestFailover": 0}
    if how == "abort":
        bench.driver.say(timedelta(hours=1), "decide", said("abort"))
    result = begin(bench, drill, "drill")
    assert result.output["state"] == ("aborted" if how == "abort" else "succeeded"), result.output
    assert sent(bench)[-1] == ("payroll", "TestFailoverCleanup")
    assert all(machine.test == "MarkedForDeletion" for machine in bench.azure.items.machines.values())
    assert bench.owed() == set()


def test_a_failback_waits_after_its_data_synchronisation_and_goes_on_at_the_recovery_plans_job() -> None:
    bench = PlanBench()
    for machine in bench.azure.items.machines.values():
        machine.reach("Commit")
    for hours in range(2, 10, 2):
        bench.driver.say(timedelta(hours=hours), "decide", said("resume"))
    result = begin(bench, failback, "failback", data_sync="minimise-downtime")
    assert result.output["state"] == "succeeded", result.output
    assert bench.azure.jobs.resumed == list(ORDER)


def test_what_an_earlier_run_got_done_leaves_the_rest_to_go_one_by_one() -> None:
    bench = PlanBench()
    bench.azure.items.machines["dc"].reach("PlannedFailover")
    assert begin(bench, failover, "failover").output["state"] == "succeeded"
    assert [name for name, verb in sent(bench) if verb == "PlannedFailover"] == ["sql", "app", "web"]


def test_the_clean_up_of_the_timer_goes_machine_by_machine() -> None:
    bench = PlanBench()
    for machine in bench.azure.items.machines.values():
        machine.reach("TestFailover")
    assert begin(bench, cleanup, "cleanup").output["state"] == "succeeded"
    assert {name for name, _ in sent(bench)} == set(ORDER)


def test_a_recovery_plan_that_is_gone_when_the_drill_is_to_be_cleaned_up_leaves_nothing_behind() -> None:
    bench = PlanBench()
    bench.azure.clock.watchers.append(
        lambda _now: bench.azure.recovery_plans.parts.clear() if bench.azure.jobs.sent else None
    )
    assert begin(bench, drill, "drill").output["state"] == "succeeded"
    assert {name for name, verb in sent(bench) if verb == "TestFailoverCleanup"} == set(ORDER)


@pytest.mark.parametrize(
    ("step", "runbook", "kind"), [("PlannedFailover", commit, "commit"), ("FinalizeFailback", reprotect, "reprotect")]
)
def test_each_verb_can_be_asked_for_by_itself(step: str, runbook: Orchestrator, kind: Kind) -> None:
    bench = PlanBench()
    for machine in bench.azure.items.machines.values():
        machine.reach(step)
    assert begin(bench, runbook, kind).output["state"] == "succeeded"
    assert [name for name, _ in sent(bench)] == ["payroll"]


def test_evidence_names_the_recovery_plan_and_its_job() -> None:
    bench = PlanBench()
    begin(bench, failover, "failover")
    told = [entry.body for _, entry in bench.azure.evidence.records if entry.kind == "verb"]
    own = [body for body in told if "vm" not in body]
    assert [(body["recoveryPlan"], body["verb"]) for body in own] == [
        ("payroll", "PlannedFailover"),
        ("payroll", "Commit"),
    ]
    of_sql = next(body for body in told if body.get("vm") == "sql")
    assert (of_sql["recoveryPlan"], of_sql["planJob"]) == ("payroll", own[0]["job"])
    ended = [
        entry.body for _, entry in bench.azure.evidence.records if entry.kind == "job" and "recoveryPlan" in entry.body
    ]
    assert [body["detail"] for body in ended] == ["Succeeded", "Succeeded"]


def test_what_other_runs_were_promised_is_waited_for_before_a_recovery_plan_is_started() -> None:
    bench = PlanBench()
    began = bench.azure.clock.now
    bench.driver.states[BUDGET] = {"writes": {"level": -60 * WRITES.rate, "at": began.isoformat()}}
    times = bench.driver.times_of("start_recovery_plan")
    assert begin(bench, failover, "failover").output["state"] == "succeeded"
    assert times[0] >= began + timedelta(minutes=1)


def test_what_a_run_through_recovery_plans_sends_is_drawn_from_its_subscription() -> None:
    """Each look says that it took as many requests as come in three minutes: so long it is until the next."""
    bench = PlanBench()
    read = bench.driver.activities["read_recovery_plan_job"]
    took = {"reads": READS.size + int(180 * READS.rate), "writes": 0}
    bench.driver.activities = {
        **bench.driver.activities,
        "read_recovery_plan_job": lambda ask: read(ask) | {"calls": took},
    }
    times = bench.driver.times_of("read_recovery_plan_job")
    assert begin(bench, failover, "failover").output["state"] == "succeeded"
    assert times[1] - times[0] >= timedelta(minutes=3)
