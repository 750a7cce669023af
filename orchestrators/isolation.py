"""Before a drill: is its network isolated, is nothing left of an earlier one, and what is there already."""

from collections.abc import Sequence

from durabletask import task

from activities.contract import READ_NETWORK, TAKE_INVENTORY, ReadNetwork, TakeInventory
from orchestrators.entities import OBLIGATIONS
from orchestrators.steps import Steps, ask_entity, call
from orchestrators.waiting import Waiting
from orchestrators.way_home import admitted_home
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.isolation import flaws
from shared.obligations import Obligation
from shared.operations import Operation, Problem
from shared.plans import DrillSettings
from shared.runs import Rehearsal, Run

BEFORE, AFTER = "inventory-before.json", "inventory-after.json"


def prepared(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, waits: Waiting
) -> Steps[tuple[Run, Sequence[Problem]]]:
    """The run with what a drill, its cleanup or a failback has to know before it begins, and what is in its way."""
    if operation.kind == "failback":
        return (yield from admitted_home(ctx, operation, run))
    if operation.kind == "cleanup":
        return (yield from _cleaning(ctx, operation, run)), ()
    settings = operation.document.drill
    if operation.kind != "drill" or settings is None:
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
