"""A span and figures of each request that is really sent to Azure Resource Manager."""

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.pipeline.policies import AsyncHTTPPolicy
from opentelemetry.trace import Span, SpanKind

from shared.azure.errors import kind_of_call
from shared.telemetry.metrics import count_arm_call, count_arm_throttled
from shared.telemetry.spans import Value, clean, mark_failed, start_span

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_REQUEST_ID, SERVICE_REQUEST_ID, CALL = "az.client_request_id", "az.service_request_id", "hci.call"


class TracedRequests(AsyncHTTPPolicy[Any, Any]):
    """Stands where nothing is between it and the wire but the check of the answer: each sending is one span."""

    async def send(self, request: Any) -> Any:
        """Send it, and note how that went."""
        http, began, status = request.http_request, time.monotonic(), 0
        operation = operation_of(http.url)
        try:
            with start_span(f"{http.method} {operation}", _attributes_of(http, operation), SpanKind.CLIENT) as span:
                response = await self.next.send(request)
                status = response.http_response.status_code
                _note_answer(span, http.method, status, response.http_response.headers)
                return response
        finally:
            count_arm_call(http.method, operation, status, time.monotonic() - began)
            if status == 429:
                count_arm_throttled(kind_of_call(http.method))


def _attributes_of(http: Any, operation: str) -> dict[str, Value]:
    """Azure Monitor makes its columns of those that have standard names, and keeps nothing else of them."""
    place = urlsplit(http.url)
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    return {
        "http.request.method": http.method,
        "server.address": host,
        "server.port": port,
        "url.full": f"{place.scheme}://{host}:{port}{place.path}",
        CALL: operation,
        CLIENT_REQUEST_ID: http.headers.get("x-ms-client-request-id", ""),
    }


def _note_answer(span: Span, method: str, status: int, headers: "Mapping[str, str]") -> None:
    """Note the answer; that something which was looked for is not there is no failure."""
    if not span.is_recording():
        return
    span.set_attribute("http.response.status_code", status)
    span.set_attributes(clean({SERVICE_REQUEST_ID: headers.get("x-ms-request-id", "")}))
    if status >= 400 and (method, status) != ("GET", 404):
        mark_failed(span, str(status))


def operation_of(url: str) -> str:
    """What a request is about: its last type of resource or its action, such as "failoverCommit"; no name is in it."""
    parts = [part for part in urlsplit(url).path.split("/") if part]
    lowered = [part.lower() for part in parts]
    if "providers" not in lowered:
        return (parts[::2] or ["root"])[-1]
    namespace_at = len(parts) - lowered[::-1].index("providers")
    types = parts[namespace_at + 1 :: 2]
    return types[-1] if types else "providers"
