"""Jobs over HTTP: list, get, cancel, resume, restart, export; the status and the result of operations."""

from datetime import datetime, timedelta

from lab.azure.arm.lro import require_signature
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import SITE_RECOVERY, VAULT, caller_of, list_answer, vault_of
from lab.azure.site_recovery.api.errors import Caller, input_error
from lab.azure.site_recovery.api.filters import Test, filter_time, parse_filter
from lab.azure.site_recovery.api.request_fields import require_properties
from lab.azure.site_recovery.api.times import parse_time
from lab.azure.site_recovery.jobs.accepted import answer_with_job
from lab.azure.site_recovery.jobs.job_actions import accept_action, action_status, find_action, is_under_way
from lab.azure.site_recovery.jobs.job_documents import allowed_actions, job_document, operation_status, state_of
from lab.azure.site_recovery.jobs.jobs import KIND, RESUMERS, Target, begin_cancelling, begin_job, begin_job_again, when
from lab.azure.site_recovery.jobs.kinds import KINDS
from lab.azure.site_recovery.jobs.operation_results import operation_result, require_job

OPTIONS = "asr-option"
STARTERS_IN_LISTS = "activity-ids-in-lists"
CAP = 200
"""A list never had more."""

_JOB = VAULT + "/replicationJobs/{job}"


def _parse_job_filter(lab: Lab, request: ArmRequest) -> Test:
    now = lab.now()

    def is_of_fabric(job: Json, value: str) -> bool:
        return f"/replicationfabrics/{value.rpartition('/')[2]}/".lower() in f"{job['resource']}/".lower()

    return parse_filter(
        request.query.get("$filter"),
        {
            "starttime": lambda job, value: parse_time(job["starts"]) >= filter_time(value),
            "endtime": lambda job, value: parse_time(job["starts"]) <= filter_time(value),
            "jobstatus": lambda job, value: state_of(job, now).lower() in value.lower().split(","),
            "jobname": lambda job, value: job["name"] == value.lower(),
            "fabricid": is_of_fabric,
            "affectedobjecttypes": lambda job, value: KINDS[job["kind"]].target.lower() in value.lower().split(","),
        },
    )


@SITE_RECOVERY.route("GET", VAULT + "/replicationJobs")
def list_jobs(lab: Lab, request: ArmRequest) -> Answer:
    """The newest 200 jobs that the filter lets through, newest first, without what only the job itself shows.

    Recorded: none of 227 listed jobs, of which 12 had failed or half failed, has activityId, errors, tasks or details.
    """
    now, test = lab.now(), _parse_job_filter(lab, request)
    found = [job for job in reversed(lab.store.all(KIND, vault_of(request))) if test(job)]
    shown = [job_document(job, now, detail=False) for job in found[:CAP]]
    for job in shown:
        job["properties"] |= {"errors": []} if _names_starters(lab) else {"errors": [], "activityId": None}
    return list_answer(shown)


def _names_starters(lab: Lab) -> bool:
    return lab.store.get(OPTIONS, STARTERS_IN_LISTS) is not None


def show_starters_in_lists(lab: Lab) -> None:
    """Have lists of jobs say who started each, as nobody has recorded it."""
    lab.store.put(OPTIONS, STARTERS_IN_LISTS, {})


@SITE_RECOVERY.route("GET", _JOB)
def get_job(lab: Lab, request: ArmRequest) -> Answer:
    """One job in full."""
    return Answer(200, job_document(require_job(lab, request, request.params["job"]), lab.now()))


@SITE_RECOVERY.route("POST", _JOB + "/cancel")
def cancel_job(lab: Lab, request: ArmRequest) -> Answer:
    """Cancel a job that runs or waits."""
    job = _require_action(lab, request, "Cancel")
    begin_cancelling(lab, job)
    return accept_action(lab, request, job, "Cancelling")


@SITE_RECOVERY.route("POST", _JOB + "/resume")
def resume_job(lab: Lab, request: ArmRequest) -> Answer:
    """Go on with a job that waits for a person."""
    job = _require_action(lab, request, "Resume")
    job["comments"] = require_properties(request).get("comments")
    RESUMERS[job["kind"]](lab, job)
    return accept_action(lab, request, job, "")


@SITE_RECOVERY.route("POST", _JOB + "/restart")
def restart_job(lab: Lab, request: ArmRequest) -> Answer:
    """Start a failed job once more: a job RestartJob does that, and the work is a new job of the old kind."""
    job = _require_action(lab, request, "Restart")
    target = Target(job["target"], job["targetName"], job["resource"])
    started = begin_job(
        lab, vault_of(request), "RestartJob", target, caller_of(request), queued=timedelta(), restarts=job["id"]
    )
    return answer_with_job(lab, request, started, job["id"])


@when("RestartJob", "Succeeded")
def begin_restarted(lab: Lab, job: Json) -> None:
    """Begin the work of the old job again, as a new job of its kind."""
    old = lab.store.get(KIND, job["restarts"])
    if old:
        again = begin_job_again(lab, old, Caller(*job["activityId"].split(" ActivityId: ")))
        old["actions"] = []
        again |= {"origin": job.get("origin"), "operationName": job.get("operationName")}
        lab.store.put(KIND, old["id"], old)


def _require_action(lab: Lab, request: ArmRequest, action: str) -> Json:
    job = require_job(lab, request, request.params["job"])
    if action not in allowed_actions(job):
        raise input_error(f"The job '{job['name']}' does not allow {action}.", caller_of(request))
    return job


@SITE_RECOVERY.route("POST", VAULT + "/replicationJobs/export")
def export_jobs(lab: Lab, request: ArmRequest) -> Answer:
    """Write the jobs to a blob; its address is in the details of the job that does so."""
    request.require_object()
    target = Target(vault_of(request), "", f"{vault_of(request)}/replicationJobs")
    job = begin_job(
        lab, vault_of(request), "ExportJobs", target, caller_of(request), details={"blobUri": None, "sasToken": None}
    )
    job["resource"] = job["id"]
    return answer_with_job(lab, request, job)


@when("ExportJobs", "Succeeded")
def finish_export(lab: Lab, job: Json) -> None:
    """The job shows the address of the blob."""
    job["details"] = {"blobUri": f"https://lab.blob.core.windows.net/jobs/{job['name']}.json", "sasToken": "none"}
    lab.store.put(KIND, job["id"], job)


@SITE_RECOVERY.route("GET", VAULT + "/replicationOperationStatus/{job}")
def get_operation_status(lab: Lab, request: ArmRequest) -> Answer:
    """The status of the operation that began a job."""
    require_signature(request)
    if action := find_action(lab, request, request.params["job"]):
        return Answer(200, action_status(lab, action))
    job = require_job(lab, request, request.params["job"])
    headers = {} if job["ended"] else {"Retry-After": "30"}
    return Answer(200, operation_status(job, lab.now()), headers)


@SITE_RECOVERY.route("GET", _JOB + "/operationresults/{operation}")
def job_result(lab: Lab, request: ArmRequest) -> Answer:
    """The result of an action on a job: the job."""
    now: datetime = lab.now()
    if action := find_action(lab, request, request.params["operation"]):
        require_signature(request)
        job = require_job(lab, request, action["job"])
        return Answer(202 if is_under_way(lab, action) else 200, job_document(job, now))
    return operation_result(lab, request, lambda: job_document(require_job(lab, request, request.params["job"]), now))
