"""What the timer asks of the engine for drills: cleanups that are owed, how runs ended, who holds what."""

from datetime import timedelta
from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

from activities.app_contract import (
    HoldersRead,
    OutcomesRead,
    ReadHolders,
    ReadOutcomes,
    RunEnded,
    StartCleanup,
    StartRun,
)
from activities.contract import Nothing
from activities.runs import LIVING, start_run
from shared.leases import Lease

LEASE_WAIT = timedelta(minutes=5)
"""A failover that waits for the cleanup holds the VMs for moments, while it looks whether it may begin."""

ENDED = {OrchestrationStatus.FAILED: "failed", OrchestrationStatus.TERMINATED: "aborted"}


async def start_cleanup(client: df.DurableFunctionsClient, ask: StartCleanup) -> Nothing:
    """Start the cleanup that a plan's obligation describes; one that is owed no longer is not started."""
    state = await _state(client, "obligations", ask.plan)
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
        table = await _state(client, "leases", vault)
        owners |= {Lease.model_validate(table[key]).owner for key in set(keys) & set(table)}
    states = {run: await client.get_orchestration_state(run, fetch_payloads=False) for run in sorted(owners)}
    return HoldersRead(runs=tuple(run for run, state in states.items() if state and state.runtime_status in LIVING))


async def _state(client: df.DurableFunctionsClient, entity: str, key: str) -> dict[str, Any]:
    found = await client.get_entity(EntityInstanceId(entity, key))
    return (found.get_typed_state(dict) if found else None) or {}
