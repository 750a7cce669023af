"""The way home over HTTP: what keeps a failback closed, and what it does."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.scenarios import common
from tests.deep import cases
from tests.failures import failure_texts
from tests.product.conftest import Lab
from tests.product.test_drills import arm, made

SMALL = {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "web-01", "after": ["dc-01"]}], "commit": "automatic"}
NODES = ("hci-01-n1", "hci-01-n2", "hci-01-n3")


def owed_for(lab: Lab) -> dict[str, dict[str, Any]]:
    return {owed["kind"]: owed for owed in lab.api("GET", "obligations?plan=small").body["value"]}


def world(lab: Lab, **parts: Any) -> None:
    lab.azure("PUT", "world", parts)


def test_a_source_that_comes_back_running_keeps_the_failback_closed_until_it_is_proven_off(lab: Lab) -> None:
    """The site is lost and comes back with its old machines on: nothing is switched by itself, all is told."""
    lab.api("PUT", "plans/small", SMALL)
    world(lab, nodes={node: {"connected": False} for node in NODES})
    over = lab.api("POST", "plans/small/failover", {"type": "unplanned", "shutDownSource": False}).body["id"]
    assert lab.ended(over)["state"] == "succeeded"
    world(lab, nodes={node: {"connected": True} for node in NODES})
    lab.eventually(lambda: bool(owed_for(lab)["source-off"]["leftovers"]))
    lab.eventually(lambda: "web-01: Running on hci-01-n3" in owed_for(lab)["source-off"]["leftovers"])
    assert "Stop-VM" in owed_for(lab)["source-off"]["detail"]
    refused = lab.api("POST", "plans/small/failback", {})
    assert (refused.status, "web-01: Running on hci-01-n3" in refused.body["detail"]) == (409, True)
    powers = {vm["name"]: vm["power"] for vm in lab.azure("GET", "state")["sourceVms"]}
    assert (powers["dc-01"], powers["web-01"]) == ("On", "On")
    world(lab, sources={vm: {"power": "Off"} for vm in ("dc-01", "web-01")})
    lab.eventually(lambda: "source-off" not in owed_for(lab))
    back = lab.ended(lab.api("POST", "plans/small/failback", {}).body["id"])
    assert back["state"] == "succeeded", back
    assert owed_for(lab).keys() == {"reprotect"}


def away(lab: Lab, **plan: Any) -> None:
    """The plan's machines run in Azure, committed."""
    assert lab.api("PUT", "plans/small", {**SMALL, **plan}).status in {200, 201}
    over = lab.ended(lab.api("POST", "plans/small/failover", {}).body["id"])
    assert over["state"] == "succeeded", over


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dataSync": "fast"}, "dataSync"),
        ({"resumeAt": "2030-01-01T00:00:00Z"}, "resumeAt"),
        ({"host": "hci-01-n1"}, "host"),
    ],
)
def test_options_that_make_no_sense_are_refused_naming_the_field(lab: Lab, body: dict[str, Any], field: str) -> None:
    reply = lab.api("POST", "plans/payroll/failback", body)
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (400, [field])


def test_with_the_least_downtime_the_failback_waits_for_a_word_with_the_machines_running(lab: Lab) -> None:
    away(lab, failback={"dataSync": "minimise-downtime"})
    run = lab.api("POST", "plans/small/failback", {"order": "same"}).body["id"]
    assert lab.waiting(run)["waitingFor"]["kind"] == "resume"
    lab.eventually(lambda: lab.api("GET", f"operations/{run}").body["waitingFor"]["vms"] == ["dc-01", "web-01"])
    assert {vm["power"] for vm in lab.azure("GET", "state")["azureVms"]} == {"running"}
    assert lab.api("POST", f"operations/{run}/resume", {"comment": "go"}).status == 202
    ended = lab.ended(run)
    assert ended["state"] == "succeeded"
    dc, web = (next(step for step in item["steps"] if step["verb"] == "Failback") for item in ended["items"])
    assert dc["endedAt"] < web["endedAt"]


def test_a_machine_that_was_deleted_at_home_is_made_again_where_it_is_asked_for(lab: Lab) -> None:
    away(lab)
    world(lab, sources={"web-01": {"present": False}, "dc-01": {"node": "hci-01-n3"}})
    refused = lab.api("POST", "plans/small/failback", {"createVm": True, "host": "hci-02-n1"}).body["id"]
    problems = lab.ended(refused)["obstacles"]
    assert [problem["code"] for problem in problems] == ["another-cluster"]
    run = lab.api("POST", "plans/small/failback", {"createVm": True, "host": "hci-01-n3"}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    made = {vm["name"]: vm for vm in lab.azure("GET", "state")["sourceVms"]}["web-01"]
    assert (made["present"], made["node"], made["power"]) == (True, "hci-01-n3", "On")
    scripts = [verb for verb, _ in lab.verbs() if verb.startswith("runCommands")]
    assert scripts.count("runCommands/write") == scripts.count("runCommands/delete") > 0


def test_the_preview_advises_each_machine_and_says_what_is_looked_at_later(lab: Lab) -> None:
    away(lab)
    seen = lab.api("POST", "plans/small/failback?preview=true", {}).body
    assert [(one["vm"], one["recommended"]) for one in seen["advice"]] == [
        ("dc-01", "minimise-downtime"),
        ("web-01", "minimise-downtime"),
    ]
    assert any("capacity.linkMbps" in text for text in seen["advice"][0]["unknownFacts"])
    assert seen["checkedWhenRunBegins"]
    load = {"capacity": {"linkMbps": 10000, "defaultChurn": 0.1}}
    site = common.site_document("hci-01", "vault-dr", "hci-01-site") | load
    assert lab.api("PUT", "sites/hci-01", site).status == 200
    (told, _) = lab.api("POST", "plans/small/failback?preview=true", {}).body["advice"]
    assert [way["downtime"] is not None for way in told["options"]] == [True, True]
    assert told["unknownFacts"] == []


def failback_by_hand(lab: Lab, vm: str) -> None:
    """Somebody begins a failback past the app, as the portal would."""
    base = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr"
    vault = f"{base}/providers/Microsoft.RecoveryServices/vaults/vault-dr"
    listed = arm(lab, "GET", f"{vault}/replicationProtectedItems", version="2025-08-01").body["value"]
    item = next(one["id"] for one in listed if one["properties"]["friendlyName"] == vm)
    details = {"instanceType": "HyperVReplicaAzureFailback", "recoveryVmCreationOption": "NoAction"}
    body = {"failoverDirection": "RecoveryToPrimary", "providerSpecificDetails": details}
    details["dataSyncOption"] = "ForDownTime"
    assert arm(lab, "POST", f"{item}/plannedFailover", {"properties": body}, "2025-08-01").status == 202


def corrupt(lab: Lab) -> list[str]:
    return [vm["name"] for vm in lab.azure("GET", "state")["sourceVms"] if vm["corrupt"]]


def test_a_cancel_during_data_synchronisation_needs_its_consequence_said_and_keeps_who_said_it(lab: Lab) -> None:
    away(lab)
    failback_by_hand(lab, "web-01")
    lab.eventually(lambda: "PlannedFailover" in str(lab.api("POST", "plans/small/failback?preview=true", {}).body))
    sentence = lab.api("POST", "plans/small/cancel?preview=true", {}).body["confirm"]
    assert sentence == "Cancel: on premises web-01 may be corrupt until failed back once more."
    refused = lab.api("POST", "plans/small/cancel", {"confirm": "yes"})
    assert (refused.status, corrupt(lab)) == (400, [])
    one = {**SMALL, "items": [{"vm": "web-01"}]}
    lab.api("PUT", "plans/one", one)
    run = lab.api("POST", "plans/one/cancel", {"confirm": sentence}).body["id"]
    lab.ended(run)
    assert corrupt(lab) == ["web-01"]
    pack = next(Path(lab.servers.host.log).parent.rglob(f"evidence/{run}"))
    request = next(json.loads(file.read_text()) for file in pack.glob("records/*-request.json"))
    assert sentence in json.dumps(request)
    assert request["body"]["requested_by"]


@pytest.mark.parametrize("leave", cases(["nic", "disks"], {"nic"}))
def test_what_the_commit_of_a_failback_leaves_behind_is_removed_where_the_plan_says_so(lab: Lab, leave: str) -> None:
    away(lab, failback={"leftovers": "remove"})
    effect = {"job": {"leave": leave}}
    lab.azure("PUT", "faults", [{"match": {"verb": "failoverCommit", "item": "web-01"}, "effect": effect}])
    shown = lab.ended(lab.api("POST", "plans/small/failback", {}).body["id"])
    assert shown["state"] == "succeeded"
    name = {"nic": "web-01-nic", "disks": "web-01-web-01"}[leave]
    assert [text.rpartition("/")[2] for text in shown["limitations"] if "removed in Azure" in text] == [name]
    assert made(lab) == []
    assert "leftovers" not in owed_for(lab)


def test_what_is_left_in_azure_is_listed_until_somebody_removes_it(lab: Lab) -> None:
    away(lab)
    rule = {"match": {"verb": "failoverCommit", "item": "web-01"}, "effect": {"job": {"leave": "nic"}}}
    lab.azure("PUT", "faults", [rule])
    shown = lab.ended(lab.api("POST", "plans/small/failback", {}).body["id"])
    assert shown["state"] == "succeeded", failure_texts(shown)
    owed = owed_for(lab)
    assert "leftovers" in owed, (owed, shown["findings"])
    (left,) = owed["leftovers"]["leftovers"]
    assert (left.rpartition("/")[2], made(lab)) == ("web-01-nic", ["web-01-nic"])
    assert arm(lab, "DELETE", left).status == 200
    lab.eventually(lambda: "leftovers" not in owed_for(lab))
