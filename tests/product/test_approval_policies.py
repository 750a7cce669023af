"""Approval policies over HTTP: nobody alone gets round one, by no plan, no site, no change and no key."""

from typing import Any

import pytest

from tests.people import object_id_of, signed_in
from tests.product.conftest import Lab, Reply
from tests.product.test_yielding import DRILL

ADMIN, OTHER = signed_in("ann", "Dr.Admin"), signed_in("otto", "Dr.Admin")
BOB, EVE = signed_in("bob", "Dr.Approve"), signed_in("eve", "Dr.Approve")
NOBODY = {"Authorization": ""}
POLICY = {"covers": {"vms": ["dc-01"]}, "approvers": [object_id_of("bob")]}
SMALL: dict[str, Any] = {"site": "hci-01", "items": [{"vm": "dc-01"}], "drill": {"network": DRILL}}


@pytest.fixture
def guarded(lab: Lab) -> Lab:
    """A lab with a plan, and a policy for its VM."""
    assert lab.api("PUT", "plans/small", SMALL, ADMIN).status == 201
    assert lab.api("PUT", "approval-policies/production", POLICY, ADMIN).status == 201
    return lab


def waits(lab: Lab, reply: Reply) -> str:
    """The run that a request became, which waits for approvals and has done nothing."""
    assert reply.status == 202, reply.body
    run: str = reply.body["id"]
    shown = lab.waiting(run)
    assert shown["waitingFor"]["kind"] == "approval", shown
    assert lab.verbs() == []
    return run


def approve(lab: Lab, run: str, person: dict[str, str] = BOB, **body: Any) -> Reply:
    return lab.api("POST", f"operations/{run}/approve", body, person)


def approved(lab: Lab, run: str) -> dict[str, Any]:
    assert approve(lab, run).status == 202
    return lab.ended(run)


def test_no_other_plan_goes_round_a_policy(guarded: Lab) -> None:
    lab = guarded
    assert lab.api("PUT", "plans/twin", {"site": "hci-01", "items": [{"vm": "DC-01"}]}, OTHER).status == 201
    for plan in ("small", "twin", "payroll"):
        assert lab.api("POST", f"plans/{plan}/failover", {}, NOBODY).status == 401
        shown = lab.api("POST", f"plans/{plan}/failover?preview=true", {}, OTHER).body["requiredApprovals"]
        assert [one["source"] for one in shown] == ["approval policy production"]
    run = waits(lab, lab.api("POST", "plans/twin/failover", {}, OTHER))
    assert {approve(lab, run, person).status for person in (OTHER, ADMIN, EVE)} == {403}
    assert approved(lab, run)["state"] == "succeeded"
    assert lab.verbs() != []


def test_a_policy_is_changed_and_withdrawn_by_those_alone_whom_it_names(guarded: Lab) -> None:
    lab = guarded
    looser = {"covers": {"vms": ["other"]}}
    for reply in (
        lab.api("PUT", "approval-policies/production", looser, NOBODY),
        lab.api("DELETE", "approval-policies/production", None, NOBODY),
    ):
        assert reply.status == 401, reply.body
    run = waits(lab, lab.api("PUT", "approval-policies/production", looser, OTHER))
    assert waits(lab, lab.api("PUT", "approval-policies/production", looser, OTHER)) == run
    assert {approve(lab, run, person).status for person in (OTHER, EVE)} == {403}
    assert lab.api("POST", f"operations/{run}/reject", {"comment": "no"}, BOB).status == 202
    assert lab.ended(run)["obstacles"][0]["code"] == "rejected"
    assert lab.api("GET", "approval-policies/production").body["covers"]["vms"] == ["dc-01"]
    gone = approved(lab, waits(lab, lab.api("DELETE", "approval-policies/production", None, OTHER)))
    assert (gone["state"], lab.api("GET", "approval-policies/production").status) == ("succeeded", 404)


def test_a_guarded_plan_and_its_site_are_not_changed_by_one_person(guarded: Lab) -> None:
    lab = guarded
    healed = lab.document("sites/hci-01") | {"healing": False}
    hook = {"name": "h", "kind": "manual", "instructions": "x"}
    for method, path, body in (
        ("PUT", "plans/small", {**SMALL, "hooks": {"failover": {"before": [hook]}}}),
        ("DELETE", "plans/small", None),
        ("PUT", "sites/hci-01", healed),
    ):
        run = waits(lab, lab.api(method, path, body, OTHER))
        assert lab.api("POST", f"operations/{run}/abort", {}, OTHER).status == 202
        assert lab.ended(run)["state"] == "aborted"
    assert lab.document("plans/small")["hooks"]["failover"]["before"] == []
    ended = approved(lab, waits(lab, lab.api("PUT", "sites/hci-01", healed, OTHER)))
    assert (ended["state"], ended["changedFields"], ended["facts"]["outcome"]) == ("succeeded", ["healing"], "changed")
    newest = lab.api("GET", "sites/hci-01").body
    assert (newest["healing"], newest["declaredById"]) == (False, object_id_of("otto"))


def test_an_approval_is_of_the_change_as_it_was_asked_for(guarded: Lab) -> None:
    lab = guarded
    first = waits(lab, lab.api("PUT", "plans/small", {**SMALL, "maxStarts": 7}, OTHER))
    second = waits(lab, lab.api("PUT", "plans/small", {**SMALL, "maxStarts": 8}, OTHER))
    assert approve(lab, first, digest="another").status == 409
    assert approve(lab, first, digest=lab.waiting(first)["digest"]).status == 202
    assert lab.ended(first)["state"] == "succeeded"
    assert approve(lab, second).status == 409
    assert lab.api("GET", "plans/small").body["maxStarts"] == 7


def test_replication_of_a_guarded_machine_is_not_ended_by_one_person(guarded: Lab) -> None:
    lab = guarded
    request = {"action": "disable", "vms": ["DC-01"]}
    confirm = lab.api("POST", "sites/hci-01/replication?preview=true", request, OTHER).body["confirm"]
    alone = lab.api("POST", "sites/hci-01/replication", {**request, "confirm": confirm}, NOBODY)
    assert alone.status == 401, alone.body
    run = waits(lab, lab.api("POST", "sites/hci-01/replication", {**request, "confirm": confirm}, OTHER))
    started = approved(lab, run)["facts"]["operation"]
    assert lab.ended(started)["state"] == "succeeded"
    unguarded = {"action": "disable", "vms": ["web-01"]}
    confirm = lab.api("POST", "sites/hci-01/replication?preview=true", unguarded, OTHER).body["confirm"]
    reply = lab.api("POST", "sites/hci-01/replication", {**unguarded, "confirm": confirm}, OTHER)
    assert lab.ended(reply.body["id"])["kind"] == "replication"


def test_recovery_plans_of_guarded_machines_are_not_deleted_by_one_person(guarded: Lab) -> None:
    lab, place = guarded, "plans/small/recovery-plans"
    assert lab.ended(lab.api("POST", place, {"action": "save"}, OTHER).body["id"])["state"] == "succeeded"
    before = lab.verbs()
    confirm = lab.api("POST", f"{place}?preview=true", {"action": "remove"}, OTHER).body["confirm"]
    asked = lab.api("POST", place, {"action": "remove", "confirm": confirm}, OTHER)
    assert lab.waiting(asked.body["id"])["waitingFor"]["kind"] == "approval"
    assert lab.verbs() == before
    started = approved(lab, asked.body["id"])["facts"]["operation"]
    assert (lab.ended(started)["kind"], lab.ended(started)["state"]) == ("mirror", "succeeded")
    assert lab.verbs() != before


def test_the_host_may_die_while_a_change_waits(guarded: Lab) -> None:
    lab = guarded
    run = waits(lab, lab.api("PUT", "plans/small", {**SMALL, "maxStarts": 7}, OTHER))
    lab.servers.host.kill()
    lab.servers.host.start()
    lab.servers.host.await_healthy()
    assert approved(lab, run)["state"] == "succeeded"
    assert lab.api("GET", "plans/small").body["version"] == 2


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"covers": {"sites": ["nowhere"]}}, "covers.sites[0]"),
        ({"covers": {"plans": ["nothing"]}}, "covers.plans[0]"),
        ({"covers": {}}, "covers"),
        ({"covers": {"vms": ["a"]}, "approvers": ["bob@contoso.com"]}, "approvers[0]"),
        ({"covers": {"vms": ["a"]}, "verbs": ["failover"]}, "verbs"),
    ],
)
def test_a_policy_that_guards_nothing_names_what_is_wrong(lab: Lab, document: Any, field: str) -> None:
    reply = lab.api("PUT", "approval-policies/production", document, ADMIN)
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, field), reply.body
    assert lab.api("GET", "approval-policies").body["value"] == []
