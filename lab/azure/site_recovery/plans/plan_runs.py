"""Runs of recovery plans: the plan's job walks its groups, and each machine has a job of its own within it.

The machines of a group move at once, group after group; the last group's end is the plan's. A manual action makes the
plan's job wait for a person. A machine that fails holds nothing up: the plan then ends PartiallySucceeded, or Failed if
none succeeded (the first is a recorded end of a job, the rest is inferred).
"""

from datetime import timedelta
from typing import NamedTuple

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab, due
from lab.azure.site_recovery.api.common import ITEMS, PLANS
from lab.azure.site_recovery.api.errors import Caller
from lab.azure.site_recovery.api.request_fields import TO_AZURE
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.items.items import enter_state, state_of
from lab.azure.site_recovery.items.lifecycle import find_step
from lab.azure.site_recovery.jobs.durations import draw_duration
from lab.azure.site_recovery.jobs.group_tasks import MANUAL
from lab.azure.site_recovery.jobs.jobs import (
    KIND,
    OPEN,
    RESUMERS,
    advance_job,
    begin_cancelling,
    begin_job,
    fail_job,
    finish_job,
    resumes,
    suspend_job,
    when,
    whenever,
)
from lab.azure.site_recovery.jobs.kinds import KINDS, PLAN_KINDS
from lab.azure.site_recovery.plans.plan_actions import RUNBOOK, go_on, start_runbook
from lab.azure.site_recovery.plans.plans import members_of, target_of
from lab.azure.site_recovery.plans.run_steps import (
    BOOTING,
    actions_of,
    begin_step,
    children_of,
    end_step,
    groups_of,
    machines_of,
    steps_of,
    stop_groups,
    worst_of,
)
from lab.azure.site_recovery.sites.providers import is_connected
from lab.azure.site_recovery.sites.source_machines import set_power
from lab.azure.site_recovery.verbs.verbs import cleanup_details, commit_of, start_failback, start_verb, test_details

ACTION = (20.0, 60.0, 300.0)
"""Seconds of a script; assumed."""

SHUTDOWN = (10.0, 20.0, 60.0)
"""Seconds until all machines are off; assumed, near the share of a recorded failover."""

_PREFLIGHT = timedelta(seconds=2)
_MANUAL = "WaitingForManualAction"
_TIMES = {
    "PlannedFailover": "lastPlannedFailoverTime",
    "UnplannedFailover": "lastUnplannedFailoverTime",
    "TestFailover": "lastTestFailoverTime",
}


class Verb(NamedTuple):
    """What a plan is asked to do: the kind of its job, the operation on its machines, its input and its direction."""

    kind: str
    operation: str
    given: Json
    way: str = TO_AZURE


def begin_run(lab: Lab, plan: Json, verb: Verb, caller: Caller, fault_facts: Json) -> Json:
    """Begin a plan's job; gives it. Its machines are held from now on, whenever their turn comes."""
    kind, operation, given, way = verb
    groups = groups_of(plan, members_of(lab, plan), operation, way)
    shuts_down = operation == "PlannedFailover" or given.get("source") == "Required"
    facts: Json = {"input": given, "operation": operation, "plan": plan["id"], "groups": groups, "doing": None}
    facts |= {"todo": steps_of(groups, shuts_down=shuts_down), "turn": 0, "inner": [], "waiting": [], "off": []}
    facts |= {"details": _verb_details(operation, given), "driven": True, "asked": True} | fault_facts
    job = begin_job(lab, plan["vault"], kind, target_of(plan), caller, **facts)
    note_scenario(lab, job, plan)
    if not job.get("never"):
        _hold_machines(lab, job)
        go_on(lab, job, _PREFLIGHT)
    return job


def _verb_details(operation: str, given: Json) -> Json:
    if operation == "TestFailover":
        return test_details(given["network"])
    return cleanup_details(given["comments"]) if operation == "TestFailoverCleanup" else {"protectedItemDetails": []}


def note_scenario(lab: Lab, job: Json, plan: Json) -> None:
    """Keep the plan's current scenario."""
    name = job["kind"].removeprefix("Plan")
    plan["scenario"] = {"scenarioName": name, "jobId": job["id"], "startTime": job["starts"]}
    plan |= {"status": job["state"], "statusDescription": job["stateDescription"]}
    lab.store.put(PLANS, plan["id"], plan)


def _hold_machines(lab: Lab, job: Json) -> None:
    """Let the machines that wait for their group be busy with the plan's job (inferred)."""
    for item in _items_of(lab, job) if job["operation"] in BOOTING else []:
        taken_step = find_step(job["operation"], state_of(item))
        if taken_step and item["scenario"] is None:
            held = {"name": taken_step.scenario, "job": job["id"], "startTime": job["starts"], "held": True}
            lab.store.put(ITEMS, item["id"], item | {"scenario": held})


def _items_of(lab: Lab, job: Json) -> list[Json]:
    found = (lab.store.get(ITEMS, machine["item"]) for machine in machines_of(job))
    return [item for item in found if item is not None]


def _is_held(item: Json, job: Json) -> bool:
    return bool(item["scenario"] and item["scenario"]["job"] == job["id"])


def _release_machines(lab: Lab, job: Json) -> None:
    """Free the machines that the run never came to; those that it has shut down stay off (inferred)."""
    for item in _items_of(lab, job):
        if _is_held(item, job):
            enter_state(lab, item, state_of(item))


@due("asr.plan-goes-on")
def continue_run(lab: Lab, args: Json) -> None:
    """Take the next step of a run, or finish it."""
    job = lab.store.get(KIND, args["job"])
    if job is None or job["state"] != "InProgress" or job["waiting"] or job["turn"] != args["turn"]:
        return
    job["turn"] += 1
    advance_job(lab, job, 0)
    end_step(job, exact_time(lab.now()))
    if not job["todo"]:
        _finish_run(lab, job)
        return
    doing = begin_step(job, exact_time(lab.now()))
    _DO[doing["do"]](lab, job)
    lab.store.put(KIND, job["id"], job)


def shut_down_machines(lab: Lab, job: Json) -> None:
    """Begin to shut the machines down."""
    lab.call_after(_draw_duration(lab, job, SHUTDOWN), "asr.plan-shuts-down", {"job": job["id"]})


@due("asr.plan-shuts-down")
def finish_shutdown(lab: Lab, args: Json) -> None:
    """The machines whose host is connected are off."""
    job = lab.store.get(KIND, args["job"])
    if job is None or job["state"] != "InProgress":
        return
    for item in _items_of(lab, job):
        if _is_held(item, job) and is_connected(lab, item["provider"]):
            set_power(lab, item, "Off")
            job["off"].append(item["id"])
    start_machines(lab, job)  # a plan may name machines in its Shutdown group too


def run_action(lab: Lab, job: Json) -> None:
    """Run a script or a runbook, or wait for the person who does a manual action."""
    (child,) = children_of(job, job["doing"])
    match child["action"]["customDetails"]["instanceType"]:
        case kind if kind == MANUAL:
            job["suspend"] = {"description": _MANUAL}
            suspend_job(lab, job, 1)
            _note_again(lab, job)
        case kind if kind == RUNBOOK:
            start_runbook(lab, job, child)
        case _:
            go_on(lab, job, _draw_duration(lab, job, ACTION))


def _draw_duration(lab: Lab, job: Json, bounds: tuple[float, float, float]) -> timedelta:
    return draw_duration(bounds, lab.seed, job["name"], job["turn"])


def start_machines(lab: Lab, job: Json) -> None:
    """Begin the job of each machine of the step."""
    for child in children_of(job, job["doing"]):
        item = lab.store.get(ITEMS, child["item"])
        if item is None:  # no longer protected since the run began
            child |= {"state": "Other", "ended": exact_time(lab.now())}
            continue
        if _is_held(item, job):
            enter_state(lab, item, state_of(item))
        inner = _start_verb(lab, item, job, Caller(lab.new_id("client"), lab.new_id("correlation")))
        inner["within"] = job["id"]
        child["job"] = _job_entity(inner)
        job["inner"].append(inner["id"])
        job["waiting"].append(inner["id"])
        lab.store.put(KIND, inner["id"], inner)
    lab.store.put(KIND, job["id"], job)
    if not job["waiting"]:
        go_on(lab, job)


def _job_entity(inner: Json) -> Json:
    kind = KINDS[inner["kind"]]
    return {
        "jobId": inner["id"],
        "jobFriendlyName": kind.title,
        "targetObjectId": inner["target"],
        "targetObjectName": inner["targetName"],
        "targetInstanceType": kind.target,
        "jobScenarioName": kind.scenario,
    }


def _start_verb(lab: Lab, item: Json, job: Json, caller: Caller) -> Json:
    operation, given = job["operation"], dict(job["input"])
    if operation == "Failback":
        return start_failback(lab, item, caller, given)
    shown = _verb_details(operation, given) if operation in (*BOOTING, "TestFailoverCleanup") else {}
    return start_verb(lab, item, commit_of(item) if operation == "Commit" else operation, caller, given, **shown)


@whenever("Succeeded")
@whenever("Failed")
@whenever("Cancelled")
def end_machine(lab: Lab, inner: Json) -> None:
    """The job of a machine has ended; the run goes on when no other is left in the step."""
    job = lab.store.get(KIND, inner["within"]) if inner.get("within") else None
    if job is None or inner["id"] not in job["waiting"]:
        return
    job["waiting"].remove(inner["id"])
    job["errors"] += inner["errors"]
    job["details"]["protectedItemDetails"] += inner.get("details", {}).get("protectedItemDetails", [])
    for child in machines_of(job):
        if child["job"] and child["job"]["jobId"] == inner["id"]:
            child |= {"state": inner["state"], "ended": exact_time(lab.now()), "errors": inner["errors"]}
    lab.store.put(KIND, job["id"], job)
    if job["waiting"]:
        _wait_with_machines(lab, job)
    else:
        go_on(lab, job)


@whenever("Suspended")
def suspend_with_machine(lab: Lab, inner: Json) -> None:
    """The job of a machine waits for a person."""
    if inner.get("within") and (job := lab.store.get(KIND, inner["within"])):
        _wait_with_machines(lab, job)


def _wait_with_machines(lab: Lab, job: Json) -> None:
    """A plan whose machines all wait after their data synchronization waits with them, group after group."""
    states = {inner["state"]: inner["stateDescription"] for inner in _waited_for(lab, job)}
    if job["state"] == "InProgress" and states.keys() == {"Suspended"}:
        job["suspend"] = {"description": states["Suspended"]}
        suspend_job(lab, job, 1)
        _note_again(lab, job)


def _waited_for(lab: Lab, job: Json) -> list[Json]:
    found = (lab.store.get(KIND, name) for name in job["waiting"])
    return [inner for inner in found if inner is not None]


def cancel_machines(lab: Lab, job: Json) -> None:
    """Cancel the jobs of the machines with the plan's."""
    for inner in _waited_for(lab, job):
        if inner["state"] in OPEN:
            begin_cancelling(lab, inner)
    stop_groups(job, exact_time(lab.now()))
    _release_machines(lab, job)
    _note_again(lab, job)


def _note_again(lab: Lab, job: Json) -> None:
    if plan := lab.store.get(PLANS, job["plan"]):
        note_scenario(lab, job, plan)


def _finish_run(lab: Lab, job: Json) -> None:
    """End the plan's job as its machines ended."""
    _release_machines(lab, job)
    state = worst_of(child["state"] for child in machines_of(job))
    failed = [child for child in actions_of(job) if child["state"] == "Failed"]
    job["errors"] += [error for child in failed for error in child["errors"]]
    if failed and state == "Succeeded":
        state = "PartiallySucceeded"
    if "fail" in job:
        fail_job(lab, job, len(job["ends"]) - 1)
    else:
        finish_job(lab, job, job.get("fault", {}).get("end", state))
    _note_again(lab, job)
    plan = lab.store.get(PLANS, job["plan"])
    if plan and job["state"] == "Succeeded" and job["operation"] in _TIMES:
        plan[_TIMES[job["operation"]]] = job["starts"]
        lab.store.put(PLANS, plan["id"], plan)


def resume_run(lab: Lab, job: Json) -> None:
    """Go on after a manual action that was done, or with the machines' final synchronization."""
    job |= {"state": "InProgress", "stateDescription": "InProgress", "suspend": {}}
    if job["doing"]["do"] == "action":
        children_of(job, job["doing"])[0]["comments"] = job.get("comments")
    lab.store.put(KIND, job["id"], job)
    _note_again(lab, job)
    for inner in _waited_for(lab, job):
        if inner["state"] == "Suspended":
            RESUMERS[inner["kind"]](lab, inner)
    go_on(lab, job)


@when("PlanTestFailoverCleanup", "Succeeded")
def complete_tests(lab: Lab, job: Json) -> None:
    """A cleanup of the plan's machines completes the test failovers that the plan ran."""
    for tested in lab.store.all(KIND, job["vault"]):
        if tested["kind"] == "PlanTestFailover" and tested["plan"] == job["plan"] and tested["ended"]:
            tested["details"]["testFailoverStatus"] = "Completed"
            lab.store.put(KIND, tested["id"], tested)


_DO = {"shutdown": shut_down_machines, "machines": start_machines, "action": run_action}

for _kind in PLAN_KINDS:
    resumes(_kind)(resume_run)
    when(_kind, "Cancelled")(cancel_machines)
