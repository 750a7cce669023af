"""The span of an HTTP request: what was asked for and how it was answered; nothing of its headers, query or body."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import azure.functions as func

from shared.telemetry.spans import mark_failed, start_span

NAMED = {
    "plan": "hci.plan",
    "site": "hci.site",
    "node": "hci.node",
    "policy": "hci.policy",
    "verb": "hci.verb",
    "id": "hci.operation",
}
"""The attribute of each part of a path that says what a request is about."""


@contextmanager
def request_span(req: func.HttpRequest, function: str) -> Iterator[Callable[[int], None]]:
    """A span of this block; what it gives notes with which status the request is answered."""
    about = {name: str(req.route_params[part]) for part, name in NAMED.items() if part in req.route_params}
    with start_span(f"{req.method} {function}", {"http.request.method": req.method, **about}) as span:

        def note_answer(status: int) -> None:
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                mark_failed(span, str(status))

        yield note_answer
