"""No age and no number of attempts can make a pause that is too long for the calendar."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.backoff import grow_pause
from shared.healing.node_record import EndRepair, LastRepair, NodeRecord, end_repair
from shared.operations.obligations import Obligation, is_attempt_due
from shared.operations.timer_looks import DutyFailure, LookEnded, TimerLooks, end_look
from shared.plans.drill_schedule import DueDrill, advise_drill
from shared.plans.history import PlanHistory
from tests.shared.samples import ISOLATED, plan

T0 = datetime(2026, 1, 5, 8, tzinfo=UTC)
SPANS = st.timedeltas(timedelta(0), timedelta(days=365))
COUNTS = st.integers(-10, 10**15)


@given(SPANS, COUNTS, SPANS, st.integers(1, 10))
def test_a_pause_grows_up_to_the_longest(first: timedelta, times: int, longest: timedelta, factor: int) -> None:
    pause = grow_pause(first, times, longest, factor)
    assert min(first, longest) <= pause <= longest
    assert pause <= grow_pause(first, times + 1, longest, factor)


@given(COUNTS.filter(lambda count: count >= 0), SPANS)
def test_every_pause_of_the_app_bears_any_number_of_attempts(attempts: int, age: timedelta) -> None:
    owed = Obligation(kind="cleanup", plan="p", owner="r", opened=T0, due=T0, attempts=attempts, last_attempt_at=T0)
    assert is_attempt_due(owed, T0 + age) in {True, False}
    history = PlanHistory(due_key="k", begun_at=T0, tries=attempts)
    drill = plan(drill={"network": ISOLATED, "schedule": "0 0 9 * * *"}).drill
    assert drill is not None
    assert advise_drill(drill, DueDrill("k", T0), history, T0 + age, refused=True)
    last = LastRepair(run="r", ending="failed", at=T0 + age, cause="c")
    ended = end_repair(NodeRecord(machine_id="/m", run="r", attempts=attempts), EndRepair(last=last))
    assert ended.not_before is not None
    assert ended.not_before > last.at


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=200), max_size=6))
def test_what_is_kept_of_looks_is_bounded_and_counts_only_what_lasts(about_by_look: list[list[str]]) -> None:
    looks = TimerLooks()
    for number, abouts in enumerate(about_by_look):
        failures = tuple(DutyFailure(duty="d", about=about, detail="x") for about in abouts)
        looks, told = end_look(looks, LookEnded(at=T0 + timedelta(minutes=5 * number), failures=failures))
        assert {one.about for one in looks.failures} == set(abouts)
        assert {one.about for one in told} <= set(abouts)
        assert all(1 <= one.looks <= number + 1 for one in looks.failures)


def test_of_very_many_failures_the_number_is_kept() -> None:
    failures = tuple(DutyFailure(duty="d", about=str(number), detail="x") for number in range(500))
    looks, told = end_look(TimerLooks(), LookEnded(at=T0, failures=failures))
    assert (len(looks.failures), looks.more_failures, len(told)) == (50, 450, 50)
