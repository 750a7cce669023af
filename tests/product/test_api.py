"""The HTTP API: what it accepts, what it refuses and how, and that a refusal starts nothing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.people import object_id_of, signed_in
from tests.product.conftest import Lab, Reply

DRILL = (
    "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr-net"
    "/providers/Microsoft.Network/virtualNetworks/vnet-drill"
)
NOBODY = {"Authorization": ""}
VMS = ["dc-01", "sql-01", "app-01", "app-02", "web-01", "web-02"]


def plan_of(**changes: Any) -> dict[str, Any]:
    return {"site": "hci-01", "items": [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}], **changes}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "plans/nope/failover", {}, 404, "plan"),
        ("POST", "plans/payroll/explode", {}, 404, "verb"),
        ("POST", "plans/payroll/failover", {"type": "sideways"}, 400, "type"),
        ("POST", "plans/payroll/failover", {"shutDownSource": "perhaps"}, 400, "shutDownSource"),
        ("POST", "plans/payroll/failover", {"typo": 1}, 400, "typo"),
        ("POST", "plans/payroll/failover", "{not json", 400, "body"),
        ("POST", "plans/payroll/drill", [], 400, "body"),
        ("POST", "plans/payroll/failover?preview=perhaps", {}, 400, "preview"),
        ("PUT", "plans/p2", {"site": "nowhere", "items": [{"vm": "a"}]}, 400, "site"),
        ("PUT", "plans/p2", plan_of(items=[{"vm": "a", "after": ["b"]}]), 400, "items[0].after[0]"),
        ("PUT", "plans/p2", plan_of(commit="sometimes"), 400, "commit"),
        ("PUT", "plans/Bad_Name", plan_of(), 400, "plan"),
        ("PUT", "sites/s2", {"cluster": "hci-01"}, 400, "cluster"),
        ("GET", "operations?state=odd", None, 400, "state"),
        ("GET", "operations?top=0", None, 400, "top"),
        ("GET", "operations/failover-nope-1", None, 404, "operation"),
        ("GET", "sites/nope", None, 404, "site"),
    ],
)
def test_bad_input_is_refused_naming_the_field(
    lab: Lab, method: str, path: str, body: Any, status: int, field: str
) -> None:
    reply = lab.api(method, path, body)
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert field in [error["field"] for error in reply.body["errors"]]
    assert reply.body["status"] == status
    assert lab.api("GET", "operations").body == {"value": []}
    assert lab.verbs() == []


def test_a_circle_is_shown_and_everything_else_wrong_is_told_with_it(lab: Lab) -> None:
    items = [{"vm": "a", "after": ["b"]}, {"vm": "b", "after": ["a"]}, {"vm": "c", "after": ["c", "zz"]}]
    reply = lab.api("PUT", "plans/circle", plan_of(items=items))
    details = {error["field"]: error["detail"] for error in reply.body["errors"]}
    assert "a -> b -> a" in details["items[0].after[0]"]
    in_azure = {f"items[{place}].vm" for place in range(3)}
    assert set(details) == {"items[0].after[0]", "items[2].after[0]", "items[2].after[1]", *in_azure}
    assert lab.api("GET", "plans/circle").status == 404


@pytest.mark.parametrize(
    ("method", "path", "roles"),
    [
        ("POST", "plans/payroll/failover", ("Dr.Read", "Dr.Drill", "Dr.Approve")),
        ("POST", "plans/payroll/drill", ("Dr.Read",)),
        ("PUT", "plans/payroll", ("Dr.Operate",)),
        ("DELETE", "sites/hci-01", ("Dr.Operate",)),
        ("GET", "plans", ()),
    ],
)
def test_a_missing_role_is_refused_and_nothing_is_started(
    lab: Lab, method: str, path: str, roles: tuple[str, ...]
) -> None:
    reply = lab.api(method, path, {}, signed_in("bob", *roles))
    assert reply.status == 403
    assert reply.body["errors"][0]["field"] == "X-MS-CLIENT-PRINCIPAL"
    assert lab.api("GET", "operations").body == {"value": []}


def test_a_header_that_cannot_be_read_is_bad_input(lab: Lab) -> None:
    reply = lab.api("GET", "plans", headers={"X-MS-CLIENT-PRINCIPAL": "no base64"})
    assert (reply.status, reply.body["errors"][0]["field"]) == (400, "X-MS-CLIENT-PRINCIPAL")


def test_a_preview_says_what_would_happen_and_changes_nothing(lab: Lab) -> None:
    reply = lab.api("POST", "plans/payroll/failover?preview=true", {"type": "planned"}, signed_in("eve", "Dr.Read"))
    assert reply.status == 200
    assert reply.body["order"] == [["dc-01"], ["sql-01"], ["app-01", "app-02"], ["web-01", "web-02"]]
    assert reply.body["stages"] == ["PlannedFailover", "Commit"]
    assert reply.body["blockers"] == []
    assert any("recovery points" in line for line in reply.body["irreversible"])
    assert lab.verbs() == []


def test_a_verb_that_is_not_due_is_refused_with_the_reason_for_each_machine(lab: Lab) -> None:
    reply = lab.api("POST", "plans/payroll/failback", {})
    assert (reply.status, reply.body["title"]) == (409, "Not ready")
    assert [error["field"] for error in reply.body["errors"]] == ["plan", *(f"items[{vm}]" for vm in VMS)]
    assert "nothing to do" in reply.body["detail"]
    assert lab.verbs() == []


def test_a_second_verb_on_a_busy_plan_is_409_with_the_run_that_holds_it(lab: Lab) -> None:
    first = lab.api("POST", "plans/payroll/failover", {}).body["id"]
    second = lab.api("POST", "plans/payroll/drill", {})
    assert (second.status, second.body["heldBy"]) == (409, first)
    assert lab.ended(first)["state"] == "succeeded"


def test_the_same_key_answers_the_same_operation_however_often_and_at_once(lab: Lab) -> None:
    key = {"Idempotency-Key": "once"}
    with ThreadPoolExecutor(8) as crowd:
        replies = list(crowd.map(lambda _: lab.api("POST", "plans/payroll/failover", {}, key), range(8)))
    assert {reply.status for reply in replies} == {202}
    assert len({reply.body["id"] for reply in replies}) == 1
    run = replies[0].body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    again = lab.api("POST", "plans/payroll/failover", {}, key)
    assert (again.status, again.body["id"]) == (202, run)
    assert len(lab.verbs()) == len(set(lab.verbs())) == 2 * len(VMS)


def test_two_callers_at_once_get_one_run_and_one_409(lab: Lab) -> None:
    with ThreadPoolExecutor(2) as crowd:
        replies = list(crowd.map(lambda _: lab.api("POST", "plans/payroll/failover", {}), range(2)))
    assert sorted(reply.status for reply in replies) == [202, 409]
    winner = next(reply for reply in replies if reply.status == 202)
    assert lab.ended(winner.body["id"])["state"] == "succeeded"
    assert len(lab.verbs()) == len(set(lab.verbs()))


def test_of_many_callers_with_and_without_keys_one_gets_a_run_and_all_others_are_told_which(lab: Lab) -> None:
    """Each request has a durable client, and so a connection to the task hub, of its own."""
    keys = [None, None, None, None, "a", "a", "a", "b", "b", "b", None, None]

    def ask(key: str | None) -> Reply:
        return lab.api("POST", "plans/payroll/failover", {}, {"Idempotency-Key": key} if key else None)

    with ThreadPoolExecutor(len(keys)) as crowd:
        replies = list(crowd.map(ask, keys))
    taken = {reply.body["id"] for reply in replies if reply.status == 202}
    assert len(taken) == 1
    others = [reply for reply in replies if reply.status != 202]
    assert {(reply.status, reply.body["heldBy"]) for reply in others} == {(409, *taken)}
    assert lab.ended(taken.pop())["state"] == "succeeded"
    assert len(lab.verbs()) == len(set(lab.verbs()))


def test_documents_are_changed_only_by_those_who_saw_them(lab: Lab) -> None:
    created = lab.api("PUT", "plans/intranet", plan_of())
    assert created.status == 201
    stale = lab.api("PUT", "plans/intranet", plan_of(commit="automatic"), {"If-Match": '"9-abc"'})
    assert stale.status == 412
    changed = lab.api("PUT", "plans/intranet", plan_of(commit="automatic"), {"If-Match": created.headers["ETag"]})
    assert (changed.status, changed.body["outcome"]) == (200, "changed")
    seen = lab.api("GET", "plans/intranet")
    assert (seen.headers["ETag"], seen.body["commit"], seen.body["version"]) == (changed.body["etag"], "automatic", 2)
    assert lab.api("DELETE", "plans/intranet").status == 200
    assert lab.api("DELETE", "plans/intranet").status == 404


def test_a_site_that_a_plan_needs_cannot_be_withdrawn(lab: Lab) -> None:
    assert lab.api("DELETE", "sites/hci-01").status == 409
    assert lab.api("GET", "sites/hci-01").status == 200


def test_a_finished_run_has_a_report_for_people_and_for_programs(lab: Lab) -> None:
    run = lab.api("POST", "plans/payroll/failover", {}).body["id"]
    shown = lab.ended(run)
    assert [item["azureVm"] for item in shown["items"]] == VMS
    assert {owed["kind"] for owed in shown["obligations"]} == {"reprotect"}
    page = lab.api("GET", f"operations/{run}/report")
    assert page.headers["Content-Type"].startswith("text/html")
    assert all(vm in page.body for vm in VMS)
    assert all(
        item["privateIp"] and item["privateIp"] in page.body for item in shown["items"]
    )  # the commit leaves them
    assert lab.api("GET", f"operations/{run}/report", headers={"Accept": "application/json"}).body["id"] == run
    assert [
        one["id"] for one in lab.api("GET", "operations?plan=payroll&kind=failover&state=succeeded").body["value"]
    ] == [run]


def test_the_portfolio_has_what_was_rehearsed_and_what_it_took(lab: Lab) -> None:
    lab.ended(lab.api("POST", "plans/payroll/drill", {}).body["id"])
    found = lab.api("GET", "portfolio?format=json").body
    figures = next(one for one in found["plans"] if one["plan"] == "payroll")
    assert figures["isRehearsed"]
    assert figures["rto"]["achieved"]
    assert figures["rpo"]["achieved"]
    assert found["totals"]["rehearsedPlans"] == 1
    (quarter,) = found["quarters"]
    assert (quarter["drills"], quarter["goodDrills"], quarter["rto"]["runs"]) == (1, 1, 1)
    assert lab.api("GET", "portfolio").headers["Content-Type"].startswith("text/html")
    assert lab.api("GET", "portfolio?format=csv").body.startswith("plan,sites,vms")
    assert lab.api("GET", "portfolio?days=0").status == lab.api("GET", "portfolio?days=x").status == 400


def test_a_second_person_approves_and_nobody_else_can(lab: Lab) -> None:
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1}))
    ann, bob = signed_in("ann", "Dr.Operate", "Dr.Approve"), signed_in("bob", "Dr.Approve")
    run = lab.api("POST", "plans/guarded/failover", {}, ann).body["id"]
    shown = lab.waiting(run)
    assert (shown["waitingFor"]["kind"], shown["waitingFor"]["approvalsNeeded"]) == ("approval", 1)
    assert lab.api("POST", f"operations/{run}/approve", {}, ann).status == 403
    assert lab.api("POST", f"operations/{run}/approve", {}).status == 403
    assert lab.api("POST", f"operations/{run}/retry", {}, ann).status == 409
    assert lab.api("POST", f"operations/{run}/approve", {"digest": "another"}, bob).status == 409
    assert lab.verbs() == []
    assert lab.api("POST", f"operations/{run}/approve", {"comment": "go"}, bob).status == 202
    ended = lab.ended(run)
    assert (ended["state"], ended["approvals"][0]["by"]) == ("succeeded", "bob")
    assert lab.api("POST", f"operations/{run}/abort", {}).status == 409


def test_who_waits_for_an_approval_can_be_aborted_and_is_not_approved_any_more(lab: Lab) -> None:
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1}))
    run = lab.api("POST", "plans/guarded/failover", {}, signed_in("ann", "Dr.Operate")).body["id"]
    lab.waiting(run)
    assert (
        lab.api("POST", f"operations/{run}/abort", {"comment": "not tonight"}, signed_in("ann", "Dr.Operate")).status
        == 202
    )
    ended = lab.ended(run)
    told = [(one["verdict"], one["by"], one["comment"]) for one in ended["decisions"]]
    assert (ended["state"], told) == ("aborted", [("abort", "ann", "not tonight")])
    assert lab.api("POST", f"operations/{run}/approve", {}, signed_in("bob", "Dr.Approve")).status == 409
    evidence = lab.api("GET", f"operations/{run}/evidence").body
    assert evidence["intact"]
    assert [one["name"] for one in evidence["records"] if "decision" in one["name"]]
    assert (lab.verbs(), lab.api("GET", "obligations?plan=guarded").body["value"]) == ([], [])
    second = lab.api("POST", "plans/guarded/failover", {}, signed_in("ann", "Dr.Operate"))
    assert second.status == 202
    assert lab.waiting(second.body["id"])["waitingFor"]["kind"] == "approval"


def test_an_approval_is_of_the_preview_that_the_operation_shows_and_only_approvers_give_it(lab: Lab) -> None:
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1, "approvers": [object_id_of("bob").upper()]}))
    seen = lab.api("POST", "plans/guarded/failover?preview=true", {}).body
    run = lab.api("POST", "plans/guarded/failover", {}, signed_in("ann", "Dr.Operate")).body["id"]
    shown = lab.waiting(run)
    assert shown["preview"]["previewDigest"] == shown["waitingFor"]["previewDigest"] == seen["previewDigest"]
    assert shown["preview"]["stages"] == ["PlannedFailover"]
    eve, bob = signed_in("eve", "Dr.Approve"), signed_in("bob", "Dr.Approve")
    refused = lab.api("POST", f"operations/{run}/approve", {}, eve)
    assert (refused.status, refused.body["errors"][0]["field"]) == (403, "approvals.approvers")
    other = lab.api("POST", f"operations/{run}/approve", {"preview": "another"}, bob)
    assert (other.status, other.body["errors"][0]["field"]) == (409, "preview")
    word = {"digest": seen["planDigest"], "preview": seen["previewDigest"]}
    assert lab.api("POST", f"operations/{run}/approve", word, bob).status == 202
    ended = lab.ended(run)
    assert (ended["state"], ended["approvals"][0]["preview"]) == ("succeeded", seen["previewDigest"])
    assert "preview" not in ended


def test_what_others_have_to_approve_is_asked_for_by_somebody_who_is_signed_in(lab: Lab) -> None:
    """Else one person could ask as nobody, and approve signed in."""
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1}))
    refused = lab.api("POST", "plans/guarded/failover", {}, NOBODY)
    assert (refused.status, refused.body["errors"][0]["field"]) == (401, "X-MS-CLIENT-PRINCIPAL")
    assert "sign in" in refused.body["detail"]
    assert (lab.verbs(), lab.api("GET", "operations").body) == ([], {"value": []})
    assert lab.api("POST", "plans/guarded/failover?preview=true", {}).status == 200
    ann = lab.api(
        "POST", "plans/guarded/failover", {"type": "unplanned", "shutDownSource": False}, signed_in("ann", "Dr.Operate")
    )
    shown = lab.waiting(ann.body["id"])
    assert shown["options"] == {"type": "unplanned", "shutDownSource": False, "recoveryPoint": "latest"}
    assert shown["preview"]["options"] == shown["options"]


def test_what_changed_while_a_run_waited_voids_its_approval(lab: Lab) -> None:
    """A host is lost meanwhile: who approved has not seen that."""
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1}))
    run = lab.api("POST", "plans/guarded/failover", {}, signed_in("ann", "Dr.Operate")).body["id"]
    lab.waiting(run)
    rule = {"match": {"path": "*replicationProtectedItems"}, "effect": {"disconnect": "hci-01-n1"}}
    lab.azure("PUT", "faults", [rule])
    lab.eventually(lambda: not lab.api("GET", "plans/guarded/readiness").body["verbs"]["planned-failover"]["ready"])
    assert lab.api("POST", f"operations/{run}/approve", {}, signed_in("bob", "Dr.Approve")).status == 202
    ended = lab.ended(run)
    assert (ended["state"], ended["obstacles"][0]["code"]) == ("failed", "approval-void")
    assert "replication of dc-01 is Critical" in ended["obstacles"][0]["detail"]
    assert lab.verbs() == []


def test_a_changed_plan_voids_the_approval(lab: Lab) -> None:
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 1}))
    run = lab.api("POST", "plans/guarded/failover", {}, signed_in("ann", "Dr.Operate")).body["id"]
    lab.waiting(run)
    other = plan_of(approvals={"count": 1}, commit="automatic")
    change = lab.api("PUT", "plans/guarded", other, signed_in("ann", "Dr.Admin")).body["id"]
    lab.waiting(change)
    assert lab.api("POST", f"operations/{change}/approve", {}, signed_in("bob", "Dr.Approve")).status == 202
    assert lab.ended(change)["state"] == "succeeded"
    reply = lab.api("POST", f"operations/{run}/approve", {}, signed_in("bob", "Dr.Approve"))
    assert (reply.status, reply.body["title"]) == (409, "Approval is void")
    assert lab.api("POST", f"operations/{run}/reject", {}, signed_in("bob", "Dr.Approve")).status == 202
    assert lab.ended(run)["obstacles"][0]["code"] == "rejected"
    assert lab.verbs() == []


def test_a_failed_machine_waits_for_a_person_who_says_retry(lab: Lab) -> None:
    lab.api("PUT", "plans/asking", plan_of(onFailure="ask"))
    rule = {"match": {"verb": "plannedFailover", "item": "dc-01", "times": 1}, "effect": {"job": {"fail": "539"}}}
    lab.azure("PUT", "faults", [rule])
    run = lab.api("POST", "plans/asking/failover", {}).body["id"]
    shown = lab.waiting(run)
    assert shown["waitingFor"]["vms"] == ["dc-01"]
    wrong = lab.api("POST", f"operations/{run}/retry", {"vms": ["sql-01"]})
    assert (wrong.status, wrong.body["errors"][0]["field"]) == (400, "vms[0]")
    assert lab.api("POST", f"operations/{run}/retry", {"vms": ["dc-01"]}).status == 202
    assert lab.ended(run)["state"] == "succeeded"
    assert [item for verb, item in lab.verbs() if verb == "plannedFailover"] == ["dc-01", "dc-01", "sql-01"]


def test_a_failed_machine_is_tried_again_while_another_chain_still_runs(lab: Lab) -> None:
    items = [{"vm": "dc-01"}, {"vm": "sql-01", "after": ["dc-01"]}, {"vm": "web-01"}]
    lab.api("PUT", "plans/asking", plan_of(onFailure="ask") | {"items": items})
    fails = {"match": {"verb": "plannedFailover", "item": "dc-01", "times": 1}, "effect": {"job": {"fail": "539"}}}
    lasts = {"match": {"verb": "plannedFailover", "item": "web-01"}, "effect": {"job": {"never": True}}}
    lab.azure("PUT", "faults", [fails, lasts])
    run = lab.api("POST", "plans/asking/failover", {}).body["id"]
    assert lab.waiting(run)["waitingFor"]["choices"] == ["retry", "skip", "abort"]
    assert lab.api("POST", f"operations/{run}/retry", {}).status == 202

    def states() -> list[str]:
        return [one["state"] for one in lab.api("GET", f"operations/{run}").body["items"]]

    lab.eventually(lambda: states() == ["done", "done", "running"])
    assert lab.api("GET", f"operations/{run}").body["state"] == "running"


def test_readiness_says_per_verb_what_stands_in_the_way_and_whether_the_plan_was_rehearsed(lab: Lab) -> None:
    lab.api("DELETE", "plans/payroll")  # its drill of every morning would hold the same VMs
    lab.api("PUT", "plans/small", plan_of(drill={"network": DRILL}))
    seen = lab.api("GET", "plans/small/readiness").body
    assert (seen["state"], seen["reason"]) == ("needs-verification", "no drill of this plan has succeeded yet")
    assert (seen["nextDrill"]["at"], seen["nextDrill"]["reason"]) == (None, "the plan has no schedule")
    assert seen["verbs"]["drill"] == {"applies": True, "ready": True, "blockers": [], "concerns": [], "warnings": []}
    assert (seen["verbs"]["failback"]["applies"], seen["verbs"]["failback"]["ready"]) == (False, None)
    planned = seen["verbs"]["planned-failover"]
    assert planned["ready"]
    assert [one["code"] for one in planned["warnings"]] == ["never-verified"]
    blockers = seen["verbs"]["failback"]["blockers"]
    assert [(one["vm"], one["code"] == "nothing-to-do") for one in blockers] == [
        ("", True),
        ("dc-01", False),
        ("sql-01", False),
    ]
    assert seen["lastDrill"]["status"] == "never-verified"
    run = lab.api("POST", "plans/small/drill", {}).body["id"]
    assert lab.ended(run)["state"] == "succeeded"
    seen = lab.api("GET", "plans/small/readiness").body
    assert (seen["lastDrill"]["status"], seen["state"], run in seen["reason"]) == ("verified", "ready", True)
    nightly = {"network": DRILL, "schedule": "0 0 2 * * *", "timeZone": "Europe/Berlin"}
    declared = lab.api("PUT", "plans/small", plan_of(drill=nightly, commit="automatic")).body
    seen = lab.api("GET", "plans/small/readiness").body
    [changed] = seen["lastDrill"]["changedSince"]
    assert (seen["state"], changed.partition(" of the plan")[0]) == ("needs-verification", "commit, drill")
    told = [declared, seen, lab.api("POST", "plans/small/drill?preview=true", {}).body]
    assert all(
        one["nextDrill"]["timeZone"] == "Europe/Berlin" and "T02:00:00+" in one["nextDrill"]["localTime"]
        for one in told
    )
