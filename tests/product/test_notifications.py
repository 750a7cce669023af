"""A run waits for an approval: it arrives in the inbox with its link, and a second person approves from there."""

from typing import Any

from tests.people import object_id_of, signed_in
from tests.product.conftest import Lab
from tests.product.test_yielding import DRILL

ADMIN, BOB = signed_in("ann", "Dr.Admin"), signed_in("bob", "Dr.Approve")
SMALL: dict[str, Any] = {"site": "hci-01", "items": [{"vm": "dc-01"}], "drill": {"network": DRILL}}
POLICY = {"covers": {"vms": ["dc-01"]}, "approvers": [object_id_of("bob")]}
RULE = "notification-rules/waiting"


def messages(lab: Lab, channel: str = "teams") -> list[dict[str, Any]]:
    return [one for one in lab.azure("GET", "inbox") if one["channel"] == channel]


def guarded_run(lab: Lab) -> str:
    assert lab.api("PUT", "plans/small", SMALL, ADMIN).status == 201
    assert lab.api("PUT", "approval-policies/production", POLICY, ADMIN).status == 201
    reply = lab.api("POST", "plans/small/failover", {}, ADMIN)
    assert reply.status == 202, reply.body
    return str(reply.body["id"])


def test_a_second_person_approves_from_the_notification(lab: Lab) -> None:
    run = guarded_run(lab)
    lab.eventually(lambda: messages(lab) != [] and messages(lab, "email") != [])
    message = messages(lab)[0]
    assert message["subject"].startswith("small failover waits for 1 approval, asked for by ann: until")
    (link,) = message["links"]
    assert link == f"{lab.servers.host.base}/api/ui#/approve/{run}"
    approved = lab.api("POST", f"operations/{link.rpartition('/')[2]}/approve", {"comment": "seen"}, BOB)
    assert approved.status == 202, approved.body
    assert lab.ended(run)["state"] == "succeeded"
    lab.eventually(lambda: lab.api("GET", RULE).body["deliveries"]["sent"] >= 2)
    assert lab.api("GET", "health").body["notifications"]["givenUp"] == 0


def test_while_nobody_answers_people_are_reminded_and_a_rejection_ends_that(lab: Lab) -> None:
    run = guarded_run(lab)
    lab.eventually(lambda: any(one["subject"].startswith("Reminder 1: small") for one in messages(lab)))
    assert lab.api("POST", f"operations/{run}/reject", {"comment": "no"}, BOB).status == 202
    lab.ended(run)
    count = len(messages(lab))
    lab.azure("POST", "clock", {"advance": "PT4H"})
    lab.eventually(lambda: lab.api("GET", "health").status == 200)
    assert len(messages(lab)) == count


def test_nobody_alone_silences_those_who_have_to_approve(lab: Lab) -> None:
    assert lab.api("PUT", "approval-policies/production", POLICY, ADMIN).status == 201
    quiet = lab.document(RULE) | {"occasions": ["failed"]}
    quiet = {name: value for name, value in quiet.items() if name not in {"remind", "reminders", "deliveries"}}
    reply = lab.api("PUT", RULE, quiet, ADMIN)
    assert reply.status == 202, reply.body
    run = reply.body["id"]
    lab.waiting(run)
    assert lab.api("POST", f"operations/{run}/approve", {}, BOB).status == 202
    assert lab.ended(run)["state"] == "succeeded"
    assert lab.api("GET", RULE).body["occasions"] == ["failed"]
    assert lab.api("DELETE", RULE, None, ADMIN).status == 200
