"""Reading the engine's own state through its client: entities, and whether a run still lives."""

from typing import Any

import azure.durable_functions as df
from durabletask.client import EntityQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

LIVING = frozenset({OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING, OrchestrationStatus.SUSPENDED})


def is_living(state: OrchestrationState | None) -> bool:
    """Whether a run may still do something; one that the engine does not know cannot."""
    return state is not None and state.runtime_status in LIVING


async def is_run_living(client: df.DurableFunctionsClient, run: str) -> bool:
    """Whether the run of this id may still do something."""
    return is_living(await client.get_orchestration_state(run, fetch_payloads=False))


async def read_entity(client: df.DurableFunctionsClient, entity: str, key: str) -> dict[str, Any]:
    """The state of one entity; empty when it has none."""
    found = await client.get_entity(EntityInstanceId(entity, key))
    return (found.get_typed_state(dict) if found else None) or {}


async def list_entities(client: df.DurableFunctionsClient, entity: str, prefix: str = "") -> dict[str, dict[str, Any]]:
    """The states of all entities of a name, by key; those that have none are left out."""
    query = EntityQuery(instance_id_starts_with=f"@{entity}@{prefix}", include_state=True)
    found = {one.id.key: one.get_typed_state(dict) for one in await client.get_all_entities(query)}
    return {key: state for key, state in found.items() if state}
