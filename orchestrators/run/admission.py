"""The gate of every run on a plan. A run that is refused here has done nothing.

1. Lease every VM that was asked for, or none.
2. Read the items, once per vault; lease those whose own name differs, and read them once more.
3. See whether each may take the first verb, and make the run of them; give back those for which it makes no sense.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import takewhile

from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import NotAdmitted, claim_keys, release_leases
from orchestrators.durable.steps import Context, Steps, call, call_all, now
from orchestrators.run.runbook import Runbook
from shared.errors import Refused, Transient
from shared.grouping import group_pairs
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.plans.data_loss import replicated_until
from shared.plans.left_out import find_exclusion, nothing_to_do
from shared.plans.machines import (
    PlanMachines,
    item_lease_keys,
    lease_keys,
    match_machines,
    missing_from_vault,
    site_of,
)
from shared.plans.plan import PlanItem
from shared.recovery.achieved import UP_VERBS
from shared.recovery.operation import Operation
from shared.recovery.run import LeftOut, Limits, OnFailure, Run
from shared.recovery.run_item import RunItem
from shared.recovery.stage import Stage, StageProgress
from shared.recovery.stages import enter_stage
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.site_recovery.verb_rules import RULES, find_lasting_refusal, find_refusal, has_settled
from shared.site_recovery.views import ItemView, Verb


class NothingToDo(NotAdmitted):
    """Every VM is already where the run would bring it.

    Attributes:
        items: Those VMs, with their protected items.
    """

    def __init__(self, operation: Operation, items: tuple[RunItem, ...], left_out: Sequence[Obstacle] = ()) -> None:
        super().__init__([nothing_to_do(operation.plan, operation.kind, left_out, is_plan=True), *left_out])
        self.items = items


PREPARING: tuple[Verb, ...] = ("UpdateVmProperties",)
"""Verbs that only prepare the one that a run is about: whether it may begin is judged by that one."""


def admit_run(ctx: Context, operation: Operation, runbook: Runbook, inbox: DecisionInbox) -> Steps[Run]:
    """Take the leases, read the items once per vault and see whether each may take the first verb.

    Raises:
        NotAdmitted: with every problem found; no lease is kept then.
        Aborted: somebody ended the run while a vault did not answer.
    """
    yield from claim_leases(ctx, operation, inbox)
    verb = _leading_stages(runbook)[0].verb
    try:
        machines = yield from _read_items(ctx, operation, inbox)
        if (yield from _claim_found_items(ctx, operation, machines.found.values(), inbox)):
            machines = yield from _read_items(ctx, operation, inbox)  # until then another run may have been at them
        run = _build_run(operation, runbook, machines, now(ctx))
    except NotAdmitted:
        yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
        raise
    run = mark_ready_items(run, {vm for vm, view in machines.found.items() if find_refusal(verb, view)})
    if not run.left_out or runbook.best_effort:  # a cleanup also looks for what VMs have left that are gone
        return run
    return (yield from _give_back_left_out(ctx, operation, run, inbox))


def _give_back_left_out(ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox) -> Steps[Run]:
    """Hold the VMs alone that take part; what was read of them may have changed while nobody held them."""
    yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
    yield from claim_leases(ctx, operation, inbox, run)
    return run.with_unread_items()


def mark_ready_items(run: Run, busy_vms: Collection[str]) -> Run:
    """The run that knows which of its items were found ready: those need not be read again before the first verb.

    Args:
        busy_vms: Those that may not take it now, in lower case.
    """
    ready = {item.vm for item in run.items if not item.after and item.vm.lower() not in busy_vms}
    return run.with_items(
        item.model_copy(update={"found_ready": item.state == "waiting" and item.vm in ready}) for item in run.items
    )


def claim_leases(ctx: Context, operation: Operation, inbox: DecisionInbox, run: Run | None = None) -> Steps[None]:
    """Lease every VM that was asked for, or none of them; what the run holds already it holds for longer.

    Args:
        run: As it was admitted, where it was: then the VMs that take part in it.

    Raises:
        NotAdmitted: who holds what of them.
        Aborted: somebody ended the run meanwhile.
    """
    part = operation.document.with_vms([item.vm for item in run.items]) if run else operation.requested_part
    try:
        yield from _claim_tables(ctx, operation, lease_keys(part, operation.sites), inbox)
        if run:
            yield from _claim_found_items(ctx, operation, run.items, inbox)
    except NotAdmitted:
        yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
        raise


def _claim_found_items(
    ctx: Context, operation: Operation, found: Iterable[ItemView | RunItem], inbox: DecisionInbox
) -> Steps[bool]:
    """Lease those also by the name of their fabric whose site calls it by its friendly name; whether there are any."""
    held_keys = lease_keys(operation.requested_part, operation.sites)
    known_keys = {vault: set(keys) for vault, keys in held_keys.items()}
    missing_keys = {
        vault: tuple(key for key in keys if key not in known_keys.get(vault, ()))
        for vault, keys in item_lease_keys(found).items()
    }
    yield from _claim_tables(ctx, operation, missing_keys, inbox)
    return any(missing_keys.values())


def _claim_tables(
    ctx: Context, operation: Operation, keys_by_table: Mapping[str, tuple[str, ...]], inbox: DecisionInbox
) -> Steps[None]:
    for table in sorted(keys_by_table):
        claim = partial(claim_keys, ctx, table, operation.id, keys_by_table[table])
        try:
            if keys_by_table[table]:
                yield from inbox.read_patiently(claim, "the engine")
        except Transient as silence:
            detail = f"whether those who hold the VMs still live cannot be seen: {silence}"
            raise NotAdmitted([Obstacle(code="holders-unreadable", detail=detail)]) from silence


def vaults_of_plan(operation: Operation) -> tuple[VaultRef, ...]:
    """The vaults of the VMs that were asked for, each once.

    In a fixed order: two runs never take leases in opposite orders.
    """
    refs = [VaultRef.from_id(operation.sites[name].vault) for name in operation.requested_part.site_names]
    refs_by_key = {ref.key: ref for ref in refs}
    return tuple(refs_by_key[key] for key in sorted(refs_by_key))


def _read_items(ctx: Context, operation: Operation, inbox: DecisionInbox) -> Steps[PlanMachines[ItemView]]:
    """The items of the plan; a vault that does not answer is asked again for a while."""
    plan, sites = operation.requested_part, operation.sites
    vms_by_vault = group_pairs((VaultRef.from_id(site_of(plan, sites, it).vault).key, it.vm) for it in plan.items)
    requests = [ReadItems(vault=vault, vms=tuple(vms_by_vault[vault.key])) for vault in vaults_of_plan(operation)]
    items_by_vault: dict[str, Sequence[ItemView]] = {}
    for request, answer in zip(requests, (yield from call_all(ctx, READ_ITEMS, requests)), strict=True):
        result = (yield from _read_vault_patiently(ctx, request, inbox)) if isinstance(answer, Transient) else answer
        if not isinstance(result, ItemsRead):
            detail = f"vault {request.vault.vault} could not be read: {result}"
            raise NotAdmitted([Obstacle(code="vault-unreadable", detail=detail)])
        items_by_vault[request.vault.key] = result.items
    return match_machines(plan, sites, items_by_vault)


def _read_vault_patiently(
    ctx: Context, request: ReadItems, inbox: DecisionInbox
) -> Steps[ItemsRead | Refused | Transient]:
    """Read a vault that did not answer the first time."""
    yield from inbox.wait_for_answer(f"vault {request.vault.vault}")
    try:
        return (yield from inbox.read_patiently(lambda: call(ctx, READ_ITEMS, request), f"vault {request.vault.vault}"))
    except (Refused, Transient) as failure:
        return failure


def _leading_stages(runbook: Runbook) -> list[Stage]:
    """The stages that the run is about, without those that only prepare them."""
    return [stage for stage in runbook.stages if stage.verb not in PREPARING]


def _build_run(operation: Operation, runbook: Runbook, machines: PlanMachines[ItemView], at: datetime) -> Run:
    """The run, as it enters its first stage.

    Raises:
        NotAdmitted: with all that stands in its way.
    """
    plan, numbers = operation.requested_part, vault_numbers(operation)
    judged = [
        judge_item(operation, runbook, one, place, machines, numbers[plan.site_name_of(one)])
        for place, one in enumerate(plan.items)
    ]
    items = tuple(one for one in judged if isinstance(one, RunItem))
    left_out = tuple(one for one in judged if isinstance(one, LeftOut))
    obstacles = [*runbook.obstacles, *(one for one in judged if isinstance(one, Obstacle))]
    done_vms = [item.vm for item in items if _is_done(runbook, item)] if not runbook.best_effort else []
    if not obstacles and not runbook.best_effort and len(done_vms) == len(items):
        raise NothingToDo(operation, items, [one.why for one in left_out])
    if operation.options.vms is not None:
        obstacles += [nothing_to_do(vm, operation.kind).model_copy(update={"vm": vm}) for vm in done_vms]
    if obstacles:
        raise NotAdmitted(obstacles)
    after = plan.with_vms([item.vm for item in items]).edges
    items = tuple(item.model_copy(update={"after": after[item.vm]}) for item in items)
    if any(stage.verb in UP_VERBS for stage in runbook.stages):
        items = tuple(_with_replica_age(item, machines.found.get(item.vm.lower()), at) for item in items)
    return enter_stage(_new_run(operation, runbook, items, at).model_copy(update={"left_out": left_out}), at)


def _with_replica_age(item: RunItem, view: ItemView | None, at: datetime) -> RunItem:
    """The item with how old its data in Azure is, as far as the vault knows."""
    until = replicated_until(view.rpo, view.rpo_at) if view else None
    if until is None:
        return item
    return item.model_copy(update={"replicated_until": until, "replica_age": max(at - until, timedelta(0))})


def _is_done(runbook: Runbook, item: RunItem) -> bool:
    return all(stage.verb in item.verbs_done_before for stage in _leading_stages(runbook))


def judge_item(
    operation: Operation,
    runbook: Runbook,
    plan_item: PlanItem,
    place: int,
    machines: PlanMachines[ItemView],
    vault: int,
) -> RunItem | Obstacle | LeftOut:
    """A machine of the plan as it enters the run; or what is in its way; or why it is left out.

    One that is not protected any more is no concern of a cleanup: what it left is looked for in the target group.
    """
    leading = _leading_stages(runbook)
    view = machines.found.get(plan_item.vm.lower())
    missing = machines.missing.get(plan_item.vm.lower()) or missing_from_vault(plan_item.vm)
    if exclusion := find_exclusion(leading[0].verb, view, missing, operation.options):
        return LeftOut(place=place, why=exclusion)
    if view is None:
        is_skipped = runbook.best_effort and missing.code != "ambiguous-vm"
        return LeftOut(place=place, why=missing) if is_skipped else missing
    verbs_done = _verbs_already_done(leading, view)
    must_be_ready = not runbook.best_effort and not verbs_done
    if must_be_ready and (lasting := find_lasting_refusal(leading[0].verb, view)):
        return find_refusal(leading[0].verb, view) or lasting
    skipped = verbs_done if plan_item.target_settings and not verbs_done else (*verbs_done, *PREPARING)
    item = _run_item_of(operation, runbook, plan_item, view)
    return item.model_copy(update={"vault": vault, "verbs_done_before": skipped})


def vault_numbers(operation: Operation) -> dict[str, int]:
    """The index of each site's vault among those of the run."""
    keys = [vault.key for vault in vaults_of_plan(operation)]
    sites = {name: operation.sites[name] for name in operation.requested_part.site_names}
    return {name: keys.index(VaultRef.from_id(site.vault).key) for name, site in sites.items()}


def _verbs_already_done(stages: Sequence[Stage], view: ItemView) -> tuple[Verb, ...]:
    """The first verbs of the run whose end the item shows before it began: an earlier run got that far."""
    stages_done = takewhile(lambda stage: not RULES[stage.verb].is_always_new and has_settled(stage.verb, view), stages)
    return tuple(stage.verb for stage in stages_done)


def _run_item_of(operation: Operation, runbook: Runbook, plan_item: PlanItem, view: ItemView) -> RunItem:
    site = site_of(operation.document, operation.sites, plan_item)
    return RunItem(
        vm=plan_item.vm,
        id=view.id,
        after=plan_item.after,
        probes=plan_item.probes,
        azure_vm=view.azure_vm,
        location=view.active_location,
        host_provider=view.host_provider if runbook.keeps_hosts else "",
        disk_mb=view.disk_mb if runbook.keeps_hosts or runbook.keeps_disk_sizes else 0,
        target_group=view.target_group or site.target_resource_group,
        asked_address=view.test_address if operation.kind == "drill" else _address_in_azure(plan_item, view),
    )


def _address_in_azure(plan_item: PlanItem, view: ItemView) -> str:
    """What the plan asks for, or else the protected item by itself; "" of the plan leaves it to Azure."""
    return view.address if plan_item.address is None else plan_item.address


def _new_run(operation: Operation, runbook: Runbook, items: tuple[RunItem, ...], at: datetime) -> Run:
    plan = operation.document
    on_failure: OnFailure = "continue" if runbook.best_effort else plan.on_failure
    return Run(
        operation=operation.id,
        vaults=vaults_of_plan(operation),
        items=items,
        began=at,
        progress=StageProgress(stages=runbook.stages, began=at),
        limits=Limits(patience=plan.patience, max_starts=plan.max_starts, on_failure=on_failure),
        network_id=plan.drill.network if plan.drill else "",
        options=operation.options,
        settings={item.vm: item.target_settings for item in plan.items if item.target_settings},
    )


def unstarted_run(operation: Operation, runbook: Runbook, at: datetime) -> Run:
    """A run that ends before it was admitted, or before it began."""
    items = tuple(RunItem(vm=item.vm, id="", after=item.after) for item in operation.requested_part.items)
    return _new_run(operation, runbook, items, at)
