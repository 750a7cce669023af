"""The way home for Hyper-V: failback, its commit, and only then re-protect."""

from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.conduct import conduct
from orchestrators.failover import COMMIT, COMMIT_WITHIN
from orchestrators.owing import nothing, owe, settle
from orchestrators.steps import Steps
from shared.operations import Operation
from shared.runs import Run, Stage

FAILBACK = Stage(verb="Failback", settles=True)
REPROTECT = Stage(verb="ReverseReplicate", ordered=False, settles=True, settles_within=timedelta(days=3))
"""Its job ends early: what follows is a resynchronisation over the line that there is."""


def failback(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the machines back on premises, those that nothing depends on first unless the plan says otherwise."""
    operation = Operation.carried(payload)
    home = FAILBACK.model_copy(update={"turned": operation.document.failback_order == "reverse"})
    stages = (home, COMMIT) if operation.document.commit == "automatic" else (home,)
    return (yield from conduct(ctx, operation, stages, owe_final_commit, _closing))


def owe_final_commit(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    """Write down that a failback has to be committed."""
    yield from owe(ctx, operation, run, "commit", COMMIT_WITHIN, "a failback is final only once it is committed")


def _closing(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    if operation.document.commit == "automatic" and not run.failed:
        yield from settle(ctx, operation, ("commit",))


def reprotect(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Replicate to Azure again, until each machine is Protected."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, (REPROTECT,), nothing, _protected))


def _protected(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    if not run.failed:
        yield from settle(ctx, operation, ("reprotect",))
