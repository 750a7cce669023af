"""Seals: how what the app sends to its own runs is told from what anybody else sends through the durable engine.

The engine hands on whatever comes through its webhooks, and one key opens these. So the app seals what it sends, with a
key that the engine never has: HMAC-SHA256 over canonical JSON (RFC 8785) of the run, the name and the payload. A seal
is good for that run and that name alone. It does not say when: a message that is sent again is the same message.

What may be large, the input of a run and a message to an entity, is sealed by its digest: who asks for a seal, or for
a look at one, need not hand it over.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import rfc8785

SEAL_KEY_SETTING = "MAC_KEY"
"""Where the key is; every error that says that it cannot be read has this name."""
SEAL = "seal"
"""The field of a payload that holds its seal."""
SEALED = "sealed"
"""The field of the input of a run that holds its seal."""


def compute_seal(key: bytes, run: str, name: str, payload: Mapping[str, Any]) -> str:
    """The seal of a payload, hexadecimal; a seal that it has already does not count."""
    unsealed = {field: value for field, value in payload.items() if field != SEAL}
    content = rfc8785.dumps({"run": run, "name": name, "payload": unsealed})
    return hmac.digest(key, content, "sha256").hex()


def with_seal(key: bytes, run: str, name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, sealed for one run."""
    return {**payload, SEAL: compute_seal(key, run, name, payload)}


def has_seal(keys: Iterable[bytes], run: str, name: str, payload: Mapping[str, Any]) -> bool:
    """Whether the app has sealed this payload for this run under this name, with one of these keys."""
    given = payload.get(SEAL)
    if not isinstance(given, str) or not given.isascii():
        return False
    try:
        return any(hmac.compare_digest(given, compute_seal(key, run, name, payload)) for key in keys)
    except (rfc8785.CanonicalizationError, RecursionError):  # nothing that the app could have sealed
        return False


def digest_of(content: Any) -> str:
    """SHA-256 of plain JSON, hexadecimal; the same for whatever order its fields come in."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class SealedInput(NamedTuple):
    """The input of a run, apart from its seal.

    Attributes:
        content: What the run is given.
        seal: As `seal_input` gives it; of no use where the app has not made it.
    """

    content: dict[str, Any]
    seal: dict[str, Any]


def split_seal(payload: Any) -> SealedInput:
    """Whatever a run was given; what is no object has nothing that a run could begin with."""
    if not isinstance(payload, Mapping):
        return SealedInput({}, {})
    seal = payload.get(SEALED)
    content = {field: value for field, value in payload.items() if field != SEALED}
    return SealedInput(content, dict(seal) if isinstance(seal, Mapping) else {})


def begin_name(orchestrator: str) -> str:
    """Under which name the input of a generation of such a run is sealed."""
    return f"begin {orchestrator}"


def facts_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is sealed with the input of a run beside its digest: its plan, where it has one."""
    plan = document.get("plan")
    return {"plan": plan} if plan and isinstance(plan, str) else {}


def seal_input(
    key: bytes, orchestrator: str, run: str, content: Mapping[str, Any], facts: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The input of a run that the app starts, sealed.

    Args:
        facts: What is to be known of it without reading the input, and is sealed with it, as `CheckBegin` has them.
    """
    name, about = begin_name(orchestrator), {"digest": digest_of(content), **(facts or {})}
    return {**content, SEALED: {**(facts or {}), SEAL: compute_seal(key, run, name, about)}}


def message_name(entity: str, operation: str) -> str:
    """Under which name a message to an entity is sealed; the key of the entity takes the place of a run."""
    return f"{entity} {operation}"


def digest_of_message(message: Mapping[str, Any]) -> str:
    """What is sealed of a message to an entity."""
    return digest_of({field: value for field, value in message.items() if field != SEAL})


def seal_message(
    key: bytes, entity: str, entity_key: str, operation: str, message: Mapping[str, Any]
) -> dict[str, Any]:
    """A message to an entity, sealed."""
    about = {"digest": digest_of_message(message)}
    return {**message, SEAL: compute_seal(key, entity_key, message_name(entity, operation), about)}


def is_own_message(
    keys: Iterable[bytes], entity: str, entity_key: str, operation: str, message: Mapping[str, Any]
) -> bool:
    """Whether the app has sent this message to this entity."""
    about = {"digest": digest_of_message(message), SEAL: message.get(SEAL)}
    return has_seal(keys, entity_key, message_name(entity, operation), about)
