"""What is in resource groups and virtual networks: for inventories, and to see whether a network is isolated."""

from collections.abc import Collection
from datetime import datetime

from azure.core.rest import HttpRequest

from shared.arm_ids import segments
from shared.azure.arm import NETWORK_API, read_resource
from shared.azure.clients import RESOURCES_API, azure
from shared.azure.errors import Missing, translated
from shared.azure.json_fields import Json, date_of, part, text
from shared.concurrency import each
from shared.errors import Refused
from shared.recovery.drill import Inventory, Thing, counts, mark

RULES = "Microsoft.Network/networkSecurityGroups/securityRules"
CARD, GROUP_OF_RULES = "microsoft.network/networkinterfaces", "microsoft.network/networksecuritygroups"
ADDRESS = "microsoft.network/publicipaddresses"


async def take_stock(
    groups: Collection[str], networks: Collection[str], known: Collection[str] | None
) -> tuple[Inventory, list[str]]:
    """List all that failovers may make in these groups, with the cards in these networks wherever those are kept.

    Args:
        groups: ARM ids of resource groups.
        networks: ARM ids of virtual networks; one that is not there holds nothing.
        known: Marks of what is not to be looked at more closely; None to look at nothing.

    Returns:
        The inventory, and the ids of all that it counts.

    Raises:
        Missing: there is no such group.
    """
    things: dict[str, Json] = {}
    at: datetime | None = None
    for group in groups:
        listed, at = await list_group(group)
        things |= {one["id"].lower(): one for one in listed if counts(text(one.get("type")))}
    for network in networks:
        things |= {card.lower(): {"id": card, "type": CARD} for card in await list_cards(network)}
    for rules in await each([one for one in things.values() if _is(one, GROUP_OF_RULES)], _rules_of):
        things |= {rule["id"].lower(): rule for rule in rules}
    if at is None:
        raise Refused("no-group", "an inventory needs at least one resource group")
    fresh = [] if known is None else [one for one in things.values() if mark(one["id"]) not in known]
    seen = await each(fresh, _thing)
    marks = tuple(sorted(mark(one) for one in things))
    return Inventory(at=at, marks=marks, fresh=tuple(filter(None, seen))), sorted(one["id"] for one in things.values())


def _is(resource: Json, resource_type: str) -> bool:
    return text(resource.get("type")).lower() == resource_type


async def list_group(group: str, expand: str = "") -> tuple[list[Json], datetime]:
    """Every resource of a group, without properties, and when Azure said so; `expand` asks for more ("createdTime")."""
    named = segments(group)
    if not named.get("subscriptions") or not named.get("resourcegroups"):
        raise Refused("not-a-group", f"not the ARM id of a resource group: {group}")
    client = azure().resources(named["subscriptions"])
    url, query = (
        f"/{group.strip('/')}/resources",
        {"api-version": RESOURCES_API} | ({"$expand": expand} if expand else {}),
    )
    found: list[Json] = []
    while True:
        with translated():
            answer = await client.send_request(HttpRequest("GET", url, params=query))
            answer.raise_for_status()
            page = answer.json()
        found += page.get("value") or ()
        if not page.get("nextLink"):
            return found, date_of(answer.headers)
        url, query = page["nextLink"], {}


async def list_cards(network: str) -> list[str]:
    """Ids of the network cards in a virtual network; none when there is no such network.

    Source: ipConfigurations of each subnet, which ARM keeps as references back.
    """
    try:
        found = await read_resource(network, NETWORK_API)
    except Missing:
        return []
    subnets = part(found, "properties").get("subnets") or ()
    ids = [
        text(one.get("id")) for subnet in subnets for one in part(subnet, "properties").get("ipConfigurations") or ()
    ]
    cards = (one.lower().find("/ipconfigurations/") for one in ids)
    return list(dict.fromkeys(one[:end] for one, end in zip(ids, cards, strict=True) if end > 0))


async def list_peered(network: str) -> list[str]:
    """Ids of the networks that a virtual network is peered to, in whatever state the peering is.

    Raises:
        Missing: there is no such network.
    """
    properties = part(await read_resource(network, NETWORK_API), "properties")
    peerings = properties.get("virtualNetworkPeerings") or ()
    return [text(part(one, "properties", "remoteVirtualNetwork").get("id")) for one in peerings]


async def _rules_of(group: Json) -> list[Json]:
    """The rules that somebody wrote into a security group; its default rules are not among them."""
    try:
        found = await read_resource(group["id"], NETWORK_API)
    except Missing:
        return []
    return [{"id": one["id"], "type": RULES} for one in part(found, "properties").get("securityRules") or ()]


async def _thing(resource: Json) -> Thing | None:
    """The resource with the machine that it hangs on; None when it has gone meanwhile."""
    try:
        machine = await _machine(resource)
    except Missing:
        return None
    return Thing(id=resource["id"], type=text(resource.get("type")), machine=machine)


async def _machine(resource: Json) -> str:
    named, owner = segments(resource["id"]), segments(text(resource.get("managedBy")))
    if named.get("virtualmachines") or owner.get("virtualmachines"):
        return named.get("virtualmachines") or owner["virtualmachines"]
    if not any(_is(resource, one) for one in (CARD, ADDRESS, GROUP_OF_RULES)):
        return ""
    properties = part(await read_resource(resource["id"], NETWORK_API), "properties")
    if _is(resource, CARD):
        return segments(text(part(properties, "virtualMachine").get("id"))).get("virtualmachines", "")
    cards = [part(properties, "ipConfiguration"), *(properties.get("networkInterfaces") or ())]
    return await _machine_of_card(next((text(card["id"]) for card in cards if card.get("id")), ""))


async def _machine_of_card(inside: str) -> str:
    """The machine of the card that this id is, or is a part of."""
    named = segments(inside)
    if "networkinterfaces" not in named:
        return ""
    card = inside.lower().partition("/ipconfigurations/")[0]
    try:
        properties = part(await read_resource(card, NETWORK_API), "properties")
    except Missing:
        return ""
    return segments(text(part(properties, "virtualMachine").get("id"))).get("virtualmachines", "")
