"""The end of a job in the Activity Log."""

from lab.azure.arm import activity_log
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.jobs.jobs import whenever


@whenever("Succeeded")
@whenever("Failed")
@whenever("Cancelled")
def log_job_end(lab: Lab, job: Json) -> None:
    """Only the end of jobs that a call began is logged."""
    if not job.get("origin"):
        return
    error = job["errors"][0]["serviceErrorDetails"] if job["state"] == "Failed" and job["errors"] else None
    shown_error = error and {"code": error["code"], "message": error["message"]}
    activity_log.log_ended(lab, job["origin"], job["resource"], job["operationName"], shown_error)
