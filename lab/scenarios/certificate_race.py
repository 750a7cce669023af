"""`certificate-race`: the nodes of each cluster all install the ASR extension at once, and one of them registers."""

from typing import Any

from lab.scenarios import common
from lab.scenarios.fleet import vault_of


def build_scenario(vms: int, clusters: int, of_nodes: int) -> dict[str, Any]:  # noqa: ARG001 - no machine is protected yet
    """The scenario: `clusters` clusters (1 if 0) of `of_nodes` nodes (16 if 0); installation begins at the reset."""
    names = [f"hci-{number:02d}" for number in range(1, (clusters or 1) + 1)]
    size = of_nodes or 16
    return {
        "name": "certificate-race",
        "groups": ["rg-hci", "rg-hci-arc", "rg-dr", common.TARGET_GROUP, common.NETWORK_GROUP],
        "networks": common.NETWORKS,
        "storage": [{"group": "rg-dr", "name": "stdrcache"}],
        "clusters": [_cluster_settings(name, size) for name in names],
        "vaults": [_vault_settings(name, size) for name in names],
        "documents": {
            "sites": {name: common.site_document(name, vault_of(name), f"{name}-site") for name in names},
            "plans": {},
        },
    }


def _node_names(cluster: str, size: int) -> list[str]:
    return [f"{cluster}-n{number:02d}" for number in range(1, size + 1)]


def _cluster_settings(name: str, size: int) -> dict[str, Any]:
    nodes = [{"name": node, "extension": "Installing"} for node in _node_names(name, size)]
    return {"name": name, "group": "rg-hci", "nodesGroup": "rg-hci-arc", "nodes": nodes, "vault": vault_of(name)}


def _vault_settings(cluster: str, size: int) -> dict[str, Any]:
    return {
        "group": "rg-dr",
        "vault": vault_of(cluster),
        "site": f"{cluster}-site",
        "policy": common.POLICY,
        "nodes": [{"name": node, "registered": False} for node in _node_names(cluster, size)],
        "target": common.recovery_target("stdrcache"),
        "machines": [],
    }
