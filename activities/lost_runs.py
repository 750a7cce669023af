"""Finds runs that did not come to their own end: the engine ended them, or does not know them any more.

1. Whom to look at: runs that the engine lists as failed or terminated; owners of leases, of what is owed, of nodes.
2. Of those the engine says which live, or have ended by themselves.
3. Of one that the engine does not know, its evidence and what is remembered of its plan say the same.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

import azure.durable_functions as df
from durabletask.client import OrchestrationQuery, OrchestrationState, OrchestrationStatus

from activities.durable_state import (
    LISTED_AT_ONCE,
    carried_by,
    describe_ending,
    ending_of,
    list_entities,
    read_entity,
    read_input,
    subject_field_of,
    subject_of,
    was_ended_by_app,
)
from activities.evidence import is_pack_sealed
from shared.azure.evidence_store import open_evidence_store
from shared.concurrency import map_concurrently
from shared.operations.contract import LostRunsRead, ReadLostRuns
from shared.operations.durable_names import LEASES, LOST_RUNS, NODES, OBLIGATIONS, PLAN_HISTORY
from shared.operations.kinds import OPERATION_KINDS, PLAN_KINDS, Kind
from shared.operations.lost_runs import Ending, LostRun, LostRunNote
from shared.recovery.hook_work import list_hook_work
from shared.recovery.operation import Operation
from shared.request_ids import run_id_prefix

_LOG = logging.getLogger(__name__)
MOST_AT_A_TIME = 20
"""Runs in one answer; the others follow at the next look."""
LOST = [OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED]


class Traces(NamedTuple):
    """What shows runs beside the engine.

    Attributes:
        tables_by_owner: Of each run that holds leases, in which tables.
        plans_by_owner: Of each run that owes something, for which plan.
        nodes_by_repair: Of each repair that a node's record has as under way, the node.
        remembered: Runs whose ending is remembered with their plan.
    """

    tables_by_owner: Mapping[str, tuple[str, ...]]
    plans_by_owner: Mapping[str, str]
    nodes_by_repair: Mapping[str, str]
    remembered: frozenset[str]

    @property
    def owners(self) -> set[str]:
        """All runs that have or owe something."""
        return {*self.tables_by_owner, *self.plans_by_owner, *self.nodes_by_repair}


async def read_lost_runs(client: df.DurableFunctionsClient, _request: ReadLostRuns) -> LostRunsRead:
    """The lost runs that are not closed yet, and those that are noted and that nothing shows any more."""
    kept = await read_entity(client, LOST_RUNS, "timer")
    notes = {run: LostRunNote.model_validate(note) for run, note in kept.items()}
    traces = await _read_traces(client)
    shown = {*(await _list_lost_ids(client)), *traces.owners}
    open_ids = sorted(
        run for run in shown if run not in notes or not notes[run].sealed or run in traces.tables_by_owner
    )
    found = await map_concurrently(open_ids, lambda run: _find_lost_run(client, run, traces, notes.get(run)))
    lost = [run for run in found if run is not None]
    return LostRunsRead(runs=tuple(lost[:MOST_AT_A_TIME]), forgotten=tuple(sorted(notes.keys() - shown)))


async def _list_lost_ids(client: df.DurableFunctionsClient) -> list[str]:
    query = OrchestrationQuery(runtime_status=LOST, max_instance_count=LISTED_AT_ONCE)
    listed = await client.get_all_orchestration_states(query)
    return [state.instance_id for state in listed if state.name in OPERATION_KINDS]


async def _read_traces(client: df.DurableFunctionsClient) -> Traces:
    """What cannot be read shows no run, and hides no other; the look of the timer names it."""
    tables: dict[str, tuple[str, ...]] = {}
    for table, leases in (await list_entities(client, LEASES)).items():
        for owner in set(_texts_of(leases.values(), "owner")):
            tables[owner] = (*tables.get(owner, ()), table)
    owed = [one for table in (await list_entities(client, OBLIGATIONS)).values() for one in table.values()]
    open_still = [one for one in owed if isinstance(one, Mapping) and one.get("owner") and not one.get("settled")]
    plans = {str(one["owner"]): str(one.get("plan", "")) for one in open_still}
    histories = (await list_entities(client, PLAN_HISTORY)).values()
    remembered = frozenset(run for history in histories for run in _texts_of(history.get("past_runs"), "run"))
    records = (await list_entities(client, NODES)).values()
    nodes = {run: str(record.get("node", "")) for record in records for run in _texts_of([record], "run")}
    return Traces(tables, plans, nodes, remembered)


def _texts_of(things: Any, name: str) -> list[str]:
    """This field of each thing that has it."""
    listed = things if isinstance(things, Iterable) else ()
    return [str(one[name]) for one in listed if isinstance(one, Mapping) and one.get(name)]


async def _find_lost_run(
    client: df.DurableFunctionsClient, run: str, traces: Traces, note: LostRunNote | None
) -> LostRun | None:
    """The run if it is lost; None of one that lives, or that has ended by itself."""
    state = await client.get_orchestration_state(run)
    if state is None:
        lost = await _describe_gone_run(run, traces, is_noted=note is not None)
    elif state.name in OPERATION_KINDS and (ending := ending_of(state)):
        lost = _describe_ended_run(state, ending)
    else:
        lost = None
    if lost is None:
        return None
    published_at = note.published_at if note else None
    return lost.model_copy(update={"lease_tables": traces.tables_by_owner.get(run, ()), "published_at": published_at})


def _describe_ended_run(state: OrchestrationState, ending: Ending) -> LostRun:
    lost = LostRun(
        id=state.instance_id,
        kind=cast("Kind", state.name),
        ending=ending,
        ended_by_app=was_ended_by_app(state),
        subject=f"operations/{state.instance_id}",
        words=describe_ending(state),
    )
    try:
        return lost.model_copy(update=_facts_in_input(state))
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # that may be why the engine ended it
        _LOG.warning("unreadable: input of %s: %s", lost.id, type(error).__name__)
        return lost


def _facts_in_input(state: OrchestrationState) -> dict[str, Any]:
    """What is known of the run by what it was given."""
    field, subject = subject_field_of(state.name), subject_of(state)
    facts = {"subject": f"{field}s/{subject}", "plan": subject if field == "plan" else ""}
    if state.name not in PLAN_KINDS:
        return facts
    operation = Operation.from_carried(read_input(state))
    began = operation.run.began if operation.run else carried_by(state).created_at
    hook_work = list_hook_work(operation.id, operation.document)
    return facts | {
        "digest": operation.digest,
        "preview_kind": operation.preview_kind,
        "began": began,
        "hook_work": hook_work,
    }


async def _describe_gone_run(run: str, traces: Traces, *, is_noted: bool) -> LostRun | None:
    """A run of which only its traces are left; None where they say that it had ended by itself before."""
    kind = _kind_in(run)
    is_past = run in traces.remembered and not is_noted
    if kind is None or is_past or (not is_noted and await is_pack_sealed(run)):
        return None
    gone = LostRun(id=run, kind=kind, ending="gone", subject=f"operations/{run}")
    if kind == "repair":
        node = traces.nodes_by_repair.get(run)
        return gone.model_copy(update={"subject": f"nodes/{node}"}) if node else gone
    plan = traces.plans_by_owner.get(run) or await _plan_in_evidence(run)
    is_of_plan = plan and subject_field_of(kind) == "plan"
    return gone.model_copy(update={"subject": f"plans/{plan}", "plan": plan}) if is_of_plan else gone


def _kind_in(run: str) -> Kind | None:
    """Ids of runs begin with their kind."""
    kinds: Iterable[Kind] = sorted(OPERATION_KINDS, key=len, reverse=True)
    return next((kind for kind in kinds if run.startswith(run_id_prefix(kind))), None)


async def _plan_in_evidence(run: str) -> str:
    """The plan in the first record of the run's evidence; empty where there is none."""
    store = open_evidence_store()
    names = await store.list_names(f"{run}/records/") if store else []
    content = await store.read_file(names[0]) if store and names else None
    return str(json.loads(content)["body"].get("plan", "")) if content else ""
