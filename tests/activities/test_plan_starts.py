"""Verbs through recovery plans: adopted when ours, sent once when they may be, and followed with their machines."""

from datetime import UTC, datetime
from typing import Any

import pytest

from activities.start_recovery_plans import read_recovery_plan_job, start_recovery_plan
from shared.errors import Refused
from shared.messages import VaultRef
from shared.recovery.contract import ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery_plans.parts import shape_digest
from shared.request_ids import client_request_id
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.views import Verb
from tests.activities.test_mirroring import PART, TURNED, shown
from tests.shared.azure.fake import VAULT, FakeArm, Reply, accepted, item, job, listed

SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
COMMIT = ["Commit", "ChangePit"]


def ask(verb: Verb = "PlannedFailover", **more: Any) -> StartRecoveryPlan:
    about = {"vault": VaultRef.from_id(VAULT), "operation": "op-1", "verb": verb, "name": "payroll", "since": SINCE}
    return StartRecoveryPlan.model_validate({**about, "shape": shape_digest(PART), "vms": ("sql-01", "web-01"), **more})


def ours(verb: str = "PlannedFailover") -> str:
    return f"{client_request_id('op-1', f'{VAULT}/payroll', verb, 1)} ActivityId: x"


@pytest.fixture
def idle(arm: FakeArm) -> FakeArm:
    """A recovery plan of two idle machines, no jobs, that takes any verb."""
    arm.says("GET", "/payroll", Reply(200, shown()))
    arm.says("GET", "/replicationProtectedItems", listed(item(), item("web-01")))
    arm.says("GET", "/replicationJobs", listed())
    for verb in ("plannedFailover", "testFailover", "testFailoverCleanup", "failoverCommit"):
        arm.says("POST", f"/{verb}", accepted("j1"))
    return arm


def posts(arm: FakeArm) -> list[Any]:
    return [one for one in arm.asked if one.method == "POST"]


async def test_a_verb_is_sent_once_under_its_request_id_with_a_list_of_details(idle: FakeArm) -> None:
    made = await start_recovery_plan(ask(point_type="LatestProcessed"))
    assert (made.outcome, made.job) == ("started", "j1")
    (sent,) = posts(idle)
    reads = [one for one in idle.asked if one.method == "GET" and one.path != "/msi/token"]
    assert made.calls == Calls(reads=len(reads), writes=1)
    details = [{"instanceType": "HyperVReplicaAzure", "recoveryPointType": "LatestProcessed"}]
    assert sent.body["properties"] == {"failoverDirection": "PrimaryToRecovery", "providerSpecificDetails": details}
    assert ours().startswith(sent.headers["x-ms-client-request-id"])


async def test_a_failback_brings_its_own_sort_of_details(idle: FakeArm) -> None:
    away: dict[str, Any] = {"activeLocation": "Recovery", "allowedOperations": ["Failback"]}
    idle.says("GET", "/replicationProtectedItems", listed(item(**away), item("web-01", **away)))
    assert (
        await start_recovery_plan(ask("Failback", options=VerbOptions(data_sync="minimise-downtime")))
    ).outcome == "started"
    (sent,) = posts(idle)
    assert sent.body["properties"]["failoverDirection"] == "RecoveryToPrimary"
    assert [one["dataSyncOption"] for one in sent.body["properties"]["providerSpecificDetails"]] == ["ForDownTime"]


async def test_a_job_of_ours_is_adopted_and_that_of_a_machine_never(idle: FakeArm) -> None:
    about = {"activityId": ours(), "targetObjectName": "payroll", "startTime": "2026-11-22T10:01:00Z"}
    child = {**about, "targetObjectName": "sql-01", "startTime": "2026-11-22T10:02:00Z"}
    idle.says("GET", "/replicationJobs", listed(job("plan", **about), job("child", **child)))
    assert (await start_recovery_plan(ask())).job == "plan"
    assert posts(idle) == []


async def test_after_an_abort_nothing_is_sent(idle: FakeArm) -> None:
    made = await start_recovery_plan(ask(only_adopt=True))
    assert (made.outcome, made.code, posts(idle)) == ("refused", "aborted", [])


async def test_a_lost_answer_is_told_as_such(idle: FakeArm) -> None:
    idle.says("POST", "/plannedFailover", Reply(lost=True))
    assert (await start_recovery_plan(ask())).outcome == "unanswered"
    assert len(posts(idle)) == 1


@pytest.mark.parametrize(
    ("plan", "items", "outcome", "code"),
    [
        (None, {}, "put-off", "no-recovery-plan"),
        (shown(TURNED), {}, "refused", "recovery-plan-drifted"),
        (shown(currentScenarioStatus="InProgress"), {}, "busy", "recovery-plan-busy"),
        (shown(), {"allowedOperations": COMMIT}, "refused", "member-not-ready"),
        (shown(), {"currentScenario": {"scenarioName": "TestFailover"}}, "busy", "item-busy"),
    ],
)
async def test_what_stands_in_the_way_is_told_and_nothing_sent(
    idle: FakeArm, plan: Any, items: dict[str, Any], outcome: str, code: str
) -> None:
    gone = Reply(404, {"error": {"code": "NotFound", "message": "no such plan"}})
    idle.says("GET", "/payroll", Reply(200, plan) if plan else gone)
    idle.says("GET", "/replicationProtectedItems", listed(item(), item("web-01", **items)))
    made = await start_recovery_plan(ask())
    assert (made.outcome, made.code, posts(idle)) == (outcome, code, [])


async def test_a_test_that_shows_as_suspended_can_be_cleaned_up(idle: FakeArm) -> None:
    """As specified for a recovery plan after its test failover."""
    tested: dict[str, Any] = {"testFailoverState": "WaitingForCompletion", "allowedOperations": ["TestFailoverCleanup"]}
    idle.says("GET", "/replicationProtectedItems", listed(item(**tested), item("web-01", **tested)))
    waiting = shown(currentScenarioStatus="Suspended", allowedOperations=["TestFailoverCleanup"])
    idle.says("GET", "/payroll", Reply(200, waiting))
    assert (await start_recovery_plan(ask("TestFailoverCleanup"))).outcome == "started"


# --- its job -----------------------------------------------------------------------------------------------------


def group(*children: dict[str, Any]) -> dict[str, Any]:
    details = {"instanceType": "RecoveryPlanGroupTaskDetails", "childTasks": list(children)}
    return {"taskType": "GroupTaskDetails", "customDetails": None, "groupTaskCustomDetails": details}


def machine(name: str, own: str | None, skipped: str | None = None) -> dict[str, Any]:
    entity = own and {
        "jobId": f"{VAULT}/replicationJobs/{own}",
        "targetObjectId": f"g-{name}",
        "targetObjectName": name,
    }
    details = {"instanceType": "VirtualMachineTaskDetails", "jobTask": entity, "skippedReasonString": skipped}
    return {"friendlyName": name, "taskId": f"g-{name}", "state": "InProgress", "customDetails": details}


CALL = {"instanceType": "ManualActionTaskDetails", "name": "call", "instructions": "dial 123"}


async def read(arm: FakeArm, **properties: Any) -> Any:
    arm.says("GET", "/replicationJobs/j1", Reply(200, job("j1", **properties)))
    return await read_recovery_plan_job(ReadRecoveryPlanJob(vault=VaultRef.from_id(VAULT), job="j1"))


async def test_each_machine_is_found_with_its_own_job(arm: FakeArm) -> None:
    seen = await read(
        arm, tasks=[group(machine("sql-01", "j2")), group(machine("web-01", None, "it was moved before"))]
    )
    assert [(one.vm, one.machine, one.job, one.note) for one in seen.children] == [
        ("sql-01", "g-sql-01", "j2", ""),
        ("web-01", "g-web-01", "", "it was moved before"),
    ]
    assert seen.state == "running"


async def test_a_young_job_shows_nothing(arm: FakeArm) -> None:
    seen = await read(arm, state="NotStarted", tasks=None, startTime=None)
    assert (seen.state, seen.children) == ("running", ())


async def test_a_manual_action_says_what_is_to_be_done(arm: FakeArm) -> None:
    action = {"friendlyName": "call", "state": "InProgress", "customDetails": CALL}
    about = {"state": "Suspended", "stateDescription": "WaitingForManualAction"}
    seen = await read(arm, tasks=[group(action)], **about)
    assert (seen.state, seen.waits_for) == ("suspended", "the manual action call: dial 123")


async def test_a_test_failover_that_waits_for_its_cleanup_has_ended(arm: FakeArm) -> None:
    seen = await read(arm, state="Suspended", stateDescription="WaitingForStopTestFailover")
    assert seen.state == "ended"


async def test_that_there_is_no_such_job_does_not_say_how_it_ended(arm: FakeArm) -> None:
    arm.says("GET", "/replicationJobs/j1", Reply(404, {"error": {"code": "NotFound", "message": "gone"}}))
    with pytest.raises(Refused, match="NotFound: gone"):
        await read_recovery_plan_job(ReadRecoveryPlanJob(vault=VaultRef.from_id(VAULT), job="j1"))
