"""The check of a deployed app: it fails when anything does not answer, and it changes nothing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tools.smoke import main

WELL: dict[str, Any] = {
    "/api/health": {
        **dict.fromkeys(("status", "engine", "orchestrators", "entities", "timer"), "ok"),
        "release": "1.2.3",
        "door": "entra",
    },
    "/api/openapi.json": {"openapi": "3.1.0", "info": {"version": "1.2.3"}, "paths": {"/health": {}}},
    "/api/sites": {"value": [{"name": "hci-01", "health": {"state": "healthy"}}]},
    "/api/plans": {"value": [{"name": "payroll"}]},
    "/api/plans/payroll/failover?preview=true": {"blockers": [], "concerns": [{"code": "x"}]},
}


class App(ThreadingHTTPServer):
    """An app that answers what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = dict(WELL)
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization") or ""))
        answer = self.server.answers.get(self.path, (404, {"detail": "nothing here"}))
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def app() -> Iterator[App]:
    with App() as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def test_an_app_that_works_passes_and_nothing_is_changed(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{app.url}/api/"], {"TOKEN": "t0ken"}) == 0
    said = capsys.readouterr().out
    assert said.count("ok ") == 5
    assert "host: not told" in said
    assert "release 1.2.3, callers come in by entra" in said
    assert "payroll: 0 blockers, 1 concerns" in said
    assert {who for _, _, who in app.asked} == {"Bearer t0ken"}
    assert [path for method, path, _ in app.asked if method == "POST" and "preview=true" not in path] == []


def test_with_the_master_key_the_host_and_its_extensions_are_named(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "4.35.1"}
    app.answers["/admin/host/status"] = {"state": "Running", "version": "4.1040.0", "extensionBundle": bundle}
    assert main([app.url], {"KEY": "master"}) == 0
    assert "Functions host 4.1040.0, extension bundle 4.35.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "answer", "named"),
    [
        ("/api/health", (503, {"detail": "the engine is silent", "code": "entities-silent"}), "the engine is silent"),
        ("/api/health", {**WELL["/api/health"], "entities": "silent"}, "entities is 'silent'"),
        ("/api/health", {**WELL["/api/health"], "timer": "late"}, "timer is 'late'"),
        ("/api/health", (200, b"<html>a proxy"), "has no answer"),
        ("/api/health", (401, b""), "answered 401: nothing"),
        ("/api/health", [], "not as described"),
        ("/api/openapi.json", {}, "not as described"),
        ("/api/sites", {"value": [{"name": "a", "health": {"state": "unknown", "detail": "403"}}]}, "a: 403"),
        ("/api/plans", {"value": [{"name": "gone"}]}, "nothing here"),
    ],
)
def test_whatever_does_not_answer_fails(
    app: App, capsys: pytest.CaptureFixture[str], path: str, answer: Any, named: str
) -> None:
    app.answers[path] = answer
    assert main([app.url], {}) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert named in said


@pytest.mark.parametrize(
    "arguments", [[], ["a", "b"], ["func-x.azurewebsites.net"], ["ftp://x"], ["http://example.org"], [""]]
)
def test_what_is_no_app_is_told_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments, {"TOKEN": "t0ken"}) == 2
    said = capsys.readouterr().err
    assert said.startswith("smoke: ")
    assert said.count("\n") == 1
    assert "t0ken" not in said


def test_an_app_that_is_not_there_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:1"], {}) == 1
    assert capsys.readouterr().out.count("FAILED") == 4
