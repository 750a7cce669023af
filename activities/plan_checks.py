"""Looking at Azure before a plan is declared: its machines, the networks that it names, and where evidence is kept."""

from collections.abc import Mapping

from activities.drill_inventory import read_virtual_networks
from activities.evidence import find_store_obstacle
from activities.target_checks import read_target_facts
from activities.vault import read_items_by_vault
from shared.messages import VaultRef
from shared.plans.addresses import AddressFacts, claims_of_items, claims_of_plan, find_rival_claims
from shared.plans.azure_checks import (
    find_misplaced_machines,
    find_unknown_machines,
    networks_of,
    unread_network_blocker,
)
from shared.plans.machines import match_machines
from shared.plans.plan import PlanDocument
from shared.plans.target_checks import find_target_errors
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument, vaults_of_sites


async def check_plan_in_azure(
    plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[list[FieldError], list[str]]:
    """What Azure shows to be wrong with a plan; and what could not be looked at, or may become wrong.

    Args:
        sites: By name, at least those of its items.
    """
    site_names = {plan.site_name_of(item) for item in plan.items}
    items = await read_items_by_vault(vaults_of_sites(sites[name] for name in sorted(site_names)))
    unchecked = [
        f"the vault {vault.vault} could not be read: whether it protects the VMs was not judged ({why})"
        for vault, why in items.failures.items()
    ]
    checked_items = tuple(
        item for item in plan.items if VaultRef.from_id(sites[plan.site_name_of(item)].vault).key in items.by_vault
    )
    missing = match_machines(plan.model_copy(update={"items": checked_items}), sites, items.by_vault).missing
    errors = list(find_unknown_machines(plan, sites, missing, items.by_vault))
    misplaced, unchecked_networks, cards = await check_networks_in_azure(plan, sites)
    listed = [view for views in items.by_vault.values() for view in views]
    in_azure = {view.vm.lower() for view in listed if view.active_location != "Primary"}
    rivals = find_rival_claims("", plan, sites, AddressFacts(cards, tuple(claims_of_items(listed))))
    taken = [one.detail for one in rivals if one.vm.lower() not in in_azure]  # of those the card is their own
    targets = await read_target_facts(plan, sites, items.by_vault)
    errors += find_target_errors(plan, sites, targets)
    store_errors, store_warnings = await _check_evidence_store(plan)
    warnings = [*unchecked, *unchecked_networks, *targets.unread, *taken, *store_warnings]
    return [*errors, *misplaced, *store_errors], warnings


async def _check_evidence_store(plan: PlanDocument) -> tuple[list[FieldError], list[str]]:
    """A plan that requires evidence is worth nothing without a store; a store that is only away may be back soon."""
    if not (obstacle := await find_store_obstacle()):
        return [], []
    if plan.evidence == "required" and not obstacle.passing:
        return [FieldError(field="evidence", detail=f"{obstacle.detail}: no verb of the plan would begin")], []
    return [], [obstacle.detail]


async def check_networks_in_azure(
    plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[list[FieldError], list[str], dict[str, dict[str, str]]]:
    """The same for the networks that the plan names, and who has which address in those where it asks for one."""
    drill = [plan.drill.network] if plan.drill else []
    asking = {claim.network for claim in claims_of_plan("", plan, sites)}
    virtual_networks, unread_networks = await read_virtual_networks([*networks_of(plan, sites), *drill], asking)
    unchecked = [unread_network_blocker(network, why).detail for network, why in unread_networks.items()]
    cards = {network: one.cards for network, one in virtual_networks.items()}
    return list(find_misplaced_machines(plan, sites, virtual_networks)), unchecked, cards
