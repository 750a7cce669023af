"""Failover to Azure; then the commit that makes it final or, instead of it, another recovery point or a cancel."""

from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.entity_calls import owe, settle, settle_but_for
from orchestrators.durable.steps import Steps
from orchestrators.run.recovery_points import note_points
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import conduct
from orchestrators.verbs.azure_leftovers import note_belongings, see_leftovers
from orchestrators.verbs.source_power import PROVEN_WITHIN, REMEDY
from shared.recovery.operation import Operation
from shared.recovery.results import uncommitted, unfinished, was_moved
from shared.recovery.run import Rehearsal, Run, Stage

COMMIT = Stage(verb="Commit", ordered=False, settles=True, after="well", unless_failed=True)
CONFIGURE = Stage(verb="UpdateVmProperties", ordered=False)
"""What the plan says of a machine in Azure its protected item has to say as well, before the failover."""
CHANGE = Stage(verb="ChangePit", probed=True, settles=True)
CANCEL = Stage(verb="CancelFailover", ordered=False, settles=True)
COMMIT_WITHIN, HOME_WITHIN = timedelta(days=1), timedelta(days=14)
SOURCE = (
    "whether the machines stay off on premises, where nobody shut them down for sure, is not proven yet. "
    f"The timer looks as soon as their nodes are back. {REMEDY}"
)


def failover(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the plan's machines up in Azure, each as soon as those it depends on are up and pass their probes."""
    operation = Operation.carried(payload)
    stages = (*moves(operation), COMMIT) if operation.document.commit == "automatic" else moves(operation)
    return (yield from conduct(ctx, operation, Runbook(stages, opening, _closing, _turning)))


def _turning(ctx: task.OrchestrationContext, _operation: Operation, run: Run) -> Steps[Run]:
    """Between a failover and its own commit the recovery points that this deletes are still there to be listed."""
    return (yield from note_points(ctx, run)) if run.current and run.current.verb == "Commit" else run


def moves(operation: Operation) -> tuple[Stage, ...]:
    """The stages that bring the machines to Azure, as the plan wants them there."""
    verb = "PlannedFailover" if operation.failover_type == "planned" else "UnplannedFailover"
    move = Stage(verb=verb, probed=True, settles=True)
    if any(item.settings for item in operation.document.items):
        return CONFIGURE, move.model_copy(update={"after": "well"})
    return (move,)


def opening(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Write down what a failover owes from its first verb on."""
    why = "until the commit the machines in Azure keep their recovery points and are not final"
    yield from owe(ctx, operation, run, "commit", COMMIT_WITHIN, why)
    why = "machines that run in Azure are not protected until they failed back and replicate again"
    yield from owe(ctx, operation, run, "reprotect", HOME_WITHIN, why)
    if operation.failover_type == "unplanned":
        yield from owe(ctx, operation, run, "source-off", PROVEN_WITHIN, SOURCE)
    if operation.document.commit == "automatic" and operation.document.commit_after:
        return run.model_copy(update={"rehearsal": Rehearsal(soak=operation.document.commit_after)})
    return run


def _closing(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    if operation.document.commit == "automatic":
        yield from settle_but_for(ctx, operation, "commit", uncommitted(run))
    if operation.failover_type == "unplanned" and not run.stopped:
        yield from owe_of_moved(ctx, operation, run)


def owe_of_moved(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, *, provable: bool = False
) -> Steps[None]:
    """Only what runs in Azure has to be off at home: what did not get there may well be running.

    Args:
        provable: It can be proven from now on, though the run goes on.
    """
    stayed = [item.vm for item in run.items if not was_moved(item)]
    moved = run.model_copy(update={"items": tuple(item for item in run.items if item.vm not in stayed)})
    if moved.items:
        yield from owe(ctx, operation, moved, "source-off", PROVEN_WITHIN, SOURCE, provable=provable)
    else:
        yield from settle(ctx, operation, ("source-off",))


def commit(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Make a failover, or a failback, final. It deletes all other recovery points and cannot be undone."""
    operation = Operation.carried(payload)
    stage = COMMIT.model_copy(update={"after": "all", "unless_failed": False})
    return (yield from conduct(ctx, operation, Runbook((stage,), _noted, _committed)))


def _noted(ctx: task.OrchestrationContext, _operation: Operation, run: Run) -> Steps[Run]:
    """The commit of a failover deletes recovery points; that of a failback gives machines in Azure up."""
    run = yield from note_points(ctx, run)
    return (yield from note_belongings(ctx, run))


def _committed(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    yield from settle_but_for(ctx, operation, "commit", unfinished(run))
    return (yield from see_leftovers(ctx, operation, run))


def change_point(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Make the machines in Azure again from another recovery point, as long as their failover is not committed."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, Runbook((CHANGE,))))


def cancel(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Give up failovers that are not committed, and failbacks that run. It ends the replication."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, Runbook((CANCEL,), closing=_cancelled)))


def _cancelled(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    yield from settle_but_for(ctx, operation, "commit", unfinished(run))
    yield from settle_but_for(ctx, operation, "source-off", unfinished(run))
    why = "what was cancelled does not replicate any more: it has to be protected anew"
    yield from owe(ctx, operation, run, "reprotect", HOME_WITHIN, why)
