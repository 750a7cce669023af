"""Recovery plans in Site Recovery, kept in step with a plan: from outside, over HTTP."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.failures import failure_texts
from tests.people import signed_in
from tests.product.conftest import Lab
from tests.product.test_drills import arm

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
VAULT = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr"
SMALL: dict[str, Any] = {
    "site": "hci-01",
    "items": [
        {"vm": "dc-01"},
        {"vm": "sql-01", "after": ["dc-01"]},
        {"vm": "app-01", "after": ["sql-01"]},
    ],
}
SCRIPT = {
    "actionName": "change the dns",
    "failoverTypes": ["PlannedFailover", "UnplannedFailover"],
    "failoverDirections": ["PrimaryToRecovery"],
    "customDetails": {"instanceType": "ScriptActionDetails", "path": "dns.cmd", "fabricLocation": "Recovery"},
}
PATH = "plans/small/recovery-plans"


def recovery_plan(lab: Lab, name: str = "small") -> Any:
    return arm(lab, "GET", f"{VAULT}/replicationRecoveryPlans/{name}", version="2025-08-01")


def groups(lab: Lab, name: str = "small") -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = recovery_plan(lab, name).body["properties"]["groups"]
    return shown


def names(lab: Lab) -> list[list[str]]:
    """Machines of the Boot groups."""
    listed = arm(lab, "GET", f"{VAULT}/replicationProtectedItems", version="2025-08-01").body["value"]
    vms = {item["id"].lower(): item["properties"]["friendlyName"] for item in listed}
    return [[vms[one["id"].lower()] for one in group["replicationProtectedItems"]] for group in groups(lab)[2:]]


def by_hand(lab: Lab, changed: list[dict[str, Any]], method: str = "PATCH", name: str = "small") -> None:
    """What somebody does in the portal."""
    body = {"properties": {"groups": changed}}
    assert arm(lab, method, f"{VAULT}/replicationRecoveryPlans/{name}", body, "2025-08-01").status == 202
    lab.eventually(lambda: shape(groups(lab, name)) == shape(changed))


def shape(some: list[dict[str, Any]]) -> list[tuple[list[str], int]]:
    members = ([one["id"].lower() for one in group["replicationProtectedItems"]] for group in some)
    return list(zip(members, (len(group.get("endGroupActions") or ()) for group in some), strict=True))


def does(lab: Lab, action: str, **body: Any) -> dict[str, Any]:
    reply = lab.api("POST", PATH, {"action": action, **body})
    assert reply.status == 202, reply.body
    return lab.ended(reply.body["id"])


@pytest.fixture
def saved(lab: Lab) -> Lab:
    assert lab.api("PUT", "plans/small", SMALL).status in {200, 201}
    shown = does(lab, "save")
    assert (shown["state"], failure_texts(shown)) == ("succeeded", [])
    return lab


def differences(lab: Lab) -> list[str]:
    return [one["detail"] for one in lab.api("GET", PATH).body["differences"]]


def test_a_plan_is_saved_as_a_recovery_plan_once(lab: Lab) -> None:
    lab.api("PUT", "plans/small", SMALL)
    assert differences(lab) == ["the vault has no recovery plan small, which would have 3 groups with 3 VMs"]
    seen = lab.api("POST", f"{PATH}?preview=true", {"action": "save"}).body
    assert (seen["writes"], seen["confirm"]) == ([{"action": "save", "recoveryPlan": "small"}], "")
    shown = does(lab, "save")
    assert (shown["kind"], shown["plan"], shown["state"]) == ("mirror", "small", "succeeded"), shown
    assert names(lab) == [["dc-01"], ["sql-01"], ["app-01"]]
    assert lab.api("GET", PATH).body["inSync"] is True
    assert does(lab, "save")["facts"]["written"] == []
    assert [verb for verb, _ in lab.verbs()] == ["replicationRecoveryPlans/write"]
    assert [one["id"] for one in lab.api("GET", "operations?kind=mirror&plan=small").body["value"]]


def test_drift_made_by_hand_is_shown_as_a_person_can_read_it_and_repaired(saved: Lab) -> None:
    """The order of groups, a machine that was taken out, and an action that is none of ours."""
    shutdown, failover, dc, sql, _app = groups(saved)
    by_hand(saved, [shutdown, failover, sql, dc | {"endGroupActions": [SCRIPT]}])
    assert differences(saved) == [
        "app-01 is not in the recovery plan small; our plan has it in group 3",
        "the groups of the recovery plan small are in another order: sql-01 -> dc-01, not dc-01 -> sql-01",
        "the recovery plan small has a script action 'change the dns' after group 2 that our plan does not know",
    ]
    refused = saved.api("POST", PATH, {"action": "repair"})
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "confirm")
    sentence = saved.api("POST", f"{PATH}?preview=true", {"action": "repair"}).body["confirm"]
    assert sentence == "Repair small: the action 'change the dns' after group 2 of small is deleted."
    assert does(saved, "repair", confirm=sentence)["state"] == "succeeded"
    assert names(saved) == [["dc-01"], ["sql-01"], ["app-01"]]
    assert saved.api("GET", PATH).body["inSync"] is True


def test_the_vaults_order_is_taken_over_into_the_plan(saved: Lab) -> None:
    shutdown, failover, dc, sql, app = groups(saved)
    by_hand(saved, [shutdown, failover, sql, dc])
    before = saved.api("GET", "plans/small")
    seen = saved.api("POST", f"{PATH}?preview=true", {"action": "adopt"}).body
    assert [(item["vm"], item["after"]) for item in seen["document"]["items"]] == [
        ("dc-01", ["sql-01"]),
        ("sql-01", []),
    ]
    stale = saved.api("POST", PATH, {"action": "adopt"}, {"If-Match": '"0-nothing"'})
    assert stale.status == 412
    operator = saved.api("POST", PATH, {"action": "adopt"}, signed_in("eve", "Dr.Operate"))
    taken = saved.api("POST", PATH, {"action": "adopt"}, {"If-Match": before.headers["ETag"]})
    assert (operator.status, taken.status) == (403, 200)
    assert saved.api("GET", PATH).body["inSync"] is True
    by_hand(saved, [shutdown, failover, sql, dc | {"endGroupActions": [SCRIPT]}, app])
    no = saved.api("POST", PATH, {"action": "adopt"})
    assert (no.status, no.body["code"]) == (409, "not-expressible")


def test_a_recovery_plan_of_somebody_else_is_written_over_only_when_that_is_said(lab: Lab) -> None:
    lab.api("PUT", "plans/other", {**SMALL, "items": [{"vm": "web-01"}]})
    lab.ended(lab.api("POST", "plans/other/recovery-plans", {"action": "save"}).body["id"])
    lab.api("PUT", "plans/small", {**SMALL, "recoveryPlan": {"name": "other"}})
    shown = lab.api("GET", PATH).body
    assert shown["differences"][0]["what"] == "plan-not-ours"
    assert shown["confirm"].endswith("which this app did not make, is written over.")
    assert lab.api("POST", PATH, {"action": "save"}).status == 400


def test_a_mirror_is_taken_away_again(saved: Lab) -> None:
    assert does(saved, "remove")["facts"]["written"] == ["remove small"]
    assert recovery_plan(saved).status == 404
    assert does(saved, "remove")["facts"]["written"] == []


def test_the_timer_tells_of_drift_and_repairs_it_where_the_plan_says_so(saved: Lab) -> None:
    """But never by itself what somebody else put in."""
    shutdown, failover, dc, sql, app = groups(saved)
    saved.api("PUT", "plans/small", {**SMALL, "recoveryPlan": {"mirroring": "repair"}})
    by_hand(saved, [shutdown, failover, app, sql, dc])
    saved.eventually(lambda: names(saved) == [["dc-01"], ["sql-01"], ["app-01"]])
    by_hand(saved, [shutdown, failover, app, sql, dc | {"endGroupActions": [SCRIPT]}])
    lab_minutes(saved, 40)
    assert names(saved) == [["app-01"], ["sql-01"], ["dc-01"]]
    assert ["change the dns" in " ".join(one) for one in drift_told(saved)] == [False, True]


def drift_told(lab: Lab) -> list[list[str]]:
    """The differences of each event that tells of drift, oldest first."""
    received = sorted(lab.azure("GET", "events")["received"], key=lambda one: str(one["at"]))
    events = [one["event"] for one in received]
    return [event["data"]["differences"] for event in events if event["type"].endswith("RecoveryPlan.Drifted")]


def lab_minutes(lab: Lab, minutes: int) -> None:
    began = datetime.fromisoformat(lab.azure("GET", "clock")["now"])
    lab.eventually(
        lambda: datetime.fromisoformat(lab.azure("GET", "clock")["now"]) - began > timedelta(minutes=minutes)
    )


@pytest.mark.parametrize(
    ("body", "field"), [({}, "action"), ({"action": "sell"}, "action"), ({"action": "save", "x": 1}, "x")]
)
def test_what_makes_no_sense_is_refused_naming_the_field(lab: Lab, body: dict[str, Any], field: str) -> None:
    reply = lab.api("POST", "plans/payroll/recovery-plans", body)
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, field)
    assert lab.api("GET", "plans/nobody/recovery-plans").status == 404
