"""Telemetry starts where a setting asks for it, costs nothing else, and never stands in the way of the app."""

import gzip
import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from lab.servers import find_free_port
from shared.settings import TelemetrySettings, WrongSettings

ROOT = Path(__file__).parents[3]
STORY = """
    import os, sys
    from shared.telemetry.metrics import count_run
    from shared.telemetry.spans import start_span
    from shared.telemetry.start import start_telemetry
    import logging
    start_telemetry(os.environ)
    for number in range(int(os.environ.get("SPANS", "3"))):
        with start_span("read_items", {"hci.run": f"r{number}"}):
            pass
    count_run("drill", "succeeded")
    logging.getLogger("activities.x").setLevel(logging.INFO)
    logging.getLogger("activities.x").warning("sql-01: pass" + "word=hunter2")
    print(sum(name.startswith("opentelemetry.sdk") for name in sys.modules))
"""


def tell(**settings: str) -> tuple[int, str]:
    """Run it in a process, which has a minute: modules of the SDK, what it wrote on standard error."""
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STORY)],
        env=os.environ | {"TELEMETRY": "", "APPLICATIONINSIGHTS_CONNECTION_STRING": ""} | settings,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return int(told.stdout), told.stderr


def test_without_the_setting_nothing_of_the_sdk_is_loaded() -> None:
    assert tell()[0] == 0
    assert tell(TELEMETRY="none")[0] == 0


@pytest.mark.parametrize("wrong", ["grpc", "file:relative", "file:", "azure-monitor"])
def test_a_wrong_setting_is_logged_and_stops_nothing(wrong: str) -> None:
    modules, logged = tell(TELEMETRY=wrong)
    assert modules == 0
    assert "wrong settings, nothing is exported: " in logged


def test_what_cannot_be_started_stops_nothing() -> None:
    """A setting of OpenTelemetry's own that its SDK does not take."""
    assert "telemetry-not-started" in tell(TELEMETRY="console", OTEL_ATTRIBUTE_COUNT_LIMIT="many")[1]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_gets_spans_metrics_and_lines_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    tell(TELEMETRY=f"file:{path}")
    signals = {signal for message in lines_of(path) for signal in message}
    assert signals == {"resourceSpans", "resourceMetrics", "resourceLogs"}
    text = path.read_text()
    assert "hunter2" not in text
    assert "sql-01: password=[redacted]" in text
    spans = [
        span
        for message in lines_of(path)
        for resource in message.get("resourceSpans", ())
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert [span["name"] for span in spans] == ["read_items"] * 3
    assert all(len(span["traceId"]) == 32 and len(span["spanId"]) == 16 for span in spans)


def test_a_console_gets_a_line_for_each_span() -> None:
    assert tell(TELEMETRY="console")[1].count("read_items hci.run=r") == 3


class Collector(BaseHTTPRequestHandler):
    """Takes whatever it is sent."""

    taken: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") else body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *given: Any) -> None:  # noqa: A002 - the library names it
        """Say nothing."""


def test_another_backend_gets_all_signals_over_otlp_without_secrets() -> None:
    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        tell(TELEMETRY="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert {path for path, _ in Collector.taken} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    everything = b"".join(body for _, body in Collector.taken)
    assert b"read_items" in everything
    assert b"hci.runs.ended" in everything
    assert b"hunter2" not in everything


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody who takes connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("target", ["otlp", "azure-monitor"])
def test_who_is_silent_or_away_delays_nothing_and_keeps_no_process(target: str, silent_port: int) -> None:
    """What waits would take eight sendings of ten seconds each: more than the process has."""
    for port in (silent_port, find_free_port()):
        base = f"http://127.0.0.1:{port}"
        connection = f"InstrumentationKey=11111111-1111-1111-1111-111111111111;IngestionEndpoint={base}"
        modules, _ = tell(
            TELEMETRY=target,
            SPANS="10000",
            OTEL_EXPORTER_OTLP_ENDPOINT=base,
            APPLICATIONINSIGHTS_CONNECTION_STRING=connection,
            IDENTITY_ENDPOINT=f"{base}/msi",
            IDENTITY_HEADER="x",
        )
        assert modules > 0


def test_the_settings_that_are_there_read_well() -> None:
    settings = TelemetrySettings.from_environment({"TELEMETRY": "file:/tmp/x", "TELEMETRY_READS": "0.1"})
    assert (settings.target, settings.reads_kept) == ("file:/tmp/x", 0.1)
    with pytest.raises(WrongSettings, match="TELEMETRY_READS"):
        TelemetrySettings.from_environment({"TELEMETRY_READS": "2"})


@pytest.mark.parametrize("target", ["otlp", "azure-monitor"])
def test_loading_the_app_asks_nobody_anything(target: str) -> None:
    """Exporters are made in the thread that sends, once there is something to send."""
    story = """
        import os, sys
        asked = []
        sys.addaudithook(lambda event, given: asked.append(given) if event == "socket.connect" else None)
        import function_app
        print(sum(name.startswith("opentelemetry.sdk") for name in sys.modules) > 0, asked)
        sys.stdout.flush()
        os._exit(0)
    """
    connection = "InstrumentationKey=11111111-1111-1111-1111-111111111111;IngestionEndpoint=http://127.0.0.1:9"
    settings = {"TELEMETRY": target, "APPLICATIONINSIGHTS_CONNECTION_STRING": connection}
    command = [sys.executable, "-c", textwrap.dedent(story)]
    told = subprocess.run(command, env=os.environ | settings, cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout == "True []\n"
