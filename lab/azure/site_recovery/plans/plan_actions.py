"""The actions of a recovery plan: what a script or a runbook does, how long that takes, and how it ends.

A runbook is a job of its Automation account: one that is not there, is not published or fails makes its action fail
(inferred). Documented of scripts: where one fails a planned failover stops, and an unplanned one goes on; the other
operations go on as well (inferred). An action whose time is over has failed; without a `timeout` it has an hour
(assumed).
"""

import json
from datetime import timedelta

from lab.azure.automation import end_of_job, start_for_plan
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab, due, parse_instant
from lab.azure.site_recovery.api.errors import job_error
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.jobs.jobs import KIND
from lab.azure.site_recovery.plans.run_steps import children_of, skip_rest

RUNBOOK = "AutomationRunbookActionDetails"
_LOOKS_EVERY = timedelta(seconds=5)
_USUAL_TIMEOUT = timedelta(hours=1)
_STOPS = frozenset({"PlannedFailover"})


def start_runbook(lab: Lab, job: Json, child: Json) -> None:
    """Start the runbook of an action, and look at its job until it has ended."""
    given = child["action"]["customDetails"]
    name = lab.fixed_id("plan action", job["name"], str(job["turn"]))
    try:
        child["runs"] = start_for_plan(lab, str(given.get("runbookId")), name, _context_of(job))
    except ValueError as missing:
        _fail_action(lab, job, child, str(missing))
        return
    lab.call_after(_LOOKS_EVERY, "asr.plan-runbook", {"job": job["id"], "turn": job["turn"]})


def _context_of(job: Json) -> str:
    """What a runbook is told of the plan, as documented: among others the name, the way and the operation."""
    test = job["operation"] == "TestFailover"
    context = {"RecoveryPlanName": job["targetName"], "FailoverType": "Test" if test else job["operation"]}
    return json.dumps(context | {"FailoverDirection": "PrimaryToSecondary", "GroupId": str(job["doing"]["group"])})


@due("asr.plan-runbook")
def look_at_runbook(lab: Lab, args: Json) -> None:
    """Go on when the runbook has ended, or its time is over."""
    job = lab.store.get(KIND, args["job"])
    if job is None or job["state"] != "InProgress" or job["turn"] != args["turn"]:
        return
    (child,) = children_of(job, job["doing"])
    ended = end_of_job(lab, child["runs"])
    if ended is None and lab.now() - parse_instant(child["began"]) < _timeout_of(child):
        lab.call_after(_LOOKS_EVERY, "asr.plan-runbook", args)
    elif ended and ended[0] == "Completed":
        go_on(lab, job)
    else:
        _fail_action(lab, job, child, ended[1] or f"The job is {ended[0]}." if ended else "The action timed out.")


def _timeout_of(child: Json) -> timedelta:
    hours, _, rest = str(child["action"]["customDetails"].get("timeout") or "").partition(":")
    minutes, _, seconds = rest.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and seconds.isdigit()):
        return _USUAL_TIMEOUT
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))


def _fail_action(lab: Lab, job: Json, child: Json, why: str) -> None:
    now = exact_time(lab.now())
    child |= {"state": "Failed", "ended": now, "errors": [_error_of(lab, job, child, why)]}
    if job["operation"] in _STOPS:
        skip_rest(job)
    go_on(lab, job)


def _error_of(lab: Lab, job: Json, child: Json, why: str) -> Json:
    """Assumed: the code and the words with which Site Recovery tells of an action that failed are not public."""
    details = {"activity": job["activityId"], "error_id": lab.new_id("error"), "created": exact_time(lab.now())}
    error = job_error("499", **details)
    error["serviceErrorDetails"] |= {"message": f"The action '{child['title']}' failed: {why}", "possibleCauses": why}
    return error | {"taskId": child["id"]}


def go_on(lab: Lab, job: Json, after: timedelta = timedelta(seconds=1)) -> None:
    """On to the next step of the run."""
    lab.store.put(KIND, job["id"], job)
    lab.call_after(after, "asr.plan-goes-on", {"job": job["id"], "turn": job["turn"]})
