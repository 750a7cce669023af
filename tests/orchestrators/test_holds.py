"""What is on hold: nothing begins there, all else goes on, and afterwards it is made up for once."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.change_hold import change_hold
from shared.operations.holds import HoldOutcome
from shared.operations.obligations import Obligation
from tests.driver import hours
from tests.orchestrators.benches import MirrorBench, RepairBench
from tests.orchestrators.owed import owe
from tests.orchestrators.test_drills import Timer, timer
from tests.orchestrators.test_mirror import kept
from tests.orchestrators.test_runbooks import HOME, SITE

REASON = "change freeze"
SCOPES = ["", "hci-01"]
each_scope = pytest.mark.parametrize("site", SCOPES, ids=["everywhere", "site"])


def change(bench: Any, action: str = "set", run: str = "change-1", **changes: Any) -> HoldOutcome:
    """A change as the HTTP functions have it made."""
    given = {"id": run, "action": action, "site": "", "reason": REASON, "by": "ann", **changes}
    return HoldOutcome.model_validate(bench.driver.run(change_hold, given, run).output)


def events(bench: Any) -> list[str]:
    """Each event once, as often as it was begun to be published."""
    starts = {start.id: start.payload["type"] for start in bench.azure.runs.started if "type" in start.payload}
    return [name.removeprefix("HciSiteRecovery.") for name in starts.values()]


def orphan(bench: Timer) -> None:
    """A test failover that no run of this app began, and that the site has cleaned up."""
    bench.azure.documents.sites["hci-01"] = SITE.model_copy(update={"orphans": "clean"})
    machine = bench.azure.items.machines["sql"]
    machine.reach("TestFailover")
    machine.last_test_failover = bench.azure.clock.now - hours(5)


def owe_cleanup(bench: Timer, plan: str = "payroll") -> None:
    now = bench.azure.clock.now
    owed = Obligation(kind="cleanup", plan=plan, owner="drill-9", opened=now, due=now + hours(1), home=HOME)
    owe(bench.driver.states, owed)
    bench.azure.runs.ended.add("drill-9")


@each_scope
def test_a_drill_that_is_due_begins_once_the_hold_is_lifted(site: str) -> None:
    bench = timer()
    change(bench, site=site)
    assert bench.look(hours(1)) == []
    assert bench.look() == []
    change(bench, "lift", "change-2", site=site)
    (run,) = bench.look()
    assert run.startswith("drill-payroll-")
    assert bench.look() == []
    assert events(bench) == ["Hold.Begun", "Hold.Ended"]


@each_scope
def test_a_drill_whose_deadline_passes_in_a_hold_is_told_and_not_made_up_for_later(site: str) -> None:
    bench = timer()
    change(bench, site=site)
    for _ in range(4):
        assert bench.look(hours(1)) == []
    change(bench, "lift", "change-2", site=site)
    assert bench.look() == []
    assert "Drill.Overdue" in events(bench)


def test_after_days_of_a_hold_one_drill_of_a_plan_begins() -> None:
    bench = timer()
    change(bench)
    for _ in range(5):
        assert bench.look(hours(24)) == []
    change(bench, "lift", "change-2")
    bench.azure.clock.advance_to(bench.azure.clock.now.replace(hour=9, minute=1) + hours(24))
    assert len(bench.look()) == 1
    assert bench.look() == []


def test_a_hold_ends_by_itself_at_its_time_and_not_before() -> None:
    bench = timer()
    until = bench.azure.clock.now + hours(1) + timedelta(minutes=6)
    change(bench, until=until.isoformat())
    assert bench.look(hours(1)) == []
    assert bench.look() == []
    assert len(bench.look(until - bench.azure.clock.now)) == 1
    assert bench.driver.states.get("@holds@app:holds") in ({}, None)
    assert events(bench) == ["Hold.Begun", "Hold.Ended"]


def test_another_site_is_not_held() -> None:
    bench = timer()
    change(bench, site="hci-02")
    assert len(bench.look(hours(1))) == 1


@each_scope
@pytest.mark.parametrize("plan", ["payroll", "withdrawn"])
def test_an_owed_cleanup_waits_and_is_told(site: str, plan: str) -> None:
    """Of a plan that is not declared any more nobody knows the site."""
    bench = Timer()
    owe_cleanup(bench, plan)
    change(bench, site=site)
    for _ in range(3):
        bench.look(hours(1))
    assert bench.azure.runs.cleanups == []
    assert "Obligation.Late" in events(bench)
    change(bench, "lift", "change-2", site=site)
    bench.look()
    bench.look()
    assert [ask.obligation for ask in bench.azure.runs.cleanups] == ["cleanup:drill-9:hci-01"]


@each_scope
def test_an_orphan_is_cleaned_up_after_the_hold(site: str) -> None:
    bench = Timer()
    orphan(bench)
    change(bench, site=site)
    assert bench.look() == []
    change(bench, "lift", "change-2", site=site)
    (run,) = bench.look()
    assert run.startswith("cleanup-orphans-hci-01-")


@each_scope
def test_a_node_that_fails_is_noted_and_repaired_after_the_hold(site: str) -> None:
    bench = RepairBench()
    change(bench, site=site)
    assert bench.watch_nodes().output == {"started": [], "failures": []}
    assert bench.read_record().symptom
    change(bench, "lift", "change-2", site=site)
    assert len(bench.watch_nodes("watch-2").output["started"]) == 1


@each_scope
def test_recovery_plans_that_differ_are_told_and_repaired_after_the_hold(site: str) -> None:
    bench = MirrorBench()
    bench.azure.documents.entity_states = bench.driver.states
    plan = kept("repair")
    change(bench, site=site)
    assert bench.keep_mirrors(plan).output == {"started": [], "failures": []}
    assert "RecoveryPlan.Drifted" in events(bench)
    change(bench, "lift", "change-2", site=site)
    bench.azure.clock.advance_to(bench.azure.clock.now + hours(1))
    assert len(bench.keep_mirrors(plan).output["started"]) == 1


def test_while_holds_cannot_be_read_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = timer()
    read = bench.azure.documents.read_documents
    monkeypatch.setattr(
        bench.azure.documents,
        "read_documents",
        lambda ask: read(ask).model_copy(update={"unreadable": ("app:holds",)}),
    )
    bench.driver.activities = bench.azure.activities()
    assert bench.look(hours(1)) == []


def test_the_same_hold_twice_is_one_and_another_one_takes_its_place() -> None:
    bench = timer()
    began = bench.azure.clock.now
    assert change(bench).outcome == "begun"
    assert change(bench, run="change-2", by="bob").outcome == "unchanged"
    bench.azure.clock.advance_to(began + hours(1))
    changed = change(bench, run="change-3", by="bob", reason="incident 7")
    assert changed.hold
    assert (changed.outcome, changed.hold.by, changed.hold.since) == ("changed", "bob", began)
    assert [hold.reason for hold in changed.holds] == ["incident 7"]
    assert change(bench, "lift", "change-4").outcome == "ended"
    assert change(bench, "lift", "change-5").outcome == "missing"
    assert events(bench) == ["Hold.Begun", "Hold.Changed", "Hold.Ended"]


def test_a_hold_of_everything_and_one_of_a_site_are_two() -> None:
    bench = timer()
    change(bench)
    change(bench, run="change-2", site="hci-01")
    assert [hold.site for hold in change(bench, "lift", "change-3").holds] == ["hci-01"]
    assert bench.look(hours(1)) == []


@pytest.mark.parametrize("past", [timedelta(0), -timedelta(seconds=1), timedelta(days=367), timedelta(days=300_000)])
def test_an_end_that_cannot_be_changes_nothing(past: timedelta) -> None:
    bench = timer()
    outcome = change(bench, until=(bench.azure.clock.now + past).isoformat())
    assert (outcome.outcome, outcome.holds) == ("invalid", ())
    assert outcome.detail
    assert events(bench) == []


def test_a_new_hold_after_one_that_is_over_begins_anew() -> None:
    bench = timer()
    change(bench, until=(bench.azure.clock.now + hours(1)).isoformat())
    bench.azure.clock.advance_to(bench.azure.clock.now + hours(2))
    assert change(bench, run="change-2").outcome == "begun"
    assert change(bench, "expire", "change-3").outcome == "read"
    assert events(bench) == ["Hold.Begun", "Hold.Ended", "Hold.Begun"]
