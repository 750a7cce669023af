"""The drill: test failover, look, clean up. Production keeps running and replicating throughout."""

from typing import Any

from durabletask import task

from orchestrators.conduct import conduct
from orchestrators.entities import OBLIGATIONS
from orchestrators.owing import nothing
from orchestrators.proving import prove_clean
from orchestrators.steps import Steps, ask_entity, now
from shared.obligations import Obligation
from shared.operations import Operation
from shared.plans import DrillSettings
from shared.runs import Run, Stage

REHEARSAL = Stage(verb="TestFailover", probed=True)
CLEANUP = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")
WHY = "test machines of this drill run in Azure until they are cleaned up"


def drill(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Rehearse the plan in its isolated network and leave nothing behind, whatever the rehearsal found."""
    operation = Operation.carried(payload)
    return (yield from conduct(ctx, operation, (REHEARSAL, CLEANUP), _opening, prove_clean))


def cleanup(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Clean up after a drill whose own run cannot do it any more."""
    operation = Operation.carried(payload)
    stages = (CLEANUP.model_copy(update={"after": "all"}),)
    return (yield from conduct(ctx, operation, stages, nothing, prove_clean))


def _opening(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Write down that there will be something to clean up."""
    settings = _settings(operation)
    until = now(ctx) + settings.time_to_live
    if run.rehearsal:
        run = run.model_copy(update={"rehearsal": run.rehearsal.model_copy(update={"until": until})})
    yield from _owe(ctx, operation, run)
    return run


def _owe(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    obligation = Obligation(
        kind="cleanup",
        plan=operation.plan,
        owner=operation.id,
        opened=now(ctx),
        due=now(ctx) + _settings(operation).time_to_live,
        vms=tuple(item.vm for item in run.items),
        detail=WHY,
        order=operation.model_dump(mode="json", exclude={"run"}),
        baseline=(run.rehearsal.baseline or ()) if run.rehearsal else (),
    )
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "open", obligation.model_dump(mode="json"))


def _settings(operation: Operation) -> DrillSettings:
    if operation.document.drill is None:
        raise ValueError(f"plan {operation.plan} has no drill settings")
    return operation.document.drill
