"""Runs through Site Recovery's own recovery plans, from outside: one job for each, and in it each VM's own."""

from typing import Any

import pytest

from tests.deep import cases
from tests.failures import failure_texts
from tests.product.conftest import Lab
from tests.product.test_drills import NETWORKS, arm
from tests.product.test_mirrors import SCRIPT, SUB, VAULT, groups

MACHINES = ("dc-01", "sql-01", "web-01")
ACCOUNT = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Automation/automationAccounts/aa-dr"
MIRROR = "plans/engine/recovery-plans"
RUN_VERBS = {
    "testFailover",
    "testFailoverCleanup",
    "plannedFailover",
    "unplannedFailover",
    "failoverCommit",
    "reProtect",
}


def declare(lab: Lab, **changes: Any) -> None:
    document = {
        "site": "hci-01",
        "items": [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}, {"vm": "web-01", "after": ["sql-01"]}],
        "commit": "automatic",
        "engine": "site-recovery",
        "drill": {"network": f"{NETWORKS}/vnet-drill", "timeToLive": "PT3H"},
        **changes,
    }
    reply = lab.api("PUT", "plans/engine", document)
    assert reply.status in {200, 201}, reply.body


def mirror(lab: Lab) -> None:
    saved = lab.ended(lab.api("POST", MIRROR, {"action": "save"}).body["id"])
    assert saved["state"] == "succeeded", saved


@pytest.fixture
def mirrored(lab: Lab) -> Lab:
    declare(lab)
    mirror(lab)
    return lab


def sent(lab: Lab) -> list[tuple[str, str]]:
    return [(verb, item) for verb, item in lab.verbs() if verb in RUN_VERBS]


def start(lab: Lab, verb: str, **body: Any) -> str:
    reply = lab.api("POST", f"plans/engine/{verb}", body)
    assert reply.status == 202, reply.body
    return str(reply.body["id"])


def owed(lab: Lab) -> set[str]:
    return {one["kind"] for one in lab.api("GET", "obligations?plan=engine").body["value"]}


def test_a_drill_runs_the_recovery_plan_and_takes_each_vm_s_state_from_its_own_job(mirrored: Lab) -> None:
    shown = mirrored.ended(start(mirrored, "drill"))
    assert shown["state"] == "succeeded", failure_texts(shown)
    assert sent(mirrored) == [("testFailover", "engine"), ("testFailoverCleanup", "engine")]
    jobs = [[step["jobId"] for step in item["steps"]] for item in shown["items"]]
    assert len({job for some in jobs for job in some}) == 2 * len(MACHINES)
    began = [item["steps"][0]["startedAt"] for item in shown["items"]]
    assert began == sorted(began)
    assert owed(mirrored) == set()


@pytest.mark.parametrize("kind", cases(["planned", "unplanned"], {"planned"}))
def test_the_whole_round_trip_goes_through_the_recovery_plan_and_ends_protected(mirrored: Lab, kind: str) -> None:
    run = start(mirrored, "roundtrip", type=kind)
    mirrored.waiting(run)
    assert mirrored.api("POST", f"operations/{run}/resume", {}).status == 202
    shown = mirrored.ended(run)
    assert shown["state"] == "succeeded", failure_texts(shown)
    way = [f"{kind}Failover", "failoverCommit", "plannedFailover", "failoverCommit", "reProtect"]
    assert sent(mirrored) == [(verb, "engine") for verb in way]
    assert owed(mirrored) == set()
    assert {item["state"] for item in mirrored.api("GET", "plans/engine/readiness").body["items"]} == {"Protected"}


def test_a_recovery_plan_that_is_not_in_step_is_not_run_and_the_refusal_says_how_to_repair_it(lab: Lab) -> None:
    declare(lab)
    refused = lab.api("POST", "plans/engine/failover", {})
    assert refused.status == 409
    assert "the vault has no recovery plan engine" in refused.body["detail"]
    assert "POST /api/plans/engine/recovery-plans" in refused.body["detail"]
    assert lab.api("GET", "plans/engine/readiness").body["recoveryPlans"]["inSync"] is False
    mirror(lab)
    assert lab.api("GET", "plans/engine/readiness").body["recoveryPlans"] == {"inSync": True, "differences": []}
    changed = groups(lab, "engine")
    changed[-1]["endGroupActions"] = [SCRIPT]
    arm(lab, "PATCH", f"{VAULT}/replicationRecoveryPlans/engine", {"properties": {"groups": changed}}, "2025-08-01")
    lab.eventually(lambda: bool(groups(lab, "engine")[-1]["endGroupActions"]))
    refused = lab.api("POST", "plans/engine/failover", {})
    assert (refused.status, "change the dns" in refused.body["detail"]) == (409, True)
    assert sent(lab) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"recoveryPoint": {"dc-01": "latestAppConsistent"}}, "the same sort of recovery point"),
        ({"maxAge": "PT1H"}, "the age of the recovery points"),
    ],
)
def test_what_a_recovery_plan_cannot_do_is_refused_as_the_preview_says(
    mirrored: Lab, body: dict[str, Any], said: str
) -> None:
    seen = mirrored.api("POST", "plans/engine/failover?preview=true", body).body
    assert [said in blocker["detail"] for blocker in seen["blockers"]] == [True]
    assert any("probes are tried, and hold no group back" in one for one in seen["siteRecoveryDifferences"])
    refused = mirrored.api("POST", "plans/engine/failover", body)
    assert (refused.status, said in refused.body["detail"]) == (409, True)
    assert sent(mirrored) == []


def test_a_sort_of_recovery_point_is_handed_on(mirrored: Lab) -> None:
    assert mirrored.api("POST", "plans/engine/failover?preview=true", {}).body["blockers"] == []
    run = start(mirrored, "failover", recoveryPoint="latestAppConsistent")
    assert mirrored.ended(run)["state"] == "succeeded"


def test_a_host_that_is_killed_in_the_middle_sends_nothing_twice(mirrored: Lab) -> None:
    run = start(mirrored, "failover")
    mirrored.eventually(lambda: "running" in {one["state"] for one in items(mirrored, run)})
    mirrored.servers.host.kill()
    mirrored.servers.host.start()
    mirrored.servers.host.await_healthy()
    shown = mirrored.ended(run)
    assert shown["state"] == "succeeded", failure_texts(shown)
    assert sent(mirrored) == [("plannedFailover", "engine"), ("failoverCommit", "engine")]


def items(lab: Lab, run: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = lab.api("GET", f"operations/{run}").body["items"]
    return shown


def test_a_lost_answer_adopts_the_job_of_the_recovery_plan(mirrored: Lab) -> None:
    rule = {"match": {"verb": "plannedFailover", "item": "engine", "times": 1}, "effect": {"lose": "connection"}}
    mirrored.azure("PUT", "faults", [rule])
    assert mirrored.ended(start(mirrored, "failover"))["state"] == "succeeded"
    assert sent(mirrored) == [("plannedFailover", "engine"), ("failoverCommit", "engine")]


def lose(lab: Lab, connected: bool = False) -> None:
    """The node of web-01, whose group comes last."""
    lab.azure("PUT", "world", {"nodes": {"hci-01-n3": {"connected": connected}}})


def test_one_vm_that_fails_is_tried_again_by_its_own_verb_and_then_all_are_committed_together(lab: Lab) -> None:
    """Site Recovery goes on with the rest of the recovery plan whatever our plan says."""
    declare(lab, onFailure="ask")
    mirror(lab)
    run = start(lab, "failover")
    lab.eventually(lambda: "running" in {one["state"] for one in items(lab, run)})
    lose(lab)
    waits = lab.waiting(run)
    assert waits["waitingFor"]["vms"] == ["web-01"]
    assert [one["state"] for one in waits["items"]] == ["done", "done", "failed"]
    lose(lab, connected=True)
    assert lab.api("POST", f"operations/{run}/retry", {"vms": ["web-01"]}).status == 202
    shown = lab.ended(run)
    assert shown["state"] == "succeeded", failure_texts(shown)
    verbs = [("plannedFailover", "engine"), ("plannedFailover", "web-01"), ("failoverCommit", "engine")]
    assert sent(lab) == verbs


def test_what_an_earlier_run_left_undone_goes_vm_by_vm(lab: Lab) -> None:
    declare(lab)
    mirror(lab)
    run = start(lab, "failover")
    lab.eventually(lambda: "running" in {one["state"] for one in items(lab, run)})
    lose(lab)
    assert lab.ended(run)["state"] == "failed"
    lose(lab, connected=True)
    assert lab.ended(start(lab, "failover"))["state"] == "succeeded"
    assert sent(lab)[:2] == [("plannedFailover", "engine"), ("plannedFailover", "web-01")]
    assert {verb for verb, _ in sent(lab)[2:]} == {"failoverCommit"}


def test_a_step_for_a_person_is_a_manual_action_that_is_answered_through_the_operation(lab: Lab) -> None:
    """It is asked for once: by the recovery plan, not by this app besides."""
    call = {"name": "call the office", "kind": "manual", "instructions": "dial 123"}
    declare(lab, hooks={"failover": {"after": [call]}})
    mirror(lab)
    assert [a["actionName"] for a in groups(lab, "engine")[-1]["endGroupActions"]] == ["call the office - failover"]
    run = start(lab, "failover")
    waits = lab.waiting(run)
    assert "dial 123" in waits["waitingForText"]
    assert waits["waitingFor"]["choices"] == ["resume", "abort"]
    assert lab.api("POST", f"operations/{run}/resume", {"comment": "they know"}).status == 202
    shown = lab.ended(run)
    told = [(one["name"], one["moment"], one["state"]) for one in shown["hooks"]]
    assert (shown["state"], told) == ("succeeded", [("call the office - failover", "recovery-plan", "passed")])
    jobs = arm(lab, "GET", f"{VAULT}/replicationJobs", version="2025-08-01").body["value"]
    plans = [one for one in jobs if one["properties"]["scenarioName"] == "PlannedFailover"]
    (own,) = [one["name"] for one in plans if one["properties"]["targetInstanceType"] == "RecoveryPlan"]
    job = arm(lab, "GET", f"{VAULT}/replicationJobs/{own}", version="2025-08-01").body["properties"]
    details = [child["customDetails"] for task in job["tasks"] for child in children(task)]
    assert [one["observation"] for one in details if one["instanceType"] == "ManualActionTaskDetails"] == ["they know"]


def children(task: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (task["groupTaskCustomDetails"] or {}).get("childTasks", [])
    return found


def test_a_failback_that_waits_after_its_data_synchronisation_goes_on_at_the_recovery_plans_job(lab: Lab) -> None:
    declare(lab)
    mirror(lab)
    assert lab.ended(start(lab, "failover"))["state"] == "succeeded"
    run = start(lab, "failback", dataSync="minimise-downtime")
    waits = lab.waiting(run)
    assert waits["waitingFor"]["choices"] == ["resume", "abort"]
    lab.eventually(lambda: said_to_the_end(lab, run))
    shown = lab.ended(run)
    assert shown["state"] == "succeeded", failure_texts(shown)
    assert len(shown["decisions"]) >= len(MACHINES)


def said_to_the_end(lab: Lab, run: str) -> bool:
    """Say to go on whenever the run waits, group after group; whether it has ended."""
    state = lab.api("GET", f"operations/{run}").body["state"]
    if state == "waiting":
        lab.api("POST", f"operations/{run}/resume", {})
    return state in {"succeeded", "failed"}


def test_a_runbook_that_fails_in_a_recovery_plan_fails_the_run_and_is_told(lab: Lab) -> None:
    """The drill goes on, as Site Recovery does, and is cleaned up."""
    hook = {"name": "dns", "kind": "runbook", "runbook": f"{ACCOUNT}/runbooks/Open-Maintenance"}
    declare(lab, drill={"network": f"{NETWORKS}/vnet-drill", "timeToLive": "PT3H", "hooks": {"after": [hook]}})
    mirror(lab)
    fails = {"match": {"verb": "jobs/write"}, "effect": {"job": {"fail": "The zone is locked."}}}
    lab.azure("PUT", "faults", [fails])
    shown = lab.ended(start(lab, "drill"))
    assert shown["state"] == "failed"
    assert any("The zone is locked." in failure for failure in failure_texts(shown))
    told = [(one["name"], one["kind"], one["moment"], one["state"]) for one in shown["hooks"]]
    assert told == [("dns - drill", "runbook", "recovery-plan", "failed")]
    assert owed(lab) == set()
