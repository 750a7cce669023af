"""Microsoft.Automation: accounts, runbooks that are there, and the jobs that run them.

Source: Microsoft.Automation 2024-10-23, automationAccounts/jobs, and the JobStatus of its SDKs: a PUT creates a job
under the caller's name and starts it, New, Activating, Running, then Completed, Failed, Stopped or Suspended.
Automation's own errors stand in the body without an envelope; a job that is there already answers 409 "Job with
specified id already exists" (both as reported of the service). Inferred: how it refuses a runbook that is not
published, a group of workers that there is not, and a stop of a job that has ended; that a job fails which lacks a
mandatory parameter or is given one that its runbook has not. Durations are drawn around what the scenario says.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from lab.azure.arm import activity_log, resources
from lab.azure.arm.crud import serve_get, serve_list
from lab.azure.arm.ids import name_of, resource_id
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, Json, bad_request
from lab.azure.simulator.lab import SUBSCRIPTION, Lab, due, to_iso
from lab.azure.simulator.requests import ArmRequest, require_field

ACCOUNT = "Microsoft.Automation/automationAccounts"
RUNBOOK, JOB = f"{ACCOUNT}/runbooks", f"{ACCOUNT}/jobs"
ACCOUNTS = resources.GROUP_PATH + "/providers/Microsoft.Automation/automationAccounts"
ONE = ACCOUNTS + "/{account}"
RUNBOOKS, JOBS = ONE + "/runbooks", ONE + "/jobs"
ACTIVATES_AFTER, RUNS_AFTER, STOPS_AFTER = (timedelta(seconds=seconds) for seconds in (5, 20, 10))
ENDED = frozenset({"Completed", "Failed", "Stopped", "Suspended"})
_LISTED = (
    "jobId",
    "runbook",
    "status",
    "creationTime",
    "startTime",
    "endTime",
    "lastModifiedTime",
    "provisioningState",
    "runOn",
)
"""What the contract's JobCollectionItemProperties have: a list says neither who started a job nor why it failed."""
_CONTEXT = "recoveryplancontext"
PLAY, WORKERS = "automation-play", "automation-workers"


def _describe_call(_lab: Lab, request: ArmRequest) -> tuple[str, str]:
    """A job is known to faults and the ledger by its runbook."""
    named = request.body if isinstance(request.body, dict) else {}
    runbook = (named.get("properties") or {}).get("runbook") if isinstance(named.get("properties"), dict) else None
    name = runbook.get("name") if isinstance(runbook, dict) else None
    return request.verb, str(name or request.item)


provider = Provider("Microsoft.Automation", {"2023-11-01", "2024-10-23"}, _describe_call)


def add_account(lab: Lab, settings: Json) -> None:
    """Make an account: {group, name, runbooks: [{name, minutes, parameters?, output?, state?}], workers?}.

    A runbook's `parameters` say for each name whether it is mandatory; in its `output` {Name} is a parameter's value.
    """
    account = resource_id(SUBSCRIPTION, settings["group"], ACCOUNT, settings["name"])
    resources.put_resource(lab, account, {"state": "Ok", "sku": {"name": "Basic"}, "creationTime": to_iso(lab.now())})
    lab.store.put(WORKERS, account, {"groups": settings.get("workers", [])})
    for runbook in settings["runbooks"]:
        arm_id = f"{account}/runbooks/{runbook['name']}"
        resources.put_resource(lab, arm_id, _runbook_properties(lab, runbook))
        lab.store.put(PLAY, arm_id, {"minutes": runbook["minutes"], "output": runbook.get("output", "")})


def _runbook_properties(lab: Lab, runbook: Json) -> Json:
    return {
        "runbookType": "PowerShell72",
        "state": runbook.get("state", "Published"),
        "provisioningState": "Succeeded",
        "logVerbose": False,
        "logProgress": False,
        "creationTime": to_iso(lab.now()),
        "lastModifiedTime": to_iso(lab.now()),
        "parameters": {
            name: {"type": "System.String", "isMandatory": mandatory, "position": at, "defaultValue": None}
            for at, (name, mandatory) in enumerate(runbook.get("parameters", {}).items())
        },
    }


def _own_error(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"code": code, "message": message})


@provider.route("GET", RUNBOOKS)
@provider.route("GET", JOBS)
def list_below(lab: Lab, request: ArmRequest) -> Answer:
    """The runbooks or the jobs of an account; a list of jobs says less than each job."""
    account = resources.require_resource(lab, request.id_up_to("automationAccounts"))
    found = lab.store.all(f"{ACCOUNT}/{name_of(request.path)}".lower(), account["id"])
    return paged_answer(request, [_listed_document(document) for document in found])


def _listed_document(document: Json) -> Json:
    if document["type"].lower() != JOB.lower():
        return document
    return document | {"properties": {key: document["properties"][key] for key in _LISTED}}


@provider.route("GET", RUNBOOKS + "/{runbook}")
@provider.route("GET", JOBS + "/{job}")
def get_below(lab: Lab, request: ArmRequest) -> Answer:
    """One runbook or job."""
    resources.require_resource(lab, request.id_up_to("automationAccounts"))
    found = resources.find_resource(lab, request.path)
    if found is None:
        return _own_error(404, "NotFound", f"{name_of(request.path)} not found.")
    return Answer(200, _job_document(found))


def _job_document(document: Json) -> Json:
    """A job without what the lab keeps with it."""
    return document | {"properties": {k: v for k, v in document["properties"].items() if k != "fault"}}


@provider.route("PUT", JOBS + "/{job}")
def put_job(lab: Lab, request: ArmRequest) -> Answer:
    """Create a job and start it: 201; one that is there is not started again."""
    account = resources.require_resource(lab, request.id_up_to("automationAccounts"))
    body = request.require_object()
    name = str(require_field(body, "properties", "runbook", "name"))
    parameters, workers = _require_parameters(body["properties"]), body["properties"].get("runOn") or ""
    runbook = resources.find_resource(lab, f"{account['id']}/runbooks/{name}")
    if refusal := _find_refusal(lab, account, name, runbook, workers):
        return refusal
    if resources.find_resource(lab, request.path) is not None:
        message = f"Job with specified id already exists. Job id: {request.params['job']}"
        return _own_error(409, "Conflict", message)
    play = Play(name, parameters, workers, request.principal)
    job = _enter_job(lab, request.path, play, lab.faults.job_effect(request.verb, name, request.path, request.method))
    activity_log.log_ended(lab, activity_log.origin_of(request), job["id"], f"{JOB}/write")
    request.job = request.params["job"]
    return Answer(201, _job_document(job))


class Play(NamedTuple):
    """What a job runs, for whom."""

    runbook: str
    parameters: dict[str, str]
    workers: Any
    starter: str


def _enter_job(lab: Lab, arm_id: str, play: Play, fault: Json | None) -> Json:
    properties = _new_job_properties(lab, arm_id, play) | {"fault": fault or {}}
    lab.call_after(ACTIVATES_AFTER, "automation-job-steps", {"job": arm_id, "to": "Activating"})
    return resources.put_resource(lab, arm_id, properties, location=None)


def start_for_plan(lab: Lab, runbook_id: str, job: str, context: str) -> str:
    """Start a runbook for a recovery plan, with the plan's context where it takes that; gives the job's ARM id.

    Args:
        lab: The lab.
        runbook_id: ARM id of the runbook.
        job: What the job is called.
        context: RecoveryPlanContext, as JSON.

    Raises:
        ValueError: why it cannot be started.
    """
    account, _, name = runbook_id.partition("/runbooks/")
    runbook = resources.find_resource(lab, runbook_id) if name else None
    if runbook is None:
        raise ValueError(f"Runbook {name or runbook_id} not found.")
    if runbook["properties"]["state"] != "Published":
        raise ValueError(f"Runbook {name} is not published.")
    takes = {each.lower(): each for each in runbook["properties"]["parameters"]}
    parameters = {takes[_CONTEXT]: context} if _CONTEXT in takes else {}
    arm_id = f"{account}/jobs/{job}"
    fault = lab.faults.job_effect("jobs/write", name, arm_id, "PUT")
    return str(_enter_job(lab, arm_id, Play(name, parameters, "", "Azure Site Recovery"), fault)["id"])


def end_of_job(lab: Lab, arm_id: str) -> tuple[str, str] | None:
    """How a job has ended, Completed or not, and why; None while it goes on."""
    job = resources.find_resource(lab, arm_id)
    if job is None:
        return "Failed", "The job is gone."
    properties = job["properties"]
    return (properties["status"], properties["exception"] or "") if properties["status"] in ENDED else None


def _require_parameters(properties: Json) -> dict[str, str]:
    given = properties.get("parameters") or {}
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise bad_request("InvalidRequestContent", "'properties.parameters' must be an object of strings.")
    return given


def _find_refusal(lab: Lab, account: Json, name: str, runbook: Json | None, workers: Any) -> Answer | None:
    if runbook is None:
        return _own_error(404, "NotFound", f"Runbook {name} not found.")
    if runbook["properties"]["state"] != "Published":
        return _own_error(400, "BadRequest", f"Runbook {name} is not published.")
    groups = (lab.store.get(WORKERS, account["id"]) or {"groups": []})["groups"]
    if workers and workers not in groups:
        return _own_error(400, "BadRequest", f"There is no hybrid runbook worker group {workers!r}.")
    return None


def _new_job_properties(lab: Lab, arm_id: str, play: Play) -> Json:
    now = to_iso(lab.now())
    return {
        "jobId": lab.fixed_id("automation job", arm_id),
        "runbook": {"name": play.runbook},
        "provisioningState": "Processing",
        "creationTime": now,
        "startTime": None,
        "endTime": None,
        "exception": None,
        "lastModifiedTime": now,
        "lastStatusModifiedTime": now,
        "startedBy": play.starter,
        "status": "New",
        "statusDetails": "None",
        "parameters": play.parameters,
        "runOn": play.workers or None,
    }


@due("automation-job-steps")
def advance_job(lab: Lab, args: Json) -> None:
    """On to the next status, unless the job has ended or is to stop."""
    job = resources.find_resource(lab, args["job"])
    if job is None or job["properties"]["status"] in ENDED | {"Stopping"}:
        return
    _set_status(lab, job, args["to"])
    if args["to"] == "Activating":
        lab.call_after(RUNS_AFTER, "automation-job-steps", {**args, "to": "Running"})
        return
    job["properties"]["startTime"] = to_iso(lab.now())
    if "never" not in job["properties"]["fault"]:
        drawn = lab.random_for("automation job", job["name"]).uniform(0.8, 1.2)
        lab.call_after(
            timedelta(minutes=_play_of(lab, job)["minutes"] * drawn), "automation-job-ends", {"job": job["id"]}
        )


def _set_status(lab: Lab, job: Json, status: str, exception: str | None = None) -> None:
    now = to_iso(lab.now())
    job["properties"] |= {"status": status, "lastModifiedTime": now, "lastStatusModifiedTime": now}
    if status in ENDED:
        succeeded = {"Completed": "Succeeded", "Suspended": "Suspended"}.get(status, "Failed")
        job["properties"] |= {"exception": exception, "provisioningState": succeeded}
        job["properties"]["endTime"] = None if status == "Suspended" else now
    resources.save_resource(lab, job)


def _runbook_id(job: Json) -> str:
    return f"{job['id'].rpartition('/jobs/')[0]}/runbooks/{job['properties']['runbook']['name']}"


def _play_of(lab: Lab, job: Json) -> Json:
    return lab.store.get(PLAY, _runbook_id(job)) or {"minutes": 1, "output": ""}


@due("automation-job-ends")
def end_job(lab: Lab, args: Json) -> None:
    """The job ends: as a fault says, else as its parameters fit its runbook."""
    job = resources.find_resource(lab, args["job"])
    if job is None or job["properties"]["status"] != "Running":
        return
    fault = job["properties"]["fault"]
    if "suspend" in fault or "end" in fault:
        _set_status(lab, job, "Suspended" if "suspend" in fault else fault["end"])
    elif wrong := fault.get("message") or fault.get("fail") or _parameter_error(lab, job):
        _set_status(lab, job, "Failed", str(wrong))
    else:
        _set_status(lab, job, "Completed")


def _parameter_error(lab: Lab, job: Json) -> str:
    """What PowerShell says of parameters that are missing or unknown."""
    declared = (resources.find_resource(lab, _runbook_id(job)) or {"properties": {"parameters": {}}})["properties"][
        "parameters"
    ]
    given = {name.lower() for name in job["properties"]["parameters"]}
    missing = [name for name, about in declared.items() if about["isMandatory"] and name.lower() not in given]
    if missing:
        return f"Cannot process command because of one or more missing mandatory parameters: {' '.join(missing)}."
    strange = sorted(given - {name.lower() for name in declared})
    return f"A parameter cannot be found that matches parameter name '{strange[0]}'." if strange else ""


@provider.route("GET", JOBS + "/{job}/output")
def get_output(lab: Lab, request: ArmRequest) -> Answer:
    """What the job wrote, as plain text; empty before its end."""
    resources.require_resource(lab, request.id_up_to("automationAccounts"))
    job = resources.find_resource(lab, request.id_up_to("jobs"))
    if job is None:
        return _own_error(404, "NotFound", f"{request.params['job']} not found.")
    written = _play_of(lab, job)["output"] if job["properties"]["status"] == "Completed" else ""
    for name, value in job["properties"]["parameters"].items():
        written = written.replace(f"{{{name}}}", value)
    return Answer(200, written)


@provider.route("POST", JOBS + "/{job}/stop")
def stop_job(lab: Lab, request: ArmRequest) -> Answer:
    """Stop a job: 200, and a while later it is Stopped."""
    resources.require_resource(lab, request.id_up_to("automationAccounts"))
    job = resources.find_resource(lab, request.id_up_to("jobs"))
    if job is None:
        return _own_error(404, "NotFound", f"{request.params['job']} not found.")
    if job["properties"]["status"] in ENDED - {"Suspended"}:
        return _own_error(409, "Conflict", f"The job is {job['properties']['status']}.")
    _set_status(lab, job, "Stopping")
    lab.call_after(STOPS_AFTER, "automation-job-stopped", {"job": job["id"]})
    return Answer(200)


@due("automation-job-stopped")
def finish_stopping(lab: Lab, args: Json) -> None:
    """A job that was to stop is Stopped."""
    if job := resources.find_resource(lab, args["job"]):
        _set_status(lab, job, "Stopped")


serve_list(provider, ACCOUNTS, ACCOUNT)
serve_get(provider, ONE)
