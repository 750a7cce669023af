"""What is in resource groups and virtual networks: for inventories, and to see whether a network is isolated."""

from collections.abc import Collection
from datetime import datetime

from shared.arm_ids import names_by_type, split_at
from shared.azure.api_versions import NETWORK_API, RESOURCES_API
from shared.azure.arm import list_all_with_time, read_resource
from shared.azure.errors import unless_missing
from shared.azure.json_fields import Json, object_at, text_of
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.recovery.drill import AzureResource, Inventory, is_made_by_failovers, mark_of

RULES = "Microsoft.Network/networkSecurityGroups/securityRules"
CARD, GROUP_OF_RULES = "microsoft.network/networkinterfaces", "microsoft.network/networksecuritygroups"
ADDRESS = "microsoft.network/publicipaddresses"


async def list_failover_resources(
    groups: Collection[str], networks: Collection[str], known_marks: Collection[str] | None
) -> tuple[Inventory, list[str]]:
    """List all that failovers may make in these groups, with the cards in these networks wherever those are kept.

    Args:
        groups: ARM ids of resource groups.
        networks: ARM ids of virtual networks; one that is not there holds nothing.
        known_marks: Marks of what needs no closer reading; None to read nothing more closely.

    Returns:
        The inventory, and the ids of all that it counts.

    Raises:
        NotFound: there is no such group.
    """
    resources: dict[str, Json] = {}
    at: datetime | None = None
    for group in groups:
        listed, at = await list_resources(group)
        resources |= {one["id"].lower(): one for one in listed if is_made_by_failovers(text_of(one.get("type")))}
    for network in networks:
        resources |= {card.lower(): {"id": card, "type": CARD} for card in await list_network_cards(network)}
    for rules in await map_concurrently(
        [one for one in resources.values() if _is_of_type(one, GROUP_OF_RULES)], _list_security_rules
    ):
        resources |= {rule["id"].lower(): rule for rule in rules}
    if at is None:
        raise Refused("no-group", "an inventory needs at least one resource group")
    fresh = [] if known_marks is None else [one for one in resources.values() if mark_of(one["id"]) not in known_marks]
    fresh_resources = await map_concurrently(fresh, _describe_resource)
    marks = tuple(sorted(mark_of(one) for one in resources))
    return Inventory(at=at, marks=marks, added=tuple(filter(None, fresh_resources))), sorted(
        one["id"] for one in resources.values()
    )


def _is_of_type(resource: Json, resource_type: str) -> bool:
    return text_of(resource.get("type")).lower() == resource_type


async def list_resources(group: str, expand: str = "") -> tuple[list[Json], datetime]:
    """Every resource of a group, without properties, and when Azure answered; `expand` adds to it ("createdTime")."""
    if not names_by_type(group).get("resourcegroups"):
        raise Refused("not-a-group", f"not the ARM id of a resource group: {group}")
    return await list_all_with_time(f"{group}/resources", RESOURCES_API, {"$expand": expand} if expand else {})


async def list_network_cards(network: str) -> list[str]:
    """Ids of the network cards in a virtual network; none when there is no such network.

    Source: ipConfigurations of each subnet, which ARM keeps as references back.
    """
    found = await unless_missing(read_resource(network, NETWORK_API))
    subnets = object_at(found, "properties").get("subnets") or ()
    ids = [
        text_of(one.get("id"))
        for subnet in subnets
        for one in object_at(subnet, "properties").get("ipConfigurations") or ()
    ]
    cards = (split_at(one, "ipConfigurations") for one in ids)
    return list(dict.fromkeys(card for card, configuration in cards if configuration))


async def list_peered_networks(network: str) -> list[str]:
    """Ids of the networks that a virtual network is peered to, in whatever state the peering is.

    Raises:
        NotFound: there is no such network.
    """
    properties = object_at(await read_resource(network, NETWORK_API), "properties")
    peerings = properties.get("virtualNetworkPeerings") or ()
    return [text_of(object_at(one, "properties", "remoteVirtualNetwork").get("id")) for one in peerings]


async def _list_security_rules(group: Json) -> list[Json]:
    """The rules that somebody wrote into a security group; its default rules are not among them."""
    found = await unless_missing(read_resource(group["id"], NETWORK_API))
    return [{"id": one["id"], "type": RULES} for one in object_at(found, "properties").get("securityRules") or ()]


async def _describe_resource(resource: Json) -> AzureResource | None:
    """The resource with the machine that it hangs on; None when it has gone meanwhile."""
    machine = await unless_missing(_machine_of(resource))
    found = AzureResource(id=resource["id"], type=text_of(resource.get("type")), machine=machine or "")
    return None if machine is None else found


async def _machine_of(resource: Json) -> str:
    named, owner = names_by_type(resource["id"]), names_by_type(text_of(resource.get("managedBy")))
    if named.get("virtualmachines") or owner.get("virtualmachines"):
        return named.get("virtualmachines") or owner["virtualmachines"]
    if not any(_is_of_type(resource, one) for one in (CARD, ADDRESS, GROUP_OF_RULES)):
        return ""
    properties = object_at(await read_resource(resource["id"], NETWORK_API), "properties")
    if _is_of_type(resource, CARD):
        return names_by_type(text_of(object_at(properties, "virtualMachine").get("id"))).get("virtualmachines", "")
    cards = [object_at(properties, "ipConfiguration"), *(properties.get("networkInterfaces") or ())]
    return await _machine_of_card(next((text_of(card["id"]) for card in cards if card.get("id")), ""))


async def _machine_of_card(inside: str) -> str:
    """The machine of the card that this id is, or is a part of."""
    named = names_by_type(inside)
    if "networkinterfaces" not in named:
        return ""
    card = split_at(inside.lower(), "ipConfigurations")[0]
    properties = object_at(await unless_missing(read_resource(card, NETWORK_API)), "properties")
    return names_by_type(text_of(object_at(properties, "virtualMachine").get("id"))).get("virtualmachines", "")
