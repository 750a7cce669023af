"""A part of a plan over HTTP, and a commit of a machine that is not well."""

from typing import Any

from tests.product.conftest import Lab

THREE: dict[str, Any] = {
    "site": "hci-01",
    "items": [{"vm": "dc-01"}, {"vm": "app-02", "after": ["dc-01"]}, {"vm": "web-02", "after": ["app-02"]}],
    "commit": "automatic",
}
SHOP: dict[str, Any] = {
    "site": "hci-01",
    "items": [{"vm": "app-02", "probes": [{"port": 7999, "deadline": "PT1M"}]}],
    "commit": "manual",
}


def ended(lab: Lab, verb: str, body: dict[str, Any], plan: str = "three") -> Any:
    started = lab.api("POST", f"plans/{plan}/{verb}", body)
    assert started.status == 202, started.body
    return lab.ended(started.body["id"])


def test_a_half_moved_plan_comes_home_by_its_next_steps(lab: Lab) -> None:
    lab.api("PUT", "plans/three", THREE)
    assert ended(lab, "failover", {"vms": ["DC-01", "app-02"]})["state"] == "succeeded"
    seen = lab.api("POST", "plans/three/failback?preview=true", {}).body
    assert (seen["blockers"], seen["order"]) == ([], [["app-02"], ["dc-01"]])
    assert [(one["vm"], one["code"]) for one in seen["leftOut"]] == [("web-02", "failback-not-allowed")]
    named = lab.api("POST", "plans/three/failback", {"vms": ["web-02"]})
    assert (named.status, [error["field"] for error in named.body["errors"]]) == (409, ["items[web-02]"])
    (step,) = lab.api("GET", "plans/three/readiness").body["nextSteps"]
    assert (step["verb"], step["vms"]) == ("failback", ["dc-01", "app-02"])
    home = ended(lab, "failback", {})
    assert (home["state"], [one["vm"] for one in home["leftOut"]]) == ("succeeded", ["web-02"])
    assert [item["vm"] for item in home["items"]] == ["dc-01", "app-02"]
    (step,) = lab.api("GET", "plans/three/readiness").body["nextSteps"]
    assert ended(lab, step["verb"], {"vms": step["vms"]})["state"] == "succeeded"
    assert {item for verb, item in lab.verbs() if item == "web-02"} == set()
    assert lab.api("GET", "obligations").body["value"] == []


def test_a_machine_that_does_not_pass_its_probes_is_committed_only_with_a_reason(lab: Lab) -> None:
    lab.api("PUT", "plans/shop", SHOP)
    assert ended(lab, "failover", {}, "shop")["state"] == "failed"
    seen = lab.api("POST", "plans/shop/commit?preview=true", {}).body
    assert [(one["vm"], one["code"]) for one in seen["concerns"]] == [("app-02", "probes-failed")]
    confirm = {"confirm": seen["confirm"]}
    refused = lab.api("POST", "plans/shop/commit", confirm)
    assert (refused.status, [error["field"] for error in refused.body["errors"]]) == (409, ["items[app-02]"])
    assert [verb for verb, _ in lab.verbs() if not verb.startswith("extensions/")] == ["plannedFailover"]
    assert ended(lab, "commit", {"override": "the port is new", **confirm}, "shop")["state"] == "succeeded"


def test_an_azure_vm_agent_is_told_before_the_vm_goes_home(lab: Lab) -> None:
    """It gets in the way of extensions that Arc has installed; on a VM without one nothing is said."""
    lab.azure("PUT", "world", {"vms": {"app-02": {"guestAgent": "2.7.41491.1131"}}})
    lab.api("PUT", "plans/pair", {"site": "hci-01", "items": [{"vm": "app-02"}, {"vm": "web-02"}], "commit": "manual"})
    assert ended(lab, "failover", {}, "pair")["state"] == "succeeded"
    for verb in ("commit", "failback"):
        seen = lab.api("POST", f"plans/pair/{verb}?preview=true", {}).body
        assert [(one["vm"], one["code"]) for one in seen["warnings"] if one["code"] == "guest-agent"] == [
            ("app-02", "guest-agent")
        ]
        confirm = {"confirm": seen["confirm"]} if seen["confirm"] else {}
        assert ended(lab, verb, confirm, "pair")["state"] == "succeeded"
