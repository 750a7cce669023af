"""Seals: how what the app sends to its own runs is told from what anybody else sends through the durable engine.

The engine hands on whatever comes through its webhooks, and one key opens these. So the app seals what it sends, with a
key that the engine never has: HMAC-SHA256 over canonical JSON (RFC 8785) of the run, the name and the payload. A seal
is good for that run and that name alone. It does not say when: a message that is sent again is the same message.
"""

import hmac
from collections.abc import Mapping
from typing import Any

import rfc8785

SEAL = "seal"
"""The field of a payload that holds its seal."""


def compute_seal(key: bytes, run: str, name: str, payload: Mapping[str, Any]) -> str:
    """The seal of a payload, hexadecimal; a seal that it has already does not count."""
    unsealed = {field: value for field, value in payload.items() if field != SEAL}
    content = rfc8785.dumps({"run": run, "name": name, "payload": unsealed})
    return hmac.digest(key, content, "sha256").hex()


def with_seal(key: bytes, run: str, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, sealed for one run."""
    return {**payload, SEAL: compute_seal(key, run, name, payload)}


def has_seal(key: bytes, run: str, name: str, payload: Mapping[str, Any]) -> bool:
    """Whether the app has sealed this payload for this run under this name."""
    given = payload.get(SEAL)
    if not isinstance(given, str) or not given.isascii():
        return False
    try:
        return hmac.compare_digest(given, compute_seal(key, run, name, payload))
    except (rfc8785.CanonicalizationError, RecursionError):  # nothing that the app could have sealed
        return False
