"""The drill: test failover, look, clean up. Production keeps running and replicating throughout."""

from typing import Any

from durabletask import task

from orchestrators.conduct import conduct
from orchestrators.owing import nothing, owe, settle
from orchestrators.steps import Steps
from shared.operations import Operation
from shared.runs import Run, Stage, touched

REHEARSAL = Stage(verb="TestFailover", probed=True)
CLEANUP = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")


def drill(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Rehearse the plan in its isolated network and leave nothing behind, whatever the rehearsal found."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, (REHEARSAL, CLEANUP), _opening, _closing))


def cleanup(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Clean up after a drill whose own run cannot do it any more."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, (CLEANUP.model_copy(update={"after": "all"}),), nothing, _closing))


def _opening(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    settings = operation.document.drill
    if settings is None:
        raise ValueError(f"plan {operation.plan} has no drill settings")
    why = "test machines of this drill run in Azure until they are cleaned up"
    yield from owe(ctx, operation, run, "cleanup", settings.time_to_live, why)


def _closing(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    if all(item.state == "done" for item in run.items if touched(item)):
        yield from settle(ctx, operation, ("cleanup",))
