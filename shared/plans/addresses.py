"""Private addresses that VMs ask for in Azure, and who has them or asks for them too. Pure.

Source: an address that is taken is replaced without a word by another one of the subnet (reported to the vendor).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.plans.plan import PlanDocument, PlanItem
from shared.plans.readiness_checks import Weight, WeightedObstacle
from shared.site_recovery.views import ItemDetail
from shared.sites.site import SiteDocument

ADDRESS_TAKEN = "address-taken"


class AddressClaim(NamedTuple):
    """A VM that asks for an address.

    Attributes:
        machine: What it is known by: its vault and its name, in lower case.
        network: ARM id in lower case.
        holder: Who says so: "sql-01 of the plan 'erp'".
    """

    machine: tuple[str, str]
    vm: str
    network: str
    address: str
    holder: str


class AddressFacts(NamedTuple):
    """Who has addresses, and who asks for them.

    Attributes:
        cards: By network, its ARM id in lower case: the network card that has an address, by address.
        claims: Of all VMs that are known, those of the plan itself too.
    """

    cards: Mapping[str, Mapping[str, str]]
    claims: Sequence[AddressClaim]


NO_ADDRESSES = AddressFacts({}, ())


def wanted_place(item: PlanItem, view: ItemDetail, site: SiteDocument) -> tuple[str, str]:
    """The network that a failover brings the VM to, in lower case, and the address that it asks for there, or none.

    What the plan says goes before what its protected item says; an address of the item is for the item's network.
    """
    network = (item.network or view.network or site.network).lower()
    stays = item.network is None or item.network.lower() == view.network.lower()
    own = view.address if item.address is None and stays else ""
    return network, item.address or own


def networks_with_addresses(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Mapping[str, ItemDetail]
) -> tuple[str, ...]:
    """ARM ids, in lower case, of the networks in which a VM of the plan asks for an address, also in a drill.

    Args:
        items: The protected items by VM name in lower case.
    """
    networks = dict[str, None]()
    for item in plan.items:
        if view := items.get(item.vm.lower()):
            network, address = wanted_place(item, view, sites[plan.site_name_of(item)])
            networks |= {network: None} if network and address else {}
            networks |= {plan.drill.network.lower(): None} if plan.drill and view.test_address else {}
    return tuple(networks)


def claims_of_plan(name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> Iterator[AddressClaim]:
    """What a plan declares; nothing of a VM whose site is not known."""
    for item in plan.items:
        site = sites.get(plan.site_name_of(item))
        network = item.network or (site.network if site else "")
        if site and item.address and network:
            machine, holder = _machine(site.vault, item.vm), f"{item.vm} of the plan {name!r}"
            yield AddressClaim(machine, item.vm, network.lower(), item.address, holder)


def claims_of_items(views: Iterable[ItemDetail]) -> Iterator[AddressClaim]:
    """What protected items say by themselves."""
    for view in views:
        if view.address and view.network:
            machine = _machine(view.id, view.vm)
            yield AddressClaim(machine, view.vm, view.network.lower(), view.address, f"the protected item {view.vm}")


def _machine(vault_or_item: str, vm: str) -> tuple[str, str]:
    return VaultRef.from_id(vault_or_item).key, vm.lower()


def weigh_address(
    item: PlanItem, view: ItemDetail, site: SiteDocument, facts: AddressFacts
) -> Iterator[WeightedObstacle]:
    """Who has the address that a failover of this VM asks for, and who asks for it as well."""
    network, address = wanted_place(item, view, site)
    if not address:
        return
    if card := facts.cards.get(network, {}).get(address):
        yield _taken("concern", item.vm, address, f"the network card {card} has it")
    for holder in _rivals(_machine(site.vault, item.vm), network, address, facts.claims):
        yield _taken("warning", item.vm, address, f"{holder} asks for it as well")


def weigh_test_address(
    item: PlanItem, view: ItemDetail, network: str, facts: AddressFacts
) -> Iterator[WeightedObstacle]:
    """Who has the address that a test failover of this VM asks for in the network of the drill."""
    card = facts.cards.get(network.lower(), {}).get(view.test_address) if view.test_address else ""
    if card:
        yield _taken("warning", item.vm, view.test_address, f"the network card {card} has it")


def find_rival_claims(
    name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: AddressFacts
) -> Iterator[Obstacle]:
    """The same of the addresses that a plan declares, before its protected items are known."""
    for claim in claims_of_plan(name, plan, sites):
        vm = claim.vm
        if card := facts.cards.get(claim.network, {}).get(claim.address):
            yield _taken("concern", vm, claim.address, f"the network card {card} has it")[1]
        for holder in _rivals(claim.machine, claim.network, claim.address, facts.claims):
            yield _taken("warning", vm, claim.address, f"{holder} asks for it as well")[1]


def _rivals(machine: tuple[str, str], network: str, address: str, claims: Iterable[AddressClaim]) -> dict[str, None]:
    """Who else asks for an address, each once."""
    others = (claim for claim in claims if claim.machine != machine)
    return dict.fromkeys(one.holder for one in others if (one.network, one.address) == (network, address))


def _taken(weight: Weight, vm: str, address: str, why: str) -> WeightedObstacle:
    detail = f"{address} of {vm}: {why}; Azure would give the VM another address without a word"
    return weight, Obstacle(vm=vm, code=ADDRESS_TAKEN, detail=detail)
