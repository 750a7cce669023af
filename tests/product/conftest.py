"""A lab of its own for the tests of this folder: both servers, the default scenario, four hundred times as fast."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from lab.http_calls import as_somebody
from lab.servers import Servers, free_ports, reset_lab

SPEED = 400
FACTS = frozenset(
    {
        "name",
        "version",
        "digest",
        "etag",
        "declaredAt",
        "declaredBy",
        "declaredById",
        "history",
        "health",
        "holds",
        "nextDrill",
    }
)
"""What an answer says of a document, beside the document."""


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: Any


def send(base: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """One request; a str body is sent as it is, anything else as JSON."""
    place = urlsplit(base)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
    named = as_somebody(headers or {}, path)
    raw = body if isinstance(body, str) or body is None else json.dumps(body)
    try:
        connection.request(method, path, raw, {"Content-Type": "application/json", **named})
        answer = connection.getresponse()
        text = answer.read().decode()
        is_json = "json" in (answer.headers.get_content_type() or "")
        return Reply(answer.status, dict(answer.headers), json.loads(text) if is_json and text else text)
    finally:
        connection.close()


class Lab:
    """Both servers, from outside."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers

    def api(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        return send(self.servers.host.base, method, f"/api/{path}", body, headers)

    def document(self, path: str) -> dict[str, Any]:
        """A site or a plan as it was declared."""
        return {key: value for key, value in self.api("GET", path).body.items() if key not in FACTS}

    def azure(self, method: str, path: str, body: Any = None) -> Any:
        return send(self.servers.azure.base, method, f"/lab/{path}", body).body

    def reset(self, scenario: str = "default") -> None:
        reset_lab(self.servers.azure, scenario)
        if scenario == "default":
            self._unschedule("payroll")

    def _unschedule(self, name: str) -> None:
        """Let the plan begin nothing by itself: a test meets six in the morning at any of its steps here."""
        plan = self.document(f"plans/{name}")
        drill = {key: value for key, value in plan["drill"].items() if key != "schedule"}
        reply = self.api("PUT", f"plans/{name}", {**plan, "drill": drill})
        assert reply.status == 200, reply.body

    def verbs(self) -> list[tuple[str, str]]:
        return [(call["verb"], call["item"]) for call in self.azure("GET", "ledger")]

    def waiting(self, run: str) -> dict[str, Any]:
        """The operation once it waits for a person."""
        return self._until(run, {"waiting"})

    def ended(self, run: str, patience: float = 60) -> dict[str, Any]:
        """The operation once it has ended; patience is in real seconds."""
        return self._until(run, {"succeeded", "failed", "aborted"}, patience)

    def eventually(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def _until(self, run: str, states: set[str], patience: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            shown: dict[str, Any] = self.api("GET", f"operations/{run}").body
            if shown["state"] in states:
                return shown
            time.sleep(0.1)
        raise AssertionError(f"{run} is not {states}: {shown}")


def serve_lab(folder: Path) -> Iterator[Servers]:
    """Both servers with their state in a folder, until they are not needed any more."""
    both = Servers.of(folder, free_ports(), SPEED)
    both.start()
    yield both
    both.stop()


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers, until the last test here: they are at work as long as they are up, with or without one."""
    yield from serve_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def lab(servers: Servers) -> Lab:
    """The lab with the default scenario as new."""
    lab = Lab(servers)
    lab.reset()
    return lab
