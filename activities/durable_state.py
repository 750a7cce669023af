"""Reading the engine's own state through its client: entities, and whether a run still lives."""

from typing import Any

import azure.durable_functions as df
from durabletask.client import EntityQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

from shared.operations.entity_messages import value_of
from shared.operations.payloads import ENDED_IN_INPUT, Carried, split_carried, unpack_document

LIVING = frozenset({OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING, OrchestrationStatus.SUSPENDED})

ENDED = frozenset({OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED})
LISTED_AT_ONCE = 500
"""Runs or entities in one answer of the engine: Table storage refuses more than 1,000."""


def is_living(state: OrchestrationState | None) -> bool:
    """Whether a run may still do something; one that the engine does not know cannot."""
    return state is not None and state.runtime_status in LIVING


def read_input(state: OrchestrationState) -> dict[str, Any]:
    """What a run was given: by who started it, or by its last generation."""
    return split_carried(state.get_input() or {})[0]


def carried_by(state: OrchestrationState) -> Carried:
    """What the generation of a run was handed by the one before it."""
    return split_carried(state.get_input() or {})[1]


def read_custom_status(state: OrchestrationState) -> dict[str, Any]:
    """What a run says of itself; what it said last while a new generation has not said anything yet."""
    return state.get_custom_status() or carried_by(state).custom_status


def read_output(state: OrchestrationState) -> dict[str, Any]:
    """How a run ended; empty as long as it has not, and of one that failed."""
    output: dict[str, Any] = state.get_output() or {}
    return (carried_by(state).outcome or {}) if ENDED_IN_INPUT in output else unpack_document(output)


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
