"""Guarded changes: nothing is changed without the approvals that are asked for, and then exactly what was asked."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.change import change
from shared.operations.contract import StartRun
from shared.plans.approvals import RequiredApprovals
from shared.plans.versions import Declaration, DocumentChange, declare_document
from shared.recovery.guarded_change import GuardedChange
from tests.driver import Result
from tests.orchestrators.test_runbooks import Bench, said
from tests.people import object_id_of

ANN, BOB, EVE, APP = map(object_id_of, ("ann", "bob", "eve", "app"))
KEY = "@documents@plan:payroll"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def declared(bench: Bench) -> str:
    """A plan as it stands: its entity tag."""
    first = DocumentChange(document_kind="plan", name="payroll", action="put", document={"a": 1}, digest="d1", by="ann")
    versioned, _ = declare_document(None, Declaration(**dict(first), at=bench.driver.clock.now))
    assert versioned is not None
    bench.driver.states[KEY] = versioned.model_dump(mode="json")
    return versioned.etag


def asked(etag: str, *required: RequiredApprovals, **changes: Any) -> GuardedChange:
    document = DocumentChange(
        document_kind="plan",
        name="payroll",
        action="put",
        document={"a": 2},
        digest="d2",
        by="ann",
        by_id=ANN,
        if_match=etag,
    )
    facts = {"id": "change-1", "subject": "plans/payroll", "requested_by": "ann", "requester_id": ANN}
    rules = required or (RequiredApprovals(source="approval policy production"),)
    return GuardedChange.model_validate({**facts, "detail": "x", "required": rules, "document": document} | changes)


def agree(bench: Bench, one: GuardedChange, minute: int, person: str, **changes: Any) -> None:
    given = {"approved": True, "person": person, "by": "somebody", "digest": one.digest, **changes}
    bench.driver.say(timedelta(minutes=minute), "approve", given)


def run(bench: Bench, one: GuardedChange) -> Result:
    return bench.driver.run(change, one.model_dump(mode="json"), one.id)


def content(bench: Bench) -> Any:
    state = bench.driver.states.get(KEY)
    return state and state["document"]


def test_what_was_approved_is_declared(bench: Bench) -> None:
    one = asked(declared(bench))
    agree(bench, one, 10, BOB)
    output = run(bench, one).output
    assert (output["state"], content(bench)) == ("succeeded", {"a": 2})
    assert [given["person"] for given in output["approvals"]] == [BOB]
    assert bench.driver.states[KEY]["history"][-1]["declared_by_id"] == ANN
    assert [name.rpartition(".")[2] for name in bench.azure.runs.list_event_types()] == ["Waiting", "Finished"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "approval-expired"),
        ({"approved": False}, "rejected"),
        ({"digest": "of another change"}, "approval-void"),
        ({"person": ANN}, "same-person"),
        ({"person": ANN.upper()}, "same-person"),
        ({"person": EVE}, "not-an-approver"),
    ],
)
def test_without_an_approval_that_counts_nothing_is_changed(bench: Bench, given: dict[str, Any], code: str) -> None:
    rule = RequiredApprovals(source="approval policy production", approvers=(ANN, BOB))
    one = asked(declared(bench), rule)
    if given:
        agree(bench, one, 10, **{"person": BOB, **given})
    output = run(bench, one).output
    assert (output["state"], output["problems"][0]["code"]) == ("refused", code)
    assert content(bench) == {"a": 1}


def test_an_app_counts_where_it_is_named_and_nowhere_else(bench: Bench) -> None:
    rules = (
        RequiredApprovals(source="approval policy robots", approvers=(APP,)),
        RequiredApprovals(source="approval policy people"),
    )
    one = asked(declared(bench), *rules)
    agree(bench, one, 10, APP, is_app=True)
    assert run(bench, one).output["problems"][0]["code"] == "approval-expired"
    assert content(bench) == {"a": 1}
    again = asked(declared(bench), *rules, id="change-2")
    agree(bench, again, 10, APP, is_app=True)
    agree(bench, again, 20, BOB)
    assert run(bench, again).output["state"] == "succeeded"


def test_all_who_ask_have_to_be_satisfied_and_one_person_counts_once_for_each(bench: Bench) -> None:
    two = RequiredApprovals(source="approval policy two", count=2)
    bobs = RequiredApprovals(source="plan payroll", approvers=(BOB,), expires=timedelta(hours=1))
    one = asked(declared(bench), two, bobs)
    agree(bench, one, 5, EVE)
    agree(bench, one, 6, EVE.upper())
    output = run(bench, one).output
    assert output["problems"][0]["code"] == "approval-expired"
    assert output["ended"] < (bench.driver.clock.now + timedelta(minutes=1)).isoformat()
    again = asked(declared(bench), two, bobs, id="change-2")
    agree(bench, again, 10, EVE)
    agree(bench, again, 20, BOB)
    assert run(bench, again).output["state"] == "succeeded"


def test_what_changed_while_others_were_asked_is_not_undone(bench: Bench) -> None:
    one = asked(declared(bench))
    agree(bench, one, 10, BOB)

    def changes(_now: Any) -> None:
        bench.driver.states[KEY]["document"] = {"a": 3}
        bench.driver.states[KEY]["version"] = 7

    bench.driver.clock.watchers.append(changes)
    output = run(bench, one).output
    assert (output["state"], output["failures"][0]["code"]) == ("failed", "changed-meanwhile")
    assert content(bench) == {"a": 3}


def test_whoever_asked_can_take_it_back(bench: Bench) -> None:
    one = asked(declared(bench))
    bench.driver.say(timedelta(minutes=5), "decide", said("abort"))
    agree(bench, one, 10, BOB)
    assert run(bench, one).output["state"] == "aborted"
    assert content(bench) == {"a": 1}


def test_a_run_that_was_approved_is_started_once(bench: Bench) -> None:
    start = StartRun(id="replication-1", orchestrator="replication", payload={"id": "replication-1"})
    one = asked("", document=None, start=start, subject="sites/hci-01", sites=("hci-01",))
    agree(bench, one, 10, BOB)
    output = run(bench, one).output
    assert (output["state"], output["facts"]) == ("succeeded", {"operation": "replication-1"})
    assert [one.id for one in bench.azure.runs.started if one.orchestrator == "replication"] == ["replication-1"]


def test_a_run_that_was_not_approved_is_never_started(bench: Bench) -> None:
    start = StartRun(id="replication-1", orchestrator="replication", payload={"id": "replication-1"})
    one = asked("", document=None, start=start, subject="sites/hci-01", sites=("hci-01",))
    agree(bench, one, 10, BOB, approved=False)
    assert run(bench, one).output["state"] == "refused"
    assert [one for one in bench.azure.runs.started if one.orchestrator == "replication"] == []
