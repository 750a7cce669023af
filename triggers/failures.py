"""What went wrong outside the request: which part of the app is away, in a sentence and a code."""

import logging
import re
import traceback
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc  # type: ignore[import-untyped] # grpcio ships no types
from azure.core.exceptions import AzureError

from shared.redaction import redact_text

_LOG = logging.getLogger(__name__)
ENGINE_FAILURES = (grpc.RpcError, grpc.aio.BaseError, TimeoutError, ConnectionError)
"""What a call of the durable client raises when the engine does not do it."""
_STORAGE_WORDS = re.compile(r"storage|core\.windows\.net|RequestFailed|\b(table|blob|queue)s?\b", re.IGNORECASE)
_TOO_LARGE_WORDS = re.compile(r"message larger than max", re.IGNORECASE)


class Outage(NamedTuple):
    """A part of the app that does not answer now, and may answer soon."""

    code: str
    detail: str


UNREACHABLE = Outage(
    code="engine-unreachable",
    detail="The durable engine cannot be reached: the Functions host is starting, restarting or away.",
)
SLOW = Outage(
    code="engine-slow",
    detail="The durable engine did not answer in time; GET /api/health says which part of it is silent.",
)
FAILING = Outage(
    code="engine-failing",
    detail="The durable engine cannot do its work: most probably its storage account does not answer.",
)
STORAGE_AWAY = Outage(code="storage-away", detail="The storage account of the durable engine does not answer.")
OUTAGE_BY_STATUS: Mapping[grpc.StatusCode, Outage] = {
    grpc.StatusCode.UNAVAILABLE: UNREACHABLE,
    grpc.StatusCode.CANCELLED: UNREACHABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: SLOW,
    grpc.StatusCode.INTERNAL: FAILING,
    grpc.StatusCode.UNKNOWN: FAILING,
    grpc.StatusCode.ABORTED: FAILING,
    grpc.StatusCode.RESOURCE_EXHAUSTED: FAILING,
}
"""With any other status the engine says that the call itself is wrong."""


def find_outage(error: BaseException) -> Outage | None:
    """What is away, None when the error means something else."""
    match error:
        case grpc.RpcError():
            return _outage_of_call(error)
        case grpc.aio.BaseError() | ConnectionError():
            return UNREACHABLE
        case TimeoutError():
            return SLOW
        case AzureError():
            return STORAGE_AWAY
    return None


def _outage_of_call(error: Any) -> Outage | None:
    outage, text = OUTAGE_BY_STATUS.get(status_of(error)), details_of(error)
    if outage is None or is_too_large(error):
        return None
    names_storage = outage is FAILING and _STORAGE_WORDS.search(text)  # only which of two sentences is given
    return STORAGE_AWAY if names_storage else outage


def status_of(error: BaseException) -> grpc.StatusCode | None:
    """The status with which the engine ended a call, None for other errors."""
    return error.code() if isinstance(error, grpc.RpcError) and hasattr(error, "code") else None


def details_of(error: BaseException) -> str:
    """The engine's own words, for the log: they may hold addresses and keys."""
    return str(error.details() or "") if isinstance(error, grpc.RpcError) and hasattr(error, "details") else str(error)


def is_too_large(error: BaseException) -> bool:
    """Whether an answer of the engine was larger than a message may be."""
    is_exhausted = status_of(error) == grpc.StatusCode.RESOURCE_EXHAUSTED
    return is_exhausted and _TOO_LARGE_WORDS.search(details_of(error)) is not None


def require_outage(error: Exception) -> Outage:
    """What is away; the engine's own words go to the log, without secrets. Any other error is raised again."""
    if not (outage := find_outage(error)):
        raise error
    _LOG.warning("%s: %s: %s", outage.code, type(error).__name__, redact_text(details_of(error)))
    return outage


def log_unexpected(error: BaseException) -> str:
    """Write an error down, without secrets; the reference under which it stands in the log."""
    reference = uuid.uuid4().hex[:12]
    text = redact_text("".join(traceback.format_exception(error)))
    _LOG.error("unexpected error %s: %s", reference, text)
    return reference
