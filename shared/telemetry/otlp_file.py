"""OTLP as lines of JSON in a file, as the OTLP file exporter of OpenTelemetry's specification writes it.

The file has an end: full, it becomes the one before, and a new one begins.
"""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, override

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped] # protobuf ships no types
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

LARGEST = 64 * 2**20
"""Bytes of one file; there are two at the most."""
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


class OtlpFile:
    """The file that all signals are appended to."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        self._path, self._largest, self._lock = path, largest, Lock()

    def append(self, message: Any) -> None:
        """Append one message as a line."""
        line = json.dumps(_with_hex_ids(MessageToDict(message, use_integers_for_enums=True)), separators=(",", ":"))
        with self._lock:
            if self._path.exists() and self._path.stat().st_size + len(line) > self._largest:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            with self._path.open("a") as file:
                file.write(f"{line}\n")


def _with_hex_ids(value: Any) -> Any:
    """The same with ids as OTLP has them in JSON: in hex. Source: OTLP specification, JSON Protobuf encoding."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(inner).hex() if name in _IDS else _with_hex_ids(inner)
            for name, inner in value.items()
        }
    return [_with_hex_ids(inner) for inner in value] if isinstance(value, list) else value


class FileSpans(SpanExporter):
    """Spans to the file."""

    def __init__(self, file: OtlpFile) -> None:
        self._file = file

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a batch."""
        self._file.append(encode_spans(spans))
        return SpanExportResult.SUCCESS


class FileMetrics(MetricExporter):
    """Metrics to the file."""

    def __init__(self, file: OtlpFile) -> None:
        super().__init__()
        self._file = file

    @override
    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Append what was measured."""
        self._file.append(encode_metrics(metrics_data))
        return MetricExportResult.SUCCESS

    @override
    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing is kept back."""
        return True

    @override
    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Nothing is open."""


class FileLogs(LogRecordExporter):
    """Log lines to the file."""

    def __init__(self, file: OtlpFile) -> None:
        self._file = file

    @override
    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Append a batch."""
        self._file.append(encode_logs(batch))
        return LogRecordExportResult.SUCCESS

    @override
    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept back."""
        return True

    @override
    def shutdown(self) -> None:
        """Nothing is open."""
