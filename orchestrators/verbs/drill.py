"""The drill: a rehearsal in Azure while production keeps running and replicating.

1. See that the drill's network is isolated, that no earlier drill is to be cleaned up, and what there is in Azure.
2. Note when it ends at the latest, and that a cleanup is owed.
3. Test failover of each VM, in the plan's order, with its probes; soak time; hooks.
4. Clean up whatever the rehearsal touched.
5. Prove that nothing is left: only then the cleanup is owed no longer.

A cleanup by itself does the last two, for a drill whose own run cannot any more.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import (
    note_on_obligation,
    open_for_run,
    read_obligations,
    settle_obligations,
)
from orchestrators.durable.steps import Context, Steps, call, now, sleep
from orchestrators.run.runbook import Runbook
from orchestrators.run.ticks import run_stages
from shared.arm_ids import name_of
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.obstacle import Obstacle
from shared.operations.obligation_table import LeftBehind
from shared.operations.obligations import Obligation
from shared.plans.history import grounds_of
from shared.plans.plan import DrillSettings
from shared.plans.preview import drill_blockers
from shared.recovery.contract import READ_NETWORK, TAKE_INVENTORY, ReadNetwork, TakeInventory
from shared.recovery.drill import AzureResource, find_leftovers, find_network_flaws
from shared.recovery.operation import Operation
from shared.recovery.pacing import LEFTOVERS_VANISH_WITHIN, LOOK_FOR_LEFTOVERS_EVERY
from shared.recovery.run import Rehearsal, Run
from shared.recovery.stage import Stage
from shared.wording import list_briefly

BEFORE, AFTER = "inventory-before.json", "inventory-after.json"
SHOWN = 20
TEST_FAILOVER = Stage(verb="TestFailover", probed=True)
CLEANUP = Stage(verb="TestFailoverCleanup", ordered=False, settles=True, after="touched")
CLEANUP_DETAIL = "test machines of this drill run in Azure until they are cleaned up"


def drill(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Rehearse the plan in its isolated network and leave nothing behind, whatever the rehearsal found."""
    operation = Operation.from_carried(payload)
    production = [site.network for site in operation.sites.values()]
    runbook = Runbook(
        stages=(TEST_FAILOVER, CLEANUP),
        obstacles=drill_blockers(operation.document, "drill", production),
        before_start=_prepare_drill,
        before_first_verb=_note_end_and_open_obligation,
        after_last_stage=_prove_clean,
        keeps_disk_sizes=True,
        first_inventory=BEFORE,
        last_inventory=AFTER,
        grounds=lambda operation, run: grounds_of(operation.document, operation.sites, run.items),
    )
    return (yield from run_stages(ctx, operation, runbook))


def cleanup(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Clean up after a drill whose own run cannot do it any more: it asks nobody, and the timer tries what is left."""
    runbook = Runbook(
        stages=(CLEANUP.model_copy(update={"after": "all"}),),
        before_start=_prepare_cleanup,
        after_last_stage=_prove_clean,
        best_effort=True,
        last_inventory=AFTER,
        remembered=False,
    )
    return (yield from run_stages(ctx, Operation.from_carried(payload), runbook))


def _prepare_drill(
    ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The run with what there was in Azure before the drill, and what is in its way."""
    settings = _drill_settings(operation)
    obstacles = yield from _find_drill_obstacles(ctx, operation, run, settings, inbox)
    if obstacles:
        return run, obstacles
    request = _inventory_request(operation, run, BEFORE)
    try:
        inventory = yield from inbox.read_patiently(
            lambda: call(ctx, TAKE_INVENTORY, request), "target groups and drill network"
        )
    except SiteRecoveryError as failure:
        return run, [Obstacle(code="inventory-unreadable", detail=f"what is there already cannot be read: {failure}")]
    return run.with_rehearsal(Rehearsal(baseline=inventory.marks, soak=settings.soak)), ()


def _drill_settings(operation: Operation) -> DrillSettings:
    if operation.document.drill is None:
        raise ValueError(f"plan {operation.plan} has no drill settings")
    return operation.document.drill


def cleanup_owed(owed: Obligation) -> Obstacle:
    """A drill waits for the cleanup of an earlier one."""
    left = f": {list_briefly(owed.leftovers, 3)}" if owed.leftovers else ""
    return Obstacle(code="cleanup-owed", detail=f"what {owed.owner} made is not cleaned up yet{left}")


def _find_drill_obstacles(
    ctx: Context, operation: Operation, run: Run, settings: DrillSettings, inbox: DecisionInbox
) -> Steps[list[Obstacle]]:
    owed = yield from read_obligations(ctx, operation.homes(run.items), "cleanup")
    if incurred := [one for one in owed if not one.is_found]:
        return [cleanup_owed(one) for one in incurred]
    request = ReadNetwork(network=settings.network)
    try:
        network = yield from inbox.read_patiently(lambda: call(ctx, READ_NETWORK, request), "the drill's network")
    except (Refused, Transient) as failure:
        return [Obstacle(code="network-unreadable", detail=f"the drill's network cannot be read: {failure}")]
    production = [site.network for site in operation.sites.values()]
    found, peered, cards = network.found, network.peered, network.cards
    return list(find_network_flaws(settings, production, found=found, peered=peered, cards=cards))


def _prepare_cleanup(
    ctx: Context, operation: Operation, run: Run, _inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The run with what there was in Azure before the drill, as far as that is known."""
    owed = yield from read_obligations(ctx, operation.homes(run.items), "cleanup")
    baselines = [one.baseline for one in owed if not one.is_found]
    return run.with_rehearsal(Rehearsal(baseline=baselines[0] if baselines else None)), ()


def _cleanup_obligation(operation: Operation, run: Run, opened: datetime, due: datetime) -> Obligation:
    return Obligation(
        kind="cleanup",
        plan=operation.plan,
        owner=operation.id,
        opened=opened,
        due=due,
        detail=CLEANUP_DETAIL,
        order=operation.model_dump(mode="json", exclude={"run"}),
        baseline=(run.rehearsal.baseline or ()) if run.rehearsal else (),
    )


def _note_end_and_open_obligation(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Write down that there will be something to clean up."""
    until = now(ctx) + _drill_settings(operation).time_to_live
    if run.rehearsal:
        run = run.with_rehearsal(run.rehearsal.model_copy(update={"until": until}))
    yield from open_for_run(ctx, operation, run, _cleanup_obligation(operation, run, now(ctx), until))
    return run


def _prove_clean(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Cross the cleanup out when nothing is left; else the run has failed, and what is left is named."""
    cleaned = all(item.state == "done" for item in run.items if item.is_touched)
    left, trouble = yield from _read_until_clean(ctx, operation, run, patient=cleaned)
    homes = operation.homes(run.items)
    if cleaned and not left and not trouble:
        yield from settle_obligations(ctx, homes, ("cleanup",))
        return run
    ids = tuple(leftover.id for leftover in left)[:SHOWN]
    for owed in (yield from read_obligations(ctx, homes, "cleanup")):
        yield from note_on_obligation(ctx, owed.table, "note_leftovers", LeftBehind(id=owed.id, leftovers=ids))
    failures = [
        Obstacle(subject=name_of(arm_id), code="left-behind", detail=f"left behind after the cleanup: {arm_id}")
        for arm_id in ids
    ]
    return run.with_failures([*failures, *([trouble] if trouble else [])])


def _read_until_clean(
    ctx: Context, operation: Operation, run: Run, *, patient: bool
) -> Steps[tuple[Sequence[AzureResource], Obstacle | None]]:
    """Look until nothing is left or time is over; the last look is kept as evidence."""
    deadline = now(ctx) + (LEFTOVERS_VANISH_WITHIN if patient else timedelta(0))
    while now(ctx) < deadline:
        left, trouble = yield from _read_leftovers(ctx, operation, run)
        if not left and not trouble:
            break
        yield from sleep(ctx, LOOK_FOR_LEFTOVERS_EVERY)
    return (yield from _read_leftovers(ctx, operation, run, AFTER))


def _read_leftovers(
    ctx: Context, operation: Operation, run: Run, file: str = ""
) -> Steps[tuple[Sequence[AzureResource], Obstacle | None]]:
    """What of the drill is left in Azure; and why that cannot be read."""
    machine_names = {name for item in run.items for name in (item.vm, item.azure_vm)}
    try:
        inventory = yield from call(ctx, TAKE_INVENTORY, _inventory_request(operation, run, file))
    except SiteRecoveryError as failure:
        detail = f"whether anything is left in Azure cannot be read: {failure}"
        return (), Obstacle(code="leftovers-unread", detail=detail)
    was_looked_at = run.rehearsal is not None and run.rehearsal.baseline is not None
    return find_leftovers(inventory.added, machine_names, count_unattached=was_looked_at), None


def _inventory_request(operation: Operation, run: Run, file: str) -> TakeInventory:
    """Ask for what the target groups and the drill's network hold; what came since the drill began in detail."""
    groups = {site.target_resource_group for site in operation.sites.values()} | {i.target_group for i in run.items}
    settings = operation.document.drill
    return TakeInventory(
        groups=tuple(sorted({group.lower(): group for group in groups if group}.values())),
        networks=(settings.network,) if settings else (),
        known_marks=(run.rehearsal.baseline or ()) if run.rehearsal else None,
        evidence_file=f"{operation.id}/attachments/{file}" if file else "",
    )
