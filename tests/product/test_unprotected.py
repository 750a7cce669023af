"""VMs that nothing protects, over HTTP: each look at a site names them, and enabling takes none that it refuses."""

from typing import Any

from tests.product.conftest import Lab
from tests.product.test_added_disks import declare

ODD: dict[str, Any] = {
    "new-01": {"node": "hci-01-n2"},  # of a node that is not registered: no vault ever hears of it
    "R&D #1": {"node": "hci-01-n1", "highlyAvailable": False},
}


def unprotected(lab: Lab) -> list[list[dict[str, str]]]:
    """As the list of sites has it, and the site by itself."""
    (listed,) = lab.api("GET", "sites").body["value"]
    return [site["health"]["unprotected"] for site in (listed, lab.api("GET", "sites/hci-01").body)]


def drift(lab: Lab) -> set[str]:
    shown = lab.ended(lab.api("POST", "sites/hci-01/verify", {}).body["id"])
    return {one["part"] for one in shown["drift"] if one["part"].startswith("vms[")}


def test_a_vm_that_nothing_protects_is_named_by_each_look_until_it_is_left_out(lab: Lab) -> None:
    lab.reset()
    assert unprotected(lab) == [[], []]
    lab.azure("PUT", "world", {"vms": ODD})
    assert drift(lab) == {"vms[new-01]", "vms[R&D #1]"}
    told = [{"vm": "new-01", "node": "hci-01-n2"}, {"vm": "R&D #1", "node": "hci-01-n1"}]
    assert unprotected(lab) == [told, told]
    lab.azure("POST", "clock", {"advance": "PT16M"})  # by then its host has reported what it has
    preview = lab.api("POST", "sites/hci-01/replication?preview=true", {}).body
    refused = {one["vm"]: one["code"] for one in preview["items"] if one["outcome"] == "refused"}
    assert refused == {"new-01": "vm-not-found", "R&D #1": "vm-highly-available"}
    assert preview["unprotected"] == told
    run = lab.ended(lab.api("POST", "sites/hci-01/replication", {}).body["id"])
    assert {one["vm"]: one["code"] for one in run["items"] if one["state"] == "failed"} == refused
    assert {one["vm"]: one["remedy"] for one in run["items"]} == {one["vm"]: one["remedy"] for one in preview["items"]}
    assert (run["state"], run["unprotected"]) == ("failed", told)
    declare(lab, withoutVms=["NEW-01", "R&D #1"])
    assert (unprotected(lab), drift(lab)) == ([[], []], set())
    assert lab.ended(lab.api("POST", "sites/hci-01/replication", {}).body["id"])["state"] == "succeeded"
    lab.api("PUT", "plans/payroll", {"site": "hci-01", "items": [{"vm": "dc-01"}]})
    health = lab.api("GET", "sites/hci-01").body["health"]
    assert (health["vms"]["withoutPlan"], health["withoutPlan"][0]) == (5, "app-01")
