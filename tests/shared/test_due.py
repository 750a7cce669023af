"""Which moment of a schedule is due: once each, whatever was missed and whatever the clocks do."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.plans.schedules import check_schedule, check_time_zone, find_due_moment, find_next_moment

NIGHTLY = "0 30 2 * * *"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_nothing_is_due_before_the_first_moment_after_the_declaration() -> None:
    declared = at("2027-03-01T02:30:00Z")
    assert find_due_moment(NIGHTLY, "UTC", None, declared, declared) is None
    assert find_due_moment(NIGHTLY, "UTC", None, declared, at("2027-03-02T02:29:59Z")) is None
    assert find_due_moment(NIGHTLY, "UTC", None, declared, at("2027-03-02T02:30:00Z")) == at("2027-03-02T02:30:00Z")


def test_moments_that_were_missed_count_once() -> None:
    assert find_due_moment(NIGHTLY, "UTC", None, LONG_AGO, at("2027-03-05T12:00:00Z")) == at("2027-03-05T02:30:00Z")


def test_a_moment_that_was_served_is_not_due_again() -> None:
    served = at("2027-03-05T02:30:00Z")
    assert find_due_moment(NIGHTLY, "UTC", served, LONG_AGO, at("2027-03-06T02:29:00Z")) is None


def test_a_moment_that_is_too_long_ago_is_left_out() -> None:
    half_a_day = timedelta(hours=12)
    in_time, late = at("2027-03-05T14:30:00Z"), at("2027-03-05T14:30:01Z")
    assert find_due_moment(NIGHTLY, "UTC", None, LONG_AGO, in_time, within=half_a_day) == at("2027-03-05T02:30:00Z")
    assert find_due_moment(NIGHTLY, "UTC", None, LONG_AGO, late, within=half_a_day) is None


def test_a_plan_declared_anew_does_not_owe_what_came_before() -> None:
    last, declared = at("2027-03-01T02:30:00Z"), at("2027-03-05T12:00:00Z")
    assert find_due_moment(NIGHTLY, "UTC", last, declared, at("2027-03-05T13:00:00Z")) is None


def test_the_hour_is_that_of_the_time_zone() -> None:
    assert find_due_moment(NIGHTLY, "Europe/Berlin", None, LONG_AGO, at("2027-07-05T12:00:00Z")) == at(
        "2027-07-05T00:30:00Z"
    )
    assert find_due_moment(NIGHTLY, "Europe/Berlin", None, LONG_AGO, at("2027-01-05T12:00:00Z")) == at(
        "2027-01-05T01:30:00Z"
    )


def test_a_night_in_which_the_hour_is_skipped_has_its_drill_all_the_same() -> None:
    """Berlin, 28 March 2027: after 01:59:59 comes 03:00:00."""
    assert find_due_moment(NIGHTLY, "Europe/Berlin", None, LONG_AGO, at("2027-03-28T01:29:59Z")) == at(
        "2027-03-27T01:30:00Z"
    )
    assert find_due_moment(NIGHTLY, "Europe/Berlin", None, LONG_AGO, at("2027-03-28T12:00:00Z")) == at(
        "2027-03-28T01:30:00Z"
    )


def test_a_night_in_which_the_hour_comes_twice_has_one_drill() -> None:
    """Berlin, 31 October 2027: 02:30 is at 00:30Z and again at 01:30Z."""
    first = find_due_moment(NIGHTLY, "Europe/Berlin", None, LONG_AGO, at("2027-10-31T00:45:00Z"))
    assert first == at("2027-10-31T00:30:00Z")
    assert find_due_moment(NIGHTLY, "Europe/Berlin", first, LONG_AGO, at("2027-10-31T12:00:00Z")) is None


@given(
    st.sampled_from(["0 30 2 * * *", "0 0 */6 * * *", "0 15 3 1 * *", "0 0 4 * * SUN", "30 0 1 29 2 *"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2032, 1, 1)),  # noqa: DTZ001
    st.lists(st.integers(1, 40 * 24 * 60), min_size=1, max_size=8),
)
def test_looking_often_or_seldom_serves_each_moment_at_most_once(
    schedule: str, zone: str, start: datetime, minutes: list[int]
) -> None:
    declared = now = start.replace(tzinfo=UTC)
    last: datetime | None = None
    served: list[datetime] = []
    for wait in minutes:
        now += timedelta(minutes=wait)
        if found := find_due_moment(schedule, zone, last, declared, now):
            assert declared < found <= now
            last = found
            served.append(found)
        assert find_due_moment(schedule, zone, last, declared, now) is None
    assert all(one < then for one, then in pairwise(served))


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("30 2 * * *", "six fields"),
        ("0 30 2 * * * *", "six fields"),
        ("", "six fields"),
        ("0 61 2 * * *", "bad minute"),
        ("0 0 2 1 * MON", "not both"),
        ("0 0 2 1-7 * 1", "not both"),
        ("0 0 2 L * *", "not NCRONTAB"),
        ("0 0 2 * * 5L", "not NCRONTAB"),
        ("0 0 2 * * MON#1", "not NCRONTAB"),
        ("0 0 2 ? * *", "not NCRONTAB"),
        ("0 0 2 30 2 *", "day"),
        ("x 0 2 * * *", "not a schedule: bad second"),
    ],
)
def test_what_azure_would_read_otherwise_is_no_schedule(schedule: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_schedule(schedule)


@pytest.mark.parametrize("schedule", ["0 */5 * * * *", "0 0 3 * * 0", "0 0 3 1 jul *", "15,45 0-10/2 1 */2 * MON-FRI"])
def test_an_ncrontab_of_six_fields_is_a_schedule(schedule: str) -> None:
    assert check_schedule(f"  {schedule}  ") == schedule


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "W. Europe Standard Time", "\0"])
def test_a_time_zone_is_one_of_iana(name: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        check_time_zone(name)


def test_a_known_time_zone_passes() -> None:
    assert check_time_zone("Europe/Berlin") == "Europe/Berlin"


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia"]
CLOCK_CHANGES = [
    at("2027-03-28T01:00:00Z"),
    at("2027-10-31T01:00:00Z"),
    at("2027-03-14T07:00:00Z"),
    at("2027-11-07T06:00:00Z"),
    at("2027-10-02T15:30:00Z"),
    at("2027-04-03T15:00:00Z"),
    at("2011-12-30T10:00:00Z"),  # Apia skips a whole day
]


@given(
    st.sampled_from(
        ["0 30 2 * * *", "0 */30 * * * *", "0 45,0 2,3 * * *", "0 0 4 * * SUN", "0 15 0 * * *", "0 7 */5 * * *"]
    ),
    st.sampled_from(ZONES),
    st.sampled_from(CLOCK_CHANGES),
    st.integers(-30 * 60, 8 * 60),
)
def test_the_next_moment_is_the_first_at_which_the_timer_finds_one_due(
    schedule: str, zone: str, change: datetime, minutes: int
) -> None:
    """Looking each five minutes: nothing is due before, and that moment is due when it comes, whatever clocks do."""
    now = change + timedelta(minutes=minutes)
    following = find_next_moment(schedule, zone, now)
    assert following is not None
    assert find_due_moment(schedule, zone, None, now, following) == following
    looks = [now + timedelta(minutes=5 * number) for number in range(1, 24 * 12)]
    for look in (*(one for one in looks if one < following), following - timedelta(seconds=1)):
        assert find_due_moment(schedule, zone, None, now, look) is None or look < now


def test_saturday_night_in_berlin_is_saturday_night_in_berlin() -> None:
    friday = at("2027-03-26T12:00:00Z")
    assert find_next_moment("0 0 2 * * SAT", "Europe/Berlin", friday) == at("2027-03-27T01:00:00Z")
    assert find_next_moment("0 0 2 * * SUN", "Europe/Berlin", friday) == at("2027-03-28T01:00:00Z")  # 03:00: no 02:00
    assert find_next_moment("0 0 2 29 2 *", "Europe/Berlin", friday) == at("2028-02-29T01:00:00Z")
