"""Long-running operations: polling links with ARM's signed parameters, and operations that providers keep by id.

Site Recovery keeps its own (jobs) and takes only `polling_headers`; the other providers start an
operation here and end it from the agenda.
"""

import base64
import hashlib
import hmac
from datetime import timedelta
from urllib.parse import quote

from lab.azure.simulator.answers import Answer, ArmError, Json, not_found
from lab.azure.simulator.lab import Lab, to_iso
from lab.azure.simulator.requests import ArmRequest

KIND = "operation"
QUICK = timedelta(seconds=15)
_KEY = b"the lab signs its polling links with this"


def polling_link(request: ArmRequest, path: str) -> str:
    """A link to poll at, signed as ARM signs its own since 2023 (t, c, s, h; some kB): to be used verbatim."""
    ticks = str(int(request.at.timestamp() * 10_000_000))
    certificate = base64.urlsafe_b64encode(hashlib.shake_256(path.encode()).digest(900)).decode()
    signed = f"api-version={request.api_version}&t={ticks}&c={quote(certificate)}"
    return f"{request.base}{path}?{signed}&s={_sign_link(path, request.api_version, ticks)}&h={ticks[-8:]}"


def polling_headers(
    request: ArmRequest, status_path: str, result_path: str | None, retry_after: int | None = 30
) -> dict[str, str]:
    """Azure-AsyncOperation, Location and Retry-After of a 201 or 202."""
    headers = {"Azure-AsyncOperation": polling_link(request, status_path)}
    if result_path:
        headers["Location"] = polling_link(request, result_path)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return headers


def require_signature(request: ArmRequest) -> None:
    """Refuse a polling link whose signed parameters were changed.

    Raises:
        ArmError: 400 for a signature that does not belong to this path.
    """
    given = request.query.get("s")
    if given is not None and given != _sign_link(request.path, request.api_version, request.query.get("t", "")):
        raise ArmError(
            400, "InvalidAsyncOperationSignature", "The signed parameters of the polling link do not match it."
        )


def _sign_link(path: str, version: str, ticks: str) -> str:
    text = f"{path.lower()}?{version}&{ticks}".encode()
    return base64.urlsafe_b64encode(hmac.digest(_KEY, text, "sha256")).decode().rstrip("=")


def start_operation(lab: Lab, resource: str | None = None, status: str = "Queued") -> Json:
    """Keep a new operation: {id, name, status, startTime, resource, error}."""
    name = lab.new_id("operation")
    operation = {"name": name, "status": status, "startTime": to_iso(lab.now()), "resource": resource, "error": None}
    return lab.store.put(KIND, name, operation)


def end_operation(lab: Lab, name: str, status: str = "Succeeded", error: Json | None = None) -> None:
    """End an operation: Succeeded, Failed or Canceled."""
    if operation := lab.store.get(KIND, name):
        operation |= {"status": status, "error": error, "endTime": to_iso(lab.now())}
        lab.store.put(KIND, name, operation)


def require_operation(lab: Lab, request: ArmRequest, name: str) -> Json:
    """The operation of a poll.

    Raises:
        ArmError: 404 for one that never was, 400 for a link that was tampered with.
    """
    require_signature(request)
    operation = lab.store.get(KIND, name)
    if operation is None:
        raise not_found(request.path)
    return operation


def accepted_answer(headers: dict[str, str]) -> Answer:
    """202 with an empty body."""
    return Answer(202, None, headers)
