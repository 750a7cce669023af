"""The gate of every run on a plan: leases, a look at the items, guards. A run that is refused here has done nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import NotAdmitted, claim_keys, find_unproven_sources, release_leases
from orchestrators.durable.steps import Steps, call, call_all, now
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.plans.machines import (
    PlanMachines,
    item_lease_keys,
    lease_keys,
    match_machines,
    missing_from_vault,
)
from shared.plans.plan import PlanItem
from shared.plans.preview import drill_blockers
from shared.recovery.operation import Operation
from shared.recovery.run import Limits, OnFailure, Run, RunItem, Stage
from shared.recovery.stages import enter_stage
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.site_recovery.verb_rules import RULES, find_lasting_refusal, find_refusal, has_settled
from shared.site_recovery.views import ItemView, Verb

PREPARING: tuple[Verb, ...] = ("UpdateVmProperties",)
"""Verbs that only prepare the one that a run is about: whether it may begin is judged by that one."""


def admit_run(
    ctx: task.OrchestrationContext, operation: Operation, stages: tuple[Stage, ...], inbox: DecisionInbox
) -> Steps[Run]:
    """Take the leases, read the items once per vault and see whether each may take the first verb.

    Raises:
        NotAdmitted: with every problem found; no lease is kept then.
        Aborted: somebody ended the run while a vault did not answer.
    """
    vaults = vaults_of_plan(operation)
    yield from claim_leases(ctx, operation, inbox)
    try:
        yield from _require_sources_off(ctx, operation)
        machines = yield from _read_items(ctx, operation, vaults, inbox)
        if (yield from _claim_found_items(ctx, operation, machines.found.values(), inbox)):
            machines = yield from _read_items(
                ctx, operation, vaults, inbox
            )  # until then another run may have been at them
        run = _build_run(operation, stages, vaults, machines, now(ctx))
    except NotAdmitted:
        yield from release_leases(ctx, operation.id, vaults)
        raise
    verb = next(stage.verb for stage in stages if stage.verb not in PREPARING)
    busy_vms = {vm for vm, view in machines.found.items() if find_refusal(verb, view)}
    return _mark_fresh_items(enter_stage(run, now(ctx)), busy_vms)


def _require_sources_off(ctx: task.OrchestrationContext, operation: Operation) -> Steps[None]:
    """For a failback.

    Raises:
        NotAdmitted: an unplanned failover still owes the proof that they are off.
    """
    unproven = (yield from find_unproven_sources(ctx, operation.plan)) if operation.kind == "failback" else []
    if unproven:
        raise NotAdmitted(unproven)


def _mark_fresh_items(run: Run, busy_vms: Collection[str]) -> Run:
    """What may start at once was read a moment ago; what is busy, by names in lower case, has to be read again."""
    items = (item.model_copy(update={"seen": _is_free(item, busy_vms)}) for item in run.items)
    return run.model_copy(update={"items": tuple(items)})


def _is_free(item: RunItem, busy_vms: Collection[str]) -> bool:
    return not item.after and item.state == "waiting" and item.vm.lower() not in busy_vms


def vaults_of_plan(operation: Operation) -> tuple[VaultRef, ...]:
    """The vaults of a plan, each once, in a fixed order: two runs never take leases in opposite orders."""
    sites = {_site_of(operation, item) for item in operation.document.items}
    refs = {ref.key: ref for ref in (VaultRef.from_id(operation.sites[site].vault) for site in sites)}
    return tuple(refs[key] for key in sorted(refs))


def _site_of(operation: Operation, item: PlanItem) -> str:
    return item.site or operation.document.site


def _vault_of(operation: Operation, item: PlanItem) -> VaultRef:
    return VaultRef.from_id(operation.sites[_site_of(operation, item)].vault)


def claim_leases(
    ctx: task.OrchestrationContext, operation: Operation, inbox: DecisionInbox, run: Run | None = None
) -> Steps[None]:
    """Lease every item of the plan, or none of them; what the run holds already it holds for longer.

    Args:
        run: As it was admitted, where it was: then all that it held is held once more.

    Raises:
        NotAdmitted: who holds what of them.
        Aborted: somebody ended the run meanwhile.
    """
    try:
        yield from _claim_tables(ctx, operation, lease_keys(operation.document, operation.sites), inbox)
        if run:
            yield from _claim_found_items(ctx, operation, run.items, inbox)
    except NotAdmitted:
        yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
        raise


def _claim_found_items(
    ctx: task.OrchestrationContext, operation: Operation, found: Iterable[ItemView | RunItem], inbox: DecisionInbox
) -> Steps[bool]:
    """Lease those also by the name of their fabric whose site calls it by its friendly name; whether there are any."""
    held_keys = lease_keys(operation.document, operation.sites)
    known_keys = {vault: set(keys) for vault, keys in held_keys.items()}
    missing_keys = {
        vault: tuple(key for key in keys if key not in known_keys.get(vault, ()))
        for vault, keys in item_lease_keys(found).items()
    }
    yield from _claim_tables(ctx, operation, missing_keys, inbox)
    return any(missing_keys.values())


def _claim_tables(
    ctx: task.OrchestrationContext,
    operation: Operation,
    keys_by_table: Mapping[str, tuple[str, ...]],
    inbox: DecisionInbox,
) -> Steps[None]:
    for table in sorted(keys_by_table):
        claim = partial(claim_keys, ctx, table, operation.id, keys_by_table[table])
        try:
            if keys_by_table[table]:
                yield from inbox.read_patiently(claim, "the engine")
        except Transient as silence:
            detail = f"whether those who hold the VMs still live cannot be seen: {silence}"
            raise NotAdmitted([Obstacle(code="holders-unreadable", detail=detail)]) from silence


def _read_items(
    ctx: task.OrchestrationContext, operation: Operation, vaults: Sequence[VaultRef], inbox: DecisionInbox
) -> Steps[PlanMachines[ItemView]]:
    """The items of the plan; a vault that does not answer is asked again for a while."""
    requests = [ReadItems(vault=vault, vms=_vms_in_vault(operation, vault)) for vault in vaults]
    items_by_vault: dict[str, Sequence[ItemView]] = {}
    for request, answer in zip(requests, (yield from call_all(ctx, READ_ITEMS, requests)), strict=True):
        result = (yield from _read_vault_patiently(ctx, request, inbox)) if isinstance(answer, Transient) else answer
        if not isinstance(result, ItemsRead):
            raise NotAdmitted([_unreadable_vault(request.vault, result)])
        items_by_vault[request.vault.key] = result.items
    return match_machines(operation.document, operation.sites, items_by_vault)


def _read_vault_patiently(
    ctx: task.OrchestrationContext, request: ReadItems, inbox: DecisionInbox
) -> Steps[ItemsRead | Refused | Transient]:
    """Read a vault that did not answer the first time."""
    yield from inbox.wait_for_answer(f"vault {request.vault.vault}")
    try:
        return (yield from inbox.read_patiently(lambda: call(ctx, READ_ITEMS, request), f"vault {request.vault.vault}"))
    except (Refused, Transient) as failure:
        return failure


def _vms_in_vault(operation: Operation, vault: VaultRef) -> tuple[str, ...]:
    return tuple(item.vm for item in operation.document.items if _vault_of(operation, item).key == vault.key)


def _unreadable_vault(vault: VaultRef, failure: Refused | Transient) -> Obstacle:
    return Obstacle(code="vault-unreadable", detail=f"vault {vault.vault} could not be read: {failure}")


def _build_run(
    operation: Operation,
    stages: tuple[Stage, ...],
    vaults: Sequence[VaultRef],
    machines: PlanMachines[ItemView],
    at: datetime,
) -> Run:
    leading = [stage for stage in stages if stage.verb not in PREPARING]
    items: list[RunItem] = []
    obstacles = _drill_obstacles(operation)
    for plan_item in operation.document.items:
        view = machines.found.get(plan_item.vm.lower())
        missing = machines.missing.get(plan_item.vm.lower()) or missing_from_vault(plan_item.vm)
        verbs_done = _verbs_already_done(leading, view) if view else ()
        if operation.kind == "cleanup" and view is None and missing.code != "ambiguous-vm":
            continue  # it is not protected any more: what it left is looked for in the target group
        if view is None or (
            operation.kind != "cleanup" and not verbs_done and find_lasting_refusal(leading[0].verb, view)
        ):
            obstacles.append((find_refusal(leading[0].verb, view) if view else None) or missing)
        else:
            skipped_verbs = verbs_done if plan_item.target_settings and not verbs_done else (*verbs_done, *PREPARING)
            items.append(_run_item_of(operation, plan_item, view, vaults).model_copy(update={"skip": skipped_verbs}))
    if obstacles or (operation.kind != "cleanup" and all(_is_skipped(leading, item) for item in items)):
        raise NotAdmitted(obstacles or [_nothing_to_do_obstacle(operation)])
    return _new_run(operation, stages, vaults, tuple(items), at)


def _is_skipped(stages: Sequence[Stage], item: RunItem) -> bool:
    return all(stage.verb in item.skip for stage in stages)


def _drill_obstacles(operation: Operation) -> list[Obstacle]:
    production = [site.network for site in operation.sites.values()]
    return list(drill_blockers(operation.document, operation.kind, production))


def _verbs_already_done(stages: Sequence[Stage], view: ItemView) -> tuple[Verb, ...]:
    """The first verbs of the run whose end the item shows before it began: an earlier run got that far."""
    stages_done = takewhile(lambda stage: not RULES[stage.verb].is_always_new and has_settled(stage.verb, view), stages)
    return tuple(stage.verb for stage in stages_done)


def _nothing_to_do_obstacle(operation: Operation) -> Obstacle:
    detail = f"nothing to do: every VM of {operation.plan} is already where a {operation.kind} would bring it"
    return Obstacle(code="nothing-to-do", detail=detail)


def _run_item_of(operation: Operation, plan_item: PlanItem, view: ItemView, vaults: Sequence[VaultRef]) -> RunItem:
    key = _vault_of(operation, plan_item).key
    return RunItem(
        vm=plan_item.vm,
        id=view.id,
        vault=[vault.key for vault in vaults].index(key),
        after=plan_item.after,
        probes=plan_item.probes,
        azure_vm=view.azure_vm,
        location=view.active_location,
        **_extra_item_fields(operation, view),
        target_group=view.target_group or operation.sites[_site_of(operation, plan_item)].target_resource_group,
    )


def _extra_item_fields(operation: Operation, view: ItemView) -> dict[str, Any]:
    """What only a way home needs, or a drill's proof: a run carries it along for each of its machines."""
    home = {"host_provider": view.host_provider} if operation.kind in {"failback", "roundtrip"} else {}
    return home | ({"disk_mb": view.disk_mb} if home or operation.kind == "drill" else {})


def _new_run(
    operation: Operation,
    stages: tuple[Stage, ...],
    vaults: Sequence[VaultRef],
    items: tuple[RunItem, ...],
    at: datetime,
) -> Run:
    plan = operation.document
    return Run(
        operation=operation.id,
        stages=stages,
        vaults=tuple(vaults),
        items=items,
        limits=Limits(patience=plan.patience, max_starts=plan.max_starts, on_failure=_on_failure_of(operation)),
        network_id=plan.drill.network if plan.drill else "",
        options=operation.options,
        settings={item.vm: item.target_settings for item in plan.items if item.target_settings},
        began=at,
        stage_began=at,
    )


def _on_failure_of(operation: Operation) -> OnFailure:
    """As the plan says; but a cleanup asks nobody: it ends, and the timer tries what is left once more."""
    return "continue" if operation.kind == "cleanup" else operation.document.on_failure


def unstarted_run(operation: Operation, stages: tuple[Stage, ...], at: datetime) -> Run:
    """A run that ends before it was admitted, or before it began."""
    items = tuple(RunItem(vm=item.vm, id="", after=item.after) for item in operation.document.items)
    return _new_run(operation, stages, vaults_of_plan(operation), items, at)
