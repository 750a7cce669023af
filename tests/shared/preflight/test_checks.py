"""Each prerequisite holds for a sound site, and is told for one that is not; so are all known issues of the guide."""

from datetime import timedelta
from typing import Any

import pytest

from shared.onboarding.preflight.check import CheckResult
from shared.onboarding.preflight.facts import DiskFacts, LockFacts, NetworkFacts, QuotaFacts, RightsFacts, SiteFacts
from shared.onboarding.preflight.findings import CHECKS, run_checks
from shared.onboarding.preflight.virtual_machines import VM_CHECKS, cluster_vms_of
from shared.replication.coverage import VaultVms
from shared.replication.settings import Disk, ProtectableItem, ReplicatedItem
from shared.sites.cluster_vms import ClusterVm
from shared.sites.nodes import ExtensionView
from shared.sites.quota import RegionQuota, Usage, VmSize
from tests.shared.preflight.samples import (
    N1,
    N2,
    NOW,
    OWNER,
    SETTINGS,
    account,
    azure,
    cluster,
    host,
    machine,
    node,
    provider,
    seen,
    vault,
    with_machine,
)

OLD = "10.0.20349.1668"
RACE = (
    "Extension returned nonzero exit code for Enable: 13. RegisterAsr.ps1 : Failed to register for ASR. "
    "The ASR can't be registered due to an internal error."
)
NOTHING = RightsFacts(scope="/s", granted=((("*/read",), ()),))
READER = RightsFacts(scope="/s", granted=((("*",), ("Microsoft.Authorization/*/write",)),))

READER_OF_LOCKS = RightsFacts(scope="/s", granted=((("*",), ("Microsoft.Authorization/locks/delete",)),))


def failed(message: str) -> ExtensionView:
    return ExtensionView(id="/e", name="AzureSiteRecovery", provisioning_state="Failed", message=message)


def load(**changes: Any) -> SiteFacts:
    return seen(capacity={"linkMbps": 1000, "defaultChurn": 0.5, **changes})


SPOILT: list[tuple[str, str, SiteFacts]] = [
    ("cluster-registered", "there is no cluster", seen(azure(cluster=None))),
    ("cluster-registered", "NotYetRegistered", seen(azure(cluster=cluster(status="NotYetRegistered")))),
    ("cluster-connected", "Disconnected", seen(azure(cluster=cluster(connectivity="Disconnected")))),
    ("cluster-connected", "NotConnectedRecently", seen(azure(cluster=cluster(status="NotConnectedRecently")))),
    ("cluster-version", "10.0.17784", seen(azure(cluster=cluster(version="10.0.17784")))),
    ("cluster-version", "n1 runs 10.0.20349.1668", seen(azure(nodes=(node(N1, os_version=OLD), node(N2))), {})),
    ("cluster-version", "n2 runs 10.0.20349.1", seen(hosts={N2: host(N2, os_version="10.0.20349.1")})),
    ("cluster-identity", "no managed identity", seen(azure(cluster=cluster(principal="")))),
    ("cluster-arc", "no Arc machine belongs", seen(azure(nodes=(node(N1),)))),
    ("cluster-arc", "no Arc machine names this cluster", seen(azure(nodes=()))),
    ("node-connected", "n2 is Disconnected", seen(azure(nodes=(node(N1), node(N2, status="Disconnected"))))),
    ("node-agent", "agent 1.32", seen(azure(nodes=(node(N1, agent_version="1.32.02413"), node(N2))))),
    ("node-extensions", "accepts no extensions", seen(azure(nodes=(node(N1, extensions_enabled=False),)))),
    ("node-extensions", "accepts no extensions", seen(azure(nodes=(node(N1, mode="monitor"),)))),
    (
        "node-extensions",
        "runcommandhandlerwindows",
        seen(azure(nodes=(node(N1, block=("Microsoft.CPlat.Core/RunCommandHandlerWindows",)),))),
    ),
    ("node-extensions", "siterecovery.dra", seen(azure(nodes=(node(N1, allow=("Some.Other/Extension",)),)))),
    ("node-hyper-v", "Hyper-V is not on", seen(hosts={N1: host(N1, hyper_v=False)})),
    (
        "node-other-site",
        "SiteName is other-site, not hci-01-site",
        seen(hosts={N1: host(N1, registration={"ResourceName": "vault-dr", "SiteName": "other-site"})}),
    ),
    ("node-application-control", "Enforced", seen(hosts={N1: host(N1, application_control="Enforced")})),
    ("node-outbound", "misses https://x", seen(hosts={N1: host(N1, reached={"https://x": False, "https://y": True})})),
    ("node-extension", "certificate-race", seen(azure(nodes=(node(N1, extension=failed(RACE)), node(N2))))),
    ("node-extension", "unknown", seen(azure(nodes=(node(N1, extension=failed("no details")), node(N2))))),
    ("node-registered", "is not registered", seen(azure(vault=vault(hosts=(provider(N1),))))),
    (
        "node-registered",
        "last heartbeat",
        seen(azure(vault=vault(hosts=(provider(N1, connected=False), provider(N2))))),
    ),
    (
        "node-registered",
        "last heartbeat",
        seen(azure(vault=vault(hosts=(provider(N1, heartbeat=NOW - timedelta(hours=2)), provider(N2))))),
    ),
    ("rights-vault", "roleAssignments/write", seen(azure(rights_vault=READER))),
    ("rights-cluster", "of the role reader", seen(azure(rights_cluster=RightsFacts(scope="/s")))),
    ("rights-cluster", "arcSettings/extensions/write", seen(azure(rights_cluster=NOTHING), install="cluster")),
    ("rights-cluster", "runCommands/write", seen(azure(rights_nodes=NOTHING))),
    (
        "rights-cluster",
        "locks/delete",
        seen(azure(rights_nodes=READER_OF_LOCKS), healingRules={"allowLockRemoval": True}),
    ),
    ("rights-target", "networkInterfaces/delete", seen(azure(rights_target=NOTHING))),
    (
        "rights-cluster-identity",
        "ours may not assign one",
        seen(azure(vault=vault(cluster_roles=("acdd72a7-3385-48ef-bd42-f606fba81ae7",)), rights_vault=READER)),
    ),
    ("rights-cluster-identity", "no managed identity", seen(azure(cluster=cluster(principal="")))),
    ("locks", "nothing can be installed", seen(azure(locks=(LockFacts(on=N1, name="keep", level="ReadOnly"),)))),
    ("vault-region", "vault-dr is in northeurope", seen(azure(vault=vault(location="northeurope")))),
    ("vault-region", "the cluster is in eastus", seen(azure(cluster=cluster(location="eastus")))),
    (
        "policy-agrees",
        "replicationInterval is 30, the site declares 300",
        seen(azure(vault=vault(policy={**SETTINGS, "replicationInterval": "30"}))),
    ),
    ("cache-account", "of kind BlobStorage", seen(azure(account=account(kind="BlobStorage")))),
    ("cache-account", "in the Cool tier", seen(azure(account=account(access_tier="Cool")))),
    ("cache-account", "in eastus", seen(azure(account=account(location="eastus")))),
    ("cache-account", "only chosen networks", seen(azure(account=account(firewall=True)))),
    ("target-network", "there is no network vnet-dr", seen(azure(network=None))),
    ("target-network", "no subnet apps", seen(azure(network=NetworkFacts(location="westeurope", subnets=("x",))))),
    ("target-network", "is in eastus", seen(azure(network=NetworkFacts(location="eastus", subnets=("apps",))))),
    (
        "target-network",
        "not isolated",
        seen(azure(drill_network=NetworkFacts(location="westeurope", subnets=("apps",), peerings=1))),
    ),
    ("target-quota", "needs 8 cores; 7 of 100", seen(azure(quota=QuotaFacts(used=93, limit=100)))),
    ("vm-found", "a VM nowhere", seen(vms=["sql-01", "nowhere"])),
    ("vm-highly-available", "sql-01", with_machine(highly_available=False)),
    ("vm-guest", "Ubuntu 22.04 on generation 2", with_machine(guest="Ubuntu 22.04")),
    ("vm-disk-kinds", "disk 0 is Physical", with_machine(disks=(DiskFacts(size_gb=1, kind="Physical"),))),
    ("vm-disk-kinds", "Fibre Channel", with_machine(fibre_channel=True)),
    ("vm-disk-kinds", "has no disk", with_machine(disks=())),
    ("vm-arc", "is an Arc VM", seen(azure(arc_vms=("SQL-01",)))),
    (
        "vm-arc",
        "resource bridge",
        seen(hosts={N1: host(N1, machine("a1-control-plane-0-x"))}, vms=["a1-control-plane-0-x"]),
    ),
    ("vm-names", "'sql_01'", seen(hosts={N1: host(N1, machine("sql_01"))}, vms=["sql_01"])),
    ("vm-names", "cannot be the name", seen(naming={"azureVm": "{vm}-"})),
    ("capacity-churn", "sql-01 writes 3 MB/s, at most 2", load(churn={"sql-01": 3})),
    ("capacity-link", "160% of a link of 10", load(linkMbps=10, defaultChurn=1)),
    ("capacity-cache", "arrive at the cache account", load(defaultChurn=1600)),
    ("capacity-initial-copy", "takes 6 days 15 h", load(linkMbps=11, copyWithin="P6D")),
    ("capacity-initial-copy", "leaves nothing of the link", load(linkMbps=8)),
]


def found_in(view: SiteFacts) -> dict[str, CheckResult]:
    return {finding.id: finding for finding in run_checks(view)}


def test_nothing_stands_against_a_sound_site() -> None:
    assert {finding.id: finding.state for finding in run_checks(seen())} == {check.id: "pass" for check in CHECKS}


OUTDATED = [
    ("vm-guest", "neither Windows nor", with_machine(guest="FreeBSD 14", generation=1)),
    ("vm-disk-sizes", "301 GB, generation 2 may have 300", with_machine(disks=(DiskFacts(size_gb=301),))),
    ("vm-disk-sizes", "17 data disks", with_machine(disks=(DiskFacts(size_gb=100),) * 18)),
    (
        "vm-disk-sizes",
        "disk 1 has 4,096 GB",
        with_machine(disks=(DiskFacts(size_gb=100), DiskFacts(size_gb=4096))),
    ),
]
"""Limits of a support matrix of which an old copy is at hand."""


@pytest.mark.parametrize(("check", "says", "view"), OUTDATED, ids=[f"{name}: {says}" for name, says, _ in OUTDATED])
def test_a_limit_that_azure_may_have_raised_is_a_warning_with_its_source(
    check: str, says: str, view: SiteFacts
) -> None:
    finding = found_in(view)[check]
    assert finding.state == "warn"
    assert says in " | ".join(finding.evidence)
    assert "the matrix" in " | ".join(finding.evidence)
    assert finding.link.endswith(("#azure-vm-requirements", "#supported-scenarios"))


@pytest.mark.parametrize(("check", "says", "view"), SPOILT, ids=[f"{name}: {says}" for name, says, _ in SPOILT])
def test_a_prerequisite_that_does_not_hold_is_told_with_its_remedy(check: str, says: str, view: SiteFacts) -> None:
    finding = found_in(view)[check]
    assert finding.state == "fail"
    assert says in " | ".join(finding.evidence)
    assert finding.remedy
    assert finding.link.startswith("https://")


@pytest.mark.parametrize(
    "unread",
    [
        {"disks": (DiskFacts(size_gb=100), DiskFacts(size_gb=0, kind="", unread="the file is in use"))},
        {"disks": (), "unread": "the file is in use"},
    ],
    ids=["a disk", "all of them"],
)
def test_a_vm_whose_disks_could_not_be_read_is_unknown_with_the_reason(unread: dict[str, Any]) -> None:
    found = found_in(with_machine(**unread))
    states = {name: found[name].state for name in ("vm-disk-kinds", "vm-disk-sizes", "capacity-initial-copy")}
    assert set(states.values()) == {"unknown"}
    for name in ("vm-disk-kinds", "vm-disk-sizes"):
        assert "sql-01 on hci-01-n1 could not be read" in found[name].evidence[0]
        assert "the file is in use" in found[name].evidence[0]
        assert "run the preflight again" in found[name].remedy
    assert "sql-01" in found["capacity-initial-copy"].evidence[0]


def in_families(bs: int, dsv5: int, **sizes: str) -> SiteFacts:
    """The usual site, of whose VMs these have sizes, in a region with so many cores left of two families."""
    limits = {"standardBSFamily": 10 + bs, "standardDSv5Family": 10 + dsv5}
    usages = {name: Usage(used=10, limit=limit, shown=f"the {name}") for name, limit in limits.items()}
    known = {name: VmSize(cores=2, family=family) for name, family in zip(("b", "d"), limits, strict=True)}
    families = RegionQuota(region="westeurope", usages=usages, sizes=known)
    vm_sizes = {vm.replace("_", "-"): size for vm, size in sizes.items()}
    return seen(azure(quota=QuotaFacts(used=0, limit=100, families=families, vm_sizes=vm_sizes)))


@pytest.mark.parametrize(
    ("facts", "state", "says"),
    [
        (in_families(30, 30, sql_01="b", WEB_01="d"), "pass", "8 cores"),
        (in_families(30, 1, sql_01="b", web_01="d"), "fail", "2 cores of the family the standardDSv5Family"),
        (in_families(3, 30, sql_01="b", web_01="b"), "fail", "4 cores of the family the standardBSFamily"),
        (in_families(3, 30, sql_01="b", web_01="d"), "warn", "3 of 13 are free"),
        (in_families(30, 0, sql_01="b"), "unknown", "no core is left of the standardDSv5Family"),
        (in_families(30, 0, sql_01="b", web_01="b", other="d"), "pass", "8 cores"),
    ],
)
def test_the_quota_of_each_family_is_held_against_the_sizes_that_are_known(
    facts: SiteFacts, state: str, says: str
) -> None:
    finding = found_in(facts)["target-quota"]
    assert (finding.state, any(says in line for line in finding.evidence)) == (state, True), finding.evidence


def protecting(*vms: str, disks: int = 1) -> SiteFacts:
    """The usual site, of whose VMs these are protected, each with one of its disks."""
    at_home = tuple(Disk(name=f"disk-{at}", id=f"d{at}", mb=1024) for at in range(disks))
    machines = [
        ProtectableItem(vm=vm, guid=vm, id=f"/m/{vm}", item_id=f"/items/{vm}" if vm in vms else "", disks=at_home)
        for vm in ("sql-01", "web-01")
    ]
    items = [
        ReplicatedItem(vm=vm, guid=vm, id=f"/items/{vm}", state="Protected", disk_sizes={"D0": 1024}) for vm in vms
    ]
    return seen()._replace(vault_vms=VaultVms(machines, items), cluster_vms=(ClusterVm(name="new-01", node="n3"),))


UNCOVERED: list[tuple[str, str, SiteFacts]] = [
    ("vm-protected", "web-01 is not protected", protecting("sql-01")),
    ("vm-protected", "new-01 on n3 is not protected", protecting("sql-01", "web-01")),
    ("vm-disks-replicated", "sql-01 has disks that are not replicated: disk-1", protecting("sql-01", disks=2)),
]


@pytest.mark.parametrize(("check", "says", "view"), UNCOVERED, ids=[says for _, says, _ in UNCOVERED])
def test_what_no_replica_has_is_a_warning_with_its_remedy(check: str, says: str, view: SiteFacts) -> None:
    finding = found_in(view)[check]
    assert finding.state == "warn"
    assert says in finding.evidence
    assert finding.remedy


def test_what_the_vault_does_not_show_of_its_vms_is_unknown() -> None:
    found = found_in(seen(azure(unread={"coverage": "AuthorizationFailed: no"})))
    assert {found[check].state for check in ("vm-protected", "vm-disks-replicated")} == {"unknown"}


def test_a_vm_that_is_left_out_on_purpose_is_neither_judged_nor_missed() -> None:
    left_out = protecting("sql-01", "web-01")
    site = left_out.site.model_copy(update={"without_vms": ("NEW-01",)})
    assert found_in(left_out._replace(site=site))["vm-protected"].state == "pass"
    alone = seen(hosts={N1: host(N1, machine("odd", highly_available=False))}, vms=[], withoutVms=["ODD"])
    assert found_in(alone)["vm-highly-available"].state == "pass"


def test_a_vm_is_not_enabled_for_what_a_preflight_fails_it_for() -> None:
    """The same checks say both: each that fails a VM here, and the request cannot mend, is among its refusals."""
    for check, _, view in SPOILT:
        failing = {vm.name for vm in cluster_vms_of(view).vms if check in {one.code for one in vm.refusals}}
        if check in {one.id for one in VM_CHECKS if one.refuses}:
            assert failing, check
            assert all(one.remedy for vm in cluster_vms_of(view).vms for one in vm.refusals)
        else:
            assert not failing, check


def test_every_check_is_made_to_fail_somewhere() -> None:
    assert {name for name, _, _ in [*SPOILT, *OUTDATED, *UNCOVERED]} == {check.id for check in CHECKS}
    assert len({check.id for check in CHECKS}) == len(CHECKS)


def test_a_missing_identity_is_answered_with_the_exact_command() -> None:
    remedy = found_in(seen(azure(cluster=cluster(principal="", tenant="t-1"))))["cluster-identity"].remedy
    command = "Register-AzStackHCI -SubscriptionId 11111111-1111-1111-1111-111111111111 -ComputerName hci-01-n1"
    assert f"{command} -TenantId t-1 -RepairRegistration" in remedy


@pytest.mark.parametrize(
    ("issue", "checks", "view"),
    [
        (1, {"node-registered"}, seen(azure(vault=vault(hosts=(provider(N1),))))),
        (2, {"node-hyper-v"}, seen(hosts={N1: host(N1, hyper_v=False)})),
        (2, {"node-other-site"}, seen(hosts={N1: host(N1, registration={"SiteName": "another"})})),
        (3, {"node-extension"}, seen(azure(nodes=(node(N1), node(N2, extension=failed(RACE)))))),
    ],
    ids=["1", "2: no Hyper-V", "2: another site", "3"],
)
def test_the_known_issues_of_the_guide_are_seen(issue: int, checks: set[str], view: SiteFacts) -> None:
    failing = {finding.id for finding in run_checks(view) if finding.state == "fail"}
    assert checks <= failing


def test_what_is_not_there_yet_stands_in_no_ones_way() -> None:
    """Of a bare cluster: vault, policy, account, roles and registrations are what prepare makes."""
    bare = azure(
        vault=None,
        account=None,
        drill_network=None,
        target_group="",
        nodes=(node(N1, extension=None), node(N2, extension=None)),
    )
    hosts = {N1: host(N1, machine("sql-01"), registration=None), N2: host(N2, machine("web-01"), registration=None)}
    assert {finding.state for finding in run_checks(seen(bare, hosts))} == {"pass"}


def test_a_node_that_cannot_be_asked_leaves_questions_open_rather_than_answered() -> None:
    found = found_in(seen(hosts={}, unread={N1: "it is Disconnected"}))
    assert {found[check].state for check in ("node-hyper-v", "node-outbound", "vm-guest", "vm-found")} == {"unknown"}


def test_what_azure_does_not_show_is_unknown_and_says_why() -> None:
    facts = azure(rights_vault=None, quota=None, unread={"quota": "AuthorizationFailed: no", "locks": "no"})
    found = found_in(seen(facts))
    assert {found[check].state for check in ("rights-vault", "target-quota", "locks")} == {"unknown"}
    assert "AuthorizationFailed" in found["target-quota"].evidence[0]


@pytest.mark.parametrize(
    ("check", "view"),
    [
        ("cluster-connected", seen(azure(cluster=cluster(connectivity="PartiallyConnected")))),
        ("rights-cluster-identity", seen(azure(vault=vault(cluster_roles=())))),
        ("locks", seen(azure(locks=(LockFacts(on="vault-dr", name="keep", level="CanNotDelete"),)))),
        ("policy-agrees", seen(azure(vault=vault(policy=None)), policy="elsewhere")),
        ("target-quota", seen(azure(quota=QuotaFacts(used=90, limit=100)))),
        ("capacity-link", load(linkMbps=9)),
        ("capacity-churn", seen(capacity={"linkMbps": 1000})),
        ("capacity-link", seen(capacity={"linkMbps": 1000})),
        ("capacity-cache", seen(capacity={})),
        ("capacity-initial-copy", seen(capacity={})),
    ],
)
def test_what_only_deserves_a_look_is_a_warning(check: str, view: SiteFacts) -> None:
    assert found_in(view)[check].state == "warn"


def test_a_premium_account_carries_more_churn() -> None:
    heavy = seen(azure(account=account(sku="Premium_LRS")), capacity={"linkMbps": 1000, "churn": {"sql-01": 15}})
    assert found_in(heavy)["capacity-churn"].state == "pass"


def test_roles_add_up_and_an_exception_holds_for_its_own_role_only() -> None:
    both = RightsFacts(scope="/s", granted=(READER.granted[0], (("Microsoft.Authorization/*",), ())))
    assert found_in(seen(azure(rights_vault=both)))["rights-vault"].state == "pass"
    assert found_in(seen(azure(rights_vault=OWNER)))["rights-vault"].state == "pass"


def test_the_worst_is_told_first_and_a_long_list_is_cut() -> None:
    machines = [machine(f"vm-{at:03}", highly_available=at % 5 != 0) for at in range(200)]
    evidence = found_in(seen(hosts={N1: host(N1, *machines)}, vms=[]))["vm-highly-available"].evidence
    assert evidence[0] == "vm-000 on hci-01-n1 is not highly available"
    assert evidence[-1] == "and 21 more"
