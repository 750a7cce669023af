"""A disk that a protected VM got on its cluster is not replicated: each look at the VM says so."""

from typing import Any

import pytest

from tests.product.conftest import Lab
from tests.product.test_drills import arm
from tests.product.test_mirrors import SUB, VAULT

BIGGER: dict[str, Any] = {"disks": 3, "diskSizesGb": [127, 500, 500]}
CACHE = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts/stdrcache"
MORE: dict[str, Any] = {"disks": 2}


@pytest.fixture
def lab(lab: Lab) -> Lab:
    lab.reset()
    return lab


def give_disks(lab: Lab, **disks: Any) -> None:
    lab.azure("PUT", "world", {"vms": {"sql-01": {"node": "hci-01-n1", **disks}}})


def concerns(lab: Lab) -> list[tuple[str, str]]:
    shown = lab.api("GET", "plans/payroll/readiness").body["verbs"]["planned-failover"]["concerns"]
    return [(one["vm"], one["detail"]) for one in shown if one["code"] == "disk-not-replicated"]


def drift(lab: Lab) -> list[str]:
    shown = lab.ended(lab.api("POST", "sites/hci-01/verify", {}).body["id"])
    return [one["found"] for one in shown["drift"] if one["part"] == "vms[sql-01]"]


def test_nothing_is_said_of_vms_whose_disks_all_replicate(lab: Lab) -> None:
    assert (concerns(lab), drift(lab)) == ([], [])
    assert {vm["level"] for vm in lab.api("GET", "sites/hci-01/replication").body["value"]} == {"ok"}


@pytest.mark.parametrize(
    ("disks", "told"),
    [(MORE, ["sql-01-1"]), (BIGGER, ["sql-01 (127 GiB, and 40 GiB are replicated)", "sql-01-1", "sql-01-2"])],
)
def test_disks_that_were_added_or_grew_are_told_everywhere(lab: Lab, disks: Any, told: list[str]) -> None:
    give_disks(lab, **disks)
    ((vm, detail),) = concerns(lab)
    assert vm == "sql-01"
    assert all(one in detail for one in told)
    assert drift(lab) == [f"not replicated: {', '.join(told)}"]
    health = {vm["vm"]: vm for vm in lab.api("GET", "sites/hci-01/replication").body["value"]}
    assert (health["sql-01"]["level"], health["sql-01"]["disksNotReplicated"]) == ("warning", told)
    assert health["web-01"]["disksNotReplicated"] == []
    preview = lab.api("POST", "plans/payroll/failover?preview=true", {"type": "planned"}).body
    assert "disk-not-replicated" in {one["code"] for one in preview["concerns"]}


def declare(lab: Lab, **changes: Any) -> None:
    """The site as it is, with these changes."""
    reply = lab.api("PUT", "sites/hci-01", lab.document("sites/hci-01") | changes)
    assert reply.status in {200, 201}, reply.body


def test_a_disk_that_is_left_out_on_purpose_is_no_concern(lab: Lab) -> None:
    give_disks(lab, **MORE)
    declare(lab, withoutDisks={"SQL-01": ["sql-01-1"]})
    assert (concerns(lab), drift(lab)) == ([], [])


@pytest.mark.parametrize(("without", "told"), [({}, 2), ({"sql-01": ["sql-01-1"]}, 1)])
def test_enabling_anew_takes_the_new_disks_in_unless_they_are_left_out(lab: Lab, without: Any, told: int) -> None:
    give_disks(lab, **MORE)
    declare(lab, cacheStorage=CACHE, withoutDisks=without)
    for action in ("disable", "enable"):
        ask = {"action": action, "vms": ["sql-01"]}
        sentence = lab.api("POST", "sites/hci-01/replication?preview=true", ask).body["confirm"]
        run = lab.api("POST", "sites/hci-01/replication", ask | {"confirm": sentence})
        ended = lab.ended(run.body["id"])
        assert ended["state"] == "succeeded", ended["items"]
    assert concerns(lab) == []
    listed = arm(lab, "GET", f"{VAULT}/replicationProtectedItems", version="2025-08-01").body["value"]
    (item,) = [one for one in listed if one["properties"]["friendlyName"] == "sql-01"]
    assert len(item["properties"]["providerSpecificDetails"]["azureVmDiskDetails"]) == told
