"""How a run on a plan begins; or the outcome of one that does not begin.

1. Admission: leases, a look at the items, what the runbook has to know.
2. The recovery plans that it goes through, and the recovery points that it starts from.
3. Other persons agree, where the plan asks for it; after that wait what was read is read again.
4. Its evidence is opened; where the plan requires evidence, it has to be written before the run begins.
5. It is published that the run has started, unless somebody has aborted it meanwhile.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import Aborted, DecisionInbox
from orchestrators.durable.entity_calls import NotAdmitted, release_leases, settle_obligations
from orchestrators.durable.steps import Context, Steps, now, show_status
from orchestrators.run.admission import NothingToDo, admit_run, claim_leases, unstarted_run, vaults_of_plan
from orchestrators.run.approval import NotApproved, wait_for_approvals
from orchestrators.run.end import end_run
from orchestrators.run.evidence import open_pack, record_tick, require_pack
from orchestrators.run.recovery_plan_runs import engage_recovery_plans
from orchestrators.run.recovery_points import find_unfit_points
from orchestrators.run.runbook import Runbook
from shared.obstacle import Obstacle
from shared.plans.machines import homes_of
from shared.recovery import scheduler
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.pacing import LOOK_FOR_DRILL_EVERY
from shared.recovery.people import Approval
from shared.recovery.run import Run
from shared.recovery.status import custom_status_of

DRILL_CODES = frozenset({"held", "test-failover-pending", "item-busy"})
"""Why a run is not admitted while a drill of its VMs makes way."""


def begin_run(
    ctx: Context, operation: Operation, runbook: Runbook, inbox: DecisionInbox
) -> Steps[Run | dict[str, Any] | None]:
    """The run as it begins; the outcome of one that does not; None of one that looks again, as new."""
    run: Run | None = None
    try:
        try:
            admitted = yield from _admit_and_approve(ctx, operation, runbook, inbox)
            run = yield from open_pack(ctx, operation, runbook, admitted)
            run = yield from _require_pack(ctx, operation, run, inbox)
        except NotAdmitted as verdict:
            if (yield from _wait_for_drill(ctx, operation, verdict, inbox)):
                return None
            return (yield from _refuse_run(ctx, operation, runbook, verdict, inbox.take_findings()))
        yield from publish_operation_event(ctx, operation, "started", {"vms": len(run.items)})
        yield from inbox.wait_unless_aborted(timedelta(0))
    except Aborted as abort:
        return (yield from end_unstarted(ctx, operation, runbook, inbox, abort, run))
    return run


def _require_pack(ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox) -> Steps[Run]:
    """The run, once its evidence is written where its plan requires that; no lease is kept where it is not."""
    try:
        return (yield from require_pack(ctx, operation, run, inbox))
    except NotAdmitted:
        yield from release_leases(ctx, operation.id, run.vaults)
        raise


def _refuse_run(
    ctx: Context, operation: Operation, runbook: Runbook, verdict: NotAdmitted, findings: tuple[str, ...]
) -> Steps[dict[str, Any]]:
    if isinstance(verdict, NothingToDo) and verdict.items and runbook.settles_if_done:
        done_part = operation.document.with_vms({item.vm for item in verdict.items})
        machines = homes_of(done_part, operation.sites, verdict.items)
        yield from settle_obligations(ctx, machines, runbook.settles_if_done)
    problems = verdict.obstacles
    refusal = Outcome(state="refused", kind=operation.kind, plan=operation.plan, problems=problems, findings=findings)
    return refusal.model_dump(mode="json")


def end_unstarted(
    ctx: Context,
    operation: Operation,
    runbook: Runbook,
    inbox: DecisionInbox,
    abort: Aborted,
    opened: Run | None = None,
) -> Steps[dict[str, Any]]:
    """End a run that has sent nothing and owes nothing.

    Args:
        opened: The run, where its evidence is open already.
    """
    yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
    run = unstarted_run(operation, runbook, now(ctx))
    run = run.with_people(run.people.model_copy(update={"approvals": inbox.approvals}))
    run = run.with_chain(opened.chain) if opened else (yield from open_pack(ctx, operation, runbook, run))
    aborted = scheduler.apply_decision(run.with_findings(inbox.take_findings()), abort.decision)
    return (yield from end_run(ctx, operation, runbook, (yield from record_tick(ctx, run, aborted))))


def _admit_and_approve(ctx: Context, operation: Operation, runbook: Runbook, inbox: DecisionInbox) -> Steps[Run]:
    """Admission, and then the approval of other persons where the plan asks for it."""
    run = yield from admit_run(ctx, operation, runbook, inbox)
    obstacles: Sequence[Obstacle] = ()
    if runbook.before_start:
        run, obstacles = yield from runbook.before_start(ctx, operation, run, inbox)
    if not obstacles:
        run, obstacles = yield from engage_recovery_plans(ctx, operation, run, inbox)
    run = yield from _with_fit_points(ctx, operation, run, obstacles, inbox)
    try:
        approvals = yield from wait_for_approvals(ctx, operation, inbox)
    except NotApproved as rejection:
        yield from release_leases(ctx, operation.id, run.vaults)
        raise NotAdmitted([rejection.obstacle]) from rejection
    if not approvals:
        return run
    yield from claim_leases(ctx, operation, inbox, run)
    return (yield from _with_fit_points(ctx, operation, with_approvals(run, approvals, now(ctx)), (), inbox))


def with_approvals(run: Run, approvals: tuple[Approval, ...], at: datetime) -> Run:
    """The run as it begins after a wait: what was read before is old by now."""
    run = run.with_people(run.people.model_copy(update={"approvals": approvals}))
    run = run.with_unread_items().model_copy(update={"began": at})
    return run.with_progress(run.progress.with_guard(passed=False))


def _with_fit_points(
    ctx: Context, operation: Operation, run: Run, obstacles: Sequence[Obstacle], inbox: DecisionInbox
) -> Steps[Run]:
    """The run, if nothing is in its way so far and the recovery points that it starts from are fit.

    Raises:
        NotAdmitted: what is in its way; no lease is kept then.
    """
    if not obstacles:
        run, obstacles = yield from find_unfit_points(ctx, run, inbox)
    if obstacles:
        yield from release_leases(ctx, operation.id, run.vaults)
        raise NotAdmitted(obstacles)
    show_status(ctx, custom_status_of(run, now(ctx)))
    return run


def _wait_for_drill(ctx: Context, operation: Operation, verdict: NotAdmitted, inbox: DecisionInbox) -> Steps[bool]:
    """Wait a little for VMs that a drill still has, and look again as new; whether there is time for it.

    A cleanup that was only just begun may not hold them yet: then the items themselves show the drill.
    """
    only_drills = all(obstacle.code in DRILL_CODES for obstacle in verdict.obstacles)
    if operation.lease_wait <= timedelta(0) or not only_drills or inbox.approvals:
        return False
    show_status(ctx, {"phase": "Queued", "waitingFor": "a drill that makes way"})
    yield from inbox.wait_unless_aborted(LOOK_FOR_DRILL_EVERY)
    again = operation.model_copy(update={"lease_wait": operation.lease_wait - LOOK_FOR_DRILL_EVERY})
    ctx.continue_as_new(again.to_carry(), save_events=True)
    return True
