"""Where the SDKs' exceptions stop: each becomes a Transient or a Refused."""

import json
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, HttpResponseError

from shared.arm_ids import subscription_of
from shared.azure.answer_shapes import UnusableAnswer
from shared.azure.json_fields import date_of, message_of, object_at, text_of
from shared.errors import CallKind, Refused, SiteRecoveryError, Throttled, Transient

USUAL_WAIT = 30
"""Seconds of a 429 that does not say how long."""
LONGEST_WAIT = 15 * 60
"""Seconds that a Retry-After is obeyed: a proxy or a service that is confused may name days."""
PUT_OFF = frozenset({409, 412, 423, 425})
"""Statuses of a request that collides with something, which passes."""
LASTING_CONFLICTS = frozenset(
    {
        "ScopeLocked",
        "OperationNotAllowed",
        "RequestDisallowedByPolicy",
        "RequestDisallowedByAzure",
        "ReadOnlyDisabledSubscription",
        "DisallowedOperation",
        "MissingSubscriptionRegistration",
        "SubscriptionNotRegistered",
        "SkuNotAvailable",
        "LocationNotAvailableForResourceType",
        "InvalidResourceLocation",
        "QuotaExceeded",
        "ResourceQuotaExceeded",
        "RoleAssignmentExists",
        "RoleAssignmentUpdateNotPermitted",
        "InvalidFailoverDirection",
    }
)
"""Codes under which Azure says 409 and means no: a lock, a policy, a quota, a state that no wait changes."""
ASK_AGAIN = frozenset({401, 408, 429})  # 401: the next attempt comes with a new token


NOTED_REFUSALS: ContextVar[list[Throttled] | None] = ContextVar("NOTED_REFUSALS")
"""Where an activity has its refusals noted: it may get over one by itself, and all others have to know all the same."""


class NotFound(Refused):
    """What was asked for does not exist, or not any more."""


class NotNow(Refused):
    """What was asked for collides with something else that is under way: asked again later it may be taken."""


async def unless_missing[T](answer: Awaitable[T]) -> T | None:
    """What Azure answers; None where what was asked for is not there."""
    try:
        return await answer
    except NotFound:
        return None


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn whatever the SDKs raise inside into this product's two kinds of error.

    Raises:
        Throttled: 429.
        Transient: 401, 408, 5xx, a lost connection, a timeout, an answer that cannot be read.
        NotFound: 404.
        NotNow: 409, 412, 423 or 425, but for the codes that say no for good.
        Refused: any other answer from 400 on, under Site Recovery's own code where it gave one.
    """
    try:
        yield
    except AzureError as error:
        raise _error_from_sdk(error) from error
    except json.JSONDecodeError as error:
        raise Transient("Azure's answer cannot be read") from error


def _error_from_sdk(error: AzureError) -> SiteRecoveryError:
    answer: Any = error.response if isinstance(error, HttpResponseError) else None
    if answer is not None and answer.status_code >= 400:
        return _error_from_answer(answer)
    if isinstance(error, UnusableAnswer):
        return Transient(str(error))
    if answer is not None and not isinstance(error, DecodeError):
        return Transient(f"Azure answered {answer.status_code} to {_place_of(answer.request)}")
    if isinstance(error, ClientAuthenticationError):
        return Transient("no token could be had from the managed identity")
    return Transient(f"Azure did not answer: {type(error).__name__}")


def _error_from_answer(answer: Any) -> SiteRecoveryError:
    status, request = answer.status_code, answer.request
    where = _place_of(request)
    if status in ASK_AGAIN or status >= 500:
        detail, wait = f"Azure answered {status} to {where}", wait_named_by(answer.headers)
        if status != 429:
            return Transient(detail, wait)
        subscription = subscription_of(urlsplit(request.url).path)
        return Throttled(detail, wait or USUAL_WAIT, subscription, kind_of_call(request.method))
    code, detail = _code_and_message(answer)
    return _kind_of_refusal(status, code)(code or f"http-{status}", detail or f"Azure answered {status} to {where}")


def _kind_of_refusal(status: int, code: str) -> type[Refused]:
    if status == 404:
        return NotFound
    return NotNow if status in PUT_OFF and code not in LASTING_CONFLICTS else Refused


def _place_of(request: Any) -> str:
    """What was asked for; never its query, which may be signed."""
    return f"{request.method} {urlsplit(request.url).path}"


def kind_of_call(method: str) -> CallKind:
    """Which of Azure's buckets a request draws on; deletes have one that is like that of writes."""
    return "reads" if method in {"GET", "HEAD"} else "writes"


def wait_named_by(headers: Mapping[str, str]) -> int | None:
    """Seconds that Azure asked us to wait, None where it did not say; a date is held against that of the answer.

    Never longer than LONGEST_WAIT: then it is asked again, as long as whoever waits has patience.
    """
    named = headers.get("Retry-After") or ""
    try:
        wait = int(named) if named.isdigit() else ceil(_seconds_until(named, headers))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0, wait), LONGEST_WAIT)


def _seconds_until(named: str, headers: Mapping[str, str]) -> float:
    return (parsedate_to_datetime(named) - date_of(headers)).total_seconds()


def _code_and_message(response: Any) -> tuple[str, str]:
    """Code and message of an error body; Site Recovery's useful ones stand in the first of its details.

    Automation's errors have no envelope: {"code", "message"}.
    """
    try:
        body = json.loads(response.text())
    except (ValueError, LookupError):
        return "", ""
    if not isinstance(body, dict):
        return "", ""
    error = object_at(body, "error") or (body if "code" in body else {})
    details = error.get("details")
    first = object_at({"first": details[0]}, "first") if isinstance(details, list) and details else {}
    source = first if first.get("code") else error
    sentences = (source.get("message"), source.get("recommendedAction"))
    return text_of(source.get("code")), " ".join(message_of(sentence) for sentence in sentences if sentence)
