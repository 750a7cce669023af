"""The portfolio: its figures add up, it says what is wrong first, and it is text wherever it is shown."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.portfolio_page import FORMULA_STARTS, render_portfolio, write_csv
from shared.operations.obligations import Obligation
from shared.plans.history import PastRun, PlanHistory
from shared.plans.portfolio import PlanFacts, Portfolio, build_portfolio, quarter_of, quarters_of
from tests.shared.samples import plan

NOW = datetime(2027, 5, 1, tzinfo=UTC)
WELL = {
    "state": "well",
    "detail": "",
    "vms": {"total": 9, "protected": 8, "inAzure": 1, "critical": 0, "unprotected": 2, "withoutPlan": 3},
}
SILENT = {"state": "unknown", "detail": "Azure does not answer"}


def past(days: int, kind: str = "drill", state: str = "succeeded", **changes: Any) -> PastRun:
    ended = NOW - timedelta(days=days)
    usual: dict[str, Any] = {"took": timedelta(minutes=30), "rpo": timedelta(minutes=5)}
    return PastRun(
        run=f"{kind}-{days}", kind=kind, state=state, began=ended - timedelta(hours=1), ended=ended, **usual | changes
    )


def facts(*runs: PastRun, owed: tuple[Obligation, ...] = (), **targets: str) -> PlanFacts:
    document = plan(targets=targets) if targets else plan()
    return PlanFacts(document, PlanHistory(past_runs=runs), owed)


def owing(due_in: int) -> Obligation:
    return Obligation(
        kind="commit", plan="erp", owner="failover-1", opened=NOW, due=NOW + timedelta(days=due_in), detail="commit it"
    )


def report(plans: dict[str, PlanFacts], sites: dict[str, Any] | None = None) -> Portfolio:
    return build_portfolio(NOW, 90, sites if sites is not None else {"hci-01": WELL}, plans)


def test_what_is_wrong_comes_first_and_what_is_well_after_it() -> None:
    erp = facts(past(10, rto_target=timedelta(hours=1)), owed=(owing(-1), owing(1)), rto="PT1H", rpo="PT1M")
    found = report({"erp": erp, "old": facts(past(91)), "new": facts()}, {"hci-01": WELL, "hci-02": SILENT})
    assert found.summary == (
        "Late: 1 of 2 open obligations.",
        "No word from Azure of 1 of 2 sites.",
        "Not protected: 2 of 11 VMs.",
        "Protected, and in no plan: 3 VMs.",
        "Missed by what was achieved last: 1 target.",
        "Rehearsed within 90 days: 1 of 3 plans.",
        "Met by what was achieved last: 1 target.",
    )
    assert [(one.plan, one.is_rehearsed) for one in found.plans] == [("erp", True), ("new", False), ("old", False)]


def test_a_drill_counts_that_ended_well_as_a_whole_and_not_too_long_ago() -> None:
    for run, counts in (
        (past(90), True),
        (past(91), False),
        (past(1, state="failed", took=None), False),
        (past(1, whole=False), False),
        (past(1, kind="failover"), False),
    ):
        assert report({"erp": facts(run)}).plans[0].is_rehearsed is counts, run


def test_a_target_is_held_against_the_newest_run_that_tells() -> None:
    newest = past(1, state="failed", took=None, rpo=None)
    (figures,) = report(
        {"erp": facts(past(20, took=timedelta(hours=3)), past(9, kind="failover"), newest, rto="PT20M")}
    ).plans
    assert (figures.rto.achieved, figures.rto.operation, figures.rto.met) == (
        timedelta(minutes=30),
        "failover-9",
        False,
    )
    assert (figures.rpo.target, figures.rpo.achieved, figures.rpo.met) == (None, timedelta(minutes=5), None)


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("2027-01-01T00:00:00", "2027-Q1"),
        ("2027-03-31T23:59:59", "2027-Q1"),
        ("2027-04-01T00:00:00", "2027-Q2"),
        ("2026-12-31T23:59:59", "2026-Q4"),
    ],
)
def test_a_quarter_is_one_of_the_calendar(moment: str, name: str) -> None:
    assert quarter_of(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == name


RUNS = st.builds(
    past,
    st.integers(0, 800),
    st.sampled_from(["drill", "failover", "roundtrip", "commit"]),
    st.sampled_from(["succeeded", "failed", "aborted"]),
    took=st.none() | st.timedeltas(timedelta(0), timedelta(days=9)),
    rto_target=st.none() | st.timedeltas(timedelta(0), timedelta(days=9)),
)


@given(st.lists(RUNS, max_size=40))
def test_quarters_have_each_run_once_and_judge_no_more_than_they_have(runs: list[PastRun]) -> None:
    quarters = quarters_of(runs)
    assert [one.name for one in quarters] == sorted({one.name for one in quarters})
    assert sum(one.drills for one in quarters) == sum(run.kind == "drill" for run in runs)
    assert sum(one.moves for one in quarters) == sum(run.kind in {"failover", "roundtrip"} for run in runs)
    for one in quarters:
        assert one.good_drills <= one.drills
        assert one.rto.met + one.rto.missed <= one.rto.runs <= one.drills + one.moves
        assert (one.rto.worst is None) == (one.rto.runs == 0)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(RUNS, max_size=9)), st.integers(1, 400))
def test_totals_are_the_sums_of_what_is_listed(runs: dict[str, list[PastRun]], days: int) -> None:
    found = build_portfolio(
        NOW, days, {"x": WELL, "y": SILENT}, {name: facts(*some, rto="PT1H") for name, some in runs.items()}
    )
    totals = found.totals
    assert totals.rehearsed_plans == sum(one.is_rehearsed for one in found.plans)
    assert totals.planned_vms == sum(one.vms for one in found.plans)
    assert totals.targets_met + totals.targets_missed + totals.targets_unknown == len(found.plans)
    assert (totals.sites, totals.unknown_sites, totals.vms) == (2, 1, 11)


EVIL = "<script>alert(1)</script>\"'&"


def test_names_are_text_in_the_page_and_no_formula_in_the_table() -> None:
    plans = {EVIL: facts(past(1)), **{f"{start}cmd|' /C calc'!A0": facts() for start in FORMULA_STARTS}}
    shown = report(plans, {EVIL: {**WELL, "detail": EVIL}}).model_dump(mode="json", by_alias=True)
    page = render_portfolio(shown)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    rows = list(csv.reader(io.StringIO(write_csv(shown), newline="")))
    assert len(rows) == len(plans) + 1
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_STARTS)]


def test_the_table_has_spans_in_seconds() -> None:
    shown = report({"erp": facts(past(1), rto="PT1H")}).model_dump(mode="json", by_alias=True)
    (row,) = csv.DictReader(io.StringIO(write_csv(shown)))
    assert (row["rtoTargetSeconds"], row["rtoAchievedSeconds"], row["rtoMet"]) == ("3600", "1800", "True")
    assert (row["rpoTargetSeconds"], row["rehearsed"], row["openObligations"]) == ("", "True", "0")


@pytest.mark.parametrize("sites", [{}, {"x": SILENT}])
def test_nothing_at_all_is_a_report_too(sites: dict[str, Any]) -> None:
    shown = report({}, sites).model_dump(mode="json", by_alias=True)
    page = render_portfolio(shown)
    assert "No plan is declared." in page
    assert "Rehearsed within 90 days: 0 of 0 plans." in page
    assert write_csv(shown).count("\n") == 1
