"""JSON over HTTP to the lab's own servers, one short connection a call."""

import http.client
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

OPERATOR = {"Authorization": "Bearer lab-eve"}
"""Who calls the product where nobody else is named: its administrator, who may do all but approve."""
NAMES_CALLER = frozenset({"authorization", "x-ms-client-principal"})


class Unreachable(Exception):
    """No answer: the server is not running, or stopped in the middle."""


class Reply(NamedTuple):
    """An answer; `body` is the parsed JSON, or the text when it is not JSON."""

    status: int
    body: Any


def call_server(
    base: str,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30,
) -> Reply:
    """Ask a server of the lab once; `timeout` is in real seconds.

    Raises:
        Unreachable: nothing that can be read as an answer came back.
    """
    place = urlsplit(base)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout)
    sent = {**as_somebody(headers or {}, path)} | ({"Content-Type": "application/json"} if body is not None else {})
    try:
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        response = connection.getresponse()
        return Reply(response.status, _parse_answer(response.read()))
    except (OSError, http.client.HTTPException) as failure:
        raise Unreachable(f"{method} {base}{path}: {failure!r}") from failure
    finally:
        connection.close()


def as_somebody(headers: Mapping[str, str], path: str) -> Mapping[str, str]:
    """The headers, with a token of the administrator where it asks who calls and nobody is named."""
    is_named = any(name.lower() in NAMES_CALLER for name in headers)
    return headers if is_named or not path.startswith("/api/") else {**OPERATOR, **headers}


def _parse_answer(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")
