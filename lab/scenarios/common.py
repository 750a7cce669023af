"""The names that every scenario shares, and ids made of them."""

from typing import Any

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
LOCATION = "westeurope"
POLICY = "policy-24h"
TEAMS_URL = "{lab}/inbox/teams/kv-dr/teams-url?api-version=2016-06-01&sv=1.0&sig=only-who-has-this-may-post"
"""The address of a workflow; {lab} is where the lab is."""
TARGET_GROUP = "rg-dr-vms"
NETWORK_GROUP = "rg-dr-net"
NETWORKS = [
    {"group": NETWORK_GROUP, "name": "vnet-dr", "prefix": "10.10", "subnets": ["apps"]},
    {"group": NETWORK_GROUP, "name": "vnet-drill", "prefix": "10.20", "subnets": ["apps"]},
]


def group_id(name: str) -> str:
    """The id of a resource group."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"


def network_id(name: str) -> str:
    """The id of a virtual network."""
    return f"{group_id(NETWORK_GROUP)}/providers/Microsoft.Network/virtualNetworks/{name}"


def vault_id(name: str, in_group: str) -> str:
    """The id of a vault."""
    return f"{group_id(in_group)}/providers/Microsoft.RecoveryServices/vaults/{name}"


def cluster_id(name: str, in_group: str) -> str:
    """The id of a cluster."""
    return f"{group_id(in_group)}/providers/Microsoft.AzureStackHCI/clusters/{name}"


def recovery_target(storage: str) -> dict[str, Any]:
    """Where failed-over machines go."""
    account = f"{group_id('rg-dr')}/providers/Microsoft.Storage/storageAccounts/{storage}"
    return {
        "resourceGroup": group_id(TARGET_GROUP),
        "network": network_id("vnet-dr"),
        "subnet": "apps",
        "storageAccount": account,
    }


def site_document(cluster_name: str, vault_name: str, hyper_v_site: str) -> dict[str, Any]:
    """The document that declares a site to the product."""
    return {
        "cluster": cluster_id(cluster_name, "rg-hci"),
        "vault": vault_id(vault_name, "rg-dr"),
        "hyperVSite": hyper_v_site,
        "policy": POLICY,
        "targetResourceGroup": group_id(TARGET_GROUP),
        "network": network_id("vnet-dr"),
        "subnet": "apps",
        "region": LOCATION,
    }
