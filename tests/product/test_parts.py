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
    assert [verb for verb, _ in lab.verbs()] == ["plannedFailover"]
    assert ended(lab, "commit", {"override": "the port is new", **confirm}, "shop")["state"] == "succeeded"
