"""operationresults: what Location of a 202 leads to, for each kind of resource."""

from collections.abc import Callable

from lab.azure.arm.lro import require_signature
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import SITE_RECOVERY, caller_of, own_id, vault_of
from lab.azure.site_recovery.api.crud import Document
from lab.azure.site_recovery.api.errors import missing_error
from lab.azure.site_recovery.jobs.jobs import KIND, OPEN, job_id


def require_job(lab: Lab, request: ArmRequest, name: str) -> Json:
    """The job of that name in the request's vault.

    Raises:
        ArmError: 404.
    """
    job = lab.store.get(KIND, job_id(vault_of(request), name))
    if job is None:
        raise missing_error(name, caller_of(request))
    return job


def operation_result(lab: Lab, request: ArmRequest, show: Callable[[], Json | None]) -> Answer:
    """What Location answers: 202 while the job runs, then the resource, or 204 when there is none to show."""
    require_signature(request)
    job = require_job(lab, request, request.params["operation"])
    if job["ended"] is None and job["state"] in (*OPEN, "Cancelling"):
        return Answer(202, None, {"Retry-After": "30"})
    shown = show()
    return Answer(200, shown) if shown is not None else Answer(204)


def serve_results(template: str, kind: str, document: Document) -> None:
    """Register operationresults below a kind of resource."""

    @SITE_RECOVERY.route("GET", template + "/operationresults/{operation}")
    def get_result(lab: Lab, request: ArmRequest) -> Answer:
        resource = lab.store.get(kind, own_id(request.path.rpartition("/operationresults/")[0]))
        return operation_result(lab, request, lambda: document(lab, resource) if resource else None)
