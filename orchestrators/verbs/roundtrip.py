"""The round trip of planned maintenance: out to Azure, home again and protected, as one operation with pauses."""

from collections.abc import Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.entity_calls import settle_but_for
from orchestrators.durable.steps import Steps
from orchestrators.run.recovery_points import note_points
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import conduct
from orchestrators.verbs.azure_leftovers import note_belongings, see_leftovers
from orchestrators.verbs.failback import FAILBACK, REPROTECT, owe_final_commit
from orchestrators.verbs.failback_checks import ready_to_go_home
from orchestrators.verbs.failover import COMMIT, moves, opening, owe_of_moved
from shared.activity import Problem
from shared.recovery.operation import Operation
from shared.recovery.results import uncommitted, unprotected
from shared.recovery.run import Run, Stage

LOOK = "a look at the machines in Azure: resume commits the failover, which deletes their other recovery points"
RETURN = "a word that the machines may come home: resume begins the failback"
FINAL = "a look at the machines on premises: resume commits the failback"


def roundtrip(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Failover, commit, failback, commit, re-protect; a person decides when the machines come home."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, Runbook(stages_of(operation), opening, _closing, _turning, _gate)))


def stages_of(operation: Operation) -> tuple[Stage, ...]:
    """The stages, with a pause before each commit where the plan leaves those to a person."""
    plan = operation.document
    by_hand = plan.commit == "manual"
    home = {"pause": RETURN, "pause_until": operation.return_at, "turned": operation.asked.order == "reverse"}
    home |= {"after": "well", "unless_failed": True, "guarded": True}
    return (
        *moves(operation),
        COMMIT.model_copy(update={"pause": LOOK if by_hand else ""}),
        FAILBACK.model_copy(update=home),
        COMMIT.model_copy(update={"pause": FINAL if by_hand else ""}),
        REPROTECT.model_copy(update={"after": "well", "unless_failed": True}),
    )


def _turning(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Owe no longer what the stage that is over has done; until the way home begins the machines must be off there."""
    if run.stages[run.stage - 1].verb == "Commit":
        yield from settle_but_for(ctx, operation, "commit", uncommitted(run))
    if operation.failover_type == "unplanned" and not run.stopped and not _goes_home(run):
        yield from owe_of_moved(ctx, operation, run, provable=True)
    if run.current and run.current.verb == "Commit" and not _goes_home(run):
        return (yield from note_points(ctx, run))
    if run.stages[run.stage - 1].verb == "Failback":  # the machines in Azure are still there to be looked at
        return (yield from note_belongings(ctx, run))
    return run


def _goes_home(run: Run) -> bool:
    return any(step.verb == "Failback" for item in run.items for step in item.steps)


def _gate(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[tuple[Run, Sequence[Problem]]]:
    """What keeps the machines from coming home now."""
    run, problems = yield from ready_to_go_home(ctx, operation, run)
    if not problems:
        yield from owe_final_commit(ctx, operation, run)
    return run, problems


def _closing(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    yield from settle_but_for(ctx, operation, "commit", uncommitted(run))
    yield from settle_but_for(ctx, operation, "reprotect", unprotected(run))
    return (yield from see_leftovers(ctx, operation, run))
