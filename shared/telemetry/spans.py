"""Spans of what the app does, in the trace of whoever asked for it; where nothing exports them they cost nothing.

An attribute is a name, an id or a number of ours. Headers, bodies, queries of URLs and texts of errors are none.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from shared.redaction import redact_text

SCOPE = "hci-site-recovery"
"""The instrumentation scope of all that this app records."""
RUN, STARTED_RUN, CODE = "hci.run", "hci.started_run", "hci.code"
LONGEST_VALUE = 1000
type Value = str | int | float | bool
_TRACER = trace.get_tracer(SCOPE)


class SpanIds(NamedTuple):
    """The ids that the next span gets; its trace id counts only where it has no parent."""

    trace_id: int
    span_id: int


NEXT_IDS: ContextVar[SpanIds | None] = ContextVar("next_span_ids", default=None)
_CALLER: ContextVar[Context | None] = ContextVar("caller_of_activity", default=None)


@contextmanager
def start_span(
    name: str, attributes: Mapping[str, Value] | None = None, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """A span of this block, as a child of the current one; what the block raises makes it a failed one."""
    with _TRACER.start_as_current_span(name, kind=kind, record_exception=False, set_status_on_exception=False) as span:
        if span.is_recording():
            span.set_attributes(clean(attributes or {}))
        try:
            yield span
        except BaseException as error:
            mark_failed(span, type(error).__name__)
            raise


@contextmanager
def start_activity_span(name: str, attributes: Mapping[str, Value]) -> Iterator[Span]:
    """A span of an activity, which remembers in whose trace it was called."""
    token = _CALLER.set(trace.set_span_in_context(trace.get_current_span()))
    try:
        with start_span(name, attributes) as span:
            yield span
    finally:
        _CALLER.reset(token)


def mark_failed(span: Span, failure: str) -> None:
    """Make a span a failed one; the failure is a type or a code, never the text of an error."""
    span.set_status(Status(StatusCode.ERROR, failure))
    span.set_attribute("error.type", failure)


def note_started_run(run: str) -> None:
    """Note on the current span which run it has started: so a run's trace is found by its id."""
    trace.get_current_span().set_attribute(STARTED_RUN, run)


def is_recording() -> bool:
    """Whether the current span goes anywhere."""
    return trace.get_current_span().is_recording()


def clean(attributes: Mapping[str, Value]) -> dict[str, Value]:
    """Attributes without what looks like a secret, and none of them long."""
    return {
        name: redact_text(value[:LONGEST_VALUE]) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value != ""
    }


class PastSpan(NamedTuple):
    """A span of something that is over, by the durable clock.

    Attributes:
        key: What its id follows from: equal each time it is recorded.
        failed: The code of its failure, empty without one.
    """

    key: str
    name: str
    began: datetime
    ended: datetime
    attributes: Mapping[str, Value]
    failed: str = ""


def record_past_span(past: PastSpan, parent: Context | None = None) -> Context:
    """Record a span of the past: the context of its children.

    Args:
        past: What it was.
        parent: Of its parent; without one it belongs to whoever called the activity, or else begins a trace of its own.
    """
    token = NEXT_IDS.set(SpanIds(_id_of(past.key, 16), _id_of(past.key, 8)))
    try:
        span = _TRACER.start_span(
            past.name,
            context=parent or _CALLER.get() or Context(),
            attributes=clean(past.attributes),
            start_time=_nanoseconds(past.began),
        )
    finally:
        NEXT_IDS.reset(token)
    if past.failed:
        mark_failed(span, past.failed)
    span.end(_nanoseconds(max(past.began, past.ended)))
    return trace.set_span_in_context(span)


def _id_of(key: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{size} {key}".encode()).digest()[:size]) or 1


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000
