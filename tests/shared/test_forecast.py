"""What a run says of its queue and of its end."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph import critical_path
from shared.obstacle import Obstacle
from shared.recovery import budgeting as rations
from shared.recovery import forecast, pacing, run_answers, scheduler
from shared.recovery.people import Pause
from shared.recovery.run import Rehearsal, Run
from shared.recovery.run_item import ItemStep, RunItem
from shared.recovery.stage import Stage
from shared.recovery.status import custom_status_of, fit_status
from shared.site_recovery.request_budget import WRITES, Buckets, grant_calls
from shared.site_recovery.verb_rules import RULES
from tests.shared.test_scheduler import T0, graphs, item, run_of, started

MEDIAN = RULES["PlannedFailover"].median


def ended(vm: str, seconds: int) -> RunItem:
    step = ItemStep(
        verb="PlannedFailover", job="j", outcome="succeeded", began=T0, ended=T0 + timedelta(seconds=seconds)
    )
    return item(vm).model_copy(update={"state": "done", "steps": (step,)})


def test_the_end_is_the_longest_chain_of_what_is_left() -> None:
    run = run_of(item("sql"), item("app", "sql"), item("dc"))
    assert forecast.forecast_end(run, T0) == T0 + 2 * MEDIAN
    run = run_answers.with_start_answers(run, [started("sql")], T0)
    assert forecast.forecast_end(run, T0 + MEDIAN / 2) == T0 + 2 * MEDIAN
    assert forecast.forecast_end(run, T0 + 2 * MEDIAN) == T0 + 3 * MEDIAN


def test_the_runs_own_jobs_say_more_than_recorded_ones() -> None:
    run = run_of(item("app"))
    run = run.model_copy(update={"items": (ended("a", 900), ended("b", 1000), ended("c", 5000), *run.items)})
    assert forecast.forecast_end(run, T0) == T0 + timedelta(seconds=1000)


def test_the_budget_of_writes_counts_where_it_is_the_longer_wait() -> None:
    run = run_of(*(item(f"vm{n}") for n in range(5000)))
    assert forecast.forecast_end(run, T0) == T0 + timedelta(seconds=(5000 - WRITES.size) / WRITES.rate) + MEDIAN


def test_later_stages_and_the_soak_come_on_top() -> None:
    stages = (Stage(verb="PlannedFailover"), Stage(verb="Commit", ordered=False))
    run = run_of(item("sql"), item("app", "sql"), stages=stages)
    run = run.model_copy(update={"rehearsal": Rehearsal(soak=timedelta(hours=1))})
    assert forecast.forecast_end(run, T0) == T0 + 2 * MEDIAN + RULES["Commit"].median + timedelta(hours=1)


def test_a_run_that_waits_for_a_person_has_no_end_in_sight() -> None:
    run = run_of(item("sql")).with_pause(Pause(what="a word", since=T0))
    assert forecast.forecast_end(run, T0) is None
    assert custom_status_of(run, T0)["eta"] is None


def test_what_waits_for_the_budget_is_counted_and_what_waits_for_others_is_not() -> None:
    run = run_of(*(item(f"vm{n}") for n in range(100)), item("app", "vm0"))
    assert forecast.forecast_queue(run, T0) == {
        "vms": 100,
        "until": (T0 + timedelta(seconds=100 / WRITES.rate)).isoformat(),
    }
    run = run_answers.with_start_answers(run, [started(f"vm{n}") for n in range(100)], T0)
    assert forecast.forecast_queue(run, T0) is None


def test_a_promise_for_later_is_part_of_the_queue() -> None:
    run = run_of(item("sql"), item("dc"))
    tick = scheduler.plan_tick(run, T0)
    (name, wish), *_ = rations.build_call_requests(run, tick, T0).items()
    empty, _ = grant_calls(Buckets(), wish.model_copy(update={"writes": 180 + 95}))
    _, grant = grant_calls(empty, wish)
    run, tick = rations.limit_starts(rations.with_grant(run, name, wish, grant), tick, T0)
    assert tick.starts == {}
    assert forecast.forecast_queue(run, T0) == {"vms": 2, "until": grant.writes_from.isoformat()}
    assert scheduler.time_to_next_tick(run, T0) == min(grant.writes_from - T0, pacing.LATER)
    _, later = rations.limit_starts(run, scheduler.plan_tick(run, grant.writes_from), grant.writes_from)
    assert later.starts == {0: ("sql", "dc")}


@given(graphs(), st.lists(st.floats(0, 1000), min_size=14, max_size=14))
def test_the_longest_chain_is_that_of_the_plans_graph(items: list[RunItem], lasting: list[float]) -> None:
    after = {one.vm: one.after for one in items}
    own = dict(zip(after, lasting, strict=False))
    expected, _ = critical_path(after, {vm: timedelta(seconds=own[vm]) for vm in after})
    assert forecast.longest_chain(after, own) == pytest.approx(expected.total_seconds(), abs=1e-3)


def test_the_custom_status_of_5000_vms_with_long_names_stays_under_16_kb() -> None:
    names = [f"{'a-very-long-name-of-a-machine-' * 3}{n}" for n in range(5000)]
    items = [item(vm).model_copy(update={"state": "failed", "detail": "é" * 5000}) for vm in names[:2500]]
    run = run_of(*(item(vm) for vm in names))
    run = run.with_items((*items, *run.items[2500:])).with_failures(
        Obstacle(vm=name, code="x", detail="ü" * 999) for name in names
    )
    told = fit_status(custom_status_of(run, datetime.fromisoformat("2026-01-05T08:00:00.123456+00:00")))
    assert told["queue"]["vms"] == 2500
    assert len(json.dumps(told, ensure_ascii=False).encode("utf-16-le")) < 16_384


def test_a_run_is_forecast_from_where_it_stands_without_items_too() -> None:
    run: Run = run_of()
    assert forecast.forecast_end(run, T0) == T0
    assert forecast.forecast_queue(run, T0) is None
