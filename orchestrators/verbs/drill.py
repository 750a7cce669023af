"""The drill: test failover, look, clean up. Production keeps running and replicating throughout."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import settle_obligations
from orchestrators.durable.steps import Steps, call, call_entity, now, sleep
from orchestrators.run.evidence import AFTER, BEFORE
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.obstacle import Obstacle
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligations import LeftBehind, Obligation
from shared.plans.plan import DrillSettings
from shared.recovery.contract import READ_NETWORK, TAKE_INVENTORY, ReadNetwork, TakeInventory
from shared.recovery.drill import AzureResource, find_leftovers, find_network_flaws
from shared.recovery.operation import Operation
from shared.recovery.run import Rehearsal, Run, Stage
from shared.recovery.stages import is_touched

VANISHES_WITHIN, LOOK_EVERY = timedelta(minutes=3), timedelta(seconds=30)
"""What a cleanup removes may be listed a little longer."""
SHOWN = 20


def prove_clean(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Cross the cleanup out when nothing is left; else the run has failed, and what is left is named."""
    cleaned = all(item.state == "done" for item in run.items if is_touched(item))
    left, trouble = yield from _read_until_clean(ctx, operation, run, patient=cleaned)
    if cleaned and not left and not trouble:
        yield from settle_obligations(ctx, operation, ("cleanup",))
        return run
    ids = tuple(leftover.id for leftover in left)
    note = LeftBehind(kind="cleanup", leftovers=ids[:SHOWN]).model_dump(mode="json")
    yield from call_entity(ctx, OBLIGATIONS, operation.plan, "note_leftovers", note)
    failures = [f"left behind after the cleanup: {arm_id}" for arm_id in ids[:SHOWN]] + ([trouble] if trouble else [])
    return run.model_copy(update={"failures": (*run.failures, *failures)})


def _read_until_clean(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, *, patient: bool
) -> Steps[tuple[Sequence[AzureResource], str]]:
    """Look until nothing is left or time is over; the last look is kept as evidence."""
    deadline = now(ctx) + (VANISHES_WITHIN if patient else timedelta(0))
    while now(ctx) < deadline:
        left, trouble = yield from _read_leftovers(ctx, operation, run, "")
        if not left and not trouble:
            break
        yield from sleep(ctx, LOOK_EVERY)
    return (yield from _read_leftovers(ctx, operation, run, AFTER))


def _read_leftovers(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, name: str
) -> Steps[tuple[Sequence[AzureResource], str]]:
    machine_names = {name for item in run.items for name in (item.vm, item.azure_vm)}
    try:
        inventory = yield from call(ctx, TAKE_INVENTORY, inventory_request(operation, run, name))
    except SiteRecoveryError as failure:
        return (), f"whether anything is left cannot be read: {failure}"
    return find_leftovers(
        inventory.added,
        machine_names,
        count_unattached=run.rehearsal is not None and run.rehearsal.baseline is not None,
    ), ""


def prepare_drill(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The run with what a drill, its cleanup or a failback has to know before it begins, and what is in its way."""
    settings = operation.document.drill
    if settings is None:
        return run, ()
    obstacles = yield from _find_drill_obstacles(ctx, operation, settings, inbox)
    if obstacles:
        return run, obstacles
    request = inventory_request(operation, run, BEFORE)
    try:
        inventory = yield from inbox.read_patiently(
            lambda: call(ctx, TAKE_INVENTORY, request), "target groups and drill network"
        )
    except SiteRecoveryError as failure:
        return run, [Obstacle(code="inventory-unreadable", detail=f"what is there already cannot be read: {failure}")]
    return run.model_copy(update={"rehearsal": Rehearsal(baseline=inventory.marks, soak=settings.soak)}), ()


def inventory_request(operation: Operation, run: Run, name: str = "") -> TakeInventory:
    """Ask for what the target groups and the drill's network hold; what came since the drill began in detail."""
    groups = {site.target_resource_group for site in operation.sites.values()} | {i.target_group for i in run.items}
    settings = operation.document.drill
    return TakeInventory(
        groups=tuple(sorted({group.lower(): group for group in groups if group}.values())),
        networks=(settings.network,) if settings else (),
        known_marks=(run.rehearsal.baseline or ()) if run.rehearsal else None,
        evidence_file=f"{operation.id}/attachments/{name}" if name else "",
    )


def _with_drill_baseline(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    obligations_by_kind = (yield from call_entity(ctx, OBLIGATIONS, operation.plan, "read_without_orders")) or {}
    cleanup_obligation = (
        Obligation.model_validate(obligations_by_kind["cleanup"]) if "cleanup" in obligations_by_kind else None
    )
    return run.model_copy(
        update={"rehearsal": Rehearsal(baseline=cleanup_obligation.baseline if cleanup_obligation else None)}
    )


def _find_drill_obstacles(
    ctx: task.OrchestrationContext, operation: Operation, settings: DrillSettings, inbox: DecisionInbox
) -> Steps[list[Obstacle]]:
    obligations_by_kind = (yield from call_entity(ctx, OBLIGATIONS, operation.plan, "read_without_orders")) or {}
    if "cleanup" in obligations_by_kind:
        return [_cleanup_owed_obstacle(Obligation.model_validate(obligations_by_kind["cleanup"]))]
    request = ReadNetwork(network=settings.network)
    try:
        network = yield from inbox.read_patiently(lambda: call(ctx, READ_NETWORK, request), "the drill's network")
    except (Refused, Transient) as failure:
        return [Obstacle(code="network-unreadable", detail=f"the drill's network cannot be read: {failure}")]
    production = [site.network for site in operation.sites.values()]
    network_flaws = find_network_flaws(
        settings, production, found=network.found, peered=network.peered, cards=network.cards
    )
    return [flaw for flaw in network_flaws if flaw.code != "drill-in-production"]


def _cleanup_owed_obstacle(obligation: Obligation) -> Obstacle:
    left = f": {', '.join(obligation.leftovers[:3])}" if obligation.leftovers else ""
    return Obstacle(code="cleanup-owed", detail=f"what {obligation.owner} made is not cleaned up yet{left}")


TEST_FAILOVER = Stage(verb="TestFailover", probed=True)
CLEANUP = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")
CLEANUP_DETAIL = "test machines of this drill run in Azure until they are cleaned up"


def drill(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Rehearse the plan in its isolated network and leave nothing behind, whatever the rehearsal found."""
    operation = Operation.from_carried(payload)
    return (
        yield from run_stages(
            ctx,
            operation,
            Runbook((TEST_FAILOVER, CLEANUP), _note_end_and_open_obligation, prove_clean, before_start=prepare_drill),
        )
    )


def cleanup(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Clean up after a drill whose own run cannot do it any more."""
    operation = Operation.from_carried(payload)
    stages = (CLEANUP.model_copy(update={"after": "all"}),)
    return (
        yield from run_stages(
            ctx, operation, Runbook(stages, after_last_stage=prove_clean, before_start=_prepare_cleanup)
        )
    )


def _note_end_and_open_obligation(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Write down that there will be something to clean up."""
    settings = _drill_settings(operation)
    until = now(ctx) + settings.time_to_live
    if run.rehearsal:
        run = run.model_copy(update={"rehearsal": run.rehearsal.model_copy(update={"until": until})})
    yield from _open_cleanup_obligation(ctx, operation, run)
    return run


def _open_cleanup_obligation(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[None]:
    obligation = Obligation(
        kind="cleanup",
        plan=operation.plan,
        owner=operation.id,
        opened=now(ctx),
        due=now(ctx) + _drill_settings(operation).time_to_live,
        vms=tuple(item.vm for item in run.items),
        detail=CLEANUP_DETAIL,
        order=operation.model_dump(mode="json", exclude={"run"}),
        baseline=(run.rehearsal.baseline or ()) if run.rehearsal else (),
    )
    yield from call_entity(ctx, OBLIGATIONS, operation.plan, "open", obligation.model_dump(mode="json"))


def _drill_settings(operation: Operation) -> DrillSettings:
    if operation.document.drill is None:
        raise ValueError(f"plan {operation.plan} has no drill settings")
    return operation.document.drill


def _prepare_cleanup(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, _inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    return (yield from _with_drill_baseline(ctx, operation, run)), ()
