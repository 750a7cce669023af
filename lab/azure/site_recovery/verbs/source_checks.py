"""What a failback needs of the machine on premises, and of the host that is to have it.

Documented: no snapshots, and the machine off; one that is gone is made again only with CreateVmIfNotFound, on the host
whose provider providerIdForAlternateRecovery names by its ARM id (as Azure PowerShell sends it). Inferred: that the
job fails in its first task where something is missing, with 539, and how the provider words it.
"""

from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import MACHINES, PROVIDERS
from lab.azure.site_recovery.sites.source_machines import machine_of_item

_MB_IN_GB = 1024


def find_obstacle(lab: Lab, item: Json, given: Json) -> str | None:
    """Why the provider cannot fail the machine back; None when it can."""
    machine, host = machine_of_item(lab, item), host_of(lab, item, given)
    if host is None or host["fabric"] != item["fabric"]:
        return "The provider for alternate recovery isn't registered with the Hyper-V site of the virtual machine."
    if not machine["present"]:
        return _cannot_make(lab, machine, host, given)
    if given.get("provider") and machine["node"] != host["node"]:
        return f"A virtual machine of that name is on host '{machine['node']}' of the same cluster."
    if machine["power"] != "Off":
        return "The virtual machine is running on premises. It must be turned off during failback."
    if machine["snapshots"]:
        return "The virtual machine has checkpoints. Failback isn't possible with snapshots."
    grows = sum(max(disk["mb"] / _MB_IN_GB - machine["fileGb"], 0) for disk in machine["disks"])
    return _no_room(lab, host["node"] if given.get("provider") else machine["node"], grows)


def _cannot_make(lab: Lab, machine: Json, host: Json, given: Json) -> str | None:
    if given["create"] == "NoAction":
        return "The virtual machine couldn't be found on the host."
    return _no_room(lab, host["node"], sum(disk["mb"] for disk in machine["disks"]) / _MB_IN_GB)


def _no_room(lab: Lab, node: str, needed: float) -> str | None:
    free = next((each["freeGb"] for each in lab.store.all(nodes.KIND) if each["name"] == node), needed)
    return f"There is not enough space on the disk of '{node}' (0x80070070)." if free < needed else None


def host_of(lab: Lab, item: Json, given: Json) -> Json | None:
    """The provider of the host that gets the machine: the one that was asked for, else its own."""
    wanted = str(given.get("provider") or item["provider"]).lower()
    return next((each for each in lab.store.all(PROVIDERS) if each["id"].lower() == wanted), None)


def bring_home(lab: Lab, item: Json, given: Json) -> None:
    """The machine runs on premises, made again on its host if it was deleted."""
    machine, host = machine_of_item(lab, item), host_of(lab, item, given)
    if not machine["present"] and host:
        item["provider"] = host["id"]
        machine |= {"present": True, "snapshots": 0, "node": host["node"], "provider": host["id"]}
    machine |= {"power": "On", "corrupt": False}
    lab.store.put(MACHINES, machine["id"], machine)
