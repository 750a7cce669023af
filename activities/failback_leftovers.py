"""What a failover made in Azure: what hangs on a machine, what of it is left once that is given up, and its removal."""

from shared.activity import Nothing
from shared.azure import arm
from shared.azure.arm import COMPUTE_API, NETWORK_API, read_resource
from shared.azure.errors import Missing
from shared.azure.json_fields import Json, part, text, utc
from shared.azure.resource_groups import list_group
from shared.concurrency import each
from shared.failback.leftovers import (
    Belonging,
    BelongingsRead,
    Leftover,
    LeftoversRead,
    ReadBelongings,
    ReadLeftovers,
    RemoveLeftovers,
    may_go,
)
from shared.recovery.drill import mark
from shared.request_ids import client_request_id

CARD, DISK = "microsoft.network/networkinterfaces", "microsoft.compute/disks"
_APIS = {CARD: NETWORK_API, DISK: "2024-03-02"}


async def read_belongings(ask: ReadBelongings) -> BelongingsRead:
    """Read what hangs on each machine."""
    found = await each(ask.machines, _ids_of)
    marks = {one.vm: tuple(mark(arm_id) for arm_id in ids) for one, ids in zip(ask.machines, found, strict=True)}
    return BelongingsRead(marks=marks)


async def _ids_of(machine: Belonging) -> list[str]:
    path = f"{machine.target_group}/providers/Microsoft.Compute/virtualMachines/{machine.azure_vm}"
    try:
        found = await read_resource(path, COMPUTE_API)
    except Missing:
        return []
    storage = part(found, "properties", "storageProfile")
    disks = [part(storage, "osDisk"), *(storage.get("dataDisks") or ())]
    cards = [card["id"] for card in part(found, "properties", "networkProfile").get("networkInterfaces") or ()]
    addresses = [address for card in cards for address in await _addresses_of(card)]
    managed = [text(part(disk, "managedDisk").get("id")) for disk in disks]
    return [found["id"], *filter(None, managed), *cards, *addresses]


async def _addresses_of(card: str) -> list[str]:
    try:
        found = await read_resource(card, NETWORK_API)
    except Missing:
        return []
    inside = part(found, "properties").get("ipConfigurations") or ()
    ids = (text(part(one, "properties", "publicIPAddress").get("id")) for one in inside)
    return [arm_id for arm_id in ids if arm_id]


async def read_leftovers(ask: ReadLeftovers) -> LeftoversRead:
    """See what of these things is still there, and whether it hangs on anything.

    Source: the list of a group tells createdTime where it is asked to.
    """
    wanted = frozenset(ask.marks)
    listed = [one for group in ask.groups for one in (await list_group(group, expand="createdTime"))[0]]
    seen = await each([one for one in listed if mark(one["id"]) in wanted], _leftover)
    return LeftoversRead(left=tuple(one for one in seen if one))


async def _leftover(resource: Json) -> Leftover | None:
    kind = text(resource.get("type"))
    try:
        loose = await _is_loose(resource, kind.lower())
    except Missing:
        return None
    return Leftover(id=resource["id"], type=kind, loose=loose, created=utc(resource.get("createdTime")))


async def _is_loose(resource: Json, kind: str) -> bool:
    if kind == DISK:
        return not resource.get("managedBy")
    if kind != CARD:
        return False
    found = await read_resource(resource["id"], NETWORK_API)
    return not part(found, "properties", "virtualMachine").get("id")


async def remove_leftovers(ask: RemoveLeftovers) -> Nothing:
    """Remove what may go, seen again before; what is gone, or hangs on something again, is left alone."""
    seen = (await read_leftovers(ReadLeftovers(groups=ask.groups, marks=ask.marks))).left
    for thing in seen:
        if may_go(thing, ask.since):
            request = client_request_id(ask.operation, thing.id, "remove", 1)
            await arm.delete(thing.id, _APIS[thing.type.lower()], request)
    return Nothing()
