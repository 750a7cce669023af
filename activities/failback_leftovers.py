"""What a failover made in Azure: what hangs on a machine, what of it is left once that is given up, and its removal."""

from shared.activity import Nothing
from shared.azure import arm
from shared.azure.api_versions import COMPUTE_API, DISKS_API, NETWORK_API
from shared.azure.arm import read_resource
from shared.azure.errors import unless_missing
from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.azure.resource_groups import list_resources
from shared.concurrency import map_concurrently
from shared.failback.leftovers import (
    FailoverVm,
    Leftover,
    LeftoversRead,
    ReadLeftovers,
    ReadVmResources,
    RemoveLeftovers,
    VmResourcesRead,
    is_removable,
)
from shared.recovery.drill import mark_of
from shared.request_ids import client_request_id

NETWORK_CARD, DISK = "microsoft.network/networkinterfaces", "microsoft.compute/disks"
_API_VERSIONS = {NETWORK_CARD: NETWORK_API, DISK: DISKS_API}


async def read_vm_resources(request: ReadVmResources) -> VmResourcesRead:
    """Read what hangs on each machine."""
    found = await map_concurrently(request.machines, _vm_resource_ids_of)
    marks = {one.vm: tuple(mark_of(arm_id) for arm_id in ids) for one, ids in zip(request.machines, found, strict=True)}
    return VmResourcesRead(marks=marks)


async def _vm_resource_ids_of(machine: FailoverVm) -> list[str]:
    path = f"{machine.target_group}/providers/Microsoft.Compute/virtualMachines/{machine.azure_vm}"
    azure_vm = await unless_missing(read_resource(path, COMPUTE_API))
    if azure_vm is None:
        return []
    storage = object_at(azure_vm, "properties", "storageProfile")
    disks = [object_at(storage, "osDisk"), *(storage.get("dataDisks") or ())]
    cards = [card["id"] for card in object_at(azure_vm, "properties", "networkProfile").get("networkInterfaces") or ()]
    addresses = [address for card in cards for address in await _public_address_ids_of(card)]
    managed = [text_of(object_at(disk, "managedDisk").get("id")) for disk in disks]
    return [azure_vm["id"], *filter(None, managed), *cards, *addresses]


async def _public_address_ids_of(card: str) -> list[str]:
    found = await unless_missing(read_resource(card, NETWORK_API))
    ip_configurations = object_at(found, "properties").get("ipConfigurations") or ()
    ids = (text_of(object_at(one, "properties", "publicIPAddress").get("id")) for one in ip_configurations)
    return [arm_id for arm_id in ids if arm_id]


async def read_leftovers(request: ReadLeftovers) -> LeftoversRead:
    """See what of these things is still there, and whether it hangs on anything.

    Source: the list of a group shows createdTime where it is asked for.
    """
    wanted_marks = frozenset(request.marks)
    resources = [one for group in request.groups for one in (await list_resources(group, expand="createdTime"))[0]]
    leftovers = await map_concurrently([one for one in resources if mark_of(one["id"]) in wanted_marks], _leftover_of)
    return LeftoversRead(leftovers=tuple(one for one in leftovers if one))


async def _leftover_of(resource: Json) -> Leftover | None:
    kind = text_of(resource.get("type"))
    loose, created = await unless_missing(_is_loose(resource, kind.lower())), parse_utc(resource.get("createdTime"))
    return None if loose is None else Leftover(id=resource["id"], type=kind, loose=loose, created=created)


async def _is_loose(resource: Json, kind: str) -> bool:
    if kind == DISK:
        return not resource.get("managedBy")
    if kind != NETWORK_CARD:
        return False
    found = await read_resource(resource["id"], NETWORK_API)
    return not object_at(found, "properties", "virtualMachine").get("id")


async def remove_leftovers(request: RemoveLeftovers) -> Nothing:
    """Remove what may go, seen again before; what is gone, or hangs on something again, is left alone."""
    leftovers = (await read_leftovers(ReadLeftovers(groups=request.groups, marks=request.marks))).leftovers
    for leftover in leftovers:
        if is_removable(leftover, request.since):
            request_id = client_request_id(request.operation, leftover.id, "remove", 1)
            await arm.delete_resource(leftover.id, _API_VERSIONS[leftover.type.lower()], request_id)
    return Nothing()
