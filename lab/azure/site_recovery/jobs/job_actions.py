"""Operations of cancelling and resuming a job: they are not the job's own, and end once the action has been done.

Source: the examples ReplicationJobs_Cancel and _Resume: another operation than the job's, and 200 with the job as it
then is, "Cancelling" or still "Suspended".
"""

from lab.azure.arm import activity_log
from lab.azure.arm.lro import accepted_answer, polling_headers
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import type_of, vault_of
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.jobs.jobs import KIND, job_id

ACTION = "asr-action"


def accept_action(lab: Lab, request: ArmRequest, job: Json, until_not: str) -> Answer:
    """202 for an action on a job.

    Args:
        lab: The lab.
        request: What asked for it.
        job: The job.
        until_not: The state that the job has while the action goes on; empty for one that is done at once.
    """
    request.job = job["name"]
    verb = request.path.rpartition("/")[2]
    activity_log.log_accepted(lab, activity_log.origin_of(request), job["id"], f"{type_of(job['id'])}/{verb}/action")
    vault, name = vault_of(request), lab.new_id("action")
    action = {"name": name, "job": job["name"], "vault": vault, "untilNot": until_not, "began": exact_time(lab.now())}
    lab.store.put(ACTION, job_id(vault, name), action)
    status = f"{vault}/replicationOperationStatus/{name}"
    return accepted_answer(polling_headers(request, status, f"{job['id']}/operationresults/{name}", 5))


def find_action(lab: Lab, request: ArmRequest, name: str) -> Json | None:
    """The action of that name in the request's vault."""
    return lab.store.get(ACTION, job_id(vault_of(request), name))


def is_under_way(lab: Lab, action: Json) -> bool:
    """Whether the action goes on."""
    job = lab.store.get(KIND, job_id(action["vault"], action["job"]))
    return bool(action["untilNot"]) and job is not None and job["state"] == action["untilNot"]


def action_status(lab: Lab, action: Json) -> Json:
    """replicationOperationStatus/{action}."""
    goes_on = is_under_way(lab, action)
    return {
        "error": None,
        "id": None,
        "name": action["name"],
        "properties": None,
        "status": "InProgress" if goes_on else "Succeeded",
        "startTime": action["began"],
        "endTime": None if goes_on else exact_time(lab.now()),
        "percentComplete": None,
    }
