"""`bare`: a registered cluster with its VMs, and a production network in Azure; no vault, no extension: to onboard."""

from typing import Any

from lab.scenarios import common

NODES = ["hci-01-n1", "hci-01-n2", "hci-01-n3"]
MACHINES = {
    "dc-01": ("hci-01-n1", 7389, 1),
    "sql-01": ("hci-01-n1", 7433, 3),
    "app-01": ("hci-01-n2", 7808, 1),
    "app-02": ("hci-01-n3", 7808, 1),
    "web-01": ("hci-01-n2", 7880, 1),
    "web-02": ("hci-01-n3", 7880, 1),
}
"""Name: the node that owns the VM, the TCP port that answers in it, and how many disks it has."""


def build_scenario(vms: int, clusters: int, of_nodes: int) -> dict[str, Any]:  # noqa: ARG001 - one cluster only
    """The scenario: six machines of one application, or `vms` alike."""
    nodes = [{"name": node, "extension": None} for node in NODES]
    cluster = {"name": "hci-01", "group": "rg-hci", "nodesGroup": "rg-hci-arc", "nodes": nodes, "vault": None}
    numbered = [{"name": f"vm-{at + 1:04d}", "node": NODES[at % len(NODES)], "ports": []} for at in range(vms)]
    return {
        "name": "bare",
        "productMakesGroups": True,
        "groups": ["rg-hci", "rg-hci-arc", common.NETWORK_GROUP],
        "networks": common.NETWORKS[:1],
        "storage": [],
        "clusters": [cluster | {"machines": numbered or _named_machines()}],
        "vaults": [],
        "documents": {"sites": {}, "plans": {}},
    }


def _named_machines() -> list[dict[str, Any]]:
    return [
        {"name": name, "node": node, "ports": [port], "disks": disks} for name, (node, port, disks) in MACHINES.items()
    ]
