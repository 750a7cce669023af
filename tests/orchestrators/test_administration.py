"""What persons do to the app becomes evidence by a run of its own, however long the store is away, and once."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.change import change
from orchestrators.change_hold import change_hold
from orchestrators.change_lost_node import change_lost_node
from orchestrators.declare import declare
from orchestrators.record_administration import record_administration
from orchestrators.settle_obligation import settle_obligation
from shared.errors import Refused
from shared.evidence.administration import Act, AdministrationRecord
from shared.operations.contract import StartRun
from shared.operations.holds import HoldChange
from shared.operations.obligations import Obligation, SettlementOrder
from shared.operations.pacing import RECORD_PAUSES
from shared.operations.payloads import Carried, pack_input
from shared.plans.versions import DocumentChange
from shared.sites.lost_nodes import LostNodeChange
from tests.driver import Result
from tests.orchestrators.owed import owe
from tests.orchestrators.test_change import ANN, BOB, agree, asked, declared
from tests.orchestrators.test_kills import Host
from tests.orchestrators.test_runbooks import HOME, Bench

RUN = "administration-payroll-1"
COUNTS = "@event_counts@administration"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def records_of(bench: Bench) -> list[AdministrationRecord]:
    """What was handed to runs that write it down."""
    started = [one for one in bench.azure.runs.started if one.orchestrator == "record_administration"]
    assert len({one.id for one in started}) == len(started)
    return [AdministrationRecord.model_validate(one.payload) for one in started]


def the_act(bench: Bench) -> Act:
    (record,) = records_of(bench)
    (act,) = record.acts
    return act


def put(bench: Bench, run: str, digest: str, **changes: Any) -> Any:
    given = DocumentChange.model_validate(
        {"document_kind": "plan", "name": "payroll", "action": "put", "document": {"a": digest}, "digest": digest}
        | {"by": "ann", "by_id": ANN}
        | changes
    )
    payload = pack_input(given.model_dump(mode="json"), Carried(sender=run))  # as the HTTP function starts it
    return bench.driver.run(declare, payload, run).output


def test_a_declaration_says_who_and_from_what_to_what(bench: Bench) -> None:
    etag = put(bench, "declare-1", "d1")["etag"]
    changed = put(bench, "declare-2", "d2", if_match=etag)
    removed = put(bench, "declare-3", "", action="remove", document={})
    assert (changed["outcome"], removed["outcome"]) == ("changed", "removed")
    first, second, third = [record.acts[0] for record in records_of(bench)]
    assert {(one.subject, one.by, one.by_id) for one in (first, second, third)} == {("plans/payroll", "ann", ANN)}
    assert (first.act, first.facts["digestBefore"], first.facts["digest"]) == ("declared", "", "d1")
    assert (second.act, second.facts["digestBefore"], second.facts["digest"]) == ("changed", "d1", "d2")
    assert (second.facts["changedFields"], second.facts["etag"]) == (["a"], changed["etag"])
    assert (third.act, third.facts["digestBefore"], third.facts["digest"]) == ("withdrawn", "d2", "")


def test_what_changes_nothing_is_no_act(bench: Bench) -> None:
    put(bench, "declare-1", "d1")
    bench.azure.clock.advance_to(bench.azure.clock.now + timedelta(minutes=1))
    for run, changes in (("declare-2", {}), ("declare-3", {"if_match": '"9-x"', "digest": "d3"})):
        assert put(bench, run, **{"digest": "d1", **changes})["outcome"] in {"unchanged", "conflict"}
    put(bench, "declare-4", "", action="remove", name="other")
    assert len(records_of(bench)) == 1


def test_a_guarded_change_says_who_approved_it(bench: Bench) -> None:
    one = asked(declared(bench))
    agree(bench, one, 10, BOB)
    bench.driver.run(change, one.model_dump(mode="json"), one.id)
    act = the_act(bench)
    assert (act.act, act.by_id, act.facts["digestBefore"], act.facts["digest"]) == ("changed", ANN, "d1", "d2")
    assert act.facts["approvals"] == [f"approved by somebody ({BOB})"]


@pytest.mark.parametrize(("given", "code"), [({}, "approval-expired"), ({"approved": False}, "rejected")])
def test_a_guarded_change_that_is_not_made_is_an_act_too(bench: Bench, given: dict[str, Any], code: str) -> None:
    one = asked(declared(bench))
    if given:
        agree(bench, one, 10, BOB, **given)
    bench.driver.run(change, one.model_dump(mode="json"), one.id)
    act = the_act(bench)
    assert (act.act, act.facts["outcome"], act.facts["codes"]) == ("change-not-made", "refused", [code])


def test_a_guarded_start_names_its_run(bench: Bench) -> None:
    start = StartRun(id="replication-1", orchestrator="replication", payload={})
    one = asked(declared(bench), document=None, start=start)
    agree(bench, one, 10, BOB)
    bench.driver.run(change, one.model_dump(mode="json"), one.id)
    assert (the_act(bench).act, the_act(bench).facts["operation"]) == ("start-approved", "replication-1")


def test_holds_are_acts_when_a_person_changes_them(bench: Bench) -> None:
    until = bench.azure.clock.now + timedelta(hours=1)
    for run, changes in (
        ("hold-1", {"action": "set", "reason": "freeze"}),
        ("hold-2", {"action": "set", "reason": "freeze"}),
        ("hold-3", {"action": "set", "reason": "longer", "until": until}),
        ("hold-4", {"action": "lift"}),
        ("hold-5", {"action": "lift"}),
        ("hold-6", {"action": "expire"}),
    ):
        given = HoldChange.model_validate({"id": run, "site": "hci-01", "by": "ann", "by_id": ANN, **changes})
        bench.driver.run(change_hold, given.model_dump(mode="json"), run)
    acts = [record.acts[0] for record in records_of(bench)]
    assert [(one.act, one.facts["reason"]) for one in acts] == [
        ("hold-set", "freeze"),
        ("hold-changed", "longer"),
        ("hold-lifted", "longer"),
    ]
    assert {(one.subject, one.by_id) for one in acts} == {("sites/hci-01/hold", ANN)}


def test_lost_nodes_and_settled_obligations_are_acts(bench: Bench) -> None:
    facts = {"site": "hci-01", "node": "n2", "reason": "scrap", "confirmed": "it is", "by": "ann", "by_id": ANN}
    for action in ("declare", "declare", "withdraw", "withdraw"):
        given = LostNodeChange.model_validate({"id": "lost", "action": action, **facts})
        bench.driver.run(
            change_lost_node, given.model_dump(mode="json"), f"lost-{len(bench.azure.runs.started)}-{action}"
        )
    at = bench.azure.clock.now
    owed = Obligation(kind="reprotect", plan="payroll", owner="failover-9", opened=at, due=at, vms=("sql",), home=HOME)
    owe(bench.driver.states, owed)
    order = SettlementOrder(table=owed.table, id=owed.id, by="bob", person_id=BOB, reason="retired")
    for run in ("settle-1", "settle-2"):
        bench.driver.run(settle_obligation, order.model_dump(mode="json"), run)
    acts = [record.acts[0] for record in records_of(bench)]
    assert [one.act for one in acts] == ["node-declared-lost", "lost-node-withdrawn", "obligation-settled"]
    assert (acts[2].by_id, acts[2].facts["reason"], acts[2].subject) == (BOB, "retired", f"obligations/{owed.id}")


def test_an_act_stays_done_when_nobody_can_start_the_run_and_that_is_counted(bench: Bench) -> None:
    bench.azure.faults.crashes = {"start_run": 99}
    assert put(bench, "declare-1", "d1")["outcome"] == "created"
    assert bench.driver.states[COUNTS] == {"late": 1, "unwritten": 1}


def record(bench: Bench, *acts: Act) -> Result:
    acts = acts or (Act(act="withdrawn", subject="plans/payroll", at=bench.azure.clock.now, by="ann"),)
    given = AdministrationRecord(id=RUN, acts=acts)
    return bench.driver.run(record_administration, given.model_dump(mode="json"), RUN)


def counts_of(bench: Bench) -> Any:
    return bench.driver.states.get(COUNTS, {})


def test_a_record_is_written_at_once(bench: Bench) -> None:
    bench.azure.evidence.log_size = 7
    began = bench.azure.clock.now
    assert record(bench).output == {"entry": 8, "kept": True}
    assert (bench.azure.clock.now, counts_of(bench)) == (began, {})
    assert [one.after for one in bench.azure.evidence.logged] == [7]


def test_without_a_store_there_is_nothing_to_write(bench: Bench) -> None:
    bench.azure.evidence.is_kept = False
    assert record(bench).output == {"entry": 0, "kept": False}
    assert (bench.azure.evidence.logged, counts_of(bench)) == ([], {})


@pytest.mark.parametrize("away", [timedelta(minutes=3), timedelta(hours=5), timedelta(days=13)])
def test_a_store_that_is_away_is_waited_for(bench: Bench, away: timedelta) -> None:
    bench.azure.evidence.is_away = True
    back = bench.azure.clock.now + away
    bench.azure.clock.watchers.append(lambda now: setattr(bench.azure.evidence, "is_away", now < back))
    assert record(bench).output["entry"] == 1
    assert len(bench.azure.evidence.logged) == 1
    assert counts_of(bench) == {"late": 1, "caughtUp": 1}
    assert bench.azure.clock.now - back <= max(RECORD_PAUSES)


def test_what_is_never_written_is_counted_and_published(bench: Bench) -> None:
    bench.azure.evidence.is_away = True
    output = record(bench).output
    assert (output["kept"], counts_of(bench)) == (False, {"late": 1, "unwritten": 1})
    (event,) = bench.azure.runs.published
    assert event.type == "HciSiteRecovery.Administration.Unwritten"
    assert (event.data["acts"], event.data["count"]) == (["withdrawn plans/payroll"], 1)
    assert "away" in event.data["detail"]


def test_a_key_that_fails_leaves_the_reason_in_place_of_the_signature(bench: Bench) -> None:
    bench.azure.evidence.key_failure = Refused("evidence-key-unusable", "it is disabled")
    assert record(bench).output["entry"] == 1
    (logged,) = bench.azure.evidence.logged
    assert "it is disabled" in logged.unsigned


def test_an_answer_that_is_lost_makes_no_second_entry(bench: Bench) -> None:
    bench.azure.faults.lost_answers = {"log_acts_of_administration": 3}
    assert record(bench).output["entry"] == 1
    assert len(bench.azure.evidence.logged) == 1


@pytest.mark.parametrize("dies_at", range(1, 12))
def test_a_host_that_dies_between_any_two_steps_loses_no_act_and_doubles_none(dies_at: int) -> None:
    """Of the change: it starts one run, by an id that is the change's own. Of that run: it writes one entry."""
    bench, host = Bench(), Host(dies_at)
    bench.driver.dies = host.dies
    assert put(bench, "declare-1", "d1")["outcome"] == "created"
    started = {one.id: one for one in bench.azure.runs.started if one.orchestrator == "record_administration"}
    ((run, start),) = started.items()
    bench.azure.evidence.is_away = True
    back = bench.azure.clock.now + timedelta(minutes=10)
    bench.azure.clock.watchers.append(lambda now: setattr(bench.azure.evidence, "is_away", now < back))
    output = bench.driver.run(record_administration, start.payload, run).output
    assert (output["entry"], len(bench.azure.evidence.logged)) == (1, 1)
    counts = counts_of(bench)
    assert counts["late"] == counts["caughtUp"]
