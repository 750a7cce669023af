"""The drill: test failover, look, clean up. Production keeps running and replicating throughout."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import Waiting
from orchestrators.durable.entity_calls import settle
from orchestrators.durable.steps import Steps, ask_entity, call, now, sleep
from orchestrators.run.evidence import AFTER, BEFORE
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import conduct
from shared.activity import Problem
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligations import Left, Obligation
from shared.plans.plan import DrillSettings
from shared.recovery.contract import READ_NETWORK, TAKE_INVENTORY, ReadNetwork, TakeInventory
from shared.recovery.drill import Thing, flaws, leftovers
from shared.recovery.operation import Operation
from shared.recovery.run import Rehearsal, Run, Stage
from shared.recovery.stages import touched

VANISHES_WITHIN, LOOK_EVERY = timedelta(minutes=3), timedelta(seconds=30)
"""What a cleanup removes may be listed a little longer."""
SHOWN = 20


def prove_clean(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Cross the cleanup out when nothing is left; else the run has failed, and what is left is named."""
    cleaned = all(item.state == "done" for item in run.items if touched(item))
    left, trouble = yield from _look(ctx, operation, run, patient=cleaned)
    if cleaned and not left and not trouble:
        yield from settle(ctx, operation, ("cleanup",))
        return run
    ids = tuple(thing.id for thing in left)
    note = Left(kind="cleanup", leftovers=ids[:SHOWN]).model_dump(mode="json")
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "left", note)
    said = [f"left behind after the cleanup: {one}" for one in ids[:SHOWN]] + ([trouble] if trouble else [])
    return run.model_copy(update={"failures": (*run.failures, *said)})


def _look(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, *, patient: bool
) -> Steps[tuple[Sequence[Thing], str]]:
    """Look until nothing is left or time is over; the last look is kept as evidence."""
    deadline = now(ctx) + (VANISHES_WITHIN if patient else timedelta(0))
    while now(ctx) < deadline:
        left, trouble = yield from _once(ctx, operation, run, "")
        if not left and not trouble:
            break
        yield from sleep(ctx, LOOK_EVERY)
    return (yield from _once(ctx, operation, run, AFTER))


def _once(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, name: str
) -> Steps[tuple[Sequence[Thing], str]]:
    machines = {name for item in run.items for name in (item.vm, item.azure_vm)}
    try:
        seen = yield from call(ctx, TAKE_INVENTORY, inventory_of(operation, run, name))
    except SiteRecoveryError as failure:
        return (), f"whether anything is left cannot be read: {failure}"
    return leftovers(seen.fresh, machines, loose=run.rehearsal is not None and run.rehearsal.baseline is not None), ""


def prepared(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, waits: Waiting
) -> Steps[tuple[Run, Sequence[Problem]]]:
    """The run with what a drill, its cleanup or a failback has to know before it begins, and what is in its way."""
    settings = operation.document.drill
    if settings is None:
        return run, ()
    problems = yield from _in_the_way(ctx, operation, settings, waits)
    if problems:
        return run, problems
    ask = inventory_of(operation, run, BEFORE)
    try:
        seen = yield from waits.answered(lambda: call(ctx, TAKE_INVENTORY, ask), "target groups and drill network")
    except SiteRecoveryError as failure:
        return run, [Problem(code="inventory-unreadable", detail=f"what is there already cannot be read: {failure}")]
    return run.model_copy(update={"rehearsal": Rehearsal(baseline=seen.marks, soak=settings.soak)}), ()


def inventory_of(operation: Operation, run: Run, name: str = "") -> TakeInventory:
    """Ask for what the target groups and the drill's network hold; what came since the drill began in detail."""
    groups = {site.target_resource_group for site in operation.sites.values()} | {i.target_group for i in run.items}
    settings = operation.document.drill
    return TakeInventory(
        groups=tuple(sorted({group.lower(): group for group in groups if group}.values())),
        networks=(settings.network,) if settings else (),
        known=(run.rehearsal.baseline or ()) if run.rehearsal else None,
        keep=f"{operation.id}/attachments/{name}" if name else "",
    )


def _cleaning(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    owed = (yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "recall")) or {}
    drill = Obligation.model_validate(owed["cleanup"]) if "cleanup" in owed else None
    return run.model_copy(update={"rehearsal": Rehearsal(baseline=drill.baseline if drill else None)})


def _in_the_way(
    ctx: task.OrchestrationContext, operation: Operation, settings: DrillSettings, waits: Waiting
) -> Steps[list[Problem]]:
    owed = (yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "recall")) or {}
    if "cleanup" in owed:
        return [_not_clean(Obligation.model_validate(owed["cleanup"]))]
    ask = ReadNetwork(network=settings.network)
    try:
        seen = yield from waits.answered(lambda: call(ctx, READ_NETWORK, ask), "the drill's network")
    except (Refused, Transient) as failure:
        return [Problem(code="network-unreadable", detail=f"the drill's network cannot be read: {failure}")]
    production = [site.network for site in operation.sites.values()]
    found = flaws(settings, production, found=seen.found, peered=seen.peered, cards=seen.cards)
    return [Problem(code=flaw.code, detail=flaw.detail) for flaw in found if flaw.code != "drill-in-production"]


def _not_clean(owed: Obligation) -> Problem:
    left = f": {', '.join(owed.leftovers[:3])}" if owed.leftovers else ""
    return Problem(code="cleanup-owed", detail=f"what {owed.owner} made is not cleaned up yet{left}")


REHEARSAL = Stage(verb="TestFailover", probed=True)
CLEANUP = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")
WHY = "test machines of this drill run in Azure until they are cleaned up"


def drill(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Rehearse the plan in its isolated network and leave nothing behind, whatever the rehearsal found."""
    operation = Operation.carried(payload)
    return (
        yield from conduct(ctx, operation, Runbook((REHEARSAL, CLEANUP), _opening, prove_clean, before_start=prepared))
    )


def cleanup(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Clean up after a drill whose own run cannot do it any more."""
    operation = Operation.carried(payload)
    stages = (CLEANUP.model_copy(update={"after": "all"}),)
    return (yield from conduct(ctx, operation, Runbook(stages, closing=prove_clean, before_start=_know_the_drill)))


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


def _know_the_drill(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, _waits: Waiting
) -> Steps[tuple[Run, Sequence[Problem]]]:
    return (yield from _cleaning(ctx, operation, run)), ()
