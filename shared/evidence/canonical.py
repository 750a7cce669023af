"""Canonical JSON (RFC 8785): what is hashed is written so, and reads as the same in every language. Pure."""

from math import isfinite
from typing import Any

import rfc8785

LARGEST_INTEGER = 2**53 - 1
"""Up to here every reader of JSON has the same integer."""


def to_canonical_json(value: Any) -> bytes:
    """A value as canonical JSON.

    What JSON has no words for is kept as text: numbers that others read otherwise, dates, and so on. Half a character
    becomes the replacement character.
    """
    return rfc8785.dumps(_to_json(value))


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {_to_text(name): _to_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(one) for one in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return int(value)
    if isinstance(value, float) and isfinite(value):
        return float(value)
    return _to_text(value)


def _to_text(value: Any) -> str:
    return str(value).encode(errors="surrogatepass").decode(errors="replace")
