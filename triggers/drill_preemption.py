"""A drill makes way for a real failover: cleaned up first, or left to be cleaned up later, as the caller says.

A drill is what holds the VMs, or a cleanup after one that is dead, or what such a one still owes.
"""

from collections.abc import Sequence
from datetime import timedelta

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from activities.durable_runs import read_ended_runs, start_cleanup
from activities.durable_state import list_entities
from activities.previews import read_items_by_vm
from shared.operations.contract import ReadEndedRuns, StartCleanup
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.kinds import APPROVAL_EVENT as APPROVE
from shared.operations.kinds import DECISION_EVENT
from shared.operations.obligations import Obligation, cleanup_run_id
from shared.plans.machines import lease_keys
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.site_recovery.verb_rules import TEST_OVER
from shared.site_recovery.views import ItemView
from triggers.http_endpoint import HttpProblem
from triggers.starting import busy_plan_problem
from triggers.verb_requests import Way

PREEMPTION_REASON = "it makes way for a failover"
PREEMPTIBLE_KINDS = frozenset({"drill", "cleanup"})
TERMINATION_WAIT = timedelta(minutes=5)
"""How long the engine may take to end a run."""


async def preempt_drills(
    client: df.DurableFunctionsClient,
    operation: Operation,
    holders: Sequence[str],
    drill_handling: Way | None,
    owed_cleanups: Sequence[Obligation] = (),
) -> Operation:
    """Ask the drills that hold the plan's VMs to end, and have cleaned up what is owed; the failover as it waits then.

    Args:
        owed_cleanups: Cleanups after drills whose own runs are dead.

    Raises:
        Problem: somebody else holds them, or nobody said what becomes of the drill (409).
    """
    runs = [(run, await client.get_orchestration_state(run)) for run in holders]
    drills = [state for _, state in runs if state and state.name in PREEMPTIBLE_KINDS]
    other_runs = [run for run, state in runs if not state or state.name not in PREEMPTIBLE_KINDS]
    if other_runs or drill_handling is None:
        raise busy_plan_problem(operation.plan, (other_runs or holders)[0])
    if drill_handling == "leave":
        await _require_no_test_failover(operation)
        for drill in drills:
            await client.terminate_orchestration(drill.instance_id, output=PREEMPTION_REASON)
        return operation.model_copy(update={"lease_wait": TERMINATION_WAIT})
    for drill in drills:
        if drill.name == "drill":  # a cleanup ends by itself, and is waited for
            await _end_drill(client, operation, drill)
    await _start_owed_cleanups(client, owed_cleanups)
    return operation.model_copy(update={"lease_wait": operation.document.patience})


async def find_owed_cleanups(client: df.DurableFunctionsClient, operation: Operation) -> list[Obligation]:
    """The cleanups of the operation's VMs that drills of any plan owe and cannot do: their own runs are dead."""
    states = await list_entities(client, OBLIGATIONS)
    cleanups = [Obligation.model_validate(state["cleanup"]) for state in states.values() if "cleanup" in state]
    own_machines = _leased_machines(operation)
    overlapping = [
        one for one in cleanups if one.order and _leased_machines(Operation.from_carried(one.order)) & own_machines
    ]
    ended = (await read_ended_runs(client, ReadEndedRuns(ids=tuple(one.owner for one in overlapping)))).ended
    return [one for one in overlapping if one.owner in ended]


async def _start_owed_cleanups(client: df.DurableFunctionsClient, owed_cleanups: Sequence[Obligation]) -> None:
    """Begin what the timer would begin at its next look; one that it has begun goes on, held or not yet held."""
    cleanup_runs = tuple(cleanup.last_attempt_by for cleanup in owed_cleanups if cleanup.last_attempt_by)
    ended = (await read_ended_runs(client, ReadEndedRuns(ids=cleanup_runs))).ended
    for one in owed_cleanups:
        if one.last_attempt_by in {"", *ended}:
            await start_cleanup(client, StartCleanup(id=cleanup_run_id(one), plan=one.plan))


def _leased_machines(operation: Operation) -> set[tuple[str, str]]:
    keys_by_vault = lease_keys(operation.document, operation.sites)
    return {(vault, key) for vault, vault_keys in keys_by_vault.items() for key in vault_keys}


async def _require_no_test_failover(operation: Operation) -> None:
    """Site Recovery lets nothing but a cleanup be done with a machine in a test failover.

    Raises:
        Problem: each VM that is in one.
    """
    item_views = await read_items_by_vm(operation.document, operation.sites)
    vms_in_test = [view.vm for view in item_views.values() if _is_in_test_failover(view)]
    if vms_in_test:
        detail = "in a test failover: Site Recovery wants it cleaned up first"
        errors = [FieldError(field=f"items[{vm}]", detail=detail) for vm in vms_in_test]
        raise HttpProblem(409, "Not ready", f'{vms_in_test[0]} is {detail}. Say "drill": "clean-up-first".', errors)


def _is_in_test_failover(view: ItemView) -> bool:
    return view.test_failover_state not in TEST_OVER or view.scenario == "TestFailover"


async def _end_drill(client: df.DurableFunctionsClient, operation: Operation, drill: OrchestrationState) -> None:
    """Have a drill clean up and end; one that waits for its approval has done nothing yet, and is rejected."""
    awaited = (drill.get_custom_status() or {}).get("waits") or {}
    attribution = {"by": operation.requested_by, "comment": PREEMPTION_REASON}
    if awaited.get("for") == "approval":
        drill_operation = Operation.from_carried(drill.get_input() or {})
        rejection = {
            **attribution,
            "approved": False,
            "person": operation.requester_id,
            "digest": drill_operation.digest,
        }
        await client.raise_orchestration_event(drill.instance_id, APPROVE, data=rejection)
    else:
        await client.raise_orchestration_event(
            drill.instance_id, DECISION_EVENT, data={**attribution, "verdict": "abort", "vms": []}
        )
