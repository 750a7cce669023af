"""The way home for Hyper-V: failback, its commit, and only then re-protect."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import open_obligation, settle_except_for
from orchestrators.durable.steps import Steps
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from orchestrators.verbs.azure_leftovers import handle_leftovers, note_belongings
from orchestrators.verbs.failback_checks import admit_failback, find_failback_obstacles, with_manual_steps
from orchestrators.verbs.failover import COMMIT, COMMIT_WITHIN
from shared.obstacle import Obstacle
from shared.recovery.operation import Operation
from shared.recovery.results import uncommitted_vms, unfinished_vms
from shared.recovery.run import Run, Stage

FAILBACK = Stage(verb="Failback", settles=True)
REPROTECT = Stage(verb="ReverseReplicate", ordered=False, settles=True, settles_within=timedelta(days=3))
"""Its job ends early: what follows is a resynchronisation over the line that there is."""


def failback(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the machines back on premises, those that nothing depends on first unless the plan says otherwise."""
    operation = Operation.from_carried(payload)
    failback_stage = FAILBACK.model_copy(update={"turned": operation.options.order == "reverse", "guarded": True})
    stages = (failback_stage, COMMIT) if operation.document.commit == "automatic" else (failback_stage,)
    return (
        yield from run_stages(
            ctx,
            operation,
            Runbook(
                stages,
                open_commit_obligation,
                _settle_failback,
                _note_belongings_before_commit,
                find_failback_obstacles,
                _check_failback_start,
            ),
        )
    )


def open_commit_obligation(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    """Write down that a failback has to be committed."""
    yield from open_obligation(
        ctx, operation, run, "commit", COMMIT_WITHIN, "a failback is final only once it is committed"
    )


def _note_belongings_before_commit(ctx: task.OrchestrationContext, _operation: Operation, run: Run) -> Steps[Run]:
    """Between failback and commit the machines in Azure are still there to be looked at."""
    return (yield from note_belongings(ctx, run)) if run.current else run


def _settle_failback(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    yield from settle_except_for(ctx, operation, "commit", uncommitted_vms(run))
    run = yield from handle_leftovers(ctx, operation, run)
    return (yield from with_manual_steps(ctx, operation, run))


def reprotect(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Replicate to Azure again, until each machine is Protected."""
    operation = Operation.from_carried(payload)
    return (yield from run_stages(ctx, operation, Runbook((REPROTECT,), after_last_stage=_settle_reprotect)))


def _settle_reprotect(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    yield from settle_except_for(ctx, operation, "reprotect", unfinished_vms(run))


def _check_failback_start(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, _inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    return (yield from admit_failback(ctx, operation, run))
