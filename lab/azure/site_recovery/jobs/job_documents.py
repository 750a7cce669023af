"""What a job shows: in full when read by its name, in short in a list, as an operation status, and when just queued."""

from datetime import datetime

from lab.azure.simulator.answers import Json
from lab.azure.site_recovery.api.times import NOT_SET, exact_time, parse_time
from lab.azure.site_recovery.jobs import group_tasks
from lab.azure.site_recovery.jobs.kinds import KINDS, Kind, Task

TYPE = "Microsoft.RecoveryServices/vaults/replicationJobs"
STATUS = {
    "Succeeded": "Succeeded",
    "CompletedWithInformation": "Succeeded",
    "PartiallySucceeded": "Succeeded",
    "Failed": "Failed",
    "Cancelled": "Cancelled",
    "Suspended": "InProgress",  # inferred: never recorded
    "Cancelling": "InProgress",
    "InProgress": "InProgress",
}
"""The status of the operation, by the state of its job."""

GROUPS = 1
"""The task of a plan's job in whose place its groups are shown."""

_CANCELLABLE = ("ProtectionEntity", "RecoveryPlan")


def job_document(job: Json, now: datetime, *, detail: bool = True) -> Json:
    """A job as GET shows it; without `detail` as the list does, where tasks are [] and customDetails null."""
    properties = _queued_properties(job) if is_queued(job, now) else _started_properties(job, now, detail=detail)
    if not detail:
        properties |= {"tasks": [], "customDetails": None}
    return {"id": job["id"], "name": job["name"], "type": TYPE, "properties": properties}


def is_queued(job: Json, now: datetime) -> bool:
    """Whether the job has not started and so shows nothing of itself."""
    return bool(job["state"] == "InProgress" and exact_time(now) < job["starts"])


def state_of(job: Json, now: datetime) -> str:
    """The state that the job shows."""
    return "NotStarted" if is_queued(job, now) else str(job["state"])


def operation_status(job: Json, now: datetime) -> Json:
    """replicationOperationStatus/{job}: carries a warning of a job that succeeds, also while it runs."""
    queued = is_queued(job, now)
    error = job["errors"][0]["serviceErrorDetails"] if job["errors"] else None
    return {
        "error": error and {"code": error["code"], "message": error["message"], "details": None},
        "id": None,
        "name": job["name"],
        "properties": None,
        "status": "NotStarted" if queued else STATUS[job["state"]],
        "startTime": None if queued else job["starts"],
        "endTime": job["ended"] and job["ended"].replace("Z", ".0000000Z"),
        "percentComplete": None,
    }


def _queued_properties(job: Json) -> Json:
    return {
        "activityId": job["activityId"],
        "scenarioName": None,
        "friendlyName": None,
        "state": "NotStarted",
        "stateDescription": "NotStarted",
        "tasks": [],
        "errors": [],
        "allowedActions": [],
        "targetObjectId": None,
        "targetObjectName": None,
        "targetInstanceType": "ProtectionEntity",
        "customDetails": {"instanceType": "AsrJobDetails", "affectedObjectDetails": {}},
    }


def _started_properties(job: Json, now: datetime, *, detail: bool) -> Json:
    kind = KINDS[job["kind"]]
    properties: Json = {
        "activityId": job["activityId"],
        "scenarioName": kind.scenario,
        "friendlyName": kind.title,
        "state": job["state"],
        "stateDescription": job["stateDescription"],
        "tasks": _task_documents(job, kind, exact_time(now)) if detail else [],
        "errors": job["errors"],
        "startTime": job["starts"],
        "endTime": job["ended"],
        "allowedActions": allowed_actions(job),
        "targetObjectId": job["target"],
        "targetObjectName": job["targetName"],
        "targetInstanceType": kind.target,
        "customDetails": _custom_details(job, kind),
    }
    if job["ended"] is None:
        del properties["endTime"]
    return properties


def allowed_actions(job: Json) -> list[str]:
    """What a person may do with the job now."""
    if job.get("actions") is not None:
        return list(job["actions"])
    if job["state"] == "InProgress":
        return ["Cancel"] if KINDS[job["kind"]].target in _CANCELLABLE else []
    if job["state"] == "Suspended":
        return ["Cancel", "Resume"]
    restartable = KINDS[job["kind"]].restartable and job["state"] in ("Failed", "Cancelled", "PartiallySucceeded")
    is_busy = any(error["serviceErrorDetails"]["code"] == "532" for error in job["errors"])
    return ["Restart"] if restartable and not is_busy else []


def _custom_details(job: Json, kind: Kind) -> Json:
    details: Json = {"instanceType": kind.details} | job.get("details", {})
    if job["ended"] is None and job["state"] != "Suspended" and "protectedItemDetails" in details:
        details["protectedItemDetails"] = []  # filled only at the end
    return details | {"affectedObjectDetails": job.get("affected", {})}


def _task_documents(job: Json, kind: Kind, now: str) -> list[Json]:
    begins: str | None = job["starts"]
    shown = []
    for index, task in enumerate(kind.tasks):
        ends = job["ends"][index]
        if "groups" in job and index == GROUPS:
            shown += group_tasks.group_tasks_of(job)
        else:
            shown.append(_task_document(job, index, task, (begins, ends), now))
        begins = ends
    return shown


def _task_document(job: Json, index: int, task: Task, span: tuple[str | None, str | None], now: str) -> Json:
    state, description = _task_state(job, index, span, now)
    begins, ends = span
    started = state not in ("NotStarted", "Other")
    ended = state in ("Succeeded", "Failed", "Cancelled")
    if state in ("Failed", "Cancelled"):
        ends = exact_time(parse_time(job["ended"]))
    return {
        "taskId": task.id,
        "name": task.name,
        "startTime": begins if started else NOT_SET,
        "endTime": ends if ended else NOT_SET,
        "allowedActions": [],
        "friendlyName": task.title,
        "state": state,
        "stateDescription": description,
        "taskType": "TaskDetails",
        "customDetails": {"instanceType": "TaskDetails"},
        "groupTaskCustomDetails": None,
        "errors": [error for error in job["errors"] if error["taskId"] == task.id],
    }


def _task_state(job: Json, index: int, span: tuple[str | None, str | None], now: str) -> tuple[str, str]:
    begins, ends = span
    failed = job["failedTask"]
    if failed is not None and index >= failed:
        return ("Failed", "Failed") if index == failed else ("Other", "Skipped")
    if ends is not None and ends <= now and not job.get("never"):
        return "Succeeded", "Completed"
    if job["state"] == "Cancelled":
        return ("Cancelled", "Cancelled") if begins is not None and begins <= now else ("Other", "Skipped")
    if begins is not None and begins <= now:
        return "InProgress", "InProgress"
    return "NotStarted", "NotStarted"
