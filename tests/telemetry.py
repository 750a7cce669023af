"""What the app records, kept in memory for one test: the process's own providers stay as they are."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.telemetry import metrics, spans
from shared.telemetry.logs import OwnLogHandler
from shared.telemetry.providers import make_tracer_provider

type Series = tuple[tuple[str, str | int], ...]


class Recorded:
    """Spans, metrics and log lines so far."""

    def __init__(self) -> None:
        self._spans, self._reader, self._lines = InMemorySpanExporter(), InMemoryMetricReader(), _log_exporter()
        self.tracers = make_tracer_provider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider((self._reader,), shutdown_on_exit=False)
        self.loggers = LoggerProvider(shutdown_on_exit=False)
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(self._lines))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    @property
    def lines(self) -> list[str]:
        return [str(one.log_record.body) for one in self._lines.get_finished_logs()]

    def metric(self, name: str) -> dict[Series, Any]:
        """The points of a metric by their attributes, in the order of its definition; of a histogram how many."""
        return self.metrics().get(name, {})

    def metrics(self) -> dict[str, dict[Series, Any]]:
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
        return {
            one.name: {_series(point.attributes): _value(point) for point in one.data.data_points}
            for scope in scopes
            for one in scope.metrics
        }

    def text(self) -> str:
        """Everything that would leave the process."""
        shown = [span.to_json() for span in self.spans]
        return "\n".join([*shown, *self.lines, str(self.metrics())])


def _log_exporter() -> InMemoryLogRecordExporter:
    return InMemoryLogRecordExporter()  # type: ignore[no-untyped-call] # the SDK has not annotated this one


def _series(attributes: Mapping[str, Any] | None) -> Series:
    return tuple((attributes or {}).items())


def _value(point: Any) -> Any:
    return point.count if hasattr(point, "bucket_counts") else point.value


@contextmanager
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Have all that the app records go to memory."""
    recorded = Recorded()
    monkeypatch.setattr(spans, "_TRACER", recorded.tracers.get_tracer(spans.SCOPE))
    monkeypatch.setattr(metrics, "_INSTRUMENTS", metrics.make_instruments(recorded.meters.get_meter(spans.SCOPE)))
    for name in ("_counted", "_vault_series", "_last_look"):
        monkeypatch.setattr(metrics, name, type(getattr(metrics, name))())
    handler, root = OwnLogHandler(recorded.loggers), logging.getLogger()
    before, root.level = root.level, logging.INFO
    root.addHandler(handler)
    try:
        yield recorded
    finally:
        root.removeHandler(handler)
        root.level = before


def parent_of(span: ReadableSpan) -> int:
    """The id of a span's parent, 0 without one."""
    return span.parent.span_id if span.parent else trace.INVALID_SPAN_ID
