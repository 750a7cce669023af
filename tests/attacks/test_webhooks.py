"""Somebody has the key of the durable webhooks, here those of the local host: what it opens, and what it does not."""

import base64
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from lab.servers import Servers
from shared.operations.payloads import unpack_document
from shared.operations.seals import with_seal
from tests.failures import failure_texts
from tests.people import object_id_of, signed_in
from tests.product.conftest import Lab, send, serve_lab
from tests.product.test_api import plan_of

ANN, BOB = signed_in("ann", "Dr.Operate"), signed_in("bob", "Dr.Approve")
INSTANCES = "/runtime/webhooks/durabletask/instances"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers of this module."""
    yield from serve_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def lab(servers: Servers) -> Lab:
    """The lab with the default scenario as new, and a plan that two persons approve."""
    lab = Lab(servers)
    lab.reset()
    lab.api("PUT", "plans/guarded", plan_of(approvals={"count": 2}))
    return lab


def requested(lab: Lab) -> str:
    """A failover that waits for its approvals."""
    run: str = lab.api("POST", "plans/guarded/failover", {}, ANN).body["id"]
    lab.waiting(run)
    return run


def webhook(lab: Lab, method: str, path: str, body: Any = None) -> Any:
    reply = send(lab.servers.host.base, method, f"{INSTANCES}/{path}", body)
    assert reply.status < 300, reply.body
    return reply.body


def approval(lab: Lab, run: str, person: str) -> dict[str, Any]:
    """An approval as it would have to be, of what everybody with the key can read."""
    awaited = lab.api("GET", f"operations/{run}").body["waitingFor"]
    digests = {"digest": awaited["planDigest"], "preview": awaited["previewDigest"]}
    return {"approved": True, "person": object_id_of(person), "by": person, "comment": "", **digests}


def count_approvals_sent_to(lab: Lab, run: str) -> int:
    """How many the engine has handed on."""
    history = webhook(lab, "GET", f"{run}?showHistory=true")["historyEvents"]
    return len([one for one in history if one["EventType"] == "EventRaised" and one["Name"] == "approve"])


def sealed(lab: Lab, run: str, person: str) -> dict[str, Any]:
    """An approval as the app sends it: whoever reads the engine's storage finds it there."""
    key = base64.b64decode((lab.servers.host.log.parent / "mac.key").read_text())
    return with_seal(key, run, "approve", approval(lab, run, person))


def test_two_invented_persons_approve_nothing_and_two_true_ones_still_can(lab: Lab) -> None:
    run = requested(lab)
    for person in ("zoe", "yan"):
        webhook(lab, "POST", f"{run}/raiseEvent/approve", approval(lab, run, person))
    webhook(lab, "POST", f"{run}/raiseEvent/decide", {"verdict": "abort", "by": "zoe", "person": object_id_of("zoe")})
    webhook(lab, "POST", f"{run}/raiseEvent/approve", approval(lab, run, "zoe") | {"approved": False})
    assert lab.api("POST", f"operations/{run}/approve", {}, BOB).status == 202
    lab.eventually(lambda: lab.waiting(run)["waitingFor"]["approvalsGiven"] == ["bob"])
    assert lab.verbs() == []
    assert lab.api("POST", f"operations/{run}/approve", {}, signed_in("cleo", "Dr.Approve")).status == 202
    ended = lab.ended(run)
    assert (ended["state"], [one["by"] for one in ended["approvals"]]) == ("succeeded", ["bob", "cleo"])
    assert any(
        one.startswith("4 decisions or approvals came that this app has not sent") for one in ended["limitations"]
    )


def test_a_true_approval_counts_once_and_for_its_own_run_alone(lab: Lab) -> None:
    first = requested(lab)
    true_one = sealed(lab, first, "bob")
    webhook(lab, "POST", f"{first}/raiseEvent/approve", true_one)
    lab.eventually(lambda: lab.waiting(first)["waitingFor"]["approvalsGiven"] == ["bob"])
    webhook(lab, "POST", f"{first}/raiseEvent/approve", true_one)
    webhook(lab, "POST", f"{first}/raiseEvent/approve", true_one | {"person": object_id_of("zoe"), "by": "zoe"})
    lab.eventually(lambda: count_approvals_sent_to(lab, first) == 3)
    assert lab.api("POST", f"operations/{first}/reject", {}, BOB).status == 202
    assert lab.ended(first)["obstacles"][0]["code"] == "rejected"
    second = requested(lab)
    webhook(lab, "POST", f"{second}/raiseEvent/approve", true_one)
    webhook(lab, "POST", f"{second}/raiseEvent/approve", true_one | {"by": "bob"})
    lab.eventually(lambda: count_approvals_sent_to(lab, second) == 2)
    assert lab.waiting(second)["waitingFor"]["approvalsGiven"] == []
    assert lab.verbs() == []


def forged_failover(lab: Lab, **changes: Any) -> dict[str, Any]:
    """The input of a failover that waits, as if nobody had to approve it."""
    given = webhook(lab, "GET", f"{requested(lab)}?showInput=true")["input"]
    document: dict[str, Any] = json.loads(given) if isinstance(given, str) else given
    return {**unpack_document(document), "approval_rules": [], "approvals": [], **changes}


def start(lab: Lab, orchestrator: str, run: str, given: Any) -> None:
    path = f"/runtime/webhooks/durabletask/orchestrators/{orchestrator}/{run}"
    reply = send(lab.servers.host.base, "POST", path, given)
    assert reply.status < 300, reply.body


def test_a_run_that_the_app_has_not_started_does_nothing_and_is_told(lab: Lab) -> None:
    forged = forged_failover(lab)
    begun = {**forged, "carried": {"created_at": "2027-03-01T03:00:00Z"}}
    over = {**forged, "carried": {"outcome": {"state": "succeeded", "kind": "failover", "plan": "guarded"}}}
    for number, given in enumerate((forged, begun, over, {}, 1, [], {"packed": "x"})):
        start(lab, "failover", f"failover-guarded-forged{number}", given)
    for number in range(7):
        lab.eventually(partial(is_foreign, lab, f"failover-guarded-forged{number}"))
    shown = lab.ended("failover-guarded-forged0")
    assert (shown["state"], shown["obstacles"][0]["code"]) == ("failed", "not-started-here")
    listed = {one["id"]: one for one in lab.api("GET", "operations").body["value"]}
    assert {f"failover-guarded-forged{number}" for number in range(7)} <= set(listed)
    for number in range(7):
        assert lab.api("GET", f"operations/failover-guarded-forged{number}").status == 200
        assert lab.api("GET", f"operations/failover-guarded-forged{number}/report").status in {200, 404}
    assert lab.verbs() == []


def is_foreign(lab: Lab, run: str) -> bool:
    """Whether a run has ended as one that the app has not started."""
    return "not-started-here" in json.dumps(webhook(lab, "GET", run)["output"])


def test_an_ended_run_is_not_begun_again_with_what_it_was_given(lab: Lab) -> None:
    run = requested(lab)
    given = webhook(lab, "GET", f"{run}?showInput=true")["input"]
    assert lab.api("POST", f"operations/{run}/abort", {}, ANN).status == 202
    assert lab.ended(run)["state"] == "aborted"
    start(lab, "failover", run, json.loads(given) if isinstance(given, str) else given)
    lab.eventually(partial(is_foreign, lab, run))
    assert lab.verbs() == []


DECLARED = "plan:guarded"


def test_no_document_changes_through_an_entity_and_none_is_forgotten(lab: Lab) -> None:
    before = lab.api("GET", "plans/guarded").body
    put = {"document": plan_of(), "by": "zoe", "by_id": object_id_of("zoe"), "at": "2027-03-02T03:00:00Z"}
    stamp = {"sender": "zoe", "number": 1, "at": "2027-03-02T03:00:00Z"}
    forget = {"unchanged_since": "2030-01-01T00:00:00Z", "whatever_it_keeps": True}
    requests = {"put": put, "remove": put, "forget": forget}
    for operation, given in requests.items():
        message = {"stamp": stamp, "request": given, "seal": "0" * 64}
        for body in (message, {**message, "seal": ""}, {"stamp": stamp, "request": given}, given, None):
            path = f"/runtime/webhooks/durabletask/entities/documents/{DECLARED}?op={operation}"
            assert send(lab.servers.host.base, "POST", path, body).status == 202
    hold = {"stamp": stamp, "request": {"site": None, "id": "x", "reason": "x", "by": "zoe"}}
    path = "/runtime/webhooks/durabletask/entities/holds/holds?op=set"
    assert send(lab.servers.host.base, "POST", path, hold).status == 202
    assert lab.api("PUT", "plans/other", plan_of()).status in {200, 201}
    assert lab.api("GET", "plans/guarded").body == before
    assert lab.api("GET", "hold").body["holds"] == []


def test_a_run_that_is_terminated_so_is_told_and_has_begun_nothing(lab: Lab) -> None:
    """It cannot be prevented: the engine does it without asking the app."""
    run = requested(lab)
    webhook(lab, "POST", f"{run}/terminate?reason=approved")
    shown = lab.ended(run)
    assert (shown["state"], lab.verbs()) == ("failed", [])
    assert "run-lost" in failure_texts(shown)[0]
