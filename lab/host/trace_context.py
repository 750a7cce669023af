"""The trace that a call of the app belongs to, handed on as the Functions host and its Python worker do it."""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SETTING = "PYTHON_ENABLE_OPENTELEMETRY"
"""With it the worker makes the caller's trace that of the function. Source: azure_functions_runtime/handle_event.py."""
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass
class TraceContext:
    """What a function's context says of its trace."""

    trace_parent: str
    trace_state: str = ""


def traceparent_of(headers: Mapping[str, str]) -> str:
    """The trace that a request names in its header, or a new one, in W3C's form."""
    given = headers.get("traceparent", "").strip().lower()
    return given if _TRACEPARENT.fullmatch(given) else new_traceparent()


def new_traceparent() -> str:
    """A trace that begins here."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@contextmanager
def attached(traceparent: str) -> Iterator[None]:
    """Let the block be part of a trace, where the app's settings want that."""
    if os.environ.get(SETTING, "").lower() not in {"1", "true"}:
        yield
        return
    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)
