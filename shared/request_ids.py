"""Ids that are the same each time they are made: of a run, and of each verb that it sends."""

import hashlib
import json
import re
import uuid
from typing import Any

_NAMESPACE = uuid.UUID("7f0b6c5e-2f0e-5a57-9a6d-3c1d0f2b8e44")
"""Fixed for ever: a verb that was sent before an upgrade must be found again after it."""


def client_request_id(operation: str, item_id: str, verb: str, attempt: int) -> str:
    """The x-ms-client-request-id of a verb: UUIDv5, equal whenever the same run means the same attempt.

    Args:
        operation: Id of the root run, unique for it.
        item_id: ARM id of the protected item, in any casing.
        attempt: Counts the verbs that are sent on purpose.

    Source: the activityId of 454 recorded jobs begins with the client request id of the request that started them.
    """
    return str(uuid.uuid5(_NAMESPACE, "\n".join((operation, item_id.lower(), verb, str(attempt)))))


def run_id(kind: str, subject: str, key: str) -> str:
    """Id of a run, such as "failover-payroll-3f9c1a2b77d0": readable, and equal for an equal key.

    At most 100 characters of a-z, 0-9 and "-"; what follows the last "-" is the digest.

    Args:
        key: The caller's Idempotency-Key, or anything that is unique for the run.
    """
    mark = hashlib.sha256("\n".join((kind, subject, key)).encode()).hexdigest()[:12]
    return f"{run_id_prefix(kind, subject)}{mark}"


def request_digest(kind: str, subject: str, person: tuple[str, str], body: Any) -> str:
    """What a request for a run is, in hex: equal only for the same person who asks for the same.

    Args:
        kind: Of the run.
        subject: What it is about.
        person: Id and name of who asks.
        body: The parsed body.
    """
    content = json.dumps([kind, subject, *person, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def run_id_prefix(kind: str, subject: str = "") -> str:
    """How the ids of all runs of a kind begin; with a subject those of its runs, and of others that read alike."""
    kind_part = f"{_slug_of(kind)[:20]}-"
    return f"{kind_part}{_slug_of(subject)[:60].strip('-')}-" if subject else kind_part


def _slug_of(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
