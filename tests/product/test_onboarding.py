"""Preflight and verification from outside: over HTTP, on a bare cluster and on one that is set up."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.onboarding.preflight.findings import CHECKS
from tests.failures import failure_texts
from tests.people import signed_in
from tests.product.conftest import Lab, send

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
NETWORKS = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks"
NODES = f"{SUB}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines"
RUN_COMMANDS = "microsoft.hybridcompute/machines/runcommands"
VMS = ["dc-01", "sql-01", "app-01", "app-02", "web-01", "web-02"]
SITE: dict[str, Any] = {
    "cluster": f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01",
    "vault": f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr",
    "hyperVSite": "hci-01-site",
    "policy": {"name": "policy-24h"},
    "targetResourceGroup": f"{SUB}/resourceGroups/rg-dr-vms",
    "network": f"{NETWORKS}/vnet-dr",
    "subnet": "apps",
    "region": "westeurope",
    "capacity": {"linkMbps": 500, "defaultChurn": 0.3},
    "vms": VMS,
}


@dataclass(frozen=True)
class Spoilt:
    """A lab in which these checks fail, and these only warn: what is done to it by its own controls, and over ARM."""

    name: str
    fails: set[str]
    world: dict[str, Any] = field(default_factory=dict)
    site: dict[str, Any] = field(default_factory=dict)
    arm: dict[str, Any] = field(default_factory=dict)
    scenario: str = "bare"
    warns: set[str] = field(default_factory=set)


LOCK = "providers/Microsoft.Authorization/locks/keep?api-version=2020-05-01"
ACCOUNT = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts/stdrcache"
SPOILT = [
    Spoilt(
        "nodes and rights",
        {
            *("cluster-identity", "cluster-connected", "cluster-version"),
            *("node-hyper-v", "node-agent", "node-application-control", "node-outbound", "node-extensions"),
            *("vm-found", "vm-highly-available", "vm-guest"),
            *("rights-vault", "rights-cluster", "rights-target", "rights-cluster-identity", "target-quota"),
        },
        world={
            "cluster": {"identity": False, "connectivity": "Disconnected", "version": "10.0.20348.1"},
            "nodes": {
                "hci-01-n1": {"hyperV": False, "agentVersion": "1.20.1"},
                "hci-01-n2": {"applicationControl": "Enforced", "unreachable": ["microsoftonline"]},
                "hci-01-n3": {"extensionsEnabled": "false"},
            },
            "vms": {"web-01": {"highlyAvailable": False, "guest": "Ubuntu 22.04 LTS"}},
            "rights": {"actions": ["*/read", "*/runCommands/*"], "notActions": []},
            "quota": {"used": 100, "limit": 105},
        },
    ),
    Spoilt(
        "machines and load",
        {
            *("vm-disk-kinds", "vm-arc", "vm-names", "vault-region", "target-network"),
            *("capacity-churn", "capacity-link", "capacity-cache", "capacity-initial-copy"),
        },
        world={
            "vms": {
                "dc-01": {"diskKind": "Shared"},
                "sql-01": {"diskSizesGb": [127, 5000]},
                "app-01": {"arc": True},
                "app-02": {"fibreChannel": True},
                "file_01": {"node": "hci-01-n1"},
            },
            "networks": {"vnet-dr": {"location": "northeurope"}},
            "cluster": {"location": "northeurope"},
        },
        site={"vms": [], "capacity": {"linkMbps": 100, "defaultChurn": 600}},
        warns={"vm-disk-sizes"},
    ),
    Spoilt(
        "no cluster",
        {"cluster-registered", "cluster-arc", "rights-cluster-identity"},
        world={"cluster": {"registered": False}, "nodes": {f"hci-01-n{n}": {"arc": False} for n in (1, 2, 3)}},
        site={"vms": []},
    ),
    Spoilt(
        "an agent that is away, a lock, a node of another site",
        {"node-connected", "node-other-site", "locks"},
        world={
            "nodes": {
                "hci-01-n1": {"connected": False},
                "hci-01-n3": {"registration": {"ResourceName": "vault-dr", "SiteName": "elsewhere"}},
            },
        },
        site={"vms": []},
        arm={f"{NODES}/hci-01-n2/{LOCK}": {"properties": {"level": "ReadOnly"}}},
    ),
    Spoilt(
        "what is there is other than declared",
        {"policy-agrees", "cache-account", "node-extension", "node-registered"},
        world={
            "accounts": {"stdrcache": {"accessTier": "Cool"}},
            "vms": {"sql-01": {"disks": 2}, "new-01": {"node": "hci-01-n1"}},
        },
        site={"policy": {"name": "policy-24h", "intervalSeconds": 30}, "cacheStorage": ACCOUNT},
        scenario="default",
        warns={"vm-protected", "vm-disks-replicated"},
    ),
]


def bare(lab: Lab, **changes: Any) -> None:
    lab.reset("bare")
    assert lab.api("PUT", "sites/hci-01", {**SITE, **changes}).status == 201


def run(lab: Lab, verb: str) -> dict[str, Any]:
    answer = lab.api("POST", f"sites/hci-01/{verb}", {})
    assert answer.status == 202, answer.body
    return lab.ended(answer.body["id"])


def arm(lab: Lab, path: str, body: Any) -> None:
    """A PUT to ARM, as someone else would send it."""
    azure = lab.servers.azure.base
    where = "/msi/token?api-version=2019-08-01&resource=https://management.azure.com&client_id=operator"
    token = send(azure, "GET", where, headers={"X-IDENTITY-HEADER": "lab-identity"}).body["access_token"]
    assert send(azure, "PUT", path, body, {"Authorization": f"Bearer {token}"}).status == 201


def failing(shown: dict[str, Any], state: str = "fail") -> set[str]:
    return {check["id"] for check in shown["checks"] if check["state"] == state}


def test_a_bare_cluster_passes_its_preflight_and_nothing_is_changed_by_it(lab: Lab) -> None:
    bare(lab)
    before = lab.azure("GET", "state")["inventory"]
    shown = run(lab, "preflight")
    assert (shown["state"], shown["site"], shown["kind"]) == ("succeeded", "hci-01", "preflight"), failure_texts(shown)
    assert shown["counts"] == {"fail": 0, "unknown": 0, "warn": 0, "pass": len(CHECKS)}, shown["checks"]
    after = lab.azure("GET", "state")["inventory"]
    resources = {kind for kind in before | after if kind.startswith("microsoft.")} - {RUN_COMMANDS}
    assert {kind: after.get(kind) for kind in resources} == {kind: before.get(kind) for kind in resources}
    assert {verb for verb, _ in lab.verbs()} == {"runCommands/write", "runCommands/delete"}


@pytest.mark.parametrize("case", SPOILT, ids=[case.name for case in SPOILT])
def test_what_does_not_hold_fails_the_preflight(lab: Lab, case: Spoilt) -> None:
    if case.scenario == "bare":
        lab.reset("bare")
    lab.api("PUT", "sites/hci-01", {**SITE, **case.site})
    lab.azure("PUT", "world", case.world)
    lab.azure("POST", "clock", {"advance": "PT20M"})
    for path, body in case.arm.items():
        arm(lab, path, body)
    shown = run(lab, "preflight")
    assert shown["state"] == "failed"
    assert failing(shown) == case.fails, [check for check in shown["checks"] if check["state"] != "pass"]
    assert case.warns <= failing(shown, "warn")
    table = lab.api("GET", f"operations/{shown['id']}/report?format=table").body
    assert f"FAILED: {len(case.fails)} fail" in table
    assert table.splitlines()[-1] == f"FAILED: {shown['id']}"


def test_every_check_is_made_to_fail_or_to_warn_in_the_lab() -> None:
    assert {check for case in SPOILT for check in case.fails | case.warns} == {check.id for check in CHECKS}


def test_a_cluster_that_is_set_up_shows_its_broken_node_and_no_other_fault(lab: Lab) -> None:
    lab.api("PUT", "sites/hci-01", {**SITE, "policy": "policy-24h"})
    shown = run(lab, "preflight")
    assert failing(shown) == {"node-extension", "node-registered"}
    [evidence] = [check["evidence"][0] for check in shown["checks"] if check["id"] == "node-extension"]
    assert evidence.startswith("hci-01-n2: certificate-race.")


def test_a_verification_lists_what_is_other_than_declared(lab: Lab) -> None:
    shown = run(lab, "verify")
    assert shown["state"] == "failed"
    assert {"part": "nodes[hci-01-n2]", "declared": "the extension AzureSiteRecovery", "found": "Failed"} in shown[
        "drift"
    ]
    table = lab.api("GET", f"operations/{shown['id']}/report", headers={"Accept": "text/plain"}).body
    assert "found     not registered" in table


def test_a_preflight_is_a_run_among_the_others_and_one_key_starts_one(lab: Lab) -> None:
    key = {"Idempotency-Key": "nightly-7"}
    ids = {lab.api("POST", "sites/hci-01/verify", {}, key).body["id"] for _ in range(2)}
    [listed] = lab.api("GET", "operations?kind=verify").body["value"]
    assert {listed["id"]} == ids
    assert (listed["site"], listed["kind"]) == ("hci-01", "verify")


@pytest.mark.parametrize(
    ("path", "body", "status", "headers"),
    [
        ("sites/nope/preflight", {}, 404, {}),
        ("sites/hci-01/preflight", {"typo": 1}, 400, {}),
        ("sites/hci-01/preflight", {}, 403, signed_in("ann", "Dr.Read")),
        ("sites/hci-01/verify", {}, 403, signed_in("ann", "Dr.Read")),
    ],
)
def test_who_may_look_and_how_they_are_refused(
    lab: Lab, path: str, body: Any, status: int, headers: dict[str, str]
) -> None:
    assert lab.api("POST", path, body, headers).status == status


def test_a_site_tells_its_history_and_its_health(lab: Lab) -> None:
    lab.api("PUT", "sites/hci-01", {**SITE, "policy": "policy-24h"})
    shown = lab.api("GET", "sites/hci-01").body
    assert [(one["version"], one["changedFields"]) for one in shown["history"]] == [(2, ["capacity", "vms"]), (1, [])]
    health = shown["health"]
    assert (health["state"], health["detail"]) == (
        "impaired",
        "hci-01-n2 not well; the VMs of hci-01-n2 may not be protected: run a preflight",
    )
    assert (health["nodes"], health["vms"]["protected"]) == ({"total": 3, "well": 2}, 6)


def test_a_site_without_its_vault_says_that_it_is_not_prepared(lab: Lab) -> None:
    bare(lab)
    assert lab.api("GET", "sites/hci-01").body["health"]["state"] == "unprepared"


def test_killed_in_the_middle_a_preflight_goes_on_and_runs_no_script_twice(lab: Lab) -> None:
    bare(lab)
    lose = {"match": {"verb": "runCommands/*", "probability": 0.3}, "effect": {"lose": 503}}
    lab.azure("PUT", "faults", [lose])
    run_id = lab.api("POST", "sites/hci-01/preflight", {}).body["id"]
    for phase in ("Azure", "Nodes"):
        reached(lab, run_id, phase)
        lab.servers.host.kill()
        lab.servers.host.start()
        lab.servers.host.await_healthy()
    shown = lab.ended(run_id)
    assert shown["state"] == "succeeded", failure_texts(shown)
    calls = [call for call in lab.azure("GET", "ledger") if call["status"] < 300]
    paths = [call["path"] for call in calls if call["verb"] == "runCommands/write"]
    assert len(paths) == len(set(paths)) == 3
    assert {call["path"] for call in calls if call["verb"] == "runCommands/delete"} == set(paths)


def reached(lab: Lab, run_id: str, phase: str) -> None:
    """Wait until a run is in this phase, or past it."""
    for _ in range(400):
        if lab.api("GET", f"operations/{run_id}").body["phase"] in {phase, "Finished"}:
            return
        time.sleep(0.02)
    raise AssertionError(f"{run_id} never came to {phase}")
