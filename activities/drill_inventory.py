"""What is really there: the resource groups that drills work in, and the networks that they must stay in."""

from collections.abc import Sequence

from shared.azure.arm import NETWORK_API, read_resource
from shared.azure.errors import Missing
from shared.azure.evidence_store import packs
from shared.azure.json_fields import Json, part, text
from shared.azure.resource_groups import list_cards, list_peered, take_stock
from shared.concurrency import each
from shared.errors import SiteRecoveryError
from shared.evidence.chain import canonical
from shared.plans.azure_checks import Room
from shared.recovery.contract import NetworkSeen, ReadNetwork, TakeInventory
from shared.recovery.drill import Inventory


async def take_inventory(ask: TakeInventory) -> Inventory:
    """Take stock; one that is to be kept as evidence is written to the run's pack as well."""
    known = None if ask.known is None else frozenset(ask.known)
    seen, ids = await take_stock(ask.groups, ask.networks, known)
    store = packs()
    if ask.keep and store:
        fresh = [thing.model_dump(mode="json") for thing in seen.fresh]
        looked = {"at": seen.at.isoformat(), "groups": ask.groups, "networks": ask.networks}
        await store.put_new(ask.keep, canonical({**looked, "resources": ids, "fresh": fresh}))
    return seen


async def read_network(ask: ReadNetwork) -> NetworkSeen:
    """Read a virtual network's peerings, and the cards in it."""
    try:
        peered = await list_peered(ask.network)
    except Missing:
        return NetworkSeen(found=False)
    return NetworkSeen(found=True, peered=tuple(peered), cards=tuple(await list_cards(ask.network)))


async def read_room(network: str) -> Room:
    """Read the subnets of a virtual network; a subnet has one prefix, or a list of them."""
    try:
        found = await read_resource(network, NETWORK_API)
    except Missing:
        return Room(found=False)
    subnets = part(found, "properties").get("subnets") or ()
    return Room(
        found=True, subnets={text(one.get("name")).lower(): _prefixes(part(one, "properties")) for one in subnets}
    )


async def look_into(networks: Sequence[str]) -> tuple[dict[str, Room], dict[str, SiteRecoveryError]]:
    """Networks by their ids in lower case; and why others cannot be read, often because the app has no rights there."""

    async def look(network: str) -> Room | SiteRecoveryError:
        try:
            return await read_room(network)
        except SiteRecoveryError as failure:
            return failure

    read = dict(zip(networks, await each(networks, look), strict=True))
    rooms = {network.lower(): room for network, room in read.items() if isinstance(room, Room)}
    return rooms, {network: why for network, why in read.items() if not isinstance(why, Room)}


def _prefixes(properties: Json) -> tuple[str, ...]:
    one = properties.get("addressPrefix")
    return (text(one),) if one else tuple(text(prefix) for prefix in properties.get("addressPrefixes") or ())
