"""Log lines on their way out: the app's own from INFO on, those of libraries from WARNING on, none with a secret."""

import logging
import traceback
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current
from opentelemetry.sdk._logs import LoggerProvider

from shared.redaction import redact_text

OWN = ("activities", "orchestrators", "shared", "triggers", "function_app")
LEFT_OUT = ("opentelemetry", "azure.core", "azure.identity", "azure.monitor", "msal", "urllib3", "requests")
"""Who sends what is exported: each line of theirs would cause the next one."""
LONGEST_BODY: Final = 8_000
SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)


class OwnLogHandler(logging.Handler):
    """Hands lines to the queue, in the trace in which they were written."""

    def __init__(self, loggers: LoggerProvider) -> None:
        super().__init__(logging.INFO)
        self._loggers = loggers

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it goes out."""
        if record.name.startswith(LEFT_OUT):
            return False
        return record.levelno >= (logging.INFO if record.name.partition(".")[0] in OWN else logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue it."""
        try:
            self._loggers.get_logger(record.name).emit(_line_of(record))
        except Exception:  # noqa: BLE001 - a line that cannot be sent must not stop what wrote it
            self.handleError(record)


def _line_of(record: logging.LogRecord) -> LogRecord:
    severity = next((number for level, number in SEVERITIES if record.levelno >= level), SeverityNumber.DEBUG)
    error = record.exc_info[1] if record.exc_info else None
    attributes = {"exception.type": type(error).__name__} if error else {}
    stack = "\n" + "".join(traceback.format_exception(error)) if error else ""
    return LogRecord(
        timestamp=round(record.created * 1e6) * 1000,
        context=get_current(),
        severity_number=severity,
        severity_text=severity.name,
        body=redact_text(record.getMessage() + stack)[:LONGEST_BODY],
        attributes=attributes,
    )
