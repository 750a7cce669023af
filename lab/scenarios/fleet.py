"""`fleet`: many VMs over many healthy clusters, one vault a cluster, and one plan over all of them."""

from typing import Any

from lab.scenarios import common

TIERS = ((1, "dc"), (9, "sql"), (40, "app"), (50, "web"))
"""Share of each tier in percent, from the first to be up to the last."""


def build_scenario(vms: int, clusters: int, of_nodes: int) -> dict[str, Any]:  # noqa: ARG001 - three nodes a cluster
    """The scenario: `vms` machines (100 if 0) spread over `clusters` clusters (1 if 0)."""
    vms, clusters = vms or 100, clusters or 1
    names = [f"hci-{number:02d}" for number in range(1, clusters + 1)]
    homes = [(f"vm-{number:04d}", names[(number - 1) % clusters]) for number in range(1, vms + 1)]
    return {
        "name": "fleet",
        "groups": ["rg-hci", "rg-hci-arc", "rg-dr", common.TARGET_GROUP, common.NETWORK_GROUP],
        "networks": common.NETWORKS,
        "storage": [{"group": "rg-dr", "name": "stdrcache"}],
        "clusters": [_cluster_settings(name, vault_of(name)) for name in names],
        "vaults": [_vault_settings(name, [vm for vm, home in homes if home == name]) for name in names],
        "documents": {
            "sites": {name: common.site_document(name, vault_of(name), f"{name}-site") for name in names},
            "plans": {"fleet": _plan_document(homes)},
        },
    }


def vault_of(cluster: str) -> str:
    """The vault of a cluster: "vault-dr" for the first, then "vault-dr-02" and so on."""
    number = cluster.rpartition("-")[2]
    return "vault-dr" if number == "01" else f"vault-dr-{number}"


def _node_names(cluster: str) -> list[str]:
    return [f"{cluster}-n{number}" for number in (1, 2, 3)]


def _cluster_settings(name: str, vault: str) -> dict[str, Any]:
    nodes = [{"name": node, "extension": "Succeeded"} for node in _node_names(name)]
    return {"name": name, "group": "rg-hci", "nodesGroup": "rg-hci-arc", "nodes": nodes, "vault": vault}


def _vault_settings(cluster: str, vms: list[str]) -> dict[str, Any]:
    nodes = _node_names(cluster)
    return {
        "group": "rg-dr",
        "vault": vault_of(cluster),
        "site": f"{cluster}-site",
        "policy": common.POLICY,
        "nodes": [{"name": node} for node in nodes],
        "target": common.recovery_target("stdrcache"),
        "machines": [{"name": vm, "node": nodes[at % 3], "ports": []} for at, vm in enumerate(vms)],
    }


def split_tiers(vms: list[str]) -> list[list[str]]:
    """The machines by tier, first to be up first; every tier has at least one while there are machines."""
    cut: list[list[str]] = []
    begin = 0
    for share, _ in TIERS:
        end = min(len(vms), begin + max(1, round(len(vms) * share / 100)))
        cut.append(vms[begin:end])
        begin = end
    cut[-1] += vms[begin:]
    return [tier for tier in cut if tier]


def _plan_document(homes: list[tuple[str, str]]) -> dict[str, Any]:
    home = dict(homes)
    layers = split_tiers([vm for vm, _ in homes])
    items = []
    for depth, layer in enumerate(layers):
        for at, vm in enumerate(layer):
            before = layers[depth - 1] if depth else []
            items.append({"vm": vm, "after": [before[at % len(before)]] if before else [], "site": home[vm]})
    return {
        "site": homes[0][1],
        "items": items,
        "drill": {"network": common.network_id("vnet-drill")},
        "commit": "manual",
    }
