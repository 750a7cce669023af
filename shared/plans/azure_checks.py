"""Where a plan's machines go in Azure: whether the networks are there, and the addresses in their subnets. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from ipaddress import IPv4Address, ip_network

from pydantic import Field

from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.plans.machines import site_of
from shared.plans.plan import PlanDocument, PlanItem
from shared.problem_details import FieldError
from shared.site_recovery.views import ItemView
from shared.sites.nodes import is_item_of_site
from shared.sites.site import SiteDocument

RESERVED_BEFORE, RESERVED_AFTER = 4, 1
"""Addresses at the beginning and end of each subnet that Azure keeps to itself."""


class VirtualNetwork(Message):
    """A virtual network as it is.

    Attributes:
        subnets: The prefixes of each by its name in lower case.
        cards: The network card, or whatever else, that has an address, by address; only where that was asked for.
    """

    found: bool
    subnets: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    cards: dict[str, str] = Field(default_factory=dict)


def networks_of(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> tuple[str, ...]:
    """ARM ids of the networks that the plan's machines go to, each once; none for what nobody named."""
    named = (_network_of(plan, item, sites) for item in plan.items)
    return tuple({network.lower(): network for network in named if network}.values())


def _network_of(plan: PlanDocument, item: PlanItem, sites: Mapping[str, SiteDocument]) -> str:
    return item.network or sites[plan.site_name_of(item)].network or ""


def find_network_blockers(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], networks: Mapping[str, VirtualNetwork]
) -> tuple[Obstacle, ...]:
    """What is wrong with the places.

    Args:
        networks: The networks by ARM id in lower case; one that could not be read is left out, and not judged.
    """
    missing = [network for network in networks_of(plan, sites) if not _look_up_network(networks, network).found]
    found = [
        Obstacle(code="network-missing", detail=f"the virtual network {network} does not exist") for network in missing
    ]
    for item in plan.items:
        virtual_network = _look_up_network(networks, _network_of(plan, item, sites))
        if virtual_network.found and virtual_network.subnets:
            found += _item_blockers(item, item.subnet or sites[plan.site_name_of(item)].subnet or "", virtual_network)
    return tuple(found)


def unread_network_blocker(network: str, why: Exception) -> Obstacle:
    """A network that could not be read; the VMs that go there may all the same."""
    detail = (
        f"the network {network} could not be read ({why}): whether it exists, and has the subnets and addresses of the "
    )
    return Obstacle(code="network-unread", detail=f"{detail}plan, was not checked")


def _look_up_network(networks: Mapping[str, VirtualNetwork], network: str) -> VirtualNetwork:
    return networks.get(network.lower(), VirtualNetwork(found=True))


def _item_blockers(item: PlanItem, subnet: str, virtual_network: VirtualNetwork) -> Iterator[Obstacle]:
    prefixes = virtual_network.subnets.get(subnet.lower())
    if subnet and prefixes is None:
        detail = (
            f"{item.vm} goes to the subnet {subnet}, and its network has {', '.join(sorted(virtual_network.subnets))}"
        )
        yield Obstacle(vm=item.vm, code="subnet-missing", detail=detail)
    elif item.address and prefixes and not any(_is_free_address(item.address, prefix) for prefix in prefixes):
        detail = f"{item.address} of {item.vm} is not a usable address of the subnet {subnet} ({', '.join(prefixes)})"
        yield Obstacle(vm=item.vm, code="address-outside", detail=detail)


def _is_free_address(address: str, prefix: str) -> bool:
    span, wanted = ip_network(prefix, strict=False), IPv4Address(address)
    if span.version != wanted.version:
        return False
    first, last = int(span.network_address), int(span.broadcast_address)
    return first + RESERVED_BEFORE <= int(wanted) <= last - RESERVED_AFTER


SIMILAR_NAMES, HINTS = 3, 20
"""How many names are suggested for one that is unknown, and for how many: finding them takes time."""
_FIELDS = {"address-outside": "address", "subnet-missing": "subnet"}


def find_similar_names(vm: str, names: Sequence[str]) -> list[str]:
    """Those of the names that somebody may have meant."""
    by_key = {name.lower(): name for name in names}
    return [by_key[key] for key in get_close_matches(vm.lower(), by_key, SIMILAR_NAMES)]


def find_unknown_machines(
    plan: PlanDocument,
    sites: Mapping[str, SiteDocument],
    missing: Mapping[str, Obstacle],
    views: Mapping[str, Sequence[ItemView]],
) -> Iterator[FieldError]:
    """Machines that no protected item is found for, with names that are like theirs.

    Args:
        missing: By VM name in lower case, why there is none.
        views: The protected items, by key of their vault; a machine whose vault was not read is not judged.
    """
    hints = 0
    for place, item in enumerate(plan.items):
        site, why = site_of(plan, sites, item), missing.get(item.vm.lower())
        if why is None or (vault := VaultRef.from_id(site.vault)).key not in views:
            continue
        alike: list[str] = []
        if why.code == "not-protected" and hints < HINTS:
            alike = find_similar_names(item.vm, [view.vm for view in views[vault.key] if is_item_of_site(site, view)])
            hints += 1
        hint = f"; {vault.vault} protects {', '.join(alike)}" if alike else ""
        yield FieldError(field=f"items[{place}].vm", detail=f"{why.detail}{hint}")


def find_misplaced_machines(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], networks: Mapping[str, VirtualNetwork]
) -> Iterator[FieldError]:
    """Networks that are not there, subnets that these do not have, and addresses outside of those.

    Args:
        networks: The networks by ARM id in lower case; one that could not be read is not judged.
    """
    named = [("drill.network", plan.drill.network)] if plan.drill else []
    named += [(f"items[{place}].network", item.network) for place, item in enumerate(plan.items) if item.network]
    for field, network in named:
        if (virtual_network := networks.get(network.lower())) and not virtual_network.found:
            yield FieldError(field=field, detail=f"the virtual network {network} does not exist")
    places = {item.vm: place for place, item in enumerate(plan.items)}
    for blocker in find_network_blockers(plan, sites, networks):
        if blocker.vm:
            yield FieldError(field=f"items[{places[blocker.vm]}].{_FIELDS[blocker.code]}", detail=blocker.detail)
