"""The timer cannot die: whatever one plan, site, node or obligation holds or raises, all others are seen to."""

import json
import logging
from collections.abc import Generator
from typing import Any

import pytest

from orchestrators.reconcile import reconcile as timer_runbook
from orchestrators.reconcile.reconcile import DUTIES
from shared.errors import Refused, Transient
from shared.healing.repair import Repair
from shared.log_lines import TIMER_LOOK_ENDED
from shared.operations.obligations import Obligation
from shared.operations.timer_looks import TimerLooks
from shared.plans.contract import DeclaredDocument, DocumentsRead
from tests.driver import hours
from tests.orchestrators.benches import RepairBench
from tests.orchestrators.owed import owe as keep_owed
from tests.orchestrators.test_drills import Timer, drill_plan, timer
from tests.orchestrators.test_runbooks import HOME

RAISED = (OverflowError("days=1527099483"), KeyError("second"), ValueError("bad"), RecursionError(), Transient("503"))
RAISED_REFUSED = Refused("not-found", "it is gone")
KINDS = ("cleanup", "commit", "reprotect", "source-off", "leftovers", "restore-lock")
POISON: tuple[dict[str, Any], ...] = (
    {},
    {"owner": None},
    {"due": "soon"},
    {"vms": 7},
    {"attempts": 10**12, "last_attempt_at": "2026-01-01T00:00:00Z"},
    {"opened": "0001-01-01T00:00:00Z", "due": "0001-01-01T00:00:00Z"},
)
"""What an obligation may hold that no obligation should: in place of its own, or all of it for the first."""


def owe(bench: Timer, plan: str, kind: str, run: str, **changes: Any) -> None:
    now = bench.azure.clock.now
    debt = Obligation.model_validate(
        {"kind": kind, "plan": plan, "owner": run, "opened": now, "due": now + hours(4), "vms": ("sql",), "home": HOME}
    )
    keep_owed(bench.driver.states, debt, **changes)


def looks(bench: Timer) -> TimerLooks:
    return TimerLooks.model_validate(bench.driver.states["@timer_looks@timer"])


def events_of_failures(bench: Timer) -> list[dict[str, Any]]:
    events = [start.payload for start in bench.azure.runs.started if start.orchestrator == "publish_event"]
    return [event["data"] for event in events if event["type"] == "HciSiteRecovery.Timer.DutyFailed"]


@pytest.mark.parametrize("error", [*RAISED, RAISED_REFUSED], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("duty", DUTIES)
def test_a_duty_that_raises_keeps_no_other_from_being_done(
    duty: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noted(name: str) -> Any:
        def do(_ctx: Any, _look: Any) -> Generator[Any, Any, list[str]]:
            if name == duty:
                raise error
            done.append(name)
            yield from ()
            return [name]

        return do

    monkeypatch.setattr(timer_runbook, "DUTIES", {name: noted(name) for name in DUTIES})
    bench = timer()
    others = [name for name in DUTIES if name != duty]
    assert bench.look() == others
    assert [failure.duty for failure in looks(bench).failures] == [duty]
    assert set(done) == set(others)


def test_each_look_that_ends_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    bench = timer()
    owe(bench, "payroll", "commit", "failover-9")
    owe(bench, "payroll", "leftovers", "failover-9", vms=7)
    with caplog.at_level(logging.INFO):
        bench.look()
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith(TIMER_LOOK_ENDED)]
    (line,) = set(lines)  # the driver replays each generation once more, as if for the first time
    failures = len(looks(bench).failures)
    assert json.loads(line.removeprefix(f"{TIMER_LOOK_ENDED} ")) == {"failures": failures, "owed": 2}
    assert failures


@pytest.mark.parametrize("poison", POISON, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_an_obligation_holds_the_others_are_seen_to(kind: str, poison: dict[str, Any]) -> None:
    bench = timer()
    owe(bench, "payroll", "cleanup", "drill-9")
    owe(bench, "bad", kind, "run-1", **poison)
    if not poison:
        bench.driver.states["@obligations@bad"] = {f"{kind}:bad": {"kind": kind}}
    bench.azure.runs.ended |= {"drill-9", "run-1"}
    started = bench.look(hours(1))
    assert [ask.obligation for ask in bench.azure.runs.cleanups].count("cleanup:drill-9:hci-01") == 1
    assert any(run.startswith("drill-payroll-") for run in started)
    assert looks(bench).last_ended_at == bench.azure.clock.now
    assert all("payroll" not in failure.about for failure in looks(bench).failures)


def test_an_obligation_that_nobody_can_settle_is_attempted_for_ever_and_harms_nobody() -> None:
    """At 42 attempts the pause between them was once too long for the calendar."""
    bench = timer()
    for attempts in (41, 42, 64, 10**6):
        owe(bench, "payroll", "cleanup", "drill-9", attempts=attempts, last_attempt_at="2025-01-01T00:00:00Z")
        bench.azure.runs.ended.add("drill-9")
        bench.look()
        assert looks(bench).failures == ()
    assert len(bench.azure.runs.cleanups) == 4


def test_a_plan_whose_site_is_gone_is_told_and_the_others_are_rehearsed() -> None:
    bench = timer()
    bench.azure.documents.plans = {"aa": drill_plan(schedule="0 0 9 * * *"), **bench.azure.documents.plans}
    bench.azure.documents.plans["aa"] = bench.azure.documents.plans["aa"].model_copy(update={"site": "second"})
    started = bench.look(hours(1))
    assert [run.rpartition("-")[0] for run in started] == ["drill-payroll"]
    (failure,) = looks(bench).failures
    assert (failure.about, "second" in failure.detail) == ("plan aa", True)
    (event,) = events_of_failures(bench)
    assert (event["about"], event["duty"]) == ("plan aa", "begin drills that are due")


def test_a_document_that_cannot_be_read_is_named_and_nothing_is_removed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = timer()
    read = bench.azure.documents.read_documents
    unreadable = DeclaredDocument(name="bad", document={"site": 7, "items": "none"}, declared=bench.azure.clock.now)

    def spoiled(ask: Any) -> DocumentsRead:
        documents = read(ask)
        changes = {"plans": (unreadable, *documents.plans), "sites": (unreadable, *documents.sites)}
        return documents.model_copy(update={**changes, "unreadable": ("plan:worse",)})

    monkeypatch.setattr(bench.azure.documents, "read_documents", spoiled)
    bench.driver.activities = bench.azure.activities()
    assert len(bench.look(hours(1))) == 1
    named = {failure.about for failure in looks(bench).failures}
    assert {"plan:worse", "plan bad", "site bad"} <= named
    assert bench.azure.runs.purges == []


def test_what_azure_does_not_answer_is_told_when_it_lasts_and_once_a_day() -> None:
    bench = timer()
    bench.azure.faults.crashes = {"purge_ended_runs": 10**6}
    bench.look()
    assert (len(looks(bench).failures), events_of_failures(bench)) == (1, [])
    for _ in range(3):
        bench.look()
    assert len(events_of_failures(bench)) == 1
    bench.look(hours(25))
    assert [event["looks"] for event in events_of_failures(bench)] == [2, 5]
    bench.azure.faults.crashes = {}
    bench.look()
    assert looks(bench).failures == ()


def test_a_look_that_can_read_nothing_says_so_and_comes_to_its_end() -> None:
    bench = timer()
    bench.azure.faults.crashes = {"read_documents": 4}
    assert bench.look() == []
    (failure,) = looks(bench).failures
    assert (failure.duty, failure.passing) == (timer_runbook.READ_ALL, True)
    assert looks(bench).last_ended_at == bench.azure.clock.now


def test_of_a_document_only_the_fields_are_told() -> None:
    bench = timer()
    owe(bench, "bad", "cleanup", "run-1", due="sig=very-secret")
    bench.look()
    told = str(events_of_failures(bench)) + str(looks(bench))
    assert "due" in told
    assert "very-secret" not in told


def test_what_is_wrong_with_one_node_keeps_no_other_from_being_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = RepairBench()
    for node in bench.azure.nodes.by_name.values():
        node.state = "Failed"
    read = bench.azure.documents.read_node_records

    def spoiled(ask: Any) -> Any:
        answer = read(ask)
        return answer.model_copy(update={"records": answer.records, "ended_runs": ("lost",)})

    monkeypatch.setattr(bench.azure.documents, "read_node_records", spoiled)
    first = next(iter(bench.azure.nodes.by_name))
    bench.driver.entity_failures = {"nodes": 5}
    output = bench.watch_nodes().output
    assert len(output["failures"]) == 1
    assert first in output["failures"][0]
    assert len(output["started"]) == 2
    assert all(Repair.model_validate(start.payload) for start in bench.azure.runs.started)


def test_a_leftover_that_nobody_removes_is_cleaned_up_once_a_day_in_the_end() -> None:
    bench = timer()
    owe(bench, "payroll", "cleanup", "drill-9")
    bench.azure.runs.ended = {"drill-9"}
    started: list[int] = []
    for _ in range(20):
        before = len(bench.azure.runs.ended)
        for _ in range(24):
            bench.azure.runs.ended |= {run for run in bench.look(hours(1)) if run.startswith("cleanup-")}
        started.append(len(bench.azure.runs.ended) - before)
    assert 5 <= started[0] <= 12
    assert max(started[3:]) == 1
    assert sum(started[10:]) >= 9
