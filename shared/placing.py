"""Where a plan's machines go in Azure: whether the networks are there, and the addresses in their subnets. Pure."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, ip_network

from pydantic import Field

from shared.messages import Message
from shared.plans import PlanDocument, PlanItem
from shared.preview import Blocker
from shared.sites import SiteDocument

RESERVED_BEFORE, RESERVED_AFTER = 4, 1
"""Addresses at the beginning and end of each subnet that Azure keeps to itself."""


class Room(Message):
    """A virtual network as it is; `subnets` has the prefixes of each by its name in lower case."""

    found: bool
    subnets: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def networks_of(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> tuple[str, ...]:
    """ARM ids of the networks that the plan's machines go to, each once; none for what nobody named."""
    named = (_network(plan, item, sites) for item in plan.items)
    return tuple({network.lower(): network for network in named if network}.values())


def _network(plan: PlanDocument, item: PlanItem, sites: Mapping[str, SiteDocument]) -> str:
    return item.network or sites[item.site or plan.site].network or ""


def place_blockers(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], rooms: Mapping[str, Room]
) -> tuple[Blocker, ...]:
    """What is wrong with the places.

    Args:
        rooms: The networks by ARM id in lower case; one that could not be read is left out, and not judged.
    """
    missing = [network for network in networks_of(plan, sites) if not _room(rooms, network).found]
    found = [Blocker(code="network-missing", detail=f"there is no virtual network {network}") for network in missing]
    for item in plan.items:
        room = _room(rooms, _network(plan, item, sites))
        if room.found and room.subnets:
            found += _of_item(item, item.subnet or sites[item.site or plan.site].subnet or "", room)
    return tuple(found)


def unjudged(network: str, why: Exception) -> Blocker:
    """What is said of a network that could not be read; the VMs that go there may all the same."""
    detail = (
        f"the network {network} could not be read: whether it is there, and has the subnets and addresses that are "
    )
    return Blocker(code="network-unread", detail=f"{detail}meant, was not judged ({why})")


def _room(rooms: Mapping[str, Room], network: str) -> Room:
    return rooms.get(network.lower(), Room(found=True))


def _of_item(item: PlanItem, subnet: str, room: Room) -> Iterator[Blocker]:
    prefixes = room.subnets.get(subnet.lower())
    if subnet and prefixes is None:
        detail = f"{item.vm} goes to the subnet {subnet}, and its network has {', '.join(sorted(room.subnets))}"
        yield Blocker(vm=item.vm, code="subnet-missing", detail=detail)
    elif item.address and prefixes and not any(_fits(item.address, prefix) for prefix in prefixes):
        detail = f"{item.address} of {item.vm} is no free address of {subnet} ({', '.join(prefixes)})"
        yield Blocker(vm=item.vm, code="address-outside", detail=detail)


def _fits(address: str, prefix: str) -> bool:
    span, wanted = ip_network(prefix, strict=False), IPv4Address(address)
    if span.version != wanted.version:
        return False
    first, last = int(span.network_address), int(span.broadcast_address)
    return first + RESERVED_BEFORE <= int(wanted) <= last - RESERVED_AFTER
