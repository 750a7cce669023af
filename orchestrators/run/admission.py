"""The gate of every run on a plan: leases, a look at the items, guards. A run that is refused here has done nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import takewhile
from typing import Any

from durabletask import task

from orchestrators.durable.decisions import Waiting
from orchestrators.durable.entity_calls import NotAdmitted, claim_keys, let_go, sources_unproven
from orchestrators.durable.steps import Steps, call, call_all, now
from shared.activity import Problem
from shared.errors import Refused, Transient
from shared.messages import VaultRef
from shared.plans.machines import Machines, Missing, keys_of, lease_keys, machines_of, not_protected
from shared.plans.plan import PlanItem
from shared.plans.preview import drill_blockers
from shared.recovery.operation import Operation
from shared.recovery.run import Limits, OnFailure, Run, RunItem, Stage
from shared.recovery.stages import enter
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.site_recovery.verb_rules import ALWAYS_NEW, ready, refused, settled
from shared.site_recovery.views import ItemView, Verb

PREPARING: tuple[Verb, ...] = ("UpdateVmProperties",)
"""Verbs that only prepare the one that a run is about: whether it may begin is judged by that one."""


def admit(
    ctx: task.OrchestrationContext, operation: Operation, stages: tuple[Stage, ...], waits: Waiting
) -> Steps[Run]:
    """Take the leases, read the items once per vault and see whether each may take the first verb.

    Raises:
        NotAdmitted: with every problem found; no lease is kept then.
        Aborted: somebody ended the run while a vault did not answer.
    """
    vaults = vaults_of(operation)
    yield from hold(ctx, operation, waits)
    try:
        yield from _require_sources_off(ctx, operation)
        machines = yield from _read(ctx, operation, vaults, waits)
        if (yield from _hold_found(ctx, operation, machines.found.values(), waits)):
            machines = yield from _read(ctx, operation, vaults, waits)  # until then another run may have been at them
        run = _build(operation, stages, vaults, machines, now(ctx))
    except NotAdmitted:
        yield from let_go(ctx, operation.id, vaults)
        raise
    verb = next(stage.verb for stage in stages if stage.verb not in PREPARING)
    busy = {vm for vm, view in machines.found.items() if ready(verb, view)}
    return _as_seen(enter(run, now(ctx)), busy)


def _require_sources_off(ctx: task.OrchestrationContext, operation: Operation) -> Steps[None]:
    """For a failback.

    Raises:
        NotAdmitted: an unplanned failover still owes the proof that they are off.
    """
    unproven = (yield from sources_unproven(ctx, operation.plan)) if operation.kind == "failback" else []
    if unproven:
        raise NotAdmitted(unproven)


def _as_seen(run: Run, busy: Collection[str]) -> Run:
    """What may start at once was read a moment ago; what is busy, by names in lower case, has to be read again."""
    items = (item.model_copy(update={"seen": _is_free(item, busy)}) for item in run.items)
    return run.model_copy(update={"items": tuple(items)})


def _is_free(item: RunItem, busy: Collection[str]) -> bool:
    return not item.after and item.state == "waiting" and item.vm.lower() not in busy


def vaults_of(operation: Operation) -> tuple[VaultRef, ...]:
    """The vaults of a plan, each once, in a fixed order: two runs never take leases in opposite orders."""
    sites = {_site_of(operation, item) for item in operation.document.items}
    refs = {ref.key: ref for ref in (VaultRef.from_id(operation.sites[site].vault) for site in sites)}
    return tuple(refs[key] for key in sorted(refs))


def _site_of(operation: Operation, item: PlanItem) -> str:
    return item.site or operation.document.site


def _vault_of(operation: Operation, item: PlanItem) -> VaultRef:
    return VaultRef.from_id(operation.sites[_site_of(operation, item)].vault)


def hold(ctx: task.OrchestrationContext, operation: Operation, waits: Waiting, run: Run | None = None) -> Steps[None]:
    """Lease every item of the plan, or none of them; what the run holds already it holds for longer.

    Args:
        run: As it was admitted, where it was: then all that it held is held once more.

    Raises:
        NotAdmitted: who holds what of them.
        Aborted: somebody ended the run meanwhile.
    """
    try:
        yield from _claim_all(ctx, operation, lease_keys(operation.document, operation.sites), waits)
        if run:
            yield from _hold_found(ctx, operation, run.items, waits)
    except NotAdmitted:
        yield from let_go(ctx, operation.id, vaults_of(operation))
        raise


def _hold_found(
    ctx: task.OrchestrationContext, operation: Operation, found: Iterable[ItemView | RunItem], waits: Waiting
) -> Steps[bool]:
    """Lease those also by the name of their fabric whose site calls it by its friendly name; whether there are any."""
    held = lease_keys(operation.document, operation.sites)
    known = {vault: set(keys) for vault, keys in held.items()}
    more = {
        vault: tuple(key for key in keys if key not in known.get(vault, ())) for vault, keys in keys_of(found).items()
    }
    yield from _claim_all(ctx, operation, more, waits)
    return any(more.values())


def _claim_all(
    ctx: task.OrchestrationContext, operation: Operation, wanted: Mapping[str, tuple[str, ...]], waits: Waiting
) -> Steps[None]:
    for table in sorted(wanted):
        claim = partial(claim_keys, ctx, table, operation.id, wanted[table])
        try:
            if wanted[table]:
                yield from waits.answered(claim, "the engine")
        except Transient as silence:
            detail = f"whether those who hold the VMs still live cannot be seen: {silence}"
            raise NotAdmitted([Problem(code="holders-unreadable", detail=detail)]) from silence


def _read(
    ctx: task.OrchestrationContext, operation: Operation, vaults: Sequence[VaultRef], waits: Waiting
) -> Steps[Machines[ItemView]]:
    """The items of the plan; a vault that does not answer is asked again for a while."""
    asks = [ReadItems(vault=vault, vms=_names(operation, vault)) for vault in vaults]
    seen: dict[str, Sequence[ItemView]] = {}
    for ask, answer in zip(asks, (yield from call_all(ctx, READ_ITEMS, asks)), strict=True):
        read = (yield from _insisted(ctx, ask, waits)) if isinstance(answer, Transient) else answer
        if not isinstance(read, ItemsRead):
            raise NotAdmitted([_unread(ask.vault, read)])
        seen[ask.vault.key] = read.items
    return machines_of(operation.document, operation.sites, seen)


def _insisted(ctx: task.OrchestrationContext, ask: ReadItems, waits: Waiting) -> Steps[ItemsRead | Refused | Transient]:
    """Read a vault that did not answer the first time."""
    yield from waits.silence(f"vault {ask.vault.vault}")
    try:
        return (yield from waits.answered(lambda: call(ctx, READ_ITEMS, ask), f"vault {ask.vault.vault}"))
    except (Refused, Transient) as failure:
        return failure


def _names(operation: Operation, vault: VaultRef) -> tuple[str, ...]:
    return tuple(item.vm for item in operation.document.items if _vault_of(operation, item).key == vault.key)


def _unread(vault: VaultRef, failure: Refused | Transient) -> Problem:
    return Problem(code="vault-unreadable", detail=f"vault {vault.vault} could not be read: {failure}")


def _build(
    operation: Operation,
    stages: tuple[Stage, ...],
    vaults: Sequence[VaultRef],
    machines: Machines[ItemView],
    at: datetime,
) -> Run:
    leading = [stage for stage in stages if stage.verb not in PREPARING]
    items: list[RunItem] = []
    problems = _where_not_to(operation)
    for wish in operation.document.items:
        view = machines.found.get(wish.vm.lower())
        why = machines.missing.get(wish.vm.lower()) or not_protected(wish.vm)
        skip = _shown_already(leading, view) if view else ()
        if operation.kind == "cleanup" and view is None and why.code != "ambiguous-vm":
            continue  # it is not protected any more: what it left is looked for in the target group
        if view is None or (operation.kind != "cleanup" and not skip and refused(leading[0].verb, view)):
            problems.append(_problem(leading[0], wish, view, why))
        else:
            over = skip if wish.settings and not skip else (*skip, *PREPARING)
            items.append(_item(operation, wish, view, vaults).model_copy(update={"skip": over}))
    if problems or (operation.kind != "cleanup" and all(_is_over(leading, item) for item in items)):
        raise NotAdmitted(problems or [_nothing_to_do(operation)])
    return _run(operation, stages, vaults, tuple(items), at)


def _is_over(stages: Sequence[Stage], item: RunItem) -> bool:
    return all(stage.verb in item.skip for stage in stages)


def _where_not_to(operation: Operation) -> list[Problem]:
    production = [site.network for site in operation.sites.values()]
    found = drill_blockers(operation.document, operation.kind, production)
    return [Problem(vm=blocker.vm or "", code=blocker.code, detail=blocker.detail) for blocker in found]


def _shown_already(stages: Sequence[Stage], view: ItemView) -> tuple[Verb, ...]:
    """The first verbs of the run whose end the item shows before it began: an earlier run got that far."""
    begun = takewhile(lambda stage: stage.verb not in ALWAYS_NEW and settled(stage.verb, view), stages)
    return tuple(stage.verb for stage in begun)


def _problem(stage: Stage, wish: PlanItem, view: ItemView | None, missing: Missing) -> Problem:
    why = (ready(stage.verb, view) if view else None) or missing
    return Problem(vm=wish.vm, code=why.code, detail=why.detail)


def _nothing_to_do(operation: Operation) -> Problem:
    detail = f"nothing to do: every VM of {operation.plan} is already where a {operation.kind} would bring it"
    return Problem(code="nothing-to-do", detail=detail)


def _item(operation: Operation, wish: PlanItem, view: ItemView, vaults: Sequence[VaultRef]) -> RunItem:
    key = _vault_of(operation, wish).key
    return RunItem(
        vm=wish.vm,
        id=view.id,
        vault=[vault.key for vault in vaults].index(key),
        after=wish.after,
        probes=wish.probes,
        azure_vm=view.azure_vm,
        location=view.active_location,
        **_besides(operation, view),
        target_group=view.target_group or operation.sites[_site_of(operation, wish)].target_resource_group,
    )


def _besides(operation: Operation, view: ItemView) -> dict[str, Any]:
    """What only a way home needs, or a drill's proof: a run carries it along for each of its machines."""
    home = {"host_provider": view.host_provider} if operation.kind in {"failback", "roundtrip"} else {}
    return home | ({"disk_mb": view.disk_mb} if home or operation.kind == "drill" else {})


def _run(
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
        limits=Limits(patience=plan.patience, max_starts=plan.max_starts, on_failure=_on_failure(operation)),
        network_id=plan.drill.network if plan.drill else "",
        **operation.options() | {"shut_down_source": operation.shuts_down_source},
        points=operation.points,
        resume_at=operation.resume_at,
        settings={item.vm: item.settings for item in plan.items if item.settings},
        began=at,
        stage_began=at,
    )


def _on_failure(operation: Operation) -> OnFailure:
    """As the plan says; but a cleanup asks nobody: it ends, and the timer tries what is left once more."""
    return "continue" if operation.kind == "cleanup" else operation.document.on_failure


def unbegun(operation: Operation, stages: tuple[Stage, ...], at: datetime) -> Run:
    """A run that ends before it was admitted, or before it began."""
    items = tuple(RunItem(vm=item.vm, id="", after=item.after) for item in operation.document.items)
    return _run(operation, stages, vaults_of(operation), items, at)
