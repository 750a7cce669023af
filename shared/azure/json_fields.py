"""Reading what Azure sends: ids of any casing, times that mean nothing, values that are null."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shared.redaction import redact_text

type Json = Mapping[str, Any]
"""A JSON object as it came, under its wire names."""
FIRST_REAL_YEAR = 1900  # Site Recovery writes 1753 and 0001 for "never"


def text_of(value: Any) -> str:
    """A string, empty for null."""
    return "" if value is None else str(value)


def message_of(value: Any) -> str:
    """A sentence that Azure, or somebody behind it, wrote for people, without secrets; empty for null."""
    return redact_text(text_of(value)).strip()


def object_at(value: Json | None, *names: str) -> Json:
    """The object under a path of names, empty where Azure left it out, or sent null or something else."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def parse_utc(value: Any) -> datetime | None:
    """An aware time; None for null, for the service's words for "never", and for what is no ISO 8601 time."""
    try:
        read = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    if read.year < FIRST_REAL_YEAR:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def date_of(headers: Mapping[str, str]) -> datetime:
    """When Azure answered, by the Date header that every answer of ARM carries.

    Raises:
        ValueError: there is none.
    """
    return parsedate_to_datetime(headers.get("Date") or "").astimezone(UTC)
