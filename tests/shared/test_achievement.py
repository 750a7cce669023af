"""What a run achieved, and which chain of machines decided how long it took."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.achieved import build_waterfall, compare_with_targets, recovery_times
from shared.evidence.report import render_report
from shared.plans.plan import Probe, Targets
from shared.recovery.achieved import measure_achieved
from shared.recovery.run_item import ItemStep, RunItem

BEGAN = datetime(2027, 3, 1, 3, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


def item(
    vm: str, began: float, ended: float, probed: float | None = None, after: tuple[str, ...] = (), **more: Any
) -> RunItem:
    facts = {"began": at(began), "ended": at(ended), "probed": None if probed is None else at(probed), **more}
    step = ItemStep.model_validate({"verb": "TestFailover", "job": vm, "outcome": "succeeded", **facts})
    cleanup = step.model_copy(update={"verb": "TestFailoverCleanup", "began": at(80), "ended": at(83)})
    return RunItem(vm=vm, id=vm, after=after, steps=(step, cleanup))


ITEMS = (
    item("dc", 1, 10, 11, point=at(0)),
    item("sql", 12, 20, 22, ("dc",), point=at(-3)),
    item("erp", 12, 25, 26, ("dc",), point=at(11)),
    item("web", 23, 30, 33, ("sql", "dc"), point=at(22)),
)


def test_a_plan_is_up_with_its_last_machine_and_as_old_as_its_oldest_data() -> None:
    seen = measure_achieved(ITEMS, BEGAN, Targets(rto=timedelta(minutes=30), rpo=timedelta(minutes=15)))
    assert seen is not None
    assert (seen.rto, seen.rto_met) == (timedelta(minutes=33), False)
    assert (seen.rpo, seen.rpo_met) == (timedelta(minutes=15), True)
    assert (seen.loss_counted_from, seen.loss_counted_to) == ("testFailoverStart", at(12))
    assert [one.rto for one in seen.machines] == [timedelta(minutes=m) for m in (11, 22, 26, 33)]


def test_the_critical_path_is_the_chain_that_the_last_machine_waited_for_without_a_gap() -> None:
    seen = measure_achieved(ITEMS, BEGAN, None)
    assert seen is not None
    path = seen.critical_path
    assert [(leg.vm, leg.what) for leg in path] == [
        (vm, what) for vm in ("dc", "sql", "web") for what in ("wait", "job", "probe")
    ]
    assert path[0].began == BEGAN
    assert all(one.ended == following.began for one, following in pairwise(path))
    assert path[-1].ended - path[0].began == seen.rto


def test_a_machine_that_did_not_come_up_leaves_the_plans_figures_unknown_and_its_promise_broken() -> None:
    seen = measure_achieved((*ITEMS, RunItem(vm="app", id="app")), BEGAN, Targets(rto=timedelta(hours=9)))
    assert seen is not None
    assert (seen.rto, seen.rto_met, seen.machines[-1].up) == (None, False, None)


def test_a_machine_whose_probes_never_passed_did_not_come_up() -> None:
    silent = item("app", 12, 20).model_copy(update={"probes": (Probe(port=1),)})
    seen = measure_achieved((*ITEMS, silent), BEGAN, None)
    assert seen is not None
    assert (seen.rto, seen.machines[-1].up) == (None, None)
    assert "app" not in {leg.vm for leg in seen.critical_path}


def test_a_run_that_brought_nothing_up_achieved_nothing() -> None:
    assert measure_achieved((RunItem(vm="app", id="app"),), BEGAN, None) is None


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=6))
def test_no_step_of_the_waterfall_leaves_the_page(times: list[tuple[float, float, float]]) -> None:
    items: list[RunItem] = []
    for number, (wait, job, probe) in enumerate(times):
        after = (items[-1].vm,) if items else ()
        items.append(item(f"vm-{number}", wait, wait + job, wait + job + probe, after))
    seen = measure_achieved(items, BEGAN, None)
    assert seen is not None
    for fall in build_waterfall(seen.model_dump(mode="json", by_alias=True)):
        assert 0 <= fall.left <= 100
        assert 0 < fall.width <= 100


def test_the_page_tells_promises_and_what_took_the_time() -> None:
    seen = measure_achieved(ITEMS, BEGAN, Targets(rto=timedelta(minutes=30)))
    assert seen is not None
    told = seen.model_dump(mode="json", by_alias=True)
    assert [(one.name, one.kept) for one in compare_with_targets(told)] == [
        ("Recovery time", False),
        ("Recovery point", None),
    ]
    assert [one.vm for one in recovery_times(told)] == ["dc", "sql", "erp", "web"]
    forecast = {"medianSeconds": 1800.0, "p95Seconds": 2400.0, "basedOnRuns": 7}
    facts = {"evidence": {"complete": True, "head": "ab" * 32, "records": 31, "manifest": "cd" * 32}}
    page = render_report(
        {"id": "drill-1", "kind": "drill", "state": "succeeded", "achieved": told, "forecast": forecast, "facts": facts}
    )
    for words in (
        "33 min 00 s",
        "missed",
        "30 min 00 s (median), 40 min 00 s (95th percentile), from 7 earlier runs",
        "ab" * 32,
    ):
        assert words in page
    assert page.count('class="lane fall"') == 9


@pytest.mark.parametrize(
    "evidence", [None, ["Enable: 13"], {"complete": False, "detail": "3 records could not be written"}]
)
def test_a_page_without_whole_evidence_does_not_claim_any(evidence: Any) -> None:
    page = render_report({"id": "x", "kind": "drill", "state": "failed", "facts": {"evidence": evidence}})
    assert "SHA-256" not in page
    assert ("3 records could not be written" in page) == isinstance(evidence, dict)


def test_a_run_under_way_has_missed_nothing_that_it_may_still_reach() -> None:
    waiting, failed = RunItem(vm="app", id="app"), RunItem(vm="sick", id="sick", state="failed")
    targets = Targets(rto=timedelta(hours=1), rpo=timedelta(minutes=15))
    living = measure_achieved((*ITEMS, waiting, failed), BEGAN, targets, is_over=False)
    assert living is not None
    assert (living.rto_met, living.rpo_met) == (None, None)
    assert [one.state for one in living.machines[-2:]] == ["pending", "down"]
    late = measure_achieved((*ITEMS, waiting), BEGAN, Targets(rto=timedelta(minutes=20)), is_over=False)
    assert late is not None
    assert late.rto_met is False
    running = {"id": "drill-1", "kind": "drill", "state": "running"}
    page = render_report({**running, "achieved": living.model_dump(mode="json", by_alias=True)})
    assert ("missed" in page, "not up yet" in page, page.count("did not come up")) == (False, True, 1)
    over = measure_achieved((*ITEMS, waiting), BEGAN, targets)
    assert over is not None
    ended = {"id": "drill-1", "kind": "drill", "state": "failed", "endedAt": at(90).isoformat()}
    page = render_report({**ended, "achieved": over.model_dump(mode="json", by_alias=True)})
    assert ("missed" in page, "not up yet" in page, "did not come up" in page) == (True, False, True)
