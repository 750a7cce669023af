"""Failover to Azure; then the commit that makes it final or, instead of it, another recovery point or a cancel."""

from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.entity_calls import open_obligation, settle_except_for, settle_obligations
from orchestrators.durable.steps import Steps
from orchestrators.run.recovery_points import note_points
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from orchestrators.verbs.azure_leftovers import handle_leftovers, note_belongings
from orchestrators.verbs.source_power import PROVEN_WITHIN, REMEDY
from shared.recovery.operation import Operation
from shared.recovery.results import uncommitted_vms, unfinished_vms, was_moved
from shared.recovery.run import Rehearsal, Run, Stage

COMMIT = Stage(verb="Commit", ordered=False, settles=True, after="well", unless_failed=True)
CONFIGURE = Stage(verb="UpdateVmProperties", ordered=False)
"""What the plan says of a machine in Azure its protected item has to say as well, before the failover."""
CHANGE_POINT = Stage(verb="ChangePit", probed=True, settles=True)
CANCEL = Stage(verb="CancelFailover", ordered=False, settles=True)
COMMIT_WITHIN, HOME_WITHIN = timedelta(days=1), timedelta(days=14)
SOURCE_OFF_DETAIL = (
    "whether the machines stay off on premises, where nobody shut them down for sure, is not proven yet. "
    f"The timer looks as soon as their nodes are back. {REMEDY}"
)


def failover(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the plan's machines up in Azure, each as soon as those it depends on are up and pass their probes."""
    operation = Operation.from_carried(payload)
    stages = (
        (*failover_stages(operation), COMMIT)
        if operation.document.commit == "automatic"
        else failover_stages(operation)
    )
    return (
        yield from run_stages(
            ctx, operation, Runbook(stages, open_failover_obligations, _settle_failover, _note_points_before_commit)
        )
    )


def _note_points_before_commit(ctx: task.OrchestrationContext, _operation: Operation, run: Run) -> Steps[Run]:
    """Between a failover and its own commit the recovery points that this deletes are still there to be listed."""
    return (yield from note_points(ctx, run)) if run.current and run.current.verb == "Commit" else run


def failover_stages(operation: Operation) -> tuple[Stage, ...]:
    """The stages that bring the machines to Azure, as the plan wants them there."""
    verb = "UnplannedFailover" if operation.options.is_unplanned else "PlannedFailover"
    move = Stage(verb=verb, probed=True, settles=True)
    if any(item.target_settings for item in operation.document.items):
        return CONFIGURE, move.model_copy(update={"after": "well"})
    return (move,)


def open_failover_obligations(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Write down what a failover owes from its first verb on."""
    detail = "until the commit the machines in Azure keep their recovery points and are not final"
    yield from open_obligation(ctx, operation, run, "commit", COMMIT_WITHIN, detail)
    detail = "machines that run in Azure are not protected until they failed back and replicate again"
    yield from open_obligation(ctx, operation, run, "reprotect", HOME_WITHIN, detail)
    if operation.options.is_unplanned:
        yield from open_obligation(ctx, operation, run, "source-off", PROVEN_WITHIN, SOURCE_OFF_DETAIL)
    if operation.document.commit == "automatic" and operation.document.commit_after:
        return run.model_copy(update={"rehearsal": Rehearsal(soak=operation.document.commit_after)})
    return run


def _settle_failover(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    if operation.document.commit == "automatic":
        yield from settle_except_for(ctx, operation, "commit", uncommitted_vms(run))
    if operation.options.is_unplanned and not run.stopped:
        yield from narrow_source_obligation(ctx, operation, run)


def narrow_source_obligation(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, *, provable: bool = False
) -> Steps[None]:
    """Only what runs in Azure has to be off at home: what did not get there may well be running.

    Args:
        provable: It can be proven from now on, though the run goes on.
    """
    stayed = [item.vm for item in run.items if not was_moved(item)]
    moved = run.model_copy(update={"items": tuple(item for item in run.items if item.vm not in stayed)})
    if moved.items:
        yield from open_obligation(
            ctx, operation, moved, "source-off", PROVEN_WITHIN, SOURCE_OFF_DETAIL, provable=provable
        )
    else:
        yield from settle_obligations(ctx, operation, ("source-off",))


def commit(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Make a failover, or a failback, final. It deletes all other recovery points and cannot be undone."""
    operation = Operation.from_carried(payload)
    stage = COMMIT.model_copy(update={"after": "all", "unless_failed": False})
    return (yield from run_stages(ctx, operation, Runbook((stage,), _note_what_commit_deletes, _settle_commit)))


def _note_what_commit_deletes(ctx: task.OrchestrationContext, _operation: Operation, run: Run) -> Steps[Run]:
    """The commit of a failover deletes recovery points; that of a failback gives machines in Azure up."""
    run = yield from note_points(ctx, run)
    return (yield from note_belongings(ctx, run))


def _settle_commit(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    yield from settle_except_for(ctx, operation, "commit", unfinished_vms(run))
    return (yield from handle_leftovers(ctx, operation, run))


def change_point(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Make the machines in Azure again from another recovery point, as long as their failover is not committed."""
    operation = Operation.from_carried(payload)
    return (yield from run_stages(ctx, operation, Runbook((CHANGE_POINT,))))


def cancel(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Give up failovers that are not committed, and failbacks that run. It ends the replication."""
    operation = Operation.from_carried(payload)
    return (yield from run_stages(ctx, operation, Runbook((CANCEL,), after_last_stage=_settle_cancel)))


def _settle_cancel(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    yield from settle_except_for(ctx, operation, "commit", unfinished_vms(run))
    yield from settle_except_for(ctx, operation, "source-off", unfinished_vms(run))
    detail = "what was cancelled does not replicate any more: it has to be protected anew"
    yield from open_obligation(ctx, operation, run, "reprotect", HOME_WITHIN, detail)
