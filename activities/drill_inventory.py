"""What is really there: the resource groups that drills work in, and the networks that they must stay in."""

from collections.abc import Collection, Sequence

from shared.arm_ids import name_of, split_at
from shared.azure.api_versions import NETWORK_API
from shared.azure.arm import read_resource
from shared.azure.errors import unless_missing
from shared.azure.evidence_store import keep_beside
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.resource_groups import list_failover_resources, list_network_cards, list_peered_networks
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.evidence.canonical import to_canonical_json
from shared.plans.azure_checks import VirtualNetwork
from shared.recovery.contract import NetworkNeighbours, ReadNetwork, TakeInventory
from shared.recovery.drill import Inventory


async def take_inventory(request: TakeInventory) -> Inventory:
    """Take stock; one that is to be kept as evidence is written to the run's pack as well."""
    known_ids = None if request.known_marks is None else frozenset(request.known_marks)
    inventory, ids = await list_failover_resources(request.groups, request.networks, known_ids)
    unkept = ""
    if request.evidence_file:
        fresh_resources = [resource.model_dump(mode="json") for resource in inventory.added]
        scope = {"at": inventory.at.isoformat(), "groups": request.groups, "networks": request.networks}
        content = to_canonical_json({**scope, "resources": ids, "fresh": fresh_resources})
        unkept = (await keep_beside(request.evidence_file, content)).unkept
    return inventory.model_copy(update={"unkept": unkept})


async def read_network(request: ReadNetwork) -> NetworkNeighbours:
    """Read a virtual network's peerings, and the cards in it."""
    peered_ids = await unless_missing(list_peered_networks(request.network))
    if peered_ids is None:
        return NetworkNeighbours(found=False)
    cards = await list_network_cards(request.network)
    return NetworkNeighbours(found=True, peered=tuple(peered_ids), cards=tuple(cards))


async def read_virtual_network(network: str, *, with_cards: bool = False) -> VirtualNetwork:
    """Read the subnets of a virtual network; a subnet has one prefix, or a list of them.

    Args:
        with_cards: Read who has which address in it as well, which may be a long answer.
    """
    expand = "subnets/ipConfigurations" if with_cards else ""
    network_body = await unless_missing(read_resource(network, NETWORK_API, expand))
    if network_body is None:
        return VirtualNetwork(found=False)
    subnets = {
        text_of(subnet.get("name")).lower(): object_at(subnet, "properties")
        for subnet in object_at(network_body, "properties").get("subnets") or ()
    }
    prefixes = {
        name: [subnet["addressPrefix"]] if subnet.get("addressPrefix") else subnet.get("addressPrefixes") or ()
        for name, subnet in subnets.items()
    }
    configurations = [one for subnet in subnets.values() for one in subnet.get("ipConfigurations") or ()]
    return VirtualNetwork(
        found=True,
        subnets={name: tuple(map(text_of, some)) for name, some in prefixes.items()},
        cards={address: _card_of(one) for one in configurations if (address := _address_of(one))},
    )


def _address_of(configuration: Json) -> str:
    return text_of(object_at(configuration, "properties").get("privateIPAddress"))


def _card_of(configuration: Json) -> str:
    """Name of the resource that the configuration is a part of."""
    return name_of(split_at(text_of(configuration.get("id")), "ipConfigurations")[0])


async def read_virtual_networks(
    networks: Sequence[str], with_cards: Collection[str] = ()
) -> tuple[dict[str, VirtualNetwork], dict[str, SiteRecoveryError]]:
    """Networks by their ids in lower case; and why others cannot be read, often because the app has no rights there.

    Args:
        with_cards: Ids, in lower case, of those in which it matters who has which address.
    """

    async def read_or_failure(network: str) -> VirtualNetwork | SiteRecoveryError:
        try:
            return await read_virtual_network(network, with_cards=network.lower() in with_cards)
        except SiteRecoveryError as failure:
            return failure

    answers = dict(zip(networks, await map_concurrently(networks, read_or_failure), strict=True))
    virtual_networks = {network.lower(): room for network, room in answers.items() if isinstance(room, VirtualNetwork)}
    return virtual_networks, {network: why for network, why in answers.items() if not isinstance(why, VirtualNetwork)}
