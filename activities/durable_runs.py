"""What a run needs of the durable engine: which runs still live, what is declared, and to start one more."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import azure.durable_functions as df
import grpc  # type: ignore[import-untyped] # grpcio ships no types
from durabletask.client import OrchestrationState, OrchestrationStatus

from activities.durable_state import is_living, is_run_living, list_entities, read_entity, read_output
from activities.seal_keys import read_seal_settings
from shared.activity import Nothing
from shared.grouping import group_pairs
from shared.operations.contract import (
    EndedRunsRead,
    HoldersRead,
    OutcomesRead,
    ReadEndedRuns,
    ReadHolders,
    ReadOutcomes,
    RunEnded,
    StartCleanup,
    StartRun,
)
from shared.operations.durable_names import DOCUMENTS, HOLDS, LEASES, LOST_NODES, OBLIGATIONS, PLAN_HISTORY
from shared.operations.holds import Hold, read_kept_holds
from shared.operations.kinds import OPERATION_KINDS
from shared.operations.leases import Lease
from shared.operations.obligations import LARGE, ObligationKind
from shared.operations.pacing import OPERATION_BEGINS_WITHIN
from shared.operations.payloads import pack_document
from shared.operations.seals import facts_of, seal_input
from shared.plans.contract import DeclaredDocument, DocumentsRead, ReadDocuments, StoredPlanHistory
from shared.plans.history import PlanHistory, last_good_drill
from shared.sites.lost_nodes import LostNode, read_lost_nodes
from shared.telemetry.metrics import note_look, set_obligations
from shared.telemetry.spans import note_started_run

_LOG = logging.getLogger(__name__)


async def read_ended_runs(client: df.DurableFunctionsClient, request: ReadEndedRuns) -> EndedRunsRead:
    """See which runs have ended; one that the engine does not know (any more) holds nothing either."""
    return EndedRunsRead(ended=tuple([run for run in request.ids if not await is_run_living(client, run)]))


async def read_documents(client: df.DurableFunctionsClient, request: ReadDocuments) -> DocumentsRead:
    """Read every declared site and plan, and all that is owed; what cannot be read is named, and hides nothing else."""
    unreadable: list[str] = []
    sites = _read_each(await list_entities(client, DOCUMENTS, "site:"), _document_of, unreadable)
    plans = _read_each(await list_entities(client, DOCUMENTS, "plan:"), _document_of, unreadable)
    policies = _read_each(await list_entities(client, DOCUMENTS, "approval-policy:"), _document_of, unreadable)
    histories = _read_each(await list_entities(client, PLAN_HISTORY), _plan_history_of, unreadable)
    tables = await list_entities(client, OBLIGATIONS)
    by_id = {f"{table} {key}": one for table, owed in tables.items() for key, one in owed.items()}
    owed = _read_each(by_id, _obligation_of, unreadable)
    holds = _read_each(await list_entities(client, HOLDS), _holds_of, unreadable)
    lost = _read_each(await list_entities(client, LOST_NODES), _lost_nodes_of, unreadable)
    if request.look_at:
        measure_obligations([one for one in owed if not one.get("settled")], request.look_at)
    return DocumentsRead(
        sites=tuple(sites),
        plans=tuple(plans),
        approval_policies=tuple(policies),
        plan_histories=tuple(histories),
        obligations=tuple(one for one in owed if not one.get("settled")),
        settled_obligations=tuple(one for one in owed if one.get("settled")),
        unreadable=tuple(unreadable),
        holds=tuple(hold for kept in holds for hold in kept),
        lost_nodes=tuple(node for kept in lost for node in kept),
    )


def measure_obligations(owed: Iterable[Mapping[str, Any]], at: datetime) -> None:
    """Measure what is owed at a look of the timer, and what of it is late."""
    kinds = [(str(one.get("kind")), _is_late(one, at)) for one in owed]
    note_look()
    set_obligations(
        get_args(ObligationKind), Counter(kind for kind, _ in kinds), Counter(kind for kind, late in kinds if late)
    )


def _is_late(owed: Mapping[str, Any], at: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(owed.get("due"))) <= at
    except (TypeError, ValueError):
        return False  # what cannot be read is named by the look itself


def _read_each[T](states: Mapping[str, Any], read: Callable[[str, Any], T], unreadable: list[str]) -> list[T]:
    """Each of these as it is read; the keys of those that cannot be are added to `unreadable`."""
    done: list[T] = []
    for key, state in states.items():
        try:
            done.append(read(key, state))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            _LOG.warning("unreadable: %s: %s", key, type(error).__name__)
            unreadable.append(key)
    return done


def _obligation_of(_key: str, state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in LARGE}


def _holds_of(_key: str, state: dict[str, Any]) -> tuple[Hold, ...]:
    return read_kept_holds(state)


def _lost_nodes_of(_site: str, state: dict[str, Any]) -> tuple[LostNode, ...]:
    return read_lost_nodes(state)


def _plan_history_of(name: str, state: dict[str, Any]) -> StoredPlanHistory:
    plan_history = PlanHistory.model_validate(state)
    drill = last_good_drill(plan_history)
    shortened = plan_history.with_past_runs((drill,) if drill else ())
    return StoredPlanHistory(name=name, plan_history=shortened.model_dump(mode="json"))


def _document_of(key: str, state: dict[str, Any]) -> DeclaredDocument:
    declared_at = state["history"][-1]["declared_at"]
    return DeclaredDocument(name=key.partition(":")[2], document=state["document"], declared=declared_at)


async def start_run(client: df.DurableFunctionsClient, request: StartRun) -> Nothing:
    """Start an operation; a run that exists, ended or not, is left alone."""
    if await client.get_orchestration_state(request.id, fetch_payloads=False) is None:
        await schedule_once(client, request.orchestrator, request.id, request.payload)
    return Nothing()


async def schedule_own(
    client: df.DurableFunctionsClient,
    orchestrator: str,
    run: str,
    payload: Mapping[str, Any],
    within: timedelta | None = None,
) -> None:
    """Start a run, sealed: no run begins that this app has not started.

    Args:
        client: The durable client.
        orchestrator: Its name.
        run: Its id.
        payload: Its input.
        within: It is of no use later; None: it begins whenever the engine comes to it.

    Raises:
        Transient: the key of seals cannot be read.
    """
    facts = facts_of(payload)
    if within is not None:
        facts["until"] = (datetime.now(UTC) + within).isoformat()
    key = read_seal_settings().seal_key
    sealed = seal_input(key, orchestrator, run, pack_document(payload), facts)
    await client.schedule_new_orchestration(orchestrator, input=sealed, instance_id=run)
    note_started_run(run)


async def schedule_once(
    client: df.DurableFunctionsClient, orchestrator: str, run: str, payload: dict[str, Any]
) -> bool:
    """Start a run; False when somebody else has started it at the same moment."""
    try:
        within = OPERATION_BEGINS_WITHIN if orchestrator in OPERATION_KINDS else None
        await schedule_own(client, orchestrator, run, payload, within)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
        return False
    return True


CLEANUP_LEASE_WAIT = timedelta(minutes=5)
"""A failover that waits for the cleanup holds the VMs for moments, while it looks whether it may begin."""
STATE_OF_ENDING = {OrchestrationStatus.FAILED: "failed", OrchestrationStatus.TERMINATED: "aborted"}


async def start_cleanup(client: df.DurableFunctionsClient, request: StartCleanup) -> Nothing:
    """Start the cleanup that an obligation describes; one that is owed no longer is not started."""
    state = (await read_entity(client, OBLIGATIONS, request.table)).get(request.obligation) or {}
    order = state.get("order")
    if order is None:
        return Nothing()
    payload = {**order, "id": request.id, "kind": "cleanup", "requested_by": "timer", "run": None}
    payload |= {"lease_wait": CLEANUP_LEASE_WAIT.total_seconds()}
    return await start_run(client, StartRun(id=request.id, orchestrator="cleanup", payload=payload))


async def read_outcomes(client: df.DurableFunctionsClient, request: ReadOutcomes) -> OutcomesRead:
    """See how each run ended, or that it lives."""
    states = [(run, await client.get_orchestration_state(run)) for run in request.ids]
    return OutcomesRead(runs=tuple(_run_end_of(run, state) for run, state in states))


def _run_end_of(run: str, state: OrchestrationState | None) -> RunEnded:
    if state is None:
        return RunEnded(id=run, state="gone")
    if is_living(state):
        return RunEnded(id=run, state="living")
    if state.runtime_status != OrchestrationStatus.COMPLETED:
        return RunEnded(id=run, state=STATE_OF_ENDING.get(state.runtime_status, "failed"))
    outcome = read_output(state)
    codes = tuple(obstacle["code"] for obstacle in outcome.get("problems", ()))
    return RunEnded(id=run, state=outcome.get("state", "failed"), codes=codes)


async def read_holders(client: df.DurableFunctionsClient, request: ReadHolders) -> HoldersRead:
    """See which living runs hold any of the VMs; a lease of a run that has ended holds nothing."""
    held: list[tuple[str, str]] = []
    for vault, keys in request.keys.items():
        table = await read_entity(client, LEASES, vault)
        held += [(Lease.model_validate(table[key]).owner, key) for key in sorted(set(keys) & set(table))]
    owners = group_pairs(held)
    living = [run for run in sorted(owners) if await is_run_living(client, run)]
    return HoldersRead(runs=tuple(living), keys=tuple(key for run in living for key in owners[run]))
