"""The pure decisions around drills: what is left, where they may happen, when they are due, when they end."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.operations.obligation_table import Attempted, with_attempt
from shared.operations.obligations import Obligation, is_attempt_due
from shared.plans.drill_schedule import DrillAdvice, DueDrill, advise_drill, drill_run_key, find_due_drill
from shared.plans.history import (
    RUNS_KEPT,
    DrillBegun,
    Forecast,
    PastRun,
    PlanHistory,
    forecast_duration,
    forecast_recovery,
    last_good_drill,
    with_drill_begun,
    with_run_ended,
)
from shared.plans.plan import DrillSettings
from shared.plans.schedules import Blackout, find_blackout
from shared.recovery.drill import AzureResource, find_leftovers, find_network_flaws, is_made_by_failovers, mark_of
from tests.shared.samples import ISOLATED, PRODUCTION

NOON = datetime(2027, 3, 3, 12, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)


def settings(**changes: Any) -> DrillSettings:
    return DrillSettings.model_validate({"network": ISOLATED, **changes})


# --- what is left ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "ours"),
    [
        ("sql-01-test", True),
        ("SQL-01-TEST", True),
        ("sql-01-test-4711", True),
        ("sql-01", False),
        ("sql-011-test", False),
        ("other", False),
        ("", True),
    ],
)
def test_what_hangs_on_somebody_elses_machine_is_not_the_drills(machine: str, ours: bool) -> None:
    thing = AzureResource(id="/x", type="Microsoft.Network/networkInterfaces", machine=machine)
    assert find_leftovers([thing], ["sql-01"]) == ((thing,) if ours else ())


def test_loose_things_count_only_where_somebody_saw_what_was_there_before() -> None:
    loose = AzureResource(id="/x", type="Microsoft.Compute/disks")
    assert find_leftovers([loose], ["sql-01"], count_unattached=False) == ()


def test_marks_are_equal_for_equal_ids_and_only_what_failovers_make_counts() -> None:
    assert mark_of("/A/b/") == mark_of("/a/B") != mark_of("/a/c")
    assert is_made_by_failovers("Microsoft.Compute/disks")
    assert is_made_by_failovers("microsoft.network/publicIPAddresses")
    assert not is_made_by_failovers("Microsoft.Storage/storageAccounts")


# --- where -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "seen", "codes"),
    [
        ({}, {}, []),
        ({}, {"found": False}, ["drill-network-missing"]),
        ({}, {"peered": [PRODUCTION.upper()]}, ["drill-network-peered"]),
        ({}, {"peered": ["/somewhere/else"]}, []),
        ({}, {"cards": ["/nic/a"]}, ["drill-network-in-use"]),
        ({"sharedNetwork": True}, {"cards": ["/nic/a"]}, []),
    ],
)
def test_a_network_must_be_isolated(changes: dict[str, Any], seen: dict[str, Any], codes: list[str]) -> None:
    facts: dict[str, Any] = {"found": True, "peered": [], "cards": [], **seen}
    found = find_network_flaws(settings(**changes), ["", PRODUCTION], **facts)
    assert [flaw.code for flaw in found] == codes


# --- when --------------------------------------------------------------------------------------------------------

CHRISTMAS = Blackout(begin=datetime(2027, 12, 20), end=datetime(2028, 1, 3), reason="year end")  # noqa: DTZ001 - wall clock
OFFICE = Blackout(days=("MON", "TUE", "WED", "THU", "FRI"), since=time(8), until=time(18))
NIGHT = Blackout(days=("FRI",), since=time(22), until=time(6))


@pytest.mark.parametrize(
    ("blackout", "at", "covered"),
    [
        (CHRISTMAS, datetime(2027, 12, 19, 22, 59, tzinfo=UTC), False),
        (CHRISTMAS, datetime(2027, 12, 19, 23, 0, tzinfo=UTC), True),  # midnight in Berlin
        (CHRISTMAS, datetime(2028, 1, 2, 23, 0, tzinfo=UTC), False),
        (OFFICE, datetime(2027, 3, 3, 7, 0, tzinfo=UTC), True),
        (OFFICE, datetime(2027, 3, 3, 17, 0, tzinfo=UTC), False),
        (OFFICE, datetime(2027, 3, 6, 10, 0, tzinfo=UTC), False),
        (NIGHT, datetime(2027, 3, 6, 4, 59, tzinfo=UTC), True),  # the night from Friday
        (NIGHT, datetime(2027, 3, 6, 22, 0, tzinfo=UTC), False),
    ],
)
def test_blackouts_follow_the_clock_of_the_time_zone(blackout: Blackout, at: datetime, covered: bool) -> None:
    assert (find_blackout((blackout,), "Europe/Berlin", at) is blackout) == covered


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"begin": "2027-01-01T00:00:00"},
        {"begin": "2027-01-02T00:00:00", "end": "2027-01-01T00:00:00"},
        {"begin": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z"},
        {"days": ["MON"], "since": "08:00"},
        {"days": ["MON"], "begin": "2027-01-01T00:00:00", "end": "2027-01-02T00:00:00"},
        {"days": ["FUNDAY"]},
    ],
)
def test_a_blackout_that_says_nothing_or_two_things_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Blackout.model_validate(wrong)


DAILY = {"schedule": "0 0 12 * * *"}
TODAY = DueDrill(NOON.isoformat(), NOON)


def past(run: str, at: datetime, state: str = "succeeded", minutes: float | None = 40, kind: str = "drill") -> PastRun:
    took = None if minutes is None else timedelta(minutes=minutes)
    return PastRun(run=run, kind=kind, state=state, began=at - HOUR, ended=at, took=took)


def test_of_all_missed_occasions_only_the_newest_is_due() -> None:
    assert find_due_drill(settings(**DAILY), NOON - timedelta(days=30), NOON + HOUR, None) == TODAY
    assert find_due_drill(settings(**DAILY), NOON, NOON + HOUR, None) is None
    assert find_due_drill(settings(), NOON - HOUR, NOON, None) is None


def test_a_drill_follows_the_last_good_drill_of_another_plan() -> None:
    other = PlanHistory(
        past_runs=(past("drill-a-1", NOON - HOUR), past("drill-a-2", NOON, "failed"), past("f", NOON, kind="failover"))
    )
    assert last_good_drill(other) == other.past_runs[0]
    due_now = find_due_drill(settings(follows="a"), NOON - timedelta(days=1), NOON, other)
    assert due_now == DueDrill("drill-a-1", NOON - HOUR)
    assert find_due_drill(settings(follows="a"), NOON, NOON + HOUR, other) is None


def test_an_occasion_is_used_once_however_often_the_timer_looks() -> None:
    track = with_drill_begun(PlanHistory(), DrillBegun(due_key=TODAY.key, run="drill-x-1", at=NOON))
    assert advise_drill(settings(**DAILY), TODAY, PlanHistory(), NOON, refused=False) == DrillAdvice("begin")
    assert advise_drill(settings(**DAILY), TODAY, track, NOON, refused=False) == DrillAdvice("nothing")


def test_a_drill_that_was_refused_keeps_its_occasion_and_is_tried_at_growing_distances() -> None:
    track = with_drill_begun(PlanHistory(), DrillBegun(due_key=TODAY.key, run="drill-x-1", at=NOON))
    assert drill_run_key(TODAY, track) != drill_run_key(TODAY, PlanHistory())
    assert advise_drill(settings(**DAILY), TODAY, track, NOON + timedelta(minutes=3), refused=True).do == "wait"
    assert advise_drill(settings(**DAILY), TODAY, track, NOON + timedelta(minutes=5), refused=True).do == "begin"
    again = with_drill_begun(track, DrillBegun(due_key=TODAY.key, run="drill-x-2", at=NOON + timedelta(minutes=5)))
    assert (
        again.tries,
        advise_drill(settings(**DAILY), TODAY, again, NOON + timedelta(minutes=10), refused=True).do,
    ) == (
        2,
        "wait",
    )


def test_a_drill_waits_for_the_end_of_a_blackout_and_is_overdue_after_its_deadline_once() -> None:
    wish = settings(**DAILY, blackouts=[{"days": ["WED"], "since": "11:00", "until": "15:00"}], startDeadline="PT2H")
    assert advise_drill(wish, TODAY, PlanHistory(), NOON + HOUR, refused=False).do == "wait"
    late = NOON + timedelta(hours=2, minutes=1)
    assert advise_drill(wish, TODAY, PlanHistory(), late, refused=False).do == "overdue"
    assert advise_drill(wish, TODAY, PlanHistory(overdue_key=TODAY.key), late, refused=False).do == "nothing"


def test_a_plans_track_remembers_how_long_runs_took_but_each_only_once() -> None:
    track = PlanHistory()
    for number, minutes in enumerate([10, 20, 30, 40, None]):
        state = "succeeded" if minutes else "failed"
        track = with_run_ended(track, past(f"drill-{number}", NOON + number * HOUR, state, minutes))
    track = with_run_ended(track, track.past_runs[0])
    assert len(track.past_runs) == 5
    assert forecast_recovery(track, "drill") == Forecast(median_seconds=1500.0, p95_seconds=2310.0, based_on_runs=4)
    assert forecast_recovery(track, "drill", before=NOON + HOUR) == Forecast(
        median_seconds=600.0, p95_seconds=600.0, based_on_runs=1
    )
    assert forecast_recovery(track, "failover") is None


# --- what is owed ------------------------------------------------------------------------------------------------


def test_a_cleanup_is_tried_at_each_look_of_the_timer_first_and_then_less_and_less() -> None:
    owed = Obligation(kind="cleanup", plan="p", owner="d", opened=NOON, due=NOON + HOUR)
    assert is_attempt_due(owed, NOON)
    at, distances = NOON, []
    for number in range(9):
        owed = with_attempt(owed, Attempted(id=owed.id, run=f"c-{number}", at=at))
        nxt = at
        while not is_attempt_due(owed, nxt):
            nxt += timedelta(minutes=1)
        distances.append((nxt - at) // timedelta(minutes=1))
        at = nxt
    assert distances == [4, 4, 4, 8, 16, 32, 60, 60, 60]


def test_the_newest_good_drill_is_remembered_however_many_runs_come_after_it() -> None:
    track = with_run_ended(PlanHistory(), past("drill-good", NOON))
    for number in range(RUNS_KEPT + 5):
        track = with_run_ended(track, past(f"commit-{number}", NOON + (number + 1) * HOUR, kind="commit"))
    assert len(track.past_runs) == RUNS_KEPT + 1
    assert last_good_drill(track) == track.past_runs[0]


def test_what_was_remembered_before_digests_were_kept_is_still_read() -> None:
    old = {"run": "drill-1", "kind": "drill", "state": "succeeded", "began": NOON, "ended": NOON + HOUR}
    track = PlanHistory.model_validate({"past_runs": [old]})
    assert last_good_drill(track) == track.past_runs[0]
    assert last_good_drill(track, "abc") is None
    assert forecast_duration(track, "drill") == Forecast(median_seconds=3600.0, p95_seconds=3600.0, based_on_runs=1)


def test_what_a_drill_rests_on_is_kept_of_the_newest_good_one_of_the_newest_versions_of_the_plan() -> None:
    grounds, track = {"site hci-01": {"network": "a"}}, PlanHistory()
    for hours, digest in enumerate(["a", "a", "b", "c", "d"]):
        track = with_run_ended(track, drill_that_rests_on(grounds, hours).model_copy(update={"digest": digest}))
    assert [bool(one.grounds) for one in track.past_runs] == [False, False, True, True, True]


def drill_that_rests_on(grounds: dict[str, dict[str, str]], hours: int) -> PastRun:
    at = NOON + hours * HOUR
    return PastRun(run=f"drill-{hours}", kind="drill", state="succeeded", began=at, ended=at, grounds=grounds)
