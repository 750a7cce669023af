"""What a run owes is written down before its first verb, and crossed out only once it is done."""

from collections.abc import Sequence
from datetime import timedelta

from durabletask import task

from orchestrators.entities import OBLIGATIONS
from orchestrators.steps import Steps, ask_entity, now
from shared.obligations import Narrowed, Obligation, ObligationKind
from shared.operations import Operation
from shared.runs import Run


def owe(
    ctx: task.OrchestrationContext,
    operation: Operation,
    run: Run,
    kind: ObligationKind,
    within: timedelta,
    why: str,
    *,
    provable: bool = False,
) -> Steps[None]:
    """Write an obligation down; a later run of the plan takes over what an earlier one owed."""
    obligation = Obligation(
        kind=kind,
        plan=operation.plan,
        owner=operation.id,
        opened=now(ctx),
        due=now(ctx) + within,
        vms=tuple(item.vm for item in run.items),
        detail=why,
        provable=provable,
    )
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "open", obligation.model_dump(mode="json"))


def settle(ctx: task.OrchestrationContext, operation: Operation, kinds: Sequence[ObligationKind]) -> Steps[None]:
    """Cross out what is owed no longer."""
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "settle", list(kinds))


def settle_but_for(
    ctx: task.OrchestrationContext, operation: Operation, kind: ObligationKind, vms: Sequence[str]
) -> Steps[None]:
    """Cross out what is owed no longer; as long as some machines still owe it, it stays open for just these."""
    if not vms:
        yield from settle(ctx, operation, (kind,))
        return
    note = Narrowed(kind=kind, vms=tuple(vms)).model_dump(mode="json")
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "narrow", note)


def nothing(_ctx: task.OrchestrationContext, _operation: Operation, _run: Run) -> Steps[Run | None]:
    """Owe nothing, settle nothing."""
    yield from ()
    return None
