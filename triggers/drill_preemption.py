"""A drill makes way for a real failover: cleaned up first, or left to be cleaned up later, as the caller says.

A drill is what holds the VMs, or a cleanup after one that is dead, or what such a one still owes.
"""

from collections.abc import Sequence
from datetime import timedelta

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from activities.durable_runs import read_runs, start_cleanup
from activities.durable_state import list_entities
from activities.previews import views_of
from shared.operations.contract import ReadRuns, StartCleanup
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.kinds import DECISION
from shared.operations.kinds import EVENT as APPROVE
from shared.operations.obligations import Obligation, cleanup_run
from shared.plans.machines import lease_keys
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.site_recovery.verb_rules import TEST_OVER
from shared.site_recovery.views import ItemView
from triggers.http_endpoint import Problem
from triggers.starting import busy
from triggers.verb_requests import Way

WHY = "it makes way for a failover"
YIELDING = frozenset({"drill", "cleanup"})
TO_END = timedelta(minutes=5)
"""How long the engine may take to end a run."""


async def make_way(
    client: df.DurableFunctionsClient,
    operation: Operation,
    holders: Sequence[str],
    way: Way | None,
    owed: Sequence[Obligation] = (),
) -> Operation:
    """Ask the drills that hold the plan's VMs to end, and have cleaned up what is owed; the failover as it waits then.

    Args:
        owed: Cleanups after drills whose own runs are dead.

    Raises:
        Problem: somebody else holds them, or nobody said what becomes of the drill (409).
    """
    runs = [(run, await client.get_orchestration_state(run)) for run in holders]
    drills = [state for _, state in runs if state and state.name in YIELDING]
    others = [run for run, state in runs if not state or state.name not in YIELDING]
    if others or way is None:
        raise busy(operation.plan, (others or holders)[0])
    if way == "leave":
        await _require_no_test(operation)
        for drill in drills:
            await client.terminate_orchestration(drill.instance_id, output=WHY)
        return operation.model_copy(update={"lease_wait": TO_END})
    for drill in drills:
        if drill.name == "drill":  # a cleanup ends by itself, and is waited for
            await _end(client, operation, drill)
    await _clean_up(client, owed)
    return operation.model_copy(update={"lease_wait": operation.document.patience})


async def cleanups_owed(client: df.DurableFunctionsClient, operation: Operation) -> list[Obligation]:
    """The cleanups of the operation's VMs that drills of any plan owe and cannot do: their own runs are dead."""
    states = await list_entities(client, OBLIGATIONS)
    owed = [Obligation.model_validate(state["cleanup"]) for state in states.values() if "cleanup" in state]
    mine = _leased(operation)
    theirs = [one for one in owed if one.order and _leased(Operation.carried(one.order)) & mine]
    ended = (await read_runs(client, ReadRuns(ids=tuple(one.owner for one in theirs)))).ended
    return [one for one in theirs if one.owner in ended]


async def _clean_up(client: df.DurableFunctionsClient, owed: Sequence[Obligation]) -> None:
    """Begin what the timer would begin at its next look; one that it has begun goes on, held or not yet held."""
    tried = tuple(one.tried_by for one in owed if one.tried_by)
    ended = (await read_runs(client, ReadRuns(ids=tried))).ended
    for one in owed:
        if one.tried_by in {"", *ended}:
            await start_cleanup(client, StartCleanup(id=cleanup_run(one), plan=one.plan))


def _leased(operation: Operation) -> set[tuple[str, str]]:
    keys = lease_keys(operation.document, operation.sites)
    return {(vault, key) for vault, some in keys.items() for key in some}


async def _require_no_test(operation: Operation) -> None:
    """Site Recovery lets nothing but a cleanup be done with a machine in a test failover.

    Raises:
        Problem: each VM that is in one.
    """
    views = await views_of(operation.document, operation.sites)
    tested = [view.vm for view in views.values() if _in_a_test(view)]
    if tested:
        detail = "in a test failover: Site Recovery wants it cleaned up first"
        errors = [FieldError(field=f"items[{vm}]", detail=detail) for vm in tested]
        raise Problem(409, "Not ready", f'{tested[0]} is {detail}. Say "drill": "clean-up-first".', errors)


def _in_a_test(view: ItemView) -> bool:
    return view.test_failover_state not in TEST_OVER or view.scenario == "TestFailover"


async def _end(client: df.DurableFunctionsClient, operation: Operation, drill: OrchestrationState) -> None:
    """Have a drill clean up and end; one that waits for its approval has done nothing yet, and is rejected."""
    waits = (drill.get_custom_status() or {}).get("waits") or {}
    said = {"by": operation.requested_by, "comment": WHY}
    if waits.get("for") == "approval":
        asked = Operation.carried(drill.get_input() or {})
        word = {**said, "approved": False, "person": operation.requester_id, "digest": asked.digest}
        await client.raise_orchestration_event(drill.instance_id, APPROVE, data=word)
    else:
        await client.raise_orchestration_event(
            drill.instance_id, DECISION, data={**said, "verdict": "abort", "vms": []}
        )
