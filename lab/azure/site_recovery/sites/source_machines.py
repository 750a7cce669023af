"""Hyper-V machines of a site, which Site Recovery lists as protectable items."""

import base64
import uuid
from collections.abc import Callable
from typing import Any

from lab.azure.arm.paging import paged_answer
from lab.azure.simulator.answers import Answer, ArmError, Json, bad_request
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import (
    CONTAINER,
    CONTAINERS,
    ITEMS,
    MACHINES,
    PROVIDERS,
    SITE_RECOVERY,
    require_record,
    type_of,
)
from lab.azure.site_recovery.api.crud import serve_get
from lab.azure.site_recovery.api.filters import parse_filter

_SEGMENT = "replicationProtectableItems"
_PROVIDERS_SEGMENT = "replicationRecoveryServicesProviders"
_DISK_IN_MB = 40960


def add_machine(lab: Lab, container: Json, name: str, provider: Json, settings: Json) -> Json:
    """Add a machine that runs on the node of `provider`.

    Args:
        lab: The lab.
        container: Where it is listed.
        name: Its name on the host.
        provider: Of the node that owns it.
        settings: {osType?, generation?, cpus?, memoryInMb?, disks?, ports?, testAddress?, address?}: what the scenario
            says of it; `ports` are those that it listens on when it runs in Azure.
    """
    guid = lab.fixed_id("vm", container["id"], name)
    disks = [_new_disk(lab, guid, name, index) for index in range(settings.get("disks", 1))]
    machine = {
        "id": f"{container['id']}/{_SEGMENT}/{guid}",
        "name": guid,
        "friendlyName": name,
        "container": container["id"],
        "provider": provider["id"],
        "node": provider["node"],
        "osType": settings.get("osType", "Windows"),
        "generation": settings.get("generation", "2"),
        "cpus": settings.get("cpus", 2),
        "memoryInMb": settings.get("memoryInMb", 4096),
        "disks": disks,
        "ports": settings.get("ports", []),
        "testAddress": settings.get("testAddress"),
        "address": settings.get("address"),
        "nicId": _nic_id(guid),
        "power": "On",
        "corrupt": False,
        "snapshots": 0,
        "present": True,
        "fileGb": _DISK_IN_MB / 1024,
        "diskError": "",
        "item": None,
    }
    return lab.store.put(MACHINES, machine["id"], machine)


def _new_disk(lab: Lab, guid: str, name: str, index: int) -> Json:
    vhd_id = lab.fixed_id("vhd", guid, str(index))
    return {"name": f"{name}-{index}" if index else name, "vhdId": vhd_id, "mb": _DISK_IN_MB}


def resize_machine(lab: Lab, name: str, disks: int | None, sizes_in_gb: list[float] | None) -> None:
    """Give the machines of a name so many disks, of these sizes; their replicas stay as they are."""
    for machine in [each for each in lab.store.all(MACHINES) if each["friendlyName"].lower() == name.lower()]:
        wanted = disks or (len(sizes_in_gb) if sizes_in_gb else len(machine["disks"]))
        kept = machine["disks"][:wanted]
        added = [_new_disk(lab, machine["name"], machine["friendlyName"], at) for at in range(len(kept), wanted)]
        for disk, size in zip([*kept, *added], sizes_in_gb or (), strict=False):
            disk["mb"] = int(size * 1024)
        lab.store.put(MACHINES, machine["id"], machine | {"disks": [*kept, *added]})


def _nic_id(guid: str) -> str:
    """As Hyper-V names adapters: base64 of "Microsoft:<machine>\\<adapter>"."""
    adapter = str(uuid.uuid5(uuid.NAMESPACE_URL, f"nic/{guid}"))
    return base64.b64encode(f"Microsoft:{guid}\\{adapter}".upper().replace("MICROSOFT", "Microsoft").encode()).decode()


def machine_of_item(lab: Lab, item: Json) -> Json:
    """The machine that an item protects."""
    machine = lab.store.get(MACHINES, item["machine"])
    if machine is None:
        raise LookupError(f"{item['id']} has no machine")
    return machine


def set_power(lab: Lab, item: Json, power: str) -> None:
    """Turn the source machine "On" or "Off"."""
    machine = machine_of_item(lab, item)
    machine["power"] = power
    lab.store.put(MACHINES, machine["id"], machine)


def list_summaries(lab: Lab) -> list[Json]:
    """Every machine on premises, with what no call to Azure shows."""
    fields = ("node", "power", "corrupt", "snapshots", "present")
    return [{"name": each["friendlyName"]} | {key: each[key] for key in fields} for each in lab.store.all(MACHINES)]


def change_machine(lab: Lab, name: str, changes: Json) -> None:
    """Change the machines of a name, as a person on premises would.

    Args:
        lab: The lab.
        name: The machine's name.
        changes: {power: "On" | "Off", snapshots: how many checkpoints, present: false for one that was deleted, node,
            fileGb: how large the file of each disk is, diskError: why the last disk cannot be read, "" when it can}.

    Raises:
        ArmError: 400 for what cannot be changed, 404 for a machine that there is not.
    """
    found = [each for each in lab.store.all(MACHINES) if each["friendlyName"].lower() == name.lower()]
    if not found:
        raise ArmError(404, "NotInTheWorld", f"There is no machine called {name} on premises.")
    for key, value in changes.items():
        if key not in _SETTABLE or not _SETTABLE[key](value):
            raise bad_request(
                "InvalidWorld", f"{key} of a source cannot be {value!r}; what can: {', '.join(_SETTABLE)}"
            )
    for machine in found:
        moved = machine | changes
        if "node" in changes:
            moved |= _follow_owner(lab, machine, changes["node"])
        lab.store.put(MACHINES, machine["id"], moved)


def _follow_owner(lab: Lab, machine: Json, node: str) -> Json:
    """Let a machine that moved to another node be replicated from there, if that one is registered in the same site.

    Source: documented: a live migration within the cluster keeps replication; the provider is that of the host that
    owns the machine.
    """
    site = machine["provider"].partition(f"/{_PROVIDERS_SEGMENT}/")[0]
    owner = next((one for one in lab.store.all(PROVIDERS, site) if one["node"].lower() == node.lower()), None)
    if owner is None:
        return {}
    if item := lab.store.get(ITEMS, machine["item"]) if machine["item"] else None:
        lab.store.put(ITEMS, item["id"], item | {"provider": owner["id"]})
    return {"provider": owner["id"]}


_SETTABLE: dict[str, Callable[[Any], bool]] = {
    "power": lambda value: value in ("On", "Off"),
    "snapshots": lambda value: isinstance(value, int) and value >= 0,
    "present": lambda value: isinstance(value, bool),
    "node": lambda value: isinstance(value, str),
    "diskError": lambda value: isinstance(value, str),
    "fileGb": lambda value: isinstance(value, int | float) and value >= 0,
}


def machine_document(lab: Lab, machine: Json) -> Json:
    """A machine as a protectable item."""
    item = lab.store.get(ITEMS, machine["item"]) if machine["item"] else None
    disks = [
        {
            "maxSizeMB": disk["mb"],
            "vhdType": "Data",
            "vhdId": disk["vhdId"],
            "vhdName": disk["name"],
        }  # also the system's
        for disk in machine["disks"]
    ]
    return {
        "id": machine["id"],
        "name": machine["name"],
        "type": type_of(machine["id"]),
        "properties": {
            "friendlyName": machine["friendlyName"],
            "protectionStatus": "Protected" if item else "Unprotected",
            "replicationProtectedItemId": item["id"] if item else None,
            "recoveryServicesProviderId": machine["provider"],
            "protectionReadinessErrors": [],
            "supportedReplicationProviders": ["HyperVReplicaAzure"],
            "customDetails": {
                "instanceType": "HyperVVirtualMachine",
                "sourceItemId": machine["name"],
                "generation": machine["generation"],
                "osDetails": None,
                "diskDetails": disks,
                "hasPhysicalDisk": "NotPresent",
                "hasFibreChannelAdapter": "NotPresent",
                "hasSharedVhd": "Unknown",
                "hyperVHostId": machine["node"],
            },
        },
    }


_KEYS = {
    "friendlyname": lambda machine, value: machine["friendlyName"].lower() == value.lower(),
    "protectionstatus": lambda machine, value: (value.lower() == "protected") == bool(machine["item"]),
}


@SITE_RECOVERY.route("GET", CONTAINER + "/replicationProtectableItems")
def list_machines(lab: Lab, request: ArmRequest) -> Answer:
    """Protectable items of a container: the page with the last of them links to one that is empty."""
    container = require_record(lab, request, CONTAINERS, "replicationProtectionContainers")
    test = parse_filter(request.query.get("$filter"), _KEYS)
    found = [machine for machine in lab.store.all(MACHINES, container["id"]) if machine["present"] and test(machine)]
    size = int(request.query.get("$take") or 100)
    return paged_answer(request, [machine_document(lab, machine) for machine in found], size, empty_tail=True)


serve_get(CONTAINER + "/replicationProtectableItems/{machine}", MACHINES, machine_document)
