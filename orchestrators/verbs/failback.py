"""The way home for Hyper-V: failback, its commit, and only then re-protect."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import Waiting
from orchestrators.durable.entity_calls import owe, settle_but_for
from orchestrators.durable.steps import Steps
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import conduct
from orchestrators.verbs.azure_leftovers import note_belongings, see_leftovers
from orchestrators.verbs.failback_checks import admitted_home, ready_to_go_home, told_by_hand
from orchestrators.verbs.failover import COMMIT, COMMIT_WITHIN
from shared.activity import Problem
from shared.recovery.operation import Operation
from shared.recovery.results import uncommitted, unfinished
from shared.recovery.run import Run, Stage

FAILBACK = Stage(verb="Failback", settles=True)
REPROTECT = Stage(verb="ReverseReplicate", ordered=False, settles=True, settles_within=timedelta(days=3))
"""Its job ends early: what follows is a resynchronisation over the line that there is."""


def failback(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the machines back on premises, those that nothing depends on first unless the plan says otherwise."""
    operation = Operation.carried(payload)
    home = FAILBACK.model_copy(update={"turned": operation.asked.order == "reverse", "guarded": True})
    stages = (home, COMMIT) if operation.document.commit == "automatic" else (home,)
    return (
        yield from conduct(
            ctx, operation, Runbook(stages, owe_final_commit, _closing, _turning, ready_to_go_home, _at_home)
        )
    )


def owe_final_commit(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    """Write down that a failback has to be committed."""
    yield from owe(ctx, operation, run, "commit", COMMIT_WITHIN, "a failback is final only once it is committed")


def _turning(ctx: task.OrchestrationContext, _operation: Operation, run: Run) -> Steps[Run]:
    """Between failback and commit the machines in Azure are still there to be looked at."""
    return (yield from note_belongings(ctx, run)) if run.current else run


def _closing(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    yield from settle_but_for(ctx, operation, "commit", uncommitted(run))
    run = yield from see_leftovers(ctx, operation, run)
    return (yield from told_by_hand(ctx, operation, run))


def reprotect(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Replicate to Azure again, until each machine is Protected."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, Runbook((REPROTECT,), closing=_protected)))


def _protected(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    yield from settle_but_for(ctx, operation, "reprotect", unfinished(run))


def _at_home(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, _waits: Waiting
) -> Steps[tuple[Run, Sequence[Problem]]]:
    return (yield from admitted_home(ctx, operation, run))
