"""The 202 of a request that began a job."""

from lab.azure.arm import activity_log
from lab.azure.arm.lro import accepted_answer, polling_headers
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import type_of, vault_of
from lab.azure.site_recovery.jobs.job_faults import facts_of_fault


def answer_with_job(lab: Lab, ask: Ask, job: Json, resource: str | None = None) -> Answer:
    """202 for a request that began a job; its polling links name the job."""
    ask.job = job["name"]
    about = job["id"] if "origin" in job else job["resource"]
    operation = f"{type_of(about)}/{ask.path.rpartition('/')[2]}/action"
    if ask.method != "POST":
        operation = f"{type_of(about)}/{'delete' if ask.method == 'DELETE' else 'write'}"
    activity_log.log_accepted(lab, activity_log.origin_of(ask), about, operation)
    if "origin" not in job:  # else it is an action on a job that somebody began before
        job["origin"], job["operationName"] = activity_log.origin_of(ask), operation
        _apply_faults(lab, ask, job)
    vault = vault_of(ask)
    status = f"{vault}/replicationOperationStatus/{job['name']}"
    result = f"{resource or job['resource']}/operationresults/{job['name']}"
    return accepted_answer(polling_headers(ask, status, result))


def _apply_faults(lab: Lab, ask: Ask, job: Json) -> None:
    """Have a new job go as a fault rule says; the verbs of items and plans have asked for that before they began it."""
    if job.get("asked"):
        return
    job |= facts_of_fault(lab.faults.job_effect(ask.verb, ask.item, ask.path), job["kind"])
    if job.get("never"):
        job["ends"] = [None] * len(job["ends"])
