"""Who sends spans, metrics and log lines on. Each is made in the thread that sends, when there is something to send."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, override

from opentelemetry import trace
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult

from shared.settings import TelemetrySettings

_LOG = logging.getLogger(__name__)
type Temporality = dict[type, AggregationTemporality]


class Targets(NamedTuple):
    """What makes the exporter of each signal; None: it is not exported."""

    spans: Callable[[], SpanExporter]
    metrics: Callable[[], MetricExporter]
    logs: Callable[[], LogRecordExporter] | None
    temporality: Temporality | None = None


class _Late[Exporter]:
    """An exporter that is made when it is needed first; one that cannot be made is tried again with the next batch."""

    def __init__(self, make: Callable[[], Exporter]) -> None:
        self._make = make
        self.made: Exporter | None = None

    def get(self) -> Exporter | None:
        """The exporter, None when it cannot be made."""
        if self.made is None:
            try:
                self.made = self._make()
            except Exception as error:  # noqa: BLE001 - it must not end the thread that sends
                _LOG.warning("telemetry-not-sent: no exporter: %s", type(error).__name__)
        return self.made


class LateSpanExporter(SpanExporter):
    """Makes the exporter of spans when it is needed."""

    def __init__(self, make: Callable[[], SpanExporter]) -> None:
        self._late = _Late(make)

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        exporter = self._late.get()
        return exporter.export(spans) if exporter else SpanExportResult.FAILURE

    @override
    def shutdown(self) -> None:
        """End what was made."""
        if self._late.made:
            self._late.made.shutdown()


class LateMetricExporter(MetricExporter):
    """Makes the exporter of metrics when it is needed."""

    def __init__(self, make: Callable[[], MetricExporter], temporality: Temporality | None) -> None:
        super().__init__(preferred_temporality=temporality)
        self._late = _Late(make)

    @override
    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Send what was measured."""
        exporter = self._late.get()
        return exporter.export(metrics_data, timeout_millis) if exporter else MetricExportResult.FAILURE

    @override
    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is kept back here."""
        return True

    @override
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """End what was made."""
        if self._late.made:
            self._late.made.shutdown(timeout_millis)


class LateLogExporter(LogRecordExporter):
    """Makes the exporter of log lines when it is needed."""

    def __init__(self, make: Callable[[], LogRecordExporter]) -> None:
        self._late = _Late(make)

    @override
    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Send a batch."""
        exporter = self._late.get()
        return exporter.export(batch) if exporter else LogRecordExportResult.FAILURE

    @override
    def shutdown(self) -> None:
        """End what was made."""
        if self._late.made:
            self._late.made.shutdown()  # type: ignore[no-untyped-call] # the SDK has not annotated this one

    @override
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept back here."""
        return True


def exporters_for(settings: TelemetrySettings) -> Targets:
    """The exporters that a setting names."""
    match settings.target.partition(":"):
        case ("console", _, _):
            return _console_targets()
        case ("file", _, path):
            return _file_targets(Path(path))
        case ("otlp", _, _):
            return _otlp_targets()
    return _azure_targets(settings)


def _console_targets() -> Targets:
    """A line for each span and each measurement; log lines are on the console already."""
    return Targets(
        lambda: ConsoleSpanExporter(out=sys.stderr, formatter=_span_line),
        lambda: ConsoleMetricExporter(out=sys.stderr, formatter=lambda data: data.to_json(indent=None) + "\n"),
        None,
    )


def _span_line(span: ReadableSpan) -> str:
    began, ended = span.start_time or 0, span.end_time or 0
    at = datetime.fromtimestamp(began / 1e9, UTC)
    attributes = " ".join(f"{name}={value!s}" for name, value in (span.attributes or {}).items())
    trace_id = trace.format_trace_id(span.context.trace_id)
    return f"{at:%H:%M:%S.%f} {(ended - began) / 1e9:9.3f} s {trace_id} {span.name} {attributes}\n"


def _file_targets(path: Path) -> Targets:
    from shared.telemetry.otlp_file import FileLogs, FileMetrics, FileSpans, OtlpFile  # noqa: PLC0415 - only when used

    file = OtlpFile(path)
    return Targets(lambda: FileSpans(file), lambda: FileMetrics(file), lambda: FileLogs(file))


def _otlp_targets() -> Targets:
    """OTLP over HTTP, as the settings of OpenTelemetry say."""

    def spans() -> SpanExporter:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only when used

        return OTLPSpanExporter()

    def metrics() -> MetricExporter:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - only when used

        return OTLPMetricExporter()

    def logs() -> LogRecordExporter:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter  # noqa: PLC0415 - only when used

        return OTLPLogExporter()

    return Targets(spans, metrics, logs)


AZURE_QUIET = ("STATSBEAT_DISABLED_ALL", "SDKSTATS_DISABLED", "CONTROLPLANE_DISABLED")
"""What the exporter of Azure Monitor would ask or tell others about itself."""
DELTA: Temporality = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


def _azure_targets(settings: TelemetrySettings) -> Targets:
    """Application Insights, with the identity's token; nothing is kept on the disk meanwhile."""

    def options() -> dict[str, Any]:
        from azure.identity import ManagedIdentityCredential  # noqa: PLC0415 - only when used

        for name in AZURE_QUIET:
            os.environ.setdefault(f"APPLICATIONINSIGHTS_{name}", "true")
        connection = settings.connection_string
        return {
            "connection_string": connection.get_secret_value() if connection else None,
            "credential": ManagedIdentityCredential(client_id=settings.client_id),
            "disable_offline_storage": True,
        }

    def spans() -> SpanExporter:
        from azure.monitor.opentelemetry.exporter import AzureMonitorTraceExporter  # noqa: PLC0415 - only when used

        return AzureMonitorTraceExporter(**options())

    def metrics() -> MetricExporter:
        from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter  # noqa: PLC0415 - only when used

        return AzureMonitorMetricExporter(**options())

    def logs() -> LogRecordExporter:
        from azure.monitor.opentelemetry.exporter import AzureMonitorLogExporter  # noqa: PLC0415 - only when used

        return AzureMonitorLogExporter(**options())

    return Targets(spans, metrics, logs, DELTA)
