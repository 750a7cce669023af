"""What is really there: the resource groups that drills work in, and the networks that they must stay in."""

from activities.contract import NetworkSeen, ReadNetwork, TakeInventory
from shared.azure.faults import Missing
from shared.azure.groups import list_cards, list_peered, take_stock
from shared.azure.packs import packs
from shared.evidence.records import canonical
from shared.inventory import Inventory


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
