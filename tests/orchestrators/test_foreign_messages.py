"""Entities do what the app has sent, and nothing else: whoever has the key of the webhooks sends them anything."""

import json
from typing import Any

import pytest
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal.entity_state_shim import StateShim

from orchestrators.durable.entities import REGISTERED
from orchestrators.durable.entity_operations import Foreign, take_message
from shared.operations.durable_names import DOCUMENTS, EVENT_COUNTS, LEASES, UNSEALED_ENTITIES
from shared.operations.entity_messages import FORGET, READS
from shared.operations.seals import SEAL, seal_message
from shared.settings import WrongSettings
from tests.orchestrators.entity_mail import JSON
from tests.seals import SEAL_KEY

STAMP = {"sender": "run-1@20260105T080000", "number": 1, "at": "2026-01-05T08:00:00Z"}
CHANGES = [
    (name, operation)
    for name, entity in REGISTERED.items()
    for operation in (*entity.operations, FORGET)
    if operation not in READS and (name not in UNSEALED_ENTITIES or operation == FORGET)
]
ADDED = {"stamp": STAMP, "request": "started"}


def send(name: str, operation: str, message: Any, kept: Any = None) -> Any:
    """What an entity keeps after a message, that has kept something before."""
    shim = StateShim({"value": {"kept": 1} if kept is None else kept, "memory": {}}, JSON)
    context = EntityContext("run-1", operation, shim, EntityInstanceId(name, "one"), JSON)
    try:
        take_message(name, REGISTERED[name], context, json.loads(json.dumps(message)))
    finally:
        state = shim.get_state()
    return state


@pytest.mark.parametrize(("name", "operation"), CHANGES)
@pytest.mark.parametrize(
    "message", [None, [], "x", {}, ADDED, {**ADDED, SEAL: ""}, {**ADDED, SEAL: "0" * 64}], ids=repr
)
def test_no_change_is_done_without_a_seal(name: str, operation: str, message: Any) -> None:
    with pytest.raises(Foreign):
        send(name, operation, message)


def test_what_the_app_has_sent_is_done() -> None:
    message = seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED)
    assert send(EVENT_COUNTS, "add", message)["value"] == {"kept": 1, "started": 1}
    reordered = dict(reversed(message.items()))
    assert send(EVENT_COUNTS, "add", reordered)["value"] == {"kept": 1, "started": 1}


OTHERS = {
    "another key": lambda: seal_message(b"x" * 32, EVENT_COUNTS, "one", "add", ADDED),
    "another entity of its name": lambda: seal_message(SEAL_KEY, EVENT_COUNTS, "two", "add", ADDED),
    "an entity of another name": lambda: seal_message(SEAL_KEY, DOCUMENTS, "one", "add", ADDED),
    "another operation": lambda: seal_message(SEAL_KEY, EVENT_COUNTS, "one", "remove", ADDED),
    "another request": lambda: seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED) | {"request": "other"},
    "another sender": lambda: (
        seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED) | {"stamp": {**STAMP, "sender": "run-2"}}
    ),
    "a later number": lambda: (
        seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED) | {"stamp": {**STAMP, "number": 2}}
    ),
    "no time": lambda: seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED) | {"stamp": {**STAMP, "at": None}},
    "a field more": lambda: seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED) | {"more": 1},
}


@pytest.mark.parametrize("made", OTHERS.values(), ids=OTHERS)
def test_a_seal_is_of_one_message_to_one_entity(made: Any) -> None:
    with pytest.raises(Foreign):
        send(EVENT_COUNTS, "add", made())


def test_whose_turn_it_is_needs_no_seal() -> None:
    assert send(LEASES, "release", {"stamp": STAMP, "request": "run-1"}, {})["memory"]["done"]


def test_without_a_key_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    message = seal_message(SEAL_KEY, EVENT_COUNTS, "one", "add", ADDED)
    monkeypatch.setenv("MAC_KEY", "@Microsoft.KeyVault(SecretUri=https://kv/secrets/mac-key)")
    with pytest.raises(WrongSettings, match="MAC_KEY"):
        send(EVENT_COUNTS, "add", message)
