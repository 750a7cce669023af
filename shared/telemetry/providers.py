"""The providers of OpenTelemetry's SDK, as the settings want them. Loaded only where something is exported."""

import logging
import os
from collections.abc import Callable, Mapping

from opentelemetry import metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind

from shared.settings import TelemetrySettings
from shared.telemetry.exporters import LateLogExporter, LateMetricExporter, LateSpanExporter, exporters_for
from shared.telemetry.logs import OwnLogHandler
from shared.telemetry.spans import NEXT_IDS, SCOPE

MOST_WAITING = 4096
"""Spans, and as many log lines, that wait to be sent; some 8 MB."""
AT_ONCE = 512
SENT_EVERY_MS, MEASURED_EVERY_MS = 2_000, 60_000
NEARBY_MEASURED_EVERY_MS = 10_000
"""Of a file or the console, at which somebody looks."""


class RunIds(RandomIdGenerator):
    """Random ids, but for spans whose ids follow from what they are about."""

    def generate_span_id(self) -> int:
        """The id of a span."""
        ids = NEXT_IDS.get()
        return ids.span_id if ids else super().generate_span_id()

    def generate_trace_id(self) -> int:
        """The id of a trace."""
        ids = NEXT_IDS.get()
        return ids.trace_id if ids else super().generate_trace_id()


class FewerReads(SpanProcessor):
    """Lets a part of the traces do without their successful reads of Azure; all that failed or changed is handed on."""

    def __init__(self, inner: SpanProcessor, kept: float) -> None:
        self._inner, self._bound = inner, round(kept * 2**64)

    def on_start(self, span: "trace.Span", parent_context: object = None) -> None:
        """Nothing is decided yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Hand it on, or not."""
        is_read = span.kind is SpanKind.CLIENT and (span.attributes or {}).get("http.request.method") == "GET"
        if not is_read or not span.status.is_ok or (span.context.trace_id & (2**64 - 1)) < self._bound:
            self._inner.on_end(span)

    def shutdown(self) -> None:
        """Send what waits."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._inner.force_flush(timeout_millis)


def make_tracer_provider(resource: Resource | None = None) -> TracerProvider:
    """Records every span, whatever its parent says: the engine marks traces that nobody draws as not sampled."""
    return TracerProvider(resource=resource, sampler=ALWAYS_ON, id_generator=RunIds(), shutdown_on_exit=False)


def service_name(environ: Mapping[str, str]) -> str:
    """As OpenTelemetry's own setting says, or else as the host calls itself, so that both are one on a map."""
    return environ.get("OTEL_SERVICE_NAME") or environ.get("WEBSITE_SITE_NAME") or SCOPE


def install_providers(settings: TelemetrySettings) -> Callable[[], None]:
    """Make them those of this process; gives what ends them."""
    resource = Resource.create({"service.name": service_name(os.environ)})
    targets = exporters_for(settings)
    tracers = make_tracer_provider(resource)
    batches = BatchSpanProcessor(LateSpanExporter(targets.spans), MOST_WAITING, SENT_EVERY_MS, AT_ONCE)
    tracers.add_span_processor(FewerReads(batches, settings.reads_kept))
    nearby = settings.target == "console" or settings.target.startswith("file:")
    every = NEARBY_MEASURED_EVERY_MS if nearby else MEASURED_EVERY_MS
    reader = PeriodicExportingMetricReader(LateMetricExporter(targets.metrics, targets.temporality), every)
    meters = MeterProvider((reader,), resource, shutdown_on_exit=False)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    ends: list[Callable[[], object]] = [tracers.shutdown, meters.shutdown]
    if targets.logs:
        loggers = LoggerProvider(resource, shutdown_on_exit=False)
        waiting = BatchLogRecordProcessor(
            LateLogExporter(targets.logs), SENT_EVERY_MS, AT_ONCE, max_queue_size=MOST_WAITING
        )
        loggers.add_log_record_processor(waiting)
        logging.getLogger().addHandler(OwnLogHandler(loggers))
        ends.append(loggers.shutdown)

    def shut_down() -> None:
        for end in ends:
            end()

    return shut_down
