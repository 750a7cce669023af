"""Jobs over HTTP: list, get, cancel, resume, restart, export; the status and the result of operations."""

from datetime import datetime, timedelta

from lab.azure.arm.lro import require_signature
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import SITE_RECOVERY, VAULT, asker, listed, vault_of
from lab.azure.site_recovery.api.errors import Asker, wrong_input
from lab.azure.site_recovery.api.filters import Test, filter_time, parse_filter
from lab.azure.site_recovery.api.request_fields import properties
from lab.azure.site_recovery.api.times import parse
from lab.azure.site_recovery.jobs.accepted import taken
from lab.azure.site_recovery.jobs.job_documents import allowed_actions, document, operation_status, state_of
from lab.azure.site_recovery.jobs.jobs import KIND, RESUMERS, Target, begin, begin_again, cancel, when
from lab.azure.site_recovery.jobs.kinds import KINDS
from lab.azure.site_recovery.jobs.operation_results import operation_result, require_job

OPTIONS = "asr-option"
CAP = 200
"""A list never had more."""

_JOB = VAULT + "/replicationJobs/{job}"


def _test(lab: Lab, ask: Ask) -> Test:
    now = lab.now()

    def is_of_fabric(job: Json, value: str) -> bool:
        return f"/replicationfabrics/{value.rpartition('/')[2]}/".lower() in f"{job['resource']}/".lower()

    return parse_filter(
        ask.query.get("$filter"),
        {
            "starttime": lambda job, value: parse(job["starts"]) >= filter_time(value),
            "endtime": lambda job, value: parse(job["starts"]) <= filter_time(value),
            "jobstatus": lambda job, value: state_of(job, now).lower() in value.lower().split(","),
            "jobname": lambda job, value: job["name"] == value.lower(),
            "fabricid": is_of_fabric,
            "affectedobjecttypes": lambda job, value: KINDS[job["kind"]].target.lower() in value.lower().split(","),
        },
    )


@SITE_RECOVERY.route("GET", VAULT + "/replicationJobs")
def list_jobs(lab: Lab, ask: Ask) -> Answer:
    """The newest 200 jobs that the filter lets through, newest first, without their tasks and details."""
    now, test = lab.now(), _test(lab, ask)
    found = [job for job in reversed(lab.store.all(KIND, vault_of(ask))) if test(job)]
    shown = [document(job, now, detail=False) for job in found[:CAP]]
    if lab.store.get(OPTIONS, "no-activity-ids-in-lists") is not None:
        for job in shown:
            job["properties"]["activityId"] = None
    return listed(shown)


def hide_activity_ids(lab: Lab) -> None:
    """Have lists show activityId as null, as the one list did that was recorded with api-version 2022-08-01."""
    lab.store.put(OPTIONS, "no-activity-ids-in-lists", {})


@SITE_RECOVERY.route("GET", _JOB)
def get_job(lab: Lab, ask: Ask) -> Answer:
    """One job in full."""
    return Answer(200, document(require_job(lab, ask, ask.params["job"]), lab.now()))


@SITE_RECOVERY.route("POST", _JOB + "/cancel")
def cancel_job(lab: Lab, ask: Ask) -> Answer:
    """Cancel a job that runs or waits."""
    job = _require_action(lab, ask, "Cancel")
    cancel(lab, job)
    return taken(lab, ask, job, job["id"])


@SITE_RECOVERY.route("POST", _JOB + "/resume")
def resume_job(lab: Lab, ask: Ask) -> Answer:
    """Go on with a job that waits for a person."""
    job = _require_action(lab, ask, "Resume")
    job["comments"] = properties(ask).get("comments")
    RESUMERS[job["kind"]](lab, job)
    return taken(lab, ask, job, job["id"])


@SITE_RECOVERY.route("POST", _JOB + "/restart")
def restart_job(lab: Lab, ask: Ask) -> Answer:
    """Start a failed job once more: a job RestartJob does that, and the work is a new job of the old kind."""
    job = _require_action(lab, ask, "Restart")
    target = Target(job["target"], job["targetName"], job["resource"])
    started = begin(lab, vault_of(ask), "RestartJob", target, asker(ask), queued=timedelta(), restarts=job["id"])
    return taken(lab, ask, started, job["id"])


@when("RestartJob", "Succeeded")
def _restarted(lab: Lab, job: Json) -> None:
    old = lab.store.get(KIND, job["restarts"])
    if old:
        again = begin_again(lab, old, Asker(*job["activityId"].split(" ActivityId: ")))
        old["actions"] = []
        again |= {"origin": job.get("origin"), "operationName": job.get("operationName")}
        lab.store.put(KIND, old["id"], old)


def _require_action(lab: Lab, ask: Ask, action: str) -> Json:
    job = require_job(lab, ask, ask.params["job"])
    if action not in allowed_actions(job):
        raise wrong_input(f"The job '{job['name']}' does not allow {action}.", asker(ask))
    return job


@SITE_RECOVERY.route("POST", VAULT + "/replicationJobs/export")
def export_jobs(lab: Lab, ask: Ask) -> Answer:
    """Write the jobs to a blob; its address is in the details of the job that does so."""
    ask.object()
    target = Target(vault_of(ask), "", f"{vault_of(ask)}/replicationJobs")
    job = begin(lab, vault_of(ask), "ExportJobs", target, asker(ask), details={"blobUri": None, "sasToken": None})
    job["resource"] = job["id"]
    return taken(lab, ask, job)


@when("ExportJobs", "Succeeded")
def _exported(lab: Lab, job: Json) -> None:
    job["details"] = {"blobUri": f"https://lab.blob.core.windows.net/jobs/{job['name']}.json", "sasToken": "none"}
    lab.store.put(KIND, job["id"], job)


@SITE_RECOVERY.route("GET", VAULT + "/replicationOperationStatus/{job}")
def get_operation_status(lab: Lab, ask: Ask) -> Answer:
    """The status of the operation that began a job."""
    require_signature(ask)
    job = require_job(lab, ask, ask.params["job"])
    headers = {} if job["ended"] else {"Retry-After": "30"}
    return Answer(200, operation_status(job, lab.now()), headers)


@SITE_RECOVERY.route("GET", _JOB + "/operationresults/{operation}")
def job_result(lab: Lab, ask: Ask) -> Answer:
    """The result of an action on a job: the job."""
    now: datetime = lab.now()
    return operation_result(lab, ask, lambda: document(require_job(lab, ask, ask.params["job"]), now))
