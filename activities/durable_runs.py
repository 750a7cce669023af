"""What the app asks of its own engine from inside a run: who still lives, what is declared, one more run."""

from datetime import timedelta
from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import is_living, is_run_living, list_entities, read_entity
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
from shared.operations.durable_names import DOCUMENTS, LEASES, OBLIGATIONS, PLAN_HISTORY
from shared.operations.leases import Lease
from shared.operations.obligations import HIDDEN
from shared.plans.contract import BookRead, Declared, ReadBook, Tracked
from shared.plans.history import Track, last_good_drill


async def read_runs(client: df.DurableFunctionsClient, ask: ReadRuns) -> RunsRead:
    """See which runs have ended; one that the engine does not know (any more) holds nothing either."""
    return RunsRead(ended=tuple([run for run in ask.ids if not await is_run_living(client, run)]))


async def read_book(client: df.DurableFunctionsClient, _ask: ReadBook) -> BookRead:
    """Read every declared site and plan, and all that is owed."""
    owed = await list_entities(client, OBLIGATIONS)
    return BookRead(
        sites=tuple([_declared(*entry) for entry in (await list_entities(client, DOCUMENTS, "site:")).items()]),
        plans=tuple([_declared(*entry) for entry in (await list_entities(client, DOCUMENTS, "plan:")).items()]),
        tracks=tuple([_tracked(*entry) for entry in (await list_entities(client, PLAN_HISTORY)).items()]),
        obligations=tuple(_short(one) for state in owed.values() for one in state.values()),
    )


def _tracked(name: str, state: dict[str, Any]) -> Tracked:
    known = Track.model_validate(state)
    drill = last_good_drill(known)
    short = known.model_copy(update={"past": (drill,) if drill else ()})
    return Tracked(name=name, track=short.model_dump(mode="json"))


def _short(obligation: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in obligation.items() if name not in HIDDEN}


def _declared(key: str, state: dict[str, Any]) -> Declared:
    first = state["history"][-1]["at"]
    return Declared(name=key.partition(":")[2], document=state["document"], declared=first)


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
    state = await read_entity(client, OBLIGATIONS, ask.plan)
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
    if is_living(state):
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
        table = await read_entity(client, LEASES, vault)
        owners |= {Lease.model_validate(table[key]).owner for key in set(keys) & set(table)}
    return HoldersRead(runs=tuple([run for run in sorted(owners) if await is_run_living(client, run)]))
