"""Looking at Azure before a plan is declared: its machines, and the networks that it names."""

from collections.abc import Mapping, Sequence

from activities.drill_inventory import read_virtual_networks
from activities.previews import vaults_of_sites
from shared.azure.protected_items import is_hyper_v_to_azure, item_view
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.plans.azure_checks import (
    find_misplaced_machines,
    find_unknown_machines,
    networks_of,
    unread_network_blocker,
)
from shared.plans.machines import match_machines
from shared.plans.plan import PlanDocument
from shared.problem_details import FieldError
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

type ItemsByVault = dict[str, Sequence[ItemView]]


async def check_plan_in_azure(
    plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[list[FieldError], list[str]]:
    """What Azure shows to be wrong with a plan, and what could not be looked at.

    Args:
        sites: By name, at least those of its items.
    """
    site_names = {plan.site_name_of(item) for item in plan.items}
    items_by_vault, unchecked = await _read_items_by_vault(vaults_of_sites(sites[name] for name in sorted(site_names)))
    checked_items = tuple(
        item for item in plan.items if VaultRef.from_id(sites[plan.site_name_of(item)].vault).key in items_by_vault
    )
    missing = match_machines(plan.model_copy(update={"items": checked_items}), sites, items_by_vault).missing
    drill = [plan.drill.network] if plan.drill else []
    virtual_networks, unread_networks = await read_virtual_networks([*networks_of(plan, sites), *drill])
    unchecked += [unread_network_blocker(network, why).detail for network, why in unread_networks.items()]
    return [
        *find_unknown_machines(plan, sites, missing, items_by_vault),
        *find_misplaced_machines(plan, sites, virtual_networks),
    ], unchecked


async def _read_items_by_vault(refs: Sequence[VaultRef]) -> tuple[ItemsByVault, list[str]]:
    """The protected items by key of their vault, and which vaults could not be read."""

    async def read_or_failure(ref: VaultRef) -> Sequence[ItemView] | SiteRecoveryError:
        try:
            return [item_view(item) for item in await Vault(ref).list_items() if is_hyper_v_to_azure(item)]
        except SiteRecoveryError as failure:
            return failure

    answers = dict(zip(refs, await map_concurrently(refs, read_or_failure), strict=True))
    items_by_vault = {ref.key: items for ref, items in answers.items() if not isinstance(items, SiteRecoveryError)}
    unread_vaults = {ref.vault: why for ref, why in answers.items() if isinstance(why, SiteRecoveryError)}
    unchecked = [
        f"the vault {vault} could not be read: whether it protects the VMs was not judged ({why})"
        for vault, why in unread_vaults.items()
    ]
    return items_by_vault, unchecked
