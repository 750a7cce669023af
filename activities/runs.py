"""What the app asks of its own engine from inside a run: who still lives, what is declared, one more run."""

from typing import Any

import azure.durable_functions as df
from durabletask.client import EntityQuery, OrchestrationStatus
from durabletask.entities import EntityMetadata

from activities.app_contract import BookRead, Declared, ReadBook, ReadRuns, RunsRead, StartRun, Tracked
from activities.contract import Nothing
from shared.obligations import HIDDEN
from shared.track import Track, last_good_drill

LIVING = frozenset({OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING, OrchestrationStatus.SUSPENDED})


async def read_runs(client: df.DurableFunctionsClient, ask: ReadRuns) -> RunsRead:
    """See which runs have ended; one that the engine does not know (any more) holds nothing either."""
    states = {run: await client.get_orchestration_state(run, fetch_payloads=False) for run in ask.ids}
    return RunsRead(ended=tuple(run for run, s in states.items() if s is None or s.runtime_status not in LIVING))


async def read_book(client: df.DurableFunctionsClient, _ask: ReadBook) -> BookRead:
    """Read every declared site and plan, and all that is owed."""
    entries = await _entities(client, "book")
    owed = await _entities(client, "obligations")
    return BookRead(
        sites=tuple(_declared(entry) for entry in entries if entry.id.key.startswith("site:")),
        plans=tuple(_declared(entry) for entry in entries if entry.id.key.startswith("plan:")),
        tracks=tuple(_tracked(entry) for entry in await _entities(client, "track")),
        obligations=tuple(_short(one) for entry in owed for one in _state(entry).values()),
    )


def _tracked(entity: EntityMetadata) -> Tracked:
    known = Track.model_validate(_state(entity))
    drill = last_good_drill(known)
    short = known.model_copy(update={"past": (drill,) if drill else ()})
    return Tracked(name=entity.id.key, track=short.model_dump(mode="json"))


def _short(obligation: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in obligation.items() if name not in HIDDEN}


async def _entities(client: df.DurableFunctionsClient, name: str) -> list[EntityMetadata]:
    found = await client.get_all_entities(EntityQuery(instance_id_starts_with=f"@{name}@", include_state=True))
    return [entity for entity in found if entity.get_typed_state() is not None]


def _state(entity: EntityMetadata) -> dict[str, Any]:
    return entity.get_typed_state(dict) or {}


def _declared(entity: EntityMetadata) -> Declared:
    state = _state(entity)
    first = state["history"][-1]["at"]
    return Declared(name=entity.id.key.partition(":")[2], document=state["document"], declared=first)


async def start_run(client: df.DurableFunctionsClient, ask: StartRun) -> Nothing:
    """Start an operation; a run that exists, ended or not, is left alone."""
    if await client.get_orchestration_state(ask.id, fetch_payloads=False) is None:
        await client.schedule_new_orchestration(ask.orchestrator, input=ask.payload, instance_id=ask.id)
    return Nothing()
