"""A site against which nothing stands, to be spoilt by tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.onboarding.preflight.azure_rights import BLOB_CONTRIBUTOR, CONTRIBUTOR
from shared.onboarding.preflight.facts import (
    AccountFacts,
    AzureFacts,
    ClusterFacts,
    DiskFacts,
    HostFacts,
    MachineFacts,
    NetworkFacts,
    NodeFacts,
    QuotaFacts,
    RightsFacts,
    SiteFacts,
    VaultFacts,
)
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView
from tests.shared.samples import ISOLATED, SUBSCRIPTION, site

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
N1, N2 = "hci-01-n1", "hci-01-n2"
CACHE = f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts/stdrcache"
REGISTRATION = {"ResourceName": "vault-dr", "SiteName": "hci-01-site", "SRSUri": "https://srs.example"}
SETTINGS = {
    "recoveryPointHistoryDurationInHours": 24,
    "applicationConsistentSnapshotFrequencyInHours": 4,
    "replicationInterval": 300,
}
OWNER = RightsFacts(scope="/s", granted=((("*",), ()),))


def machine(name: str = "sql-01", **changes: Any) -> MachineFacts:
    usual = {"node": N1, "guest": "Windows Server 2022 Datacenter", "cpus": 4, "disks": (DiskFacts(size_gb=100),)}
    return MachineFacts.model_validate({"name": name, **usual, **changes})


def host(name: str, *machines: MachineFacts, **changes: Any) -> HostFacts:
    usual = {"os_version": "10.0.20349.2582", "hyper_v": True, "registration": REGISTRATION}
    reached = {"https://login.microsoftonline.com": True}
    return HostFacts.model_validate({"node": name, **usual, "reached": reached, "machines": machines, **changes})


def node(name: str, **changes: Any) -> NodeFacts:
    usual = {"id": f"/machines/{name}", "name": name, "status": "Connected", "agent_version": "1.52.03039.2243"}
    extension = ExtensionView(id=f"/machines/{name}/e", name="AzureSiteRecovery", provisioning_state="Succeeded")
    return NodeFacts.model_validate({**usual, "os_version": "10.0.20349.2582", "extension": extension, **changes})


def cluster(**changes: Any) -> ClusterFacts:
    usual = {"location": "westeurope", "status": "ConnectedRecently", "connectivity": "Connected", "principal": "c-id"}
    return ClusterFacts.model_validate({**usual, "version": "10.0.20349.2582", "nodes": (N1, N2), **changes})


def account(**changes: Any) -> AccountFacts:
    usual = {"location": "westeurope", "kind": "StorageV2", "sku": "Standard_LRS"}
    return AccountFacts.model_validate({**usual, "vault_roles": (CONTRIBUTOR, BLOB_CONTRIBUTOR), **changes})


def provider(name: str, **changes: Any) -> ProviderView:
    return ProviderView.model_validate(
        {
            "id": f"/providers/{name}",
            "host": name,
            "connected": True,
            "heartbeat": NOW - timedelta(minutes=5),
            **changes,
        }
    )


def vault(**changes: Any) -> VaultFacts:
    usual = {"location": "westeurope", "cluster_roles": (CONTRIBUTOR,), "site_exists": True, "policy": SETTINGS}
    return VaultFacts.model_validate(
        {**usual, "associated": True, "hosts": (provider(N1), provider(N2)), "principal": "v-id", **changes}
    )


def azure(**changes: Any) -> AzureFacts:
    usual = {
        "at": NOW,
        "cluster": cluster(),
        "nodes": (node(N1), node(N2)),
        "rights_vault": OWNER,
        "rights_cluster": OWNER,
        "rights_nodes": OWNER,
        "rights_target": OWNER,
        "vault": vault(),
        "account": account(),
        "network": NetworkFacts(location="westeurope", subnets=("apps",)),
        "drill_network": NetworkFacts(location="westeurope", subnets=("apps",)),
        "target_group": f"{SUBSCRIPTION}/resourceGroups/rg-dr-vms",
        "quota": QuotaFacts(used=0, limit=100),
    }
    return AzureFacts.model_validate({**usual, **changes})


USUAL: dict[str, Any] = {
    "policy": {"name": "policy-24h"},
    "cacheStorage": CACHE,
    "drillNetwork": {"network": ISOLATED},
    "capacity": {"linkMbps": 1000, "defaultChurn": 0.5},
    "vms": ["sql-01", "web-01"],
}


def seen(
    facts: AzureFacts | None = None,
    hosts: dict[str, HostFacts] | None = None,
    unread: dict[str, str] | None = None,
    **declared: Any,
) -> SiteFacts:
    usual = {N1: host(N1, machine("sql-01")), N2: host(N2, machine("web-01", node=N2))}
    return SiteFacts(site(**{**USUAL, **declared}), facts or azure(), usual if hosts is None else hosts, unread or {})


def with_machine(**changes: Any) -> SiteFacts:
    """The usual site, whose sql-01 is something else."""
    return seen(hosts={N1: host(N1, machine("sql-01", **changes), machine("web-01"))})
