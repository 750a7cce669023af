"""How a run on a plan begins: admitted, approved, not aborted meanwhile; or the outcome of one that does not begin."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import tell
from orchestrators.durable.decisions import Aborted, Waiting
from orchestrators.durable.entity_calls import NotAdmitted, let_go, settle
from orchestrators.durable.steps import Steps, now, show_status
from orchestrators.run.admission import admit, hold, unbegun, vaults_of
from orchestrators.run.approval import NotApproved, approved
from orchestrators.run.end import end
from orchestrators.run.evidence import open_pack
from orchestrators.run.recovery_plan_runs import engaged
from orchestrators.run.recovery_points import fit_to_start
from orchestrators.run.runbook import Runbook
from shared.activity import Problem
from shared.recovery import scheduler
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.run import Run, Stage
from shared.recovery.status import summary

LOOK_AGAIN = timedelta(seconds=30)
OF_DRILLS = frozenset({"held", "test-failover-pending", "item-busy"})
"""Why a run is not admitted while a drill of its VMs makes way."""


def begin(
    ctx: task.OrchestrationContext,
    operation: Operation,
    runbook: Runbook,
    waits: Waiting,
) -> Steps[Run | dict[str, Any] | None]:
    """The run as it begins; the outcome of one that does not; None of one that looks again, as new."""
    try:
        try:
            run = yield from _admitted(ctx, operation, runbook, waits)
        except NotAdmitted as verdict:
            if (yield from _queued(ctx, operation, verdict, waits)):
                return None
            yield from _cross_out(ctx, operation, verdict)
            return _refused(operation, verdict)
        yield from tell(ctx, operation, "started", {"vms": len(run.items)})
        yield from waits.rest(timedelta(0))
    except Aborted as early:
        return (yield from _given_up(ctx, operation, runbook.stages, waits, early))
    return run


def _admitted(
    ctx: task.OrchestrationContext,
    operation: Operation,
    runbook: Runbook,
    waits: Waiting,
) -> Steps[Run]:
    """Admission, and then the word of a second person where the plan asks for it."""
    run = yield from admit(ctx, operation, runbook.stages, waits)
    problems: Sequence[Problem] = ()
    if runbook.before_start:
        run, problems = yield from runbook.before_start(ctx, operation, run, waits)
    if not problems:
        run, problems = yield from engaged(ctx, operation, run, waits)
    if not problems:
        run, problems = yield from fit_to_start(ctx, run, waits)
    if problems:
        yield from let_go(ctx, operation.id, run.vaults)
        raise NotAdmitted(problems)
    show_status(ctx, summary(run, now(ctx)))
    try:
        words = yield from approved(ctx, operation, waits)
    except NotApproved as no:
        yield from let_go(ctx, operation.id, run.vaults)
        raise NotAdmitted([no.problem]) from no
    if words:  # what was seen before the wait is old by now
        yield from hold(ctx, operation, waits, run)
        run = run.model_copy(update={"approvals": words, "began": now(ctx)})
        unseen = tuple(item.model_copy(update={"seen": False}) for item in run.items)
        run = run.model_copy(update={"items": unseen, "passed": False})
        run, problems = yield from fit_to_start(ctx, run, waits)
        if problems:
            yield from let_go(ctx, operation.id, run.vaults)
            raise NotAdmitted(problems)
        show_status(ctx, summary(run, now(ctx)))
    return run


def _queued(ctx: task.OrchestrationContext, operation: Operation, verdict: NotAdmitted, waits: Waiting) -> Steps[bool]:
    """Wait a little for VMs that a drill still has, and look again as new; whether there is time for it.

    A cleanup that was only just begun may not hold them yet: then the items themselves tell of the drill.
    """
    held = all(problem.code in OF_DRILLS for problem in verdict.problems)
    if operation.lease_wait <= timedelta(0) or not held or waits.approvals:
        return False
    show_status(ctx, {"phase": "Queued", "waitingFor": "a drill that makes way"})
    yield from waits.rest(LOOK_AGAIN)
    again = operation.model_copy(update={"lease_wait": operation.lease_wait - LOOK_AGAIN})
    ctx.continue_as_new(again.to_carry(), save_events=True)
    return True


def _cross_out(ctx: task.OrchestrationContext, operation: Operation, verdict: NotAdmitted) -> Steps[None]:
    """Where all is already as it should be, an earlier run that was killed may have left it owed."""
    if any(problem.code != "nothing-to-do" for problem in verdict.problems):
        return
    if operation.kind == "reprotect":
        yield from settle(ctx, operation, ("reprotect",))
    elif operation.kind == "commit" or (operation.kind != "drill" and operation.document.commit == "automatic"):
        yield from settle(ctx, operation, ("commit",))


def _refused(operation: Operation, verdict: NotAdmitted) -> dict[str, Any]:
    outcome = Outcome(state="refused", kind=operation.kind, plan=operation.plan, problems=verdict.problems)
    return outcome.model_dump(mode="json")


def _given_up(
    ctx: task.OrchestrationContext, operation: Operation, stages: tuple[Stage, ...], waits: Waiting, early: Aborted
) -> Steps[dict[str, Any]]:
    """End a run that was aborted before it began, with its evidence; it has sent nothing and owes nothing."""
    yield from let_go(ctx, operation.id, vaults_of(operation))
    run = unbegun(operation, stages, now(ctx)).model_copy(update={"approvals": waits.approvals})
    run = yield from open_pack(ctx, operation, scheduler.decide(run, early.said))
    return (yield from end(ctx, operation, run))
