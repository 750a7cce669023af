"""What waits has an end, what failed is never left out, and a file becomes no larger than it may."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from shared.telemetry.exporters import LateSpanExporter
from shared.telemetry.otlp_file import FileSpans, OtlpFile
from shared.telemetry.providers import FewerReads, service_name
from shared.telemetry.spans import mark_failed


class Hanging(SpanExporter):
    """Takes one batch and never comes back, until it is let go."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002 - the SDK names it
        self.entered.set()
        self.released.wait(60)
        return SpanExportResult.SUCCESS


def test_while_an_exporter_hangs_spans_are_made_and_only_so_many_wait() -> None:
    hanging = Hanging()
    waiting = BatchSpanProcessor(LateSpanExporter(lambda: hanging), 64, 1, 16)
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(FewerReads(waiting, 1))
    tracer = tracers.get_tracer("x")
    tracer.start_span("first").end()
    assert hanging.entered.wait(30)
    for _ in range(1000):
        tracer.start_span("more").end()
    assert len(waiting._batch_processor._queue) == 64
    hanging.released.set()
    tracers.shutdown()


def test_an_exporter_that_cannot_be_made_is_tried_again_and_ends_no_thread() -> None:
    tries: list[int] = []

    def make() -> SpanExporter:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no network")
        return InMemorySpanExporter()

    late = LateSpanExporter(make)
    assert [late.export([]), late.export([]), late.export([])] == [
        SpanExportResult.FAILURE,
        SpanExportResult.SUCCESS,
        SpanExportResult.SUCCESS,
    ]
    assert len(tries) == 2


@pytest.mark.parametrize("kept", [0.0, 0.25, 1.0])
def test_successful_reads_may_be_left_out_and_nothing_else(kept: float) -> None:
    exported = InMemorySpanExporter()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(FewerReads(SimpleSpanProcessor(exported), kept))
    tracer = tracers.get_tracer("x")
    for _ in range(400):
        for method, fails in (("GET", False), ("GET", True), ("POST", False)):
            span = tracer.start_span(
                f"{method} {fails}", kind=SpanKind.CLIENT, attributes={"http.request.method": method}
            )
            if fails:
                mark_failed(span, "503")
            span.end()
        tracer.start_span("activity").end()
    names = [span.name for span in exported.get_finished_spans()]
    assert [names.count(name) for name in ("GET True", "POST False", "activity")] == [400] * 3
    assert abs(names.count("GET False") / 400 - kept) < 0.12


def test_a_file_that_is_full_becomes_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(FileSpans(OtlpFile(path, largest=3000))))
    for _ in range(100):
        tracers.get_tracer("x").start_span("a span").end()
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 3000 + 100


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "hci-site-recovery"),
        ({"WEBSITE_SITE_NAME": "func-x"}, "func-x"),
        ({"WEBSITE_SITE_NAME": "func-x", "OTEL_SERVICE_NAME": "dr"}, "dr"),
    ],
)
def test_the_app_has_the_name_of_its_host(environ: dict[str, str], name: str) -> None:
    assert service_name(environ) == name
