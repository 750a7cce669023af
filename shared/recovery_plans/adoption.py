"""Taking the order of the vault's recovery plans over into our plan. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.arm_ids import name_of
from shared.errors import Refused
from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.recovery_plans.mirror import MirrorSurvey, Vaults, items_of_plan
from shared.recovery_plans.parts import PlanMember, PlanPart, effective_edges, parts_of
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

type Waves = list[list[str]]


def adopt_recovery_plans(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], vaults: Vaults, survey: MirrorSurvey
) -> PlanDocument:
    """Our plan as the vault's recovery plans have it: their machines, and each group after all of the one before.

    An order that our plan expresses already keeps the `after` that it has.

    Raises:
        Refused: there is nothing to take over, or something that a plan of ours cannot say.
        ValidationError: what would come of it is no plan.
    """
    found_parts = [_require_part(survey, part) for part in survey.wanted]
    if foreign := [one.detail for one in survey.differences if one.what in {"action-foreign", "plan-left-over"}]:
        raise Refused("not-expressible", f"our plan cannot say this: {'; '.join(foreign)}")
    named_waves = [
        [[_vm_name_of(member, vaults[part.vault.key]) for member in g.members] for g in part.boot_groups]
        for part in found_parts
    ]
    waves: list[Waves] = [[[vm for vm in wave if vm] for wave in part] for part in named_waves]
    homes = {
        vm: _site_of(vm, part, plan, sites)
        for part, some in zip(found_parts, waves, strict=True)
        for wave in some
        for vm in wave
    }
    kept = _adopted_document(plan, homes, _spliced_edges(plan, sites, vaults, homes))
    kept_parts = parts_of("x", kept, sites, items_of_plan(kept, sites, vaults))
    kept_waves = [[{member.vm for member in group.members} for group in part.boot_groups] for part in kept_parts]
    if kept_waves == [[set(wave) for wave in part if wave] for part in waves]:
        return kept
    return _adopted_document(plan, homes, _after_the_group_before(waves))


def _require_part(survey: MirrorSurvey, part: PlanPart) -> PlanPart:
    found = survey.find_part(part)
    if found is None:
        raise Refused("no-recovery-plan", f"the vault has no recovery plan {part.name}: there is nothing to take over")
    return found


def _vm_name_of(member: PlanMember, views: Sequence[ItemView]) -> str:
    """The machine's name, by its item or, if that was replaced, by the machine itself; empty when it is gone."""
    for view in views:
        if view.id.lower() == member.id.lower():
            return view.vm
    return next((view.vm for view in views if view.machine and view.machine.lower() == member.machine.lower()), "")


def _site_of(vm: str, part: PlanPart, plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> str:
    """The site that a machine of the recovery plan belongs to: as declared, or one of the plan's with that vault."""
    declared = next((plan.site_name_of(item) for item in plan.items if item.vm.lower() == vm.lower()), "")
    fits = [name for name in plan.site_names if VaultRef.from_id(sites[name].vault).key == part.vault.key]
    if declared in fits:
        return declared
    fabric = name_of(part.fabric_id).lower()
    exact = [name for name in fits if sites[name].hyper_v_site.lower() == fabric]
    return (exact or fits)[0]


def _spliced_edges(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], vaults: Vaults, homes: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """The `after` that the plan has, without the machines that are gone; these hand theirs on."""
    names = {vm.lower() for vm in homes}
    stay = {vm: view for vm, view in items_of_plan(plan, sites, vaults).items() if vm in names}
    edges = {vm.lower(): after for vm, after in effective_edges(plan, stay).items()}
    return {vm: edges.get(vm.lower(), ()) for vm in homes}


def _after_the_group_before(waves: Sequence[Waves]) -> dict[str, tuple[str, ...]]:
    after: dict[str, tuple[str, ...]] = {}
    before: tuple[str, ...] = ()
    for wave in (wave for part in waves for wave in part if wave):
        after |= dict.fromkeys(wave, before)
        before = tuple(wave)
    return after


def _adopted_document(plan: PlanDocument, homes: Mapping[str, str], after: Mapping[str, Sequence[str]]) -> PlanDocument:
    return PlanDocument.model_validate(
        {**plan.model_dump(mode="json", by_alias=True), "items": list(_adopted_items(plan, homes, after))}
    )


def _adopted_items(
    plan: PlanDocument, homes: Mapping[str, str], after: Mapping[str, Sequence[str]]
) -> Iterator[dict[str, Any]]:
    """Those that stay in the order of our plan, then those that are new."""
    spelt = {vm.lower(): vm for vm in homes}
    for item in plan.items:
        if vm := spelt.pop(item.vm.lower(), None):
            yield item.model_dump(mode="json", by_alias=True) | {"after": list(after[vm])}
    for vm in spelt.values():
        site = homes[vm]
        yield {"vm": vm, "after": list(after[vm])} | ({"site": site} if site != plan.site else {})
