"""Runs that the engine ended: told once, remembered, freed and sealed, whatever happens to the timer meanwhile."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrators.reconcile.reconcile import reconcile
from shared.operations.hook_work import HookWork
from shared.operations.lost_runs import Ending, LostRun
from shared.operations.pacing import LOST_HOOKS_TIDIED_WITHIN, STILL_WRITES_FOR
from shared.plans.history import PastRun, PlanHistory, with_run_ended
from tests.orchestrators.owed import list_owed
from tests.orchestrators.test_drills import Timer
from tests.orchestrators.test_kills import AWAY, Host
from tests.orchestrators.test_timer import looks, owe

RUN, VAULT = "failover-payroll-9", "sub|rg|vault"
LEASES, HISTORY, NOTES = f"@leases@{VAULT}", "@plan_history@payroll", "@lost_runs@timer"


def bench_with(ending: Ending = "terminated", **changes: Any) -> Timer:
    """A timer that finds a lost failover, which holds a VM beside another run's and owes a re-protect."""
    bench = Timer()
    began = bench.azure.clock.now - timedelta(hours=1)
    facts: dict[str, Any] = {
        "id": RUN,
        "kind": "failover",
        "ending": ending,
        "subject": "plans/payroll",
        "plan": "payroll",
    }
    facts |= {"words": "ValueError: bad", "lease_tables": (VAULT,), "began": began, "digest": "d1"}
    bench.azure.runs.lost = [LostRun.model_validate({**facts, "preview_kind": "planned-failover", **changes})]
    until = (bench.azure.clock.now + timedelta(hours=9)).isoformat()
    bench.driver.states[LEASES] = {
        "vm:sql": {"owner": RUN, "until": until},
        "vm:web": {"owner": "other", "until": until},
    }
    bench.azure.items.machines["sql"].reach("Commit")
    owe(bench, "payroll", "reprotect", RUN)
    return bench


def look(bench: Timer, after: timedelta = timedelta(minutes=5)) -> None:
    """A look of the timer, which is told what was noted by the one before."""
    notes = bench.driver.states.get(NOTES) or {}
    bench.azure.runs.lost = [
        LostRun.model_validate({**one.model_dump(), "published_at": notes.get(one.id, {}).get("published_at")})
        for one in bench.azure.runs.lost
        if not notes.get(one.id, {}).get("sealed")
    ]
    bench.look(after)


def finished_events(bench: Timer) -> list[dict[str, Any]]:
    """What goes out: the same id goes out once."""
    started = {one.id: one.payload for one in bench.azure.runs.started if one.orchestrator == "publish_event"}
    return [payload for payload in started.values() if payload["type"].endswith("Operation.Finished")]


def remembered(bench: Timer) -> list[PastRun]:
    return [*PlanHistory.model_validate(bench.driver.states.get(HISTORY) or {}).past_runs]


def require_closed(bench: Timer) -> None:
    """All of it, and once."""
    (event,) = finished_events(bench)
    assert (event["subject"], event["data"]["state"], event["data"]["code"]) == ("plans/payroll", "failed", "run-lost")
    assert "reprotect" in event["data"]["detail"]
    assert [(one.run, one.state) for one in remembered(bench)] == [(RUN, "failed")]
    assert set(bench.driver.states[LEASES]) == {"vm:web"}
    assert {one["kind"] for one in list_owed(bench.driver.states)} == {"reprotect"}
    assert bench.driver.states[NOTES][RUN]["sealed"]
    assert {(one.pack, one.last_entry.kind) for one in bench.azure.evidence.sealed} == {(RUN, "outcome")}
    assert looks(bench).failures == ()


@pytest.mark.parametrize("ending", ["failed", "terminated", "gone"])
def test_a_lost_run_is_published_at_once_and_sealed_when_nothing_of_it_can_be_at_work(ending: Ending) -> None:
    bench = bench_with(ending)
    look(bench)
    assert len(finished_events(bench)) == 1
    assert set(bench.driver.states[LEASES]) == {"vm:web"}
    assert bench.azure.evidence.sealed == []
    look(bench, STILL_WRITES_FOR)
    look(bench)
    require_closed(bench)
    (sealed,) = bench.azure.evidence.sealed
    assert sealed.last_entry.body["facts"] == {"ending": ending}
    assert sealed.last_entry.body["failures"][0]["code"] == "run-lost"


def test_a_timer_that_dies_at_any_step_doubles_nothing() -> None:
    whole = Host()
    bench = bench_with()
    bench.driver.dies = whole.dies
    look(bench)
    look(bench, STILL_WRITES_FOR)
    steps = len(whole.steps)
    assert any("note" in step.what for step in whole.steps)
    for dies_at in range(1, steps + 1):
        bench = bench_with()
        bench.driver.dies = Host(dies_at).dies
        look(bench)
        look(bench, STILL_WRITES_FOR + AWAY)
        require_closed(bench)


@pytest.mark.parametrize("cut_off", ["start_run", "read_lost_runs", "seal_lost_evidence_pack"])
def test_what_fails_is_done_at_a_later_look(cut_off: str) -> None:
    bench = bench_with()
    bench.azure.faults.crashes = {cut_off: 9}
    look(bench)
    look(bench, STILL_WRITES_FOR)
    bench.azure.faults.crashes = {}
    look(bench)
    look(bench, STILL_WRITES_FOR)
    require_closed(bench)


def test_one_look_that_is_done_twice_doubles_nothing() -> None:
    """Two timers at once, or one whose host died before it was written down that it was done."""
    bench = bench_with()
    bench.driver.run(reconcile, {}, "reconcile-1")
    bench.azure.clock.advance_to(bench.azure.clock.now + timedelta(seconds=1))
    bench.driver.run(reconcile, {}, "reconcile-2")
    look(bench, STILL_WRITES_FOR)
    require_closed(bench)


WORK = [HookWork(id=f"{RUN}:failover:after:{at}", operation=RUN, kind="run-command", target="n1") for at in (0, 1)]


def test_what_its_hooks_may_have_left_in_azure_is_removed_before_its_pack_is_sealed() -> None:
    bench = bench_with(hook_work=WORK)
    look(bench)
    assert bench.azure.hooks.ended_work == []
    look(bench, STILL_WRITES_FOR)
    assert bench.azure.hooks.ended_work == [work.id for work in WORK]
    require_closed(bench)


def test_what_cannot_be_removed_is_tried_for_a_day_and_then_named_in_the_evidence() -> None:
    bench = bench_with(hook_work=WORK)
    bench.azure.faults.crashes = {"end_hook_work": 1000}
    look(bench)
    look(bench, STILL_WRITES_FOR)
    assert bench.azure.evidence.sealed == []
    assert any("run failover-payroll-9" in str(failure) for failure in looks(bench).failures)
    look(bench, LOST_HOOKS_TIDIED_WITHIN)
    require_closed(bench)
    (sealed,) = bench.azure.evidence.sealed
    left = [failure for failure in sealed.last_entry.body["failures"] if failure["code"] == "hook-left-behind"]
    assert [one["detail"].partition(" could not")[0] for one in left] == ["what a hook left on n1"] * 2


def test_how_a_run_ended_by_its_own_word_is_not_overwritten() -> None:
    bench = bench_with()
    now = bench.azure.clock.now
    own = PastRun(run=RUN, kind="failover", state="succeeded", began=now, ended=now)
    bench.driver.states[HISTORY] = with_run_ended(PlanHistory(), own).model_dump(mode="json")
    look(bench)
    assert [one.state for one in remembered(bench)] == ["succeeded"]


def test_a_drill_that_the_app_itself_ended_counts_as_aborted() -> None:
    bench = bench_with(kind="drill", ended_by_app=True)
    look(bench)
    (event,) = finished_events(bench)
    assert (event["data"]["state"], "code" in event["data"]) == ("aborted", False)
    assert [one.state for one in remembered(bench)] == ["aborted"]


def test_a_lost_run_on_a_site_is_published_for_its_site() -> None:
    bench = bench_with(kind="prepare", subject="sites/hci-01", plan="", lease_tables=())
    look(bench)
    (event,) = finished_events(bench)
    assert (event["subject"], event["data"]["site"]) == ("sites/hci-01", "hci-01")
    assert "Ask for prepare again" in event["data"]["detail"]
    assert remembered(bench) == []


def test_what_nothing_shows_any_more_is_forgotten() -> None:
    bench = bench_with()
    look(bench)
    assert RUN in bench.driver.states[NOTES]
    bench.azure.runs.lost, bench.azure.runs.forgotten = [], (RUN,)
    look(bench)
    assert not bench.driver.states.get(NOTES)
