"""Runs as the durable client shows them, and a client that has some."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from durabletask.client import (
    EntityQuery,
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    PurgeInstancesResult,
)
from durabletask.entities import EntityInstanceId, EntityMetadata
from durabletask.serialization import JsonDataConverter

BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
MOST_IN_A_PAGE = 1000
"""Table storage refuses more."""


def state_of(
    run: str,
    name: str,
    status: OrchestrationStatus = OrchestrationStatus.RUNNING,
    age: timedelta = timedelta(0),
    given: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
    custom_status: dict[str, Any] | None = None,
) -> OrchestrationState:
    """A run that began, and was last heard of, so long before BEGAN; the engine's times are naive."""
    at = (BEGAN - age).replace(tzinfo=None)
    return OrchestrationState(run, name, status, at, at, _text(given), _text(output), _text(custom_status), None)


def entity_of(name: str, key: str, value: Any, age: timedelta = timedelta(0)) -> EntityMetadata:
    """An entity that keeps this, and was last asked for something so long before BEGAN."""
    state = json.dumps({"value": value, "memory": {}})
    return EntityMetadata(EntityInstanceId(name, key), BEGAN - age, 0, "", True, state, JsonDataConverter())


def _text(document: dict[str, Any] | None) -> str | None:
    return None if document is None else json.dumps(document)


def without_payloads(state: OrchestrationState) -> OrchestrationState:
    """The run as a list without payloads shows it."""
    return replace(
        state, serialized_input=None, serialized_output=None, serialized_custom_status=None, failure_details=None
    )


@dataclass
class EngineClient:
    """Stands for the durable client.

    Attributes:
        read_whole: Ids of the runs whose payloads were read, in order.
        listed: Ids of the runs that were in a list, as often as they were.
        signals: To which entity, which operation, and the message.
        cleaned: How often entities without a state were removed.
    """

    runs: Sequence[OrchestrationState]
    read_whole: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)
    entities: Sequence[EntityMetadata] = ()
    signals: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    cleaned: int = 0

    async def get_all_orchestration_states(self, query: OrchestrationQuery) -> list[OrchestrationState]:
        assert not query.fetch_inputs_and_outputs
        assert query.max_instance_count is not None
        assert query.max_instance_count <= MOST_IN_A_PAGE
        listed = [without_payloads(run) for run in self.runs if is_meant(run, query)]
        self.listed += [run.instance_id for run in listed]
        return listed

    async def get_orchestration_state(self, run: str, *, fetch_payloads: bool = True) -> OrchestrationState | None:
        found = next((state for state in self.runs if state.instance_id == run), None)
        if not fetch_payloads:
            return without_payloads(found) if found else None
        self.read_whole.append(run)
        return found

    async def purge_orchestration(self, run: str) -> PurgeInstancesResult:
        self.purged.append(run)
        return PurgeInstancesResult(1, is_complete=None)

    async def get_all_entities(self, query: EntityQuery) -> list[EntityMetadata]:
        assert query.page_size is not None
        assert query.page_size <= MOST_IN_A_PAGE
        return [
            one
            for one in self.entities
            if str(one.id).startswith(query.instance_id_starts_with or "")
            and (query.last_modified_to is None or one.last_modified < query.last_modified_to)
        ]

    async def signal_entity(self, entity: EntityInstanceId, operation: str, message: dict[str, Any]) -> None:
        self.signals.append((str(entity), operation, message))

    async def clean_entity_storage(self, *, release_orphaned_locks: bool) -> None:
        assert not release_orphaned_locks
        self.cleaned += 1


def is_meant(run: OrchestrationState, query: OrchestrationQuery) -> bool:
    """Whether the engine lists a run for this question."""
    return (
        run.instance_id.startswith(query.instance_id_prefix or "")
        and (query.runtime_status is None or run.runtime_status in query.runtime_status)
        and (query.created_time_from is None or run.created_at.replace(tzinfo=UTC) >= query.created_time_from)
        and (query.created_time_to is None or run.created_at.replace(tzinfo=UTC) <= query.created_time_to)
    )
