"""How a run on a plan begins: admitted, approved, not aborted meanwhile; or the outcome of one that does not begin."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import Aborted, DecisionInbox
from orchestrators.durable.entity_calls import NotAdmitted, release_leases, settle_obligations
from orchestrators.durable.steps import Steps, now, show_status
from orchestrators.run.admission import admit_run, claim_leases, unstarted_run, vaults_of_plan
from orchestrators.run.approval import NotApproved, wait_for_approvals
from orchestrators.run.end import end_run
from orchestrators.run.evidence import open_pack
from orchestrators.run.recovery_plan_runs import engage_recovery_plans
from orchestrators.run.recovery_points import find_unfit_points
from orchestrators.run.runbook import Runbook
from shared.obstacle import Obstacle
from shared.recovery import scheduler
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.run import Run, Stage
from shared.recovery.status import custom_status_of

LOOK_AGAIN = timedelta(seconds=30)
DRILL_CODES = frozenset({"held", "test-failover-pending", "item-busy"})
"""Why a run is not admitted while a drill of its VMs makes way."""


def begin_run(
    ctx: task.OrchestrationContext,
    operation: Operation,
    runbook: Runbook,
    inbox: DecisionInbox,
) -> Steps[Run | dict[str, Any] | None]:
    """The run as it begins; the outcome of one that does not; None of one that looks again, as new."""
    try:
        try:
            run = yield from _admit_and_approve(ctx, operation, runbook, inbox)
        except NotAdmitted as verdict:
            if (yield from _wait_for_drill(ctx, operation, verdict, inbox)):
                return None
            yield from _settle_what_is_done(ctx, operation, verdict)
            return _refusal_json(operation, verdict)
        yield from publish_operation_event(ctx, operation, "started", {"vms": len(run.items)})
        yield from inbox.wait_unless_aborted(timedelta(0))
    except Aborted as abort:
        return (yield from _end_aborted(ctx, operation, runbook.stages, inbox, abort))
    return run


def _admit_and_approve(
    ctx: task.OrchestrationContext,
    operation: Operation,
    runbook: Runbook,
    inbox: DecisionInbox,
) -> Steps[Run]:
    """Admission, and then the word of a second person where the plan asks for it."""
    run = yield from admit_run(ctx, operation, runbook.stages, inbox)
    obstacles: Sequence[Obstacle] = ()
    if runbook.before_start:
        run, obstacles = yield from runbook.before_start(ctx, operation, run, inbox)
    if not obstacles:
        run, obstacles = yield from engage_recovery_plans(ctx, operation, run, inbox)
    if not obstacles:
        run, obstacles = yield from find_unfit_points(ctx, run, inbox)
    if obstacles:
        yield from release_leases(ctx, operation.id, run.vaults)
        raise NotAdmitted(obstacles)
    show_status(ctx, custom_status_of(run, now(ctx)))
    try:
        approvals = yield from wait_for_approvals(ctx, operation, inbox)
    except NotApproved as rejection:
        yield from release_leases(ctx, operation.id, run.vaults)
        raise NotAdmitted([rejection.obstacle]) from rejection
    if approvals:  # what was seen before the wait is old by now
        yield from claim_leases(ctx, operation, inbox, run)
        run = run.model_copy(update={"approvals": approvals, "began": now(ctx)})
        unread_items = tuple(item.model_copy(update={"seen": False}) for item in run.items)
        run = run.model_copy(update={"items": unread_items, "passed": False})
        run, obstacles = yield from find_unfit_points(ctx, run, inbox)
        if obstacles:
            yield from release_leases(ctx, operation.id, run.vaults)
            raise NotAdmitted(obstacles)
        show_status(ctx, custom_status_of(run, now(ctx)))
    return run


def _wait_for_drill(
    ctx: task.OrchestrationContext, operation: Operation, verdict: NotAdmitted, inbox: DecisionInbox
) -> Steps[bool]:
    """Wait a little for VMs that a drill still has, and look again as new; whether there is time for it.

    A cleanup that was only just begun may not hold them yet: then the items themselves tell of the drill.
    """
    only_drills = all(obstacle.code in DRILL_CODES for obstacle in verdict.obstacles)
    if operation.lease_wait <= timedelta(0) or not only_drills or inbox.approvals:
        return False
    show_status(ctx, {"phase": "Queued", "waitingFor": "a drill that makes way"})
    yield from inbox.wait_unless_aborted(LOOK_AGAIN)
    again = operation.model_copy(update={"lease_wait": operation.lease_wait - LOOK_AGAIN})
    ctx.continue_as_new(again.to_carry(), save_events=True)
    return True


def _settle_what_is_done(ctx: task.OrchestrationContext, operation: Operation, verdict: NotAdmitted) -> Steps[None]:
    """Where all is already as it should be, an earlier run that was killed may have left it owed."""
    if any(obstacle.code != "nothing-to-do" for obstacle in verdict.obstacles):
        return
    if operation.kind == "reprotect":
        yield from settle_obligations(ctx, operation, ("reprotect",))
    elif operation.kind == "commit" or (operation.kind != "drill" and operation.document.commit == "automatic"):
        yield from settle_obligations(ctx, operation, ("commit",))


def _refusal_json(operation: Operation, verdict: NotAdmitted) -> dict[str, Any]:
    outcome = Outcome(state="refused", kind=operation.kind, plan=operation.plan, problems=verdict.obstacles)
    return outcome.model_dump(mode="json")


def _end_aborted(
    ctx: task.OrchestrationContext,
    operation: Operation,
    stages: tuple[Stage, ...],
    inbox: DecisionInbox,
    abort: Aborted,
) -> Steps[dict[str, Any]]:
    """End a run that was aborted before it began, with its evidence; it has sent nothing and owes nothing."""
    yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
    run = unstarted_run(operation, stages, now(ctx)).model_copy(update={"approvals": inbox.approvals})
    run = yield from open_pack(ctx, operation, scheduler.apply_decision(run, abort.decision))
    return (yield from end_run(ctx, operation, run))
