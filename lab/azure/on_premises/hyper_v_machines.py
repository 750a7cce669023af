"""The Hyper-V machines that run on the nodes of a cluster, as their nodes know them: before any vault does."""

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab

KIND = "hyperv-vm"


def add_machine(lab: Lab, cluster_id: str, node: str, settings: Json) -> Json:
    """Let a machine run on a node.

    Args:
        lab: The lab.
        cluster_id: ARM id of the node's cluster.
        node: The node's name.
        settings: {name, osType?, generation?, cpus?, memoryInMb?, disks?, ports?, testAddress?, address?,
            highlyAvailable?, guest?, diskSizesGb?, diskKind?, diskError?, fibreChannel?, guestAgent?}, as a
            scenario says it; `guestAgent` is the version of the Azure VM agent in it, none by default.
    """
    machine = {"highlyAvailable": True} | settings | {"node": node, "cluster": cluster_id}
    return lab.store.put(KIND, f"{cluster_id}/vms/{settings['name']}", machine)


def agent_version_of(lab: Lab, name: str) -> str:
    """The version of the Azure VM agent in a machine; empty where none is installed."""
    named = (machine for machine in lab.store.all(KIND) if machine["name"].lower() == name.lower())
    return next((str(machine.get("guestAgent", "")) for machine in named), "")


def machines_of_node(lab: Lab, node: str) -> list[Json]:
    """The machines that run on a node, in the order in which they were made."""
    return [machine for machine in lab.store.all(KIND) if machine["node"].lower() == node.lower()]
