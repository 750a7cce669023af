"""A drill makes way for a real failover: cleaned up first, or left to be cleaned up later, as the caller says.

A drill is what holds the VMs, or a cleanup after one that is dead, or what such a one still owes.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import azure.durable_functions as df
from durabletask.client import OrchestrationState

from activities.durable_runs import CLEANUP_LEASE_WAIT, read_ended_runs, start_cleanup, start_run
from activities.durable_state import read_custom_status, read_input
from activities.owed import read_all_owed
from activities.previews import read_items_by_vm
from shared.operations.contract import ReadEndedRuns, StartCleanup, StartRun
from shared.operations.lost_runs import STATE_OF_RUN_ENDED_BY_APP
from shared.operations.obligations import Obligation, cleanup_run_id
from shared.plans.machines import leased_machines
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.recovery.orphans import orphan_cleanup
from shared.recovery.person_events import ApprovalGiven, DecisionGiven
from shared.recovery.status import read_awaited_decision
from shared.site_recovery.verb_rules import TEST_OVER
from triggers.http_endpoint import HttpProblem
from triggers.living_runs import RunIsGone, send_to_living
from triggers.pacing import TERMINATION_WITHIN
from triggers.person_events import send_approval, send_decision
from triggers.starting import busy_problem
from triggers.verb_requests import DrillHandling

PREEMPTION_REASON = "it makes way for a failover"
PREEMPTION_OUTPUT = {"state": STATE_OF_RUN_ENDED_BY_APP, "detail": PREEMPTION_REASON}
PREEMPTIBLE_KINDS = frozenset({"drill", "cleanup"})
DRILL_KINDS = frozenset({"failover", "roundtrip"})
"""Verbs whose request says what becomes of a drill."""
DRILL_HINT = 'Say what becomes of the drill: "drill": "clean-up-first", or "leave" if no VM is in its test failover.'


async def preempt_drills(
    client: df.DurableFunctionsClient,
    operation: Operation,
    holders: Sequence[OrchestrationState],
    drill_handling: DrillHandling | None,
    owed_cleanups: Sequence[Obligation] = (),
) -> Operation:
    """Ask the drills that hold the plan's VMs to end, and have cleaned up what is owed; the failover as it waits then.

    Args:
        holders: The living runs that hold any of the plan's VMs.
        drill_handling: What the caller wants to become of a drill.
        owed_cleanups: Cleanups after drills whose own runs are dead, or are not known.

    Raises:
        HttpProblem: another run holds them, or the request does not say what becomes of the drill (409).
    """
    drills = [state for state in holders if state.name in PREEMPTIBLE_KINDS]
    others = [state for state in holders if state.name not in PREEMPTIBLE_KINDS]
    if others or drill_handling is None:
        holder = (others or holders)[0].instance_id
        hint = "Wait until it has ended, or abort it." if others or operation.kind not in DRILL_KINDS else DRILL_HINT
        raise busy_problem("plan", f"The plan {operation.plan!r} is busy: {holder} holds its VMs. {hint}", holder)
    if drill_handling == "leave":
        await _require_no_test_failover(operation)
        for drill in drills:
            await _terminate_drill(client, drill.instance_id)
        return operation.model_copy(update={"lease_wait": TERMINATION_WITHIN})
    for drill in drills:
        if drill.name == "drill":  # a cleanup ends by itself, and is waited for
            with suppress(RunIsGone):  # it has just made way by itself
                await _end_drill(client, operation, drill)
    cleanup_runs = tuple(cleanup.last_attempt_by for cleanup in owed_cleanups if cleanup.last_attempt_by)
    ended = (await read_ended_runs(client, ReadEndedRuns(ids=cleanup_runs))).ended
    for one in owed_cleanups:  # as the timer would; one that it has begun goes on, held or not yet held
        if one.is_found:
            await _start_orphan_cleanup(client, operation, one)
        elif one.last_attempt_by in {"", *ended}:
            await start_cleanup(client, StartCleanup(id=cleanup_run_id(one), table=one.table, obligation=one.id))
    return operation.model_copy(update={"lease_wait": operation.document.patience})


async def find_owed_cleanups(client: df.DurableFunctionsClient, operation: Operation) -> list[Obligation]:
    """The cleanups of the operation's VMs that drills of any plan owe, whose own runs are dead, or unknown."""
    cleanups = await read_all_owed(client, "cleanup")
    own_machines, homes = leased_machines(operation.requested_part, operation.sites), operation.homes()
    found = [one for one in cleanups if one.is_found and any(one.concerned_of(machines) for machines in homes)]
    orders = [(one, Operation.from_carried(one.order)) for one in cleanups if one.order]
    overlapping = [one for one, order in orders if leased_machines(order.requested_part, order.sites) & own_machines]
    ended = (await read_ended_runs(client, ReadEndedRuns(ids=tuple(one.owner for one in overlapping)))).ended
    return [*(one for one in overlapping if one.owner in ended), *found]


async def _start_orphan_cleanup(client: df.DurableFunctionsClient, operation: Operation, found: Obligation) -> None:
    """Clean up a test failover of the plan's machines that nobody is known to have begun: the caller asks for it."""
    hour = f"{datetime.now(UTC):%Y%m%dT%H}"
    for machines in operation.homes():
        if vms := found.concerned_of(machines):
            name = machines.home.site
            order = orphan_cleanup(name, operation.sites[name], vms, hour, operation.requested_by)
            payload = order.model_dump(mode="json") | {"lease_wait": CLEANUP_LEASE_WAIT.total_seconds()}
            await start_run(client, StartRun(id=order.id, orchestrator="cleanup", payload=payload))


async def _require_no_test_failover(operation: Operation) -> None:
    """Site Recovery lets nothing but a cleanup be done with a machine in a test failover.

    Raises:
        HttpProblem: each VM that is in one (409).
    """
    item_views = await read_items_by_vm(operation.requested_part, operation.sites)
    vms_in_test = [
        view.vm
        for view in item_views.values()
        if view.test_failover_state not in TEST_OVER or view.scenario == "TestFailover"
    ]
    if vms_in_test:
        detail = "in a test failover, which has to be cleaned up first"
        errors = [FieldError(field=f"items[{vm}]", detail=detail) for vm in vms_in_test]
        raise HttpProblem(409, "Not ready", f'{vms_in_test[0]} is {detail}. Say "drill": "clean-up-first".', errors)


async def _terminate_drill(client: df.DurableFunctionsClient, run: str) -> None:
    """End a drill at once; one that has ended meanwhile has made way by itself."""
    with suppress(RunIsGone):
        await send_to_living(client, run, client.terminate_orchestration(run, output=PREEMPTION_OUTPUT))


async def _end_drill(client: df.DurableFunctionsClient, operation: Operation, drill: OrchestrationState) -> None:
    """Have a drill clean up and end; one that waits for its approval has done nothing yet, and is rejected."""
    awaited = read_awaited_decision(read_custom_status(drill))
    if awaited and awaited.kind == "approval":
        rejection = ApprovalGiven(
            approved=False,
            person=operation.requester_id,
            by=operation.requested_by,
            comment=PREEMPTION_REASON,
            digest=Operation.from_carried(read_input(drill)).digest,
        )
        await send_approval(client, drill.instance_id, rejection)
    else:
        abort = DecisionGiven(
            verdict="abort", by=operation.requested_by, person=operation.requester_id, comment=PREEMPTION_REASON
        )
        await send_decision(client, drill.instance_id, abort)
