"""The 202 of a request that began a job."""

from lab.azure.arm import activity_log
from lab.azure.arm.lro import accepted_answer, polling_headers
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import type_of, vault_of
from lab.azure.site_recovery.jobs.job_faults import facts_of_fault
from lab.azure.site_recovery.jobs.jobs import warn_as_faulted


def answer_with_job(lab: Lab, request: ArmRequest, job: Json, resource: str | None = None) -> Answer:
    """202 for a request that began a job; its polling links name the job."""
    request.job = job["name"]
    about = job["id"] if "origin" in job else job["resource"]
    operation = f"{type_of(about)}/{request.path.rpartition('/')[2]}/action"
    if request.method != "POST":
        operation = f"{type_of(about)}/{'delete' if request.method == 'DELETE' else 'write'}"
    activity_log.log_accepted(lab, activity_log.origin_of(request), about, operation)
    if "origin" not in job:  # else it is an action on a job that exists
        job["origin"], job["operationName"] = activity_log.origin_of(request), operation
        _apply_faults(lab, request, job)
    vault = vault_of(request)
    status = f"{vault}/replicationOperationStatus/{job['name']}"
    result = f"{resource or job['resource']}/operationresults/{job['name']}"
    return accepted_answer(polling_headers(request, status, result))


def _apply_faults(lab: Lab, request: ArmRequest, job: Json) -> None:
    """Have a new job go as a fault rule says; the verbs of items and plans have asked for that before they began it."""
    if job.get("asked"):
        return
    effect = lab.faults.job_effect(request.verb, request.item, request.path, request.method)
    job |= facts_of_fault(effect, job["kind"])
    warn_as_faulted(lab, job)
    if job.get("never"):
        job["ends"] = [None] * len(job["ends"])
