"""Somebody has the key of the durable webhooks, here those of the local host: what it opens, and what it does not."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from lab.servers import Servers
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


def test_a_run_that_is_terminated_so_is_told_and_has_begun_nothing(lab: Lab) -> None:
    """It cannot be prevented: the engine does it without asking the app."""
    run = requested(lab)
    webhook(lab, "POST", f"{run}/terminate?reason=approved")
    shown = lab.ended(run)
    assert (shown["state"], lab.verbs()) == ("failed", [])
    assert "run-lost" in failure_texts(shown)[0]
