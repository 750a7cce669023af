"""Looking at Azure before a plan is declared: its machines, and the networks that it names."""

from collections.abc import Mapping, Sequence

from activities.drill_inventory import look_into
from activities.previews import vaults_of
from shared.azure.protected_items import is_ours, item_view
from shared.azure.vault import Vault
from shared.concurrency import each
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.plans.azure_checks import misplaced, networks_of, unjudged, unknown_machines
from shared.plans.machines import machines_of
from shared.plans.plan import PlanDocument
from shared.problem_details import FieldError
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

type Views = dict[str, Sequence[ItemView]]


async def faults_in_azure(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> tuple[list[FieldError], list[str]]:
    """What Azure shows to be wrong with a plan, and what could not be looked at.

    Args:
        sites: By name, at least those of its items.
    """
    used = {item.site or plan.site for item in plan.items}
    views, doubts = await _items(vaults_of(sites[name] for name in sorted(used)))
    judged = tuple(i for i in plan.items if VaultRef.from_id(sites[i.site or plan.site].vault).key in views)
    missing = machines_of(plan.model_copy(update={"items": judged}), sites, views).missing
    drill = [plan.drill.network] if plan.drill else []
    rooms, unread = await look_into([*networks_of(plan, sites), *drill])
    doubts += [unjudged(network, why).detail for network, why in unread.items()]
    return [*unknown_machines(plan, sites, missing, views), *misplaced(plan, sites, rooms)], doubts


async def _items(refs: Sequence[VaultRef]) -> tuple[Views, list[str]]:
    """The protected items by key of their vault, and which vaults could not be read."""

    async def read(ref: VaultRef) -> Sequence[ItemView] | SiteRecoveryError:
        try:
            return [item_view(item) for item in await Vault(ref).list_items() if is_ours(item)]
        except SiteRecoveryError as failure:
            return failure

    found = dict(zip(refs, await each(refs, read), strict=True))
    views = {ref.key: some for ref, some in found.items() if not isinstance(some, SiteRecoveryError)}
    silent = {ref.vault: why for ref, why in found.items() if isinstance(why, SiteRecoveryError)}
    doubts = [
        f"the vault {vault} could not be read: whether it protects the VMs was not judged ({why})"
        for vault, why in silent.items()
    ]
    return views, doubts
