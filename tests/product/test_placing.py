"""What becomes of a plan's machines in Azure, over HTTP: set before the failover, refused where it cannot be."""

from typing import Any

from tests.product.conftest import Lab

AWAY = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-net"
    "/providers/Microsoft.Network/virtualNetworks/vnet-nowhere"
)


def small(**first: Any) -> dict[str, Any]:
    return {"site": "hci-01", "items": [{"vm": "dc-01", **first}, {"vm": "sql-01", "after": ["dc-01"]}]}


def test_a_machine_gets_the_size_that_the_plan_says_and_is_asked_for_it_once(lab: Lab) -> None:
    warned = lab.api("PUT", "plans/small", small(size="Standard_D4s_v5")).body["warnings"]
    assert warned == ["also in the plan 'payroll': dc-01, sql-01; only one run at a time can have them"]
    assert lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])["state"] == "succeeded"
    verbs = [verb for verb, item in lab.verbs() if item in {"dc-01", "sql-01"}]
    assert verbs[1:] == ["plannedFailover", "plannedFailover"]


def test_plans_that_share_a_machine_are_told_of_also_where_their_sites_have_different_names(lab: Lab) -> None:
    known = lab.api("GET", "sites/hci-01").body
    about = ("cluster", "vault", "targetResourceGroup", "hyperVSite", "region")
    lab.api("PUT", "sites/second-name", {field: known[field] for field in about})
    warned = lab.api("PUT", "plans/small", {"site": "second-name", "items": [{"vm": "dc-01"}]}).body["warnings"]
    assert warned == ["also in the plan 'payroll': dc-01; only one run at a time can have them"]


def wrong_with(lab: Lab, plan: dict[str, Any]) -> dict[str, str]:
    """What is wrong with a plan, by its fields; nothing of it is declared."""
    reply = lab.api("PUT", "plans/small", plan)
    assert (reply.status, lab.api("GET", "plans/small").status) == (400, 404)
    return {error["field"]: error["detail"] for error in reply.body["errors"]}


def unreadable(what: str) -> list[dict[str, Any]]:
    """Faults under which Azure does not let the app read something."""
    body = {"error": {"code": "AuthorizationFailed", "message": "The client has no rights."}}
    return [{"match": {"method": "GET", "path": what}, "effect": {"status": 403, "body": body}}]


def test_what_azure_does_not_have_is_told_by_its_field_when_the_plan_is_declared(lab: Lab) -> None:
    plan = small(network=AWAY) | {"drill": {"network": AWAY}}
    plan["items"] += [{"vm": "aap-01"}, {"vm": "web-01", "subnet": "nowhere"}]
    wrong = wrong_with(lab, plan)
    assert set(wrong) == {"items[0].network", "drill.network", "items[2].vm", "items[3].subnet"}
    assert "app-01" in wrong["items[2].vm"]
    assert AWAY in wrong["items[0].network"]


def test_an_address_outside_its_subnet_is_told_beside_a_site_that_is_not_declared(lab: Lab) -> None:
    plan = {"site": "hci-01", "items": [{"vm": "dc-01", "site": "moon"}, {"vm": "sql-01", "address": "192.168.250.9"}]}
    assert set(wrong_with(lab, plan)) == {"items[0].site", "items[1].address"}


def test_where_azure_cannot_be_read_the_plan_is_taken_and_what_was_not_judged_is_said(lab: Lab) -> None:
    lab.azure("PUT", "faults", unreadable("*/replicationProtectedItems*"))
    reply = lab.api("PUT", "plans/small", {"site": "hci-01", "items": [{"vm": "who-knows"}]})
    assert reply.status == 201
    assert "vault-dr" in reply.body["warnings"][0]
    lab.azure("PUT", "faults", [])
    again = lab.api("PUT", "plans/small", {"site": "hci-01", "items": [{"vm": "who-knows"}]})
    assert again.status == 200  # what is declared already is not held against Azure again
    other = lab.api("PUT", "plans/other", {"site": "hci-01", "items": [{"vm": "who-knows"}]}).body["errors"]
    assert [error["field"] for error in other] == ["items[0].vm"]


def test_a_network_that_is_not_there_is_told_by_all_who_are_asked_and_starts_nothing(lab: Lab) -> None:
    lab.azure("PUT", "faults", unreadable("*/virtualNetworks/*"))
    assert lab.api("PUT", "plans/small", small(network=AWAY)).status == 201
    lab.azure("PUT", "faults", [])
    codes = [one["code"] for one in lab.api("POST", "plans/small/failover?preview=true", {}).body["blockers"]]
    assert codes == ["network-missing"]
    assert not lab.api("GET", "plans/small/readiness").body["verbs"]["planned-failover"]["ready"]
    assert lab.api("POST", "plans/small/failover", {}).status == 409
    assert lab.verbs() == []


def test_a_network_that_the_app_may_not_read_is_a_warning_and_the_failover_goes_on(lab: Lab) -> None:
    lab.api("PUT", "plans/small", small())
    lab.azure("PUT", "faults", unreadable("*/virtualNetworks/*"))
    told = lab.api("POST", "plans/small/failover?preview=true", {}).body
    assert "network-unread" in {one["code"] for one in told["warnings"]}
    assert told["blockers"] == []
    verbs = lab.api("GET", "plans/small/readiness").body["verbs"]
    assert verbs["planned-failover"]["ready"]
    shown = lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])
    assert shown["state"] == "succeeded"
    assert all(item["privateIp"] == "" for item in shown["items"])  # nothing was probed


def owed_for(lab: Lab) -> set[str]:
    return {owed["kind"] for owed in lab.api("GET", "obligations?plan=small").body["value"]}


def test_an_unplanned_failover_owes_the_proof_that_its_source_is_off_and_the_timer_brings_it(lab: Lab) -> None:
    lab.api("PUT", "plans/small", small())
    run = lab.api("POST", "plans/small/failover", {"type": "unplanned", "shutDownSource": True}).body["id"]
    shown = lab.ended(run)
    assert {"source-off", "commit", "reprotect"} == {owed["kind"] for owed in shown["obligations"]}
    assert any("Guest configuration" in finding for finding in shown["limitations"])
    lab.eventually(lambda: "source-off" not in owed_for(lab))
    assert owed_for(lab) == {"commit", "reprotect"}


def test_a_machine_whose_name_is_taken_in_azure_is_probed_under_the_name_that_it_got(lab: Lab) -> None:
    """Both are to be called dc-01 there: the second one is renamed (28175), and only it answers on 7433."""
    items = small()["items"]
    items[1] |= {"probes": [{"port": 7433, "deadline": "PT5M"}]}
    wish = {"action": "update", "vms": [{"vm": "sql-01", "azureVm": "dc-01"}]}
    assert lab.ended(lab.api("POST", "sites/hci-01/replication", wish).body["id"])["state"] == "succeeded"
    lab.api("PUT", "plans/small", {"site": "hci-01", "items": items})
    shown = lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])
    assert shown["state"] == "succeeded", shown
    assert shown["items"][1]["azureVm"].startswith("dc-01-")
    assert "28175" in shown["items"][1]["detail"]


def one_vm(vm: str, **fields: Any) -> dict[str, Any]:
    return {"site": "hci-01", "items": [{"vm": vm, "address": "10.10.1.20", **fields}]}


def test_an_address_that_another_machine_has_is_told_before_and_the_one_that_it_got_after(lab: Lab) -> None:
    lab.reset()
    assert lab.api("PUT", "plans/pa", one_vm("app-02")).status == 201
    warned = [one for one in lab.api("PUT", "plans/pb", one_vm("web-02")).body["warnings"] if "10.10.1.20" in one]
    assert len(warned) == 1
    assert "app-02 of the plan 'pa' asks for it as well" in warned[0]
    assert lab.ended(lab.api("POST", "plans/pa/failover", {}).body["id"])["state"] == "succeeded"
    preview = lab.api("POST", "plans/pb/failover?preview=true", {}).body
    (taken,) = [one for one in preview["concerns"] if one["code"] == "address-taken"]
    assert (taken["vm"], "app-02-nic" in taken["detail"]) == ("web-02", True)
    assert not lab.api("GET", "plans/pb/readiness").body["verbs"]["planned-failover"]["ready"]
    assert lab.api("POST", "plans/pb/failover", {}).status == 409
    run = lab.ended(lab.api("POST", "plans/pb/failover", {"override": "any address will do"}).body["id"])
    assert (run["state"], run["items"][0]["privateIp"]) == ("succeeded", "10.10.1.21")
    assert "web-02 has the address 10.10.1.21 in Azure, and asked for 10.10.1.20" in run["limitations"]


def test_a_family_of_sizes_without_cores_is_told_by_preflight_preview_and_readiness(lab: Lab) -> None:
    lab.reset()
    lab.azure("PUT", "world", {"quota": {"standardDSv5Family": {"used": 0, "limit": 0}}})
    for verb, weight in (("failover", "concerns"), ("drill", "warnings")):
        preview = lab.api("POST", f"plans/payroll/{verb}?preview=true", {}).body
        (short,) = [one for one in preview[weight] if one["code"] == "quota-exceeded"]
        assert "12 cores of the family Standard DSv5 Family vCPUs are needed" in short["detail"]
    assert not lab.api("GET", "plans/payroll/readiness").body["verbs"]["unplanned-failover"]["ready"]
    run = lab.ended(lab.api("POST", "sites/hci-01/preflight", {}).body["id"])
    (check,) = [one for one in run["checks"] if one["id"] == "target-quota"]
    assert (check["state"], "Standard DSv5 Family" in check["evidence"][0]) == ("fail", True)


def test_a_failover_without_a_network_waits_for_a_reason(lab: Lab) -> None:
    lab.reset()
    wish = {"action": "update", "vms": [{"vm": "web-02", "network": ""}]}
    assert lab.ended(lab.api("POST", "sites/hci-01/replication", wish).body["id"])["state"] == "succeeded"
    lab.api("PUT", "plans/pb", {"site": "hci-01", "items": [{"vm": "web-02"}]})
    codes = {one["code"] for one in lab.api("POST", "plans/pb/failover?preview=true", {}).body["concerns"]}
    assert "no-network" in codes
    assert lab.api("POST", "plans/pb/failover", {}).status == 409
