"""What is other than declared."""

from datetime import timedelta
from typing import Any

import pytest

from shared.onboarding.drift import SiteVms, find_drift
from shared.onboarding.preflight.azure_rights import CONTRIBUTOR
from shared.onboarding.preflight.facts import AzureFacts, NetworkFacts
from shared.replication.coverage import VaultVms
from shared.replication.settings import ReplicatedItem
from shared.site_recovery.views import ItemView
from shared.sites.cluster_vms import ClusterVm, ClusterVms
from tests.shared.preflight.samples import N1, N2, NOW, SETTINGS, USUAL, account, azure, cluster, node, provider, vault
from tests.shared.samples import SUBSCRIPTION, site, view

GROUP = f"{SUBSCRIPTION}/resourceGroups/rg-dr-vms"
ITEMS = (view("sql-01", target_group=GROUP.upper()), view("WEB-01", target_group=GROUP))


def told(facts: AzureFacts | None = None, items: tuple[ItemView, ...] = ITEMS) -> list[tuple[str, str]]:
    return [(one.part, one.found) for one in find_drift(site(**USUAL), facts or azure(), SiteVms(items))]


def test_a_site_that_is_as_declared_has_no_drift() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "what", "found"),
    [
        ({"cluster": None}, "cluster", "nothing"),
        ({"cluster": cluster(location="eastus")}, "region", "the cluster is in eastus"),
        ({"target_group": ""}, "targetResourceGroup", "nothing"),
        ({"vault": vault(location="eastus")}, "region", "the vault is in eastus"),
        ({"vault": vault(site_exists=False)}, "hyperVSite", "nothing"),
        ({"vault": vault(cluster_roles=())}, "roles", "none"),
        ({"vault": vault(policy=None)}, "policy", "nothing"),
        ({"vault": vault(policy={**SETTINGS, "replicationInterval": 30})}, "policy.replicationInterval", "30"),
        ({"vault": vault(associated=False)}, "policy", "not associated"),
        ({"vault": vault(hosts=(provider(N1),))}, f"nodes[{N2}]", "not registered"),
        ({"nodes": (node(N1, extension=None),)}, f"nodes[{N1}]", "nothing"),
        ({"account": None}, "cacheStorage", "nothing"),
        ({"account": account(kind="BlobStorage")}, "cacheStorage", "BlobStorage"),
        ({"account": account(location="eastus")}, "cacheStorage", "the account is in eastus"),
        ({"account": account(vault_roles=(CONTRIBUTOR,))}, "roles", "none"),
        ({"network": None}, "network", "nothing"),
        ({"drill_network": None}, "drillNetwork", "nothing"),
        ({"network": NetworkFacts(location="westeurope", subnets=("x", "y"))}, "network", "x, y"),
        (
            {"drill_network": NetworkFacts(location="westeurope", subnets=("apps",), peerings=2)},
            "drillNetwork",
            "2 peerings",
        ),
    ],
)
def test_each_difference_is_named_as_in_the_document(changes: dict[str, Any], what: str, found: str) -> None:
    assert told(azure(**changes)) == [(what, found)]


def test_a_host_that_went_silent_is_drift() -> None:
    silent = vault(hosts=(provider(N1), provider(N2, heartbeat=NOW - timedelta(hours=1))))
    [(what, found)] = told(azure(vault=silent))
    assert what == f"nodes[{N2}]"
    assert found.startswith("last heartbeat: 2026-03-02 05:00")


def test_a_bare_cluster_lacks_all_of_it_once() -> None:
    bare = azure(vault=None, account=None, nodes=(node(N1, extension=None), node(N2, extension=None)))
    names = [what for what, _ in told(bare, ())]
    assert names == [
        "vault",
        "cacheStorage",
        *(name for node_name in (N1, N2) for name in [f"nodes[{node_name}]"] * 2),
        "vms[sql-01]",
        "vms[web-01]",
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"protection_state": "InitialReplicationInProgress"}, "InitialReplicationInProgress"),
        ({"target_group": f"{GROUP}-other"}, f"{GROUP}-other"),
    ],
)
def test_a_vm_that_is_not_as_declared_is_named(changes: dict[str, Any], found: str) -> None:
    assert told(items=(view("sql-01", **changes), ITEMS[1])) == [("vms[sql-01]", found)]


def test_a_vm_that_nothing_protects_is_drift_where_the_site_does_not_say_which_are_meant() -> None:
    named = ClusterVms(vms=(ClusterVm(name="new-01", node="n3"), ClusterVm(name="sql-01", node="n1")))
    copies = [ReplicatedItem(vm="sql-01", guid="g", id="/items/sql-01", state="Protected")]
    vms = SiteVms(ITEMS, VaultVms((), copies), named)
    assert [(one.part, one.found) for one in find_drift(site(**{**USUAL, "vms": []}), azure(), vms)] == [
        ("vms[new-01]", "not protected, on n3")
    ]
    for declared in ({}, {"vms": [], "withoutVms": ["NEW-01"]}):
        assert find_drift(site(**{**USUAL, **declared}), azure(), vms) == ()
