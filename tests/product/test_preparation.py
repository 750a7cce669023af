"""Onboarding end to end: from a registered cluster with nothing on it to VMs that are Protected, in four calls."""

import time
from typing import Any

import pytest

from lab.story.onboarding import made_once
from tests.people import signed_in
from tests.product.conftest import Lab

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
NETWORKS = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks"
SITE: dict[str, Any] = {
    "cluster": f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01",
    "vault": f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr",
    "hyperVSite": "hci-01-site",
    "policy": {"name": "policy-24h", "appConsistentHours": 1},
    "targetResourceGroup": f"{SUB}/resourceGroups/rg-dr-vms",
    "network": f"{NETWORKS}/vnet-dr",
    "subnet": "apps",
    "drillNetwork": {"network": f"{NETWORKS}/vnet-drill"},
    "region": "westeurope",
}


@pytest.fixture
def bare(lab: Lab) -> Lab:
    """The scenario `bare` with its site declared."""
    lab.reset("bare")
    assert lab.api("PUT", "sites/hci-01", SITE).status == 201
    return lab


def done(lab: Lab, step: str, body: Any = None) -> dict[str, Any]:
    reply = lab.api("POST", f"sites/hci-01/{step}", body or {})
    assert reply.status == 202, reply.body
    shown = lab.ended(reply.body["id"])
    assert shown["state"] == "succeeded", shown
    return shown


def test_four_calls_lead_from_a_bare_cluster_to_protected_vms(bare: Lab) -> None:
    done(bare, "preflight")
    prepared = done(bare, "prepare")
    assert {step["state"] for step in prepared["steps"]} == {"created", "kept"}
    assert sorted(node["state"] for node in prepared["nodes"]) == [
        "healed",
        "installed",
        "installed",
    ]  # the role was new
    replicated = done(bare, "replication")
    assert replicated["progress"] == {"completed": 6, "total": 6}
    enabled = [call for call in bare.azure("GET", "ledger") if call["verb"] == "replicationProtectedItems/write"]
    assert {vm["jobId"] for vm in replicated["items"]} == {call["job"] for call in enabled}
    done(bare, "verify")
    health = bare.api("GET", "sites/hci-01/replication").body["value"]
    assert {(vm["state"], vm["level"]) for vm in health} == {("Protected", "ok")}
    points = bare.api("GET", "sites/hci-01/replication/sql-01").body["recoveryPoints"]
    assert points == sorted(points, key=lambda point: point["at"], reverse=True)


def test_a_cluster_wide_installation_meets_the_race_and_ends_healed(bare: Lab) -> None:
    assert bare.api("PUT", "sites/hci-01", {**SITE, "install": "cluster"}).status == 200
    assert bare.azure("PUT", "world", {"roles": {"takeEffectAfter": 0}})
    prepared = done(bare, "prepare")
    assert sorted(node["state"] for node in prepared["nodes"]) == ["healed", "healed", "installed"]
    assert {node["extension"] for node in bare.azure("GET", "state")["nodes"]} == {"Succeeded"}


def test_killed_again_and_again_it_goes_on_and_makes_nothing_twice(bare: Lab) -> None:
    for step, kills in (("prepare", 3), ("replication", 2)):
        run = bare.api("POST", f"sites/hci-01/{step}", {}).body["id"]
        assert ended_with_kills(bare, run, kills)["state"] == "succeeded"
    assert made_once(bare.azure("GET", "ledger")) == []


def ended_with_kills(lab: Lab, run: str, kills: int) -> dict[str, Any]:
    """The operation at its end; its host is killed each time that it has got a little further."""
    last = None
    for _ in range(600):
        shown: dict[str, Any] = lab.api("GET", f"operations/{run}").body
        if shown["state"] not in {"pending", "running"}:
            return shown
        stand = (shown["phase"], shown["waitingForText"], shown["progress"])
        if kills and stand != last:
            last, kills = stand, kills - 1
            lab.servers.host.kill()
            lab.servers.host.start()
            lab.servers.host.await_healthy()
        time.sleep(0.05)
    raise AssertionError(f"{run} has not ended: {shown}")


def test_a_second_preparation_is_told_which_one_is_at_it(bare: Lab) -> None:
    first = bare.api("POST", "sites/hci-01/prepare", {}).body["id"]
    second = bare.api("POST", "sites/hci-01/prepare", {})
    assert (second.status, second.body["heldBy"]) == (409, first)
    assert bare.ended(first)["state"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"action": "explode"}, 400, "action"),
        ({"action": "disable"}, 400, "vms"),
        ({"vms": [{"vm": "a", "address": "10.0.0.300"}]}, 400, "vms[0].address"),
        ({"initialCopies": 0}, 400, "initialCopies"),
        ({"typo": 1}, 400, "typo"),
        ({}, 409, "site"),
    ],
)
def test_a_request_that_cannot_be_done_is_refused_and_starts_nothing(
    bare: Lab, body: Any, status: int, field: str
) -> None:
    reply = bare.api("POST", "sites/hci-01/replication", body)
    assert reply.status == status, reply.body
    assert field in [error["field"] for error in reply.body["errors"]]
    assert bare.verbs() == []


def test_only_an_administrator_prepares_a_site_or_ends_replication(bare: Lab) -> None:
    operator = signed_in("bob", "Dr.Read", "Dr.Operate")
    assert bare.api("POST", "sites/hci-01/prepare", {}, operator).status == 403
    disable = {"action": "disable", "vms": ["sql-01"]}
    assert bare.api("POST", "sites/hci-01/replication", disable, operator).status == 403
