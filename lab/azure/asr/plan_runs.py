"""The verbs of recovery plans: one job for the plan; the work on its machines happens within it.

Every machine fails over at once; the groups order what comes after, their actions. A manual action makes the job wait.
"""

from datetime import timedelta
from typing import Any

from lab.azure.agenda import due
from lab.azure.answers import Answer, Json
from lab.azure.asr.common import PLANS, SITE_RECOVERY, asker, require, taken
from lab.azure.asr.inputs import (
    TO_AZURE,
    TO_PRIMARY,
    details,
    direction,
    failback_options,
    network,
    properties,
    source_operations,
)
from lab.azure.asr.items import enter, state_of
from lab.azure.asr.jobs import (
    KIND,
    OPEN,
    RESUMERS,
    advance,
    begin,
    cancel,
    fail,
    finish,
    resumes,
    suspend,
    when,
    whenever,
)
from lab.azure.asr.kinds import PLAN_KINDS
from lab.azure.asr.plans import PLAN, SEGMENT, members_of, target_of
from lab.azure.asr.problems import Asker, wrong_direction, wrong_input
from lab.azure.asr.verbs import commit_of, start, start_failback
from lab.azure.asr.wishes import wishes
from lab.azure.lab import Lab
from lab.azure.routing import Ask

_ACTION_TAKES = timedelta(seconds=60)
_MANUAL = "WaitingForManualAction"
_TIMES = {
    "PlannedFailover": "lastPlannedFailoverTime",
    "UnplannedFailover": "lastUnplannedFailoverTime",
    "TestFailover": "lastTestFailoverTime",
}


def _list_of_details(ask: Ask, body: Json, *types: str) -> Json:
    """The first of providerSpecificDetails, which at the level of a plan is a list.

    Raises:
        ArmError: 400 when it is no list or names another provider.
    """
    given = body.get("providerSpecificDetails")
    if not isinstance(given, list) or not given:
        raise wrong_input("'providerSpecificDetails' must be a list.", asker(ask))
    return details(ask, {"providerSpecificDetails": given[0]}, *types)


def _run(lab: Lab, ask: Ask, kind: str, operation: str, given: Json, way: str = TO_AZURE) -> Answer:
    """Begin a plan's job and its first step."""
    plan = require(lab, ask, PLANS, SEGMENT)
    wish = wishes(lab.faults.job_effect(ask.verb, ask.item, ask.path), kind)
    facts: Json = {"input": given, "operation": operation, "plan": plan["id"], "inner": [], "waiting": []}
    facts |= {"todo": _steps(plan, operation, way), "driven": True, "asked": True}
    facts |= {"details": {"protectedItemDetails": []}} | wish
    job = begin(lab, plan["vault"], kind, target_of(plan), asker(ask), **facts)
    _note(lab, job, plan)
    if not job.get("never"):
        lab.after(timedelta(seconds=2), "asr.plan-goes-on", {"job": job["id"]})
    return taken(lab, ask, job)


def _note(lab: Lab, job: Json, plan: Json) -> None:
    """Keep the plan's current scenario."""
    name = job["kind"].removeprefix("Plan")
    plan["scenario"] = {"scenarioName": name, "jobId": job["id"], "startTime": job["starts"]}
    plan |= {"status": job["state"], "statusDescription": job["stateDescription"]}
    lab.store.put(PLANS, plan["id"], plan)


def _steps(plan: Json, operation: str, way: str) -> list[Json]:
    """What is to be done, in order: {"machines": True} or {"action": ...}."""
    steps: list[Json] = []
    for group in plan["groups"]:
        steps += [{"action": action} for action in _acting(group["startGroupActions"], operation, way)]
        if group["groupType"] == "Failover":
            steps.append({"machines": True})
        steps += [{"action": action} for action in _acting(group["endGroupActions"], operation, way)]
    return steps


def _acting(actions: list[Json], operation: str, way: str) -> list[Json]:
    return [
        action
        for action in actions
        if operation in action["failoverTypes"] and way in (action["failoverDirections"] or [TO_AZURE])
    ]


@due("asr.plan-goes-on")
def _go_on(lab: Lab, args: Json) -> None:
    job = lab.store.get(KIND, args["job"])
    if job is None or job["state"] != "InProgress" or job["waiting"]:
        return
    advance(lab, job, 1 if job["inner"] else 0)
    if not job["todo"]:
        _finish(lab, job)
        return
    doing = job["todo"].pop(0)
    lab.store.put(KIND, job["id"], job)
    if doing.get("machines"):
        _start_machines(lab, job)
    elif doing["action"]["customDetails"]["instanceType"] == "ManualActionDetails":
        job["suspend"] = {"description": _MANUAL}
        suspend(lab, job, 1)
    else:
        lab.after(_ACTION_TAKES, "asr.plan-goes-on", args)


def _start_machines(lab: Lab, job: Json) -> None:
    plan = lab.store.get(PLANS, job["plan"])
    for item in members_of(lab, plan) if plan else []:
        who = Asker(lab.new_id("client"), lab.new_id("correlation"))
        inner = _start(lab, item, job, who)
        inner["within"] = job["id"]
        job["inner"].append(inner["id"])
        job["waiting"].append(inner["id"])
        lab.store.put(KIND, inner["id"], inner)
        if item["scenario"] and item["scenario"]["job"] == inner["id"]:
            enter(lab, item, state_of(item), inner, item["scenario"]["name"])
    lab.store.put(KIND, job["id"], job)
    if not job["waiting"]:
        lab.after(timedelta(seconds=1), "asr.plan-goes-on", {"job": job["id"]})


def _start(lab: Lab, item: Json, job: Json, who: Asker) -> Json:
    operation, given = job["operation"], dict(job["input"])
    if operation == "Failback":
        return start_failback(lab, item, who, given)
    shown: dict[str, Any] = {"protectedItemDetails": []}
    if operation in ("TestFailover", "TestFailoverCleanup"):
        shown |= {"testFailoverStatus": "Active" if operation == "TestFailover" else None}
    return start(lab, item, commit_of(item) if operation == "Commit" else operation, who, given, **shown)


@whenever("Succeeded")
@whenever("Failed")
@whenever("Cancelled")
def _machine_done(lab: Lab, inner: Json) -> None:
    job = lab.store.get(KIND, inner["within"]) if inner.get("within") else None
    if job is None or inner["id"] not in job["waiting"]:
        return
    job["waiting"].remove(inner["id"])
    job["errors"] += inner["errors"]
    job["details"]["protectedItemDetails"] += inner.get("details", {}).get("protectedItemDetails", [])
    lab.store.put(KIND, job["id"], job)
    if not job["waiting"]:
        lab.after(timedelta(seconds=1), "asr.plan-goes-on", {"job": job["id"]})


@whenever("Suspended")
def _machine_waits(lab: Lab, inner: Json) -> None:
    """A plan whose machines wait after their data synchronization waits with them."""
    job = lab.store.get(KIND, inner["within"]) if inner.get("within") else None
    if job and job["state"] == "InProgress":
        job["suspend"] = {"description": inner["stateDescription"]}
        suspend(lab, job, 1)


def _cancel_machines(lab: Lab, job: Json) -> None:
    for inner in [lab.store.get(KIND, name) for name in job["waiting"]]:
        if inner and inner["state"] in OPEN:
            cancel(lab, inner)
    if plan := lab.store.get(PLANS, job["plan"]):
        _note(lab, job, plan)


def _finish(lab: Lab, job: Json) -> None:
    """End the plan's job as its machines ended: some failed makes it PartiallySucceeded, all Failed."""
    states = [inner["state"] for inner in (lab.store.get(KIND, name) for name in job["inner"]) if inner]
    failed = sum(state != "Succeeded" for state in states)
    state = "Succeeded" if not failed else "Failed" if failed == len(states) else "PartiallySucceeded"
    if "fail" in job:
        fail(lab, job, len(job["ends"]) - 1)
    else:
        finish(lab, job, job.get("wish", {}).get("end", state))
    plan = lab.store.get(PLANS, job["plan"])
    if plan is None:
        return
    _note(lab, job, plan)
    if job["state"] == "Succeeded" and job["operation"] in _TIMES:
        plan[_TIMES[job["operation"]]] = job["starts"]
        lab.store.put(PLANS, plan["id"], plan)


def _resume(lab: Lab, job: Json) -> None:
    """Go on after a manual action that was done, or with the machines' final synchronization."""
    job |= {"state": "InProgress", "stateDescription": "InProgress", "suspend": {}}
    lab.store.put(KIND, job["id"], job)
    for inner in [lab.store.get(KIND, name) for name in job["waiting"]]:
        if inner and inner["state"] == "Suspended":
            RESUMERS[inner["kind"]](lab, inner)
    lab.after(timedelta(seconds=1), "asr.plan-goes-on", {"job": job["id"]})


@SITE_RECOVERY.route("POST", PLAN + "/testFailover")
def start_test_failover(lab: Lab, ask: Ask) -> Answer:
    """Test all machines of the plan."""
    body = properties(ask)
    _require_to_azure(ask, body)
    chosen = network(ask, body)
    _list_of_details(ask, body)
    return _run(lab, ask, "PlanTestFailover", "TestFailover", {"network": chosen, "point": None})


@SITE_RECOVERY.route("POST", PLAN + "/testFailoverCleanup")
def clean_up_test_failover(lab: Lab, ask: Ask) -> Answer:
    """Clean up after all machines' tests."""
    properties(ask)
    return _run(lab, ask, "PlanTestFailoverCleanup", "TestFailoverCleanup", {})


@SITE_RECOVERY.route("POST", PLAN + "/plannedFailover")
def start_planned_failover(lab: Lab, ask: Ask) -> Answer:
    """Fail the plan over, or back."""
    body = properties(ask)
    if direction(ask, body) == TO_PRIMARY:
        given = failback_options(ask, _list_of_details(ask, body, "HyperVReplicaAzureFailback"))
        return _run(lab, ask, "PlanFailback", "Failback", given, TO_PRIMARY)
    _list_of_details(ask, body)
    return _run(lab, ask, "PlanPlannedFailover", "PlannedFailover", {"point": None})


@SITE_RECOVERY.route("POST", PLAN + "/unplannedFailover")
def start_unplanned_failover(lab: Lab, ask: Ask) -> Answer:
    """Fail the plan over without its site."""
    body = properties(ask)
    _require_to_azure(ask, body)
    source = source_operations(ask, body)
    _list_of_details(ask, body)
    return _run(lab, ask, "PlanUnplannedFailover", "UnplannedFailover", {"point": None, "source": source})


@SITE_RECOVERY.route("POST", PLAN + "/failoverCommit")
def commit_failover(lab: Lab, ask: Ask) -> Answer:
    """Commit the failover or the failback of all machines."""
    return _run(lab, ask, "PlanCommitFailover", "Commit", {})


@SITE_RECOVERY.route("POST", PLAN + "/reProtect")
def reprotect(lab: Lab, ask: Ask) -> Answer:
    """Replicate all machines to Azure again."""
    return _run(lab, ask, "PlanReverseReplication", "ReverseReplicate", {})


@SITE_RECOVERY.route("POST", PLAN + "/failoverCancel")
def cancel_failover(lab: Lab, ask: Ask) -> Answer:
    """Give the failover of all machines up."""
    return _run(lab, ask, "PlanCancelFailover", "CancelFailover", {})


def _require_to_azure(ask: Ask, body: Json) -> None:
    if direction(ask, body) != TO_AZURE:
        raise wrong_direction(asker(ask))


for _kind in PLAN_KINDS:
    resumes(_kind)(_resume)
    when(_kind, "Cancelled")(_cancel_machines)
