"""Reading the engine's own state through its client: entities, and whether a run still lives."""

import json
import zlib
from typing import Any

import azure.durable_functions as df
from durabletask.client import EntityQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

from activities.seal_keys import read_seal_settings
from shared.arm_ids import key_of
from shared.operations.entity_messages import EntityMessage, MessageStamp, value_of
from shared.operations.kinds import SITE_KINDS
from shared.operations.lost_runs import STATE_OF_RUN_ENDED_BY_APP, Ending
from shared.operations.payloads import ENDED_IN_INPUT, Carried, split_carried, unpack_document
from shared.operations.seals import SEAL, seal_message
from shared.redaction import redact_text

LIVING = frozenset({OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING, OrchestrationStatus.SUSPENDED})

ENDED = frozenset({OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED})
LISTED_AT_ONCE = 500
"""Runs or entities in one answer of the engine: Table storage refuses more than 1,000."""


def is_living(state: OrchestrationState | None) -> bool:
    """Whether a run may still do something; one that the engine does not know cannot."""
    return state is not None and state.runtime_status in LIVING


def read_input(state: OrchestrationState) -> dict[str, Any]:
    """What a run was given: by who started it, or by its last generation; empty where it is nothing of this app."""
    return _split_input(state)[0]


def carried_by(state: OrchestrationState) -> Carried:
    """What the generation of a run was handed by the one before it."""
    return _split_input(state)[1]


def _split_input(state: OrchestrationState) -> tuple[dict[str, Any], Carried]:
    """Through the webhooks of the engine runs are started with anything; they do nothing, and are shown."""
    try:
        given = state.get_input()
        return split_carried(given) if isinstance(given, dict) else ({}, Carried())
    except (LookupError, TypeError, ValueError, RecursionError, zlib.error):
        return {}, Carried()


def read_custom_status(state: OrchestrationState) -> dict[str, Any]:
    """What a run says of itself; what it said last while a new generation has not said anything yet."""
    return state.get_custom_status() or carried_by(state).custom_status


def read_output(state: OrchestrationState) -> dict[str, Any]:
    """How a run ended; empty as long as it has not, and of one that failed."""
    output = state.get_output() or {}
    if not isinstance(output, dict):
        return {}
    return (carried_by(state).outcome or {}) if ENDED_IN_INPUT in output else unpack_document(output)


def subject_field_of(kind: str) -> str:
    """What a kind of run is about: "plan", "site", "node", or of a change any document as "subject"."""
    if kind == "change":
        return "subject"
    return "node" if kind == "repair" else "site" if kind in SITE_KINDS else "plan"


def subject_of(state: OrchestrationState) -> str:
    """The plan, the site, the node or the document that the run is about, by its input; empty if unsaid."""
    subject = read_input(state).get("machine_id" if state.name == "repair" else subject_field_of(state.name))
    if not isinstance(subject, str):
        return ""
    return key_of(subject).rpartition("|")[2] if state.name == "repair" else subject


def ending_of(state: OrchestrationState | None) -> Ending | None:
    """How the engine ended a run that did not come to its own end; None of one that lives, or did."""
    if state is None:
        return "gone"
    if state.runtime_status == OrchestrationStatus.FAILED:
        return "failed"
    return "terminated" if state.runtime_status == OrchestrationStatus.TERMINATED else None


def was_ended_by_app(state: OrchestrationState) -> bool:
    """Whether a run was terminated by the app itself, to make way: that counts as aborted."""
    if state.runtime_status != OrchestrationStatus.TERMINATED:
        return False
    try:
        output = json.loads(state.serialized_output or "null")
    except ValueError:  # whoever terminates a run may give any reason
        return False
    return isinstance(output, dict) and output.get("state") == STATE_OF_RUN_ENDED_BY_APP


def describe_ending(state: OrchestrationState) -> str:
    """What the engine says of a run that it ended: its own details, or the output, which on Azure Storage is words."""
    details = state.failure_details
    text = f"{details.error_type}: {details.message}" if details else state.serialized_output
    return redact_text(text or "the engine does not say why")


async def is_run_living(client: df.DurableFunctionsClient, run: str) -> bool:
    """Whether the run of this id may still do something."""
    return is_living(await client.get_orchestration_state(run, fetch_payloads=False))


async def read_entity(client: df.DurableFunctionsClient, entity: str, key: str) -> dict[str, Any]:
    """What one entity keeps; empty when it keeps nothing."""
    found = await client.get_entity(EntityInstanceId(entity, key))
    return value_of(found.get_typed_state(dict) if found else None) or {}


async def list_entities(client: df.DurableFunctionsClient, entity: str, prefix: str = "") -> dict[str, dict[str, Any]]:
    """What all entities of a name keep, by key; those that keep nothing are left out."""
    query = EntityQuery(instance_id_starts_with=f"@{entity}@{prefix}", include_state=True, page_size=LISTED_AT_ONCE)
    found = {one.id.key: value_of(one.get_typed_state(dict)) for one in await client.get_all_entities(query)}
    return {key: state for key, state in found.items() if state}


def own_message(entity: EntityInstanceId, operation: str, stamp: MessageStamp, request: Any) -> dict[str, Any]:
    """A message to an entity as it is sent, sealed: entities do what the app has sent, and nothing else."""
    message = EntityMessage(stamp=stamp, request=request).model_dump(mode="json", exclude={SEAL})
    return seal_message(read_seal_settings().seal_key, entity.entity, entity.key, operation, message)
