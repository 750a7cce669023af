"""`bare`: a registered cluster and the groups and networks around it; no vault, no extension: to onboard."""

from typing import Any

from lab.scenarios import common


def build(vms: int, clusters: int) -> dict[str, Any]:  # noqa: ARG001 - one size only
    """The scenario."""
    nodes = [{"name": f"hci-01-n{number}", "extension": None} for number in (1, 2, 3)]
    return {
        "name": "bare",
        "groups": ["rg-hci", "rg-hci-arc", "rg-dr", common.TARGET_GROUP, common.NETWORK_GROUP],
        "networks": common.NETWORKS,
        "storage": [],
        "clusters": [{"name": "hci-01", "group": "rg-hci", "nodesGroup": "rg-hci-arc", "nodes": nodes, "vault": None}],
        "vaults": [],
        "documents": {"sites": {}, "plans": {}},
    }
