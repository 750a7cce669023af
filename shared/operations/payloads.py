"""Inputs and outputs of runs as the engine keeps them: the large ones compressed, and what a generation hands on.

The engine reads a whole input at each dispatch, and hands input and output of a run to a client in one message of 4 MB.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import Field

from shared.messages import Message
from shared.operations.entity_messages import MessageStamp
from shared.operations.seals import SEALED

PACKED, CARRIED, ENDED_IN_INPUT = "packed", "carried", "ended_in_input"
"""Fields that are no part of the document itself."""
PACK_FROM = 24 * 1024
"""Characters of JSON from which on a document is compressed: a message of the engine's queues holds 45 kB."""
MOST_UNPACKED = 256 * 1024 * 1024
"""Bytes of a document: runs of 5,000 VMs have some 20 MB. Whoever has the key of the webhooks can start any."""
KEPT_ONCE_FROM = 256 * 1024
"""Characters of a compressed outcome from which on the last generation's input holds it, in place of the run."""
PARTS_OF_A_LIVING_RUN = frozenset({"run", "progress", "preview"})
"""Fields of an input that say nothing more once the outcome is there."""


class Carried(Message):
    """What the engine forgets of a run when it continues as new.

    Attributes:
        created_at: When its first generation began.
        custom_status: What it said of itself last.
        outcome: How it ended, where that is too large to be an output beside the input.
        sender: Under which name it sends messages to entities, where its id is that of no other run; else it is made
            of its id and its begin, which is another one when a host dies in the very first dispatch.
        last_stamp: Of its last message to an entity.
        request_digest: Of the request that it was started by, where that had an Idempotency-Key.
    """

    created_at: datetime | None = None
    custom_status: dict[str, Any] = Field(default_factory=dict)
    outcome: dict[str, Any] | None = None
    sender: str = ""
    last_stamp: MessageStamp | None = None
    request_digest: str = ""


def pack_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it is, or compressed when it is large."""
    text = json.dumps(document, separators=(",", ":"))
    if len(text) < PACK_FROM:
        return dict(document)
    return {PACKED: base64.b64encode(zlib.compress(text.encode())).decode()}


def unpack_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document that was packed; one that was not, as it is, but for its seal."""
    if PACKED in document:
        return dict(_unpack_text(document[PACKED]))
    return {name: value for name, value in document.items() if name != SEALED}


@lru_cache(maxsize=2)
def _unpack_text(text: str) -> Mapping[str, Any]:
    """A view reads the same document several times; nobody changes what it holds."""
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(base64.b64decode(text), MOST_UNPACKED)
    if unpacker.unconsumed_tail:
        raise ValueError(f"it is larger than {MOST_UNPACKED:,} bytes once it is unpacked")
    unpacked: dict[str, Any] = json.loads(content)
    return unpacked


def split_carried(document: Mapping[str, Any]) -> tuple[dict[str, Any], Carried]:
    """An input, unpacked, apart from what its generation was handed."""
    unpacked = unpack_document(document)
    return unpacked, Carried.model_validate(unpacked.pop(CARRIED, {}))


def pack_input(document: Mapping[str, Any], carried: Carried) -> dict[str, Any]:
    """The input of a further generation."""
    return pack_document(with_carried(document, carried))


def with_carried(document: Mapping[str, Any], carried: Carried) -> dict[str, Any]:
    """An input, with what its generation is handed."""
    fields = carried.model_dump(mode="json", exclude_defaults=True)
    return {**document, CARRIED: fields} if fields else dict(document)


def with_request_digest(document: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """The input of a first generation that remembers by which request it was started; all others keep it too."""
    return with_carried(document, Carried(request_digest=digest))


def is_kept_once(packed_outcome: Mapping[str, Any]) -> bool:
    """Whether an outcome is so large that input and output together might not fit into one message."""
    return len(packed_outcome.get(PACKED, "")) >= KEPT_ONCE_FROM


def brief_outcome(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What is the output of a run whose input holds its outcome."""
    return {"state": outcome["state"], "kind": outcome["kind"], ENDED_IN_INPUT: True}
