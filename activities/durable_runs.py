"""What the app asks of its own engine from inside a run: who still lives, what is declared, one more run."""

from datetime import timedelta
from typing import Any

import azure.durable_functions as df
from durabletask.client import EntityQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId, EntityMetadata

from shared.activity import Nothing
from shared.operations.contract import (
    HoldersRead,
    OutcomesRead,
    ReadHolders,
    ReadOutcomes,
    ReadRuns,
    RunEnded,
    RunsRead,
    StartCleanup,
    StartRun,
)
from shared.operations.leases import Lease
from shared.operations.obligations import HIDDEN
from shared.plans.contract import BookRead, Declared, ReadBook, Tracked
from shared.plans.history import Track, last_good_drill

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


LEASE_WAIT = timedelta(minutes=5)
"""A failover that waits for the cleanup holds the VMs for moments, while it looks whether it may begin."""
ENDED = {OrchestrationStatus.FAILED: "failed", OrchestrationStatus.TERMINATED: "aborted"}


async def start_cleanup(client: df.DurableFunctionsClient, ask: StartCleanup) -> Nothing:
    """Start the cleanup that a plan's obligation describes; one that is owed no longer is not started."""
    state = await _state_duties(client, "obligations", ask.plan)
    order = (state.get("cleanup") or {}).get("order")
    if order is None:
        return Nothing()
    payload = {**order, "id": ask.id, "kind": "cleanup", "requested_by": "timer", "run": None}
    payload |= {"lease_wait": LEASE_WAIT.total_seconds()}
    return await start_run(client, StartRun(id=ask.id, orchestrator="cleanup", payload=payload))


async def read_outcomes(client: df.DurableFunctionsClient, ask: ReadOutcomes) -> OutcomesRead:
    """See how each run ended, or that it lives."""
    states = [(run, await client.get_orchestration_state(run)) for run in ask.ids]
    return OutcomesRead(runs=tuple(_ended(run, state) for run, state in states))


def _ended(run: str, state: OrchestrationState | None) -> RunEnded:
    if state is None:
        return RunEnded(id=run, state="gone")
    if state.runtime_status in LIVING:
        return RunEnded(id=run, state="living")
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return RunEnded(id=run, state=ENDED.get(state.runtime_status, "failed"))
    outcome: dict[str, Any] = state.get_output() or {}
    codes = tuple(problem["code"] for problem in outcome.get("problems", ()))
    return RunEnded(id=run, state=outcome.get("state", "failed"), codes=codes)


async def read_holders(client: df.DurableFunctionsClient, ask: ReadHolders) -> HoldersRead:
    """See which living runs hold any of the VMs; a lease of a run that has ended holds nothing."""
    owners: set[str] = set()
    for vault, keys in ask.keys.items():
        table = await _state_duties(client, "leases", vault)
        owners |= {Lease.model_validate(table[key]).owner for key in set(keys) & set(table)}
    states = {run: await client.get_orchestration_state(run, fetch_payloads=False) for run in sorted(owners)}
    return HoldersRead(runs=tuple(run for run, state in states.items() if state and state.runtime_status in LIVING))


async def _state_duties(client: df.DurableFunctionsClient, entity: str, key: str) -> dict[str, Any]:
    found = await client.get_entity(EntityInstanceId(entity, key))
    return (found.get_typed_state(dict) if found else None) or {}
