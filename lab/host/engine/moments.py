"""Time and text as the engine keeps them: whole microseconds since 1970, and wrapped protobuf strings."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped] # protobuf ships no types
from google.protobuf.wrappers_pb2 import StringValue  # type: ignore[import-untyped]

type Message = Any
"""A protobuf message."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(moment: datetime) -> int:
    """The moment in microseconds since 1970: exact, so that a timer is due at its very instant."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_micros(at: int) -> datetime:
    """The inverse of `to_micros`, aware UTC."""
    return EPOCH + timedelta(microseconds=at)


def to_timestamp(at: int | None) -> Timestamp | None:
    """A protobuf timestamp."""
    if at is None:
        return None
    stamped = Timestamp()
    stamped.FromMicroseconds(at)
    return stamped


def to_string_value(value: str | None) -> StringValue | None:
    """A wrapped string, which unlike a plain one can be absent."""
    return None if value is None else StringValue(value=value)


def text_of(message: Message, field: str) -> str | None:
    """The value of a wrapped string field, or None if it is absent."""
    return getattr(message, field).value if message.HasField(field) else None


def moment_of(message: Message, field: str) -> int | None:
    """The value of a timestamp field in microseconds, or None if it is absent."""
    return getattr(message, field).ToMicroseconds() if message.HasField(field) else None
