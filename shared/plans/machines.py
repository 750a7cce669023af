"""Which protected item a plan means by a VM's name, and the name under which it is leased. Pure.

A name says little by itself: two clusters may each have a DC01, and a vault may protect both. A plan's machine is the
one of that name in the vault and the Hyper-V site of its own site.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from shared.grouping import group_pairs
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.operations.obligations import Home, Machines
from shared.plans.plan import PlanDocument, PlanItem
from shared.site_recovery.views import ItemView
from shared.sites.nodes import fabric_name_of, is_item_of_site
from shared.sites.site import SiteDocument

LEASE_PREFIX = "vm:"


class PlanMachines[View: ItemView](NamedTuple):
    """A plan's machines.

    Attributes:
        found: Their protected items, by VM name in lower case.
        missing: Of each other one, by its name in lower case, why there is none.
    """

    found: Mapping[str, View]
    missing: Mapping[str, Obstacle]


def match_machines[View: ItemView](
    plan: PlanDocument, sites: Mapping[str, SiteDocument], vaults: Mapping[str, Iterable[View]]
) -> PlanMachines[View]:
    """Find the plan's machines among all that its vaults protect.

    Args:
        vaults: The protected items by key of their vault.
    """
    named = {key: _by_name(views) for key, views in vaults.items()}
    keys = {name: VaultRef.from_id(site.vault).key for name, site in sites.items()}  # once a site, not once a machine
    found, missing = dict[str, View](), dict[str, Obstacle]()
    for item in plan.items:
        vm, site = item.vm.lower(), site_of(plan, sites, item)
        same_name = named.get(keys[plan.site_name_of(item)], {}).get(vm, [])
        ours = [view for view in same_name if is_item_of_site(site, view)]
        if len(ours) == 1:
            found[vm] = ours[0]
        else:
            missing[vm] = _why_missing(item.vm, site, same_name, ours)
    return PlanMachines(found, missing)


def site_of(plan: PlanDocument, sites: Mapping[str, SiteDocument], item: PlanItem) -> SiteDocument:
    """The site of a plan's machine: its own, else the plan's."""
    return sites[plan.site_name_of(item)]


def _by_name[View: ItemView](views: Iterable[View]) -> dict[str, list[View]]:
    return group_pairs((view.vm.lower(), view) for view in views)


def unambiguous_items[View: ItemView](site: SiteDocument, views: Iterable[View]) -> list[View]:
    """Those of a vault's items that belong to the site, and that have a name of their own."""
    named = _by_name(view for view in views if is_item_of_site(site, view))
    return [same[0] for same in named.values() if len(same) == 1]


def _why_missing(vm: str, site: SiteDocument, same_name: Sequence[ItemView], ours: Sequence[ItemView]) -> Obstacle:
    if ours:
        ids = " and ".join(view.id for view in ours)
        return Obstacle(
            vm=vm,
            code="ambiguous-vm",
            detail=f"{len(ours)} protected items of {site.hyper_v_site} are called {vm}: {ids}",
        )
    if same_name:
        others = ", ".join(dict.fromkeys(" or ".join(view.hyper_v_sites) for view in same_name))
        detail = f"{vm} is protected from {others}, and its site says {site.hyper_v_site}"
        return Obstacle(vm=vm, code="other-hyper-v-site", detail=detail)
    return missing_from_vault(vm)


def missing_from_vault(vm: str) -> Obstacle:
    """The vault knows no item of this name."""
    return Obstacle(vm=vm, code="not-protected", detail=f"{vm} is not a protected item of its site's vault")


def lease_key(fabric: str, vm: str) -> str:
    """Under which a machine is leased in its vault's table.

    Args:
        fabric: Name of its fabric, as ids have it. A site may call it by its friendly name: a run that knows only
            that leases the machine by it, and by the other one as soon as it has read the item.
    """
    return f"{LEASE_PREFIX}{fabric}|{vm}".lower()


def leased_vm_of(key: str) -> str:
    """The name of the machine that is leased under this key, in lower case; any other key as it is."""
    return key.partition("|")[2] if key.startswith(LEASE_PREFIX) else key


def lease_keys(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> dict[str, tuple[str, ...]]:
    """Under which the plan's machines are leased, by key of the vault, as far as its sites say."""
    vaults = {name: VaultRef.from_id(site.vault).key for name, site in sites.items()}
    named = ((plan.site_name_of(item), item.vm) for item in plan.items)
    keys = group_pairs((vaults[name], lease_key(sites[name].hyper_v_site, vm)) for name, vm in named)
    return {vault: tuple(some) for vault, some in keys.items()}


def leased_machines(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> set[tuple[str, str]]:
    """What the plan's runs lease, each by its vault: two sites may share one."""
    return {(vault, key) for vault, keys in lease_keys(plan, sites).items() for key in keys}


def site_lease_keys(site: SiteDocument, views: Iterable[ItemView]) -> tuple[str, ...]:
    """Under which protected items of a site are leased in its vault's table."""
    return tuple(lease_key(fabric_name_of(view.id) or site.hyper_v_site, view.vm) for view in views)


def is_leased_under(keys: Collection[str], view: ItemView) -> bool:
    """Whether an item is one of those that would be leased under these keys; yes where its fabric is not known."""
    names = view.hyper_v_sites
    return not names or any(lease_key(name, view.vm) in keys for name in names)


def homes_of(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Iterable["ProtectedItem"] = ()
) -> list[Machines]:
    """The plan's machines by where they are at home.

    Args:
        items: Those of them whose protected items are known: their ids have the fabric's own name.
    """
    fabrics = {item.vm.lower(): fabric_name_of(item.id).lower() for item in items}
    vms_by_site = group_pairs((plan.site_name_of(item), item.vm) for item in plan.items)
    homes = []
    for name, vms in vms_by_site.items():
        known = {fabrics[vm.lower()] for vm in vms if fabrics.get(vm.lower())}
        homes.append(Machines(home=home_of(name, sites[name], known), vms=tuple(vms)))
    return homes


def home_of(name: str, site: SiteDocument, fabrics: Iterable[str] = ()) -> Home:
    """Where a site's machines are at home.

    Args:
        fabrics: Names of its Hyper-V site beside the one that the site has for it.
    """
    names = {site.hyper_v_site.lower(), *(fabric.lower() for fabric in fabrics)}
    return Home(site=name, vault=site.vault, fabrics=tuple(sorted(names)), cluster=site.cluster)


def is_at_home_in(home: Home, view: ItemView) -> bool:
    """Whether an item of the vault replicates from there; yes where the vault does not say from where."""
    names = {name.lower() for name in view.hyper_v_sites}
    return not names or bool(names & set(home.fabrics))


class ProtectedItem(Protocol):
    """Anything that names a protected item: as the vault shows it, or as a run carries it."""

    @property
    def id(self) -> str:
        """ARM id of the protected item."""

    @property
    def vm(self) -> str:
        """Name of the virtual machine."""


def item_lease_keys(views: Iterable[ProtectedItem]) -> dict[str, tuple[str, ...]]:
    """Under which protected items are leased, by key of the vault; none for what the vault has in no fabric."""
    named = ((view, fabric_name_of(view.id)) for view in views)
    keys = group_pairs((VaultRef.from_id(view.id).key, lease_key(fabric, view.vm)) for view, fabric in named if fabric)
    return {vault: tuple(some) for vault, some in keys.items()}
