"""Schedules, read as Azure reads them."""

from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from lab.host.ncrontab import BadSchedule, parse_schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "moment", "following"),
    [
        # the examples of Azure's documentation of timer triggers
        ("0 */5 * * * *", "2026-01-05T08:01:00", "2026-01-05T08:05:00"),
        ("0 0 * * * *", "2026-01-05T08:00:00", "2026-01-05T09:00:00"),
        ("0 0 */2 * * *", "2026-01-05T08:00:01", "2026-01-05T10:00:00"),
        ("0 0 9-17 * * *", "2026-01-05T17:00:00", "2026-01-06T09:00:00"),
        ("0 30 9 * * *", "2026-01-05T09:30:00", "2026-01-06T09:30:00"),
        ("0 30 9 * * 1-5", "2026-01-09T10:00:00", "2026-01-12T09:30:00"),
        ("0 30 9 * Jan Mon", "2026-01-26T10:00:00", "2027-01-04T09:30:00"),
        ("0 5 * * * *", "2026-01-05T08:05:00", "2026-01-05T09:05:00"),
        ("5,8,10 * * * * *", "2026-01-05T08:00:08", "2026-01-05T08:00:10"),
        # every field
        ("* * * * * *", "2026-01-05T08:00:00", "2026-01-05T08:00:01"),
        ("30 * * * * *", "2026-01-05T08:00:30", "2026-01-05T08:01:30"),
        ("0 0 0 1 1 *", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:58", "2026-12-31T23:59:59"),
        # five fields begin at the full minute
        ("*/15 * * * *", "2026-01-05T08:01:00", "2026-01-05T08:15:00"),
        # names in any casing, in full or short
        ("0 0 0 * january monday", "2026-01-05T00:00:00", "2026-01-12T00:00:00"),
        ("0 0 0 * JAN-MAR SUN,sat", "2026-03-29T00:00:00", "2027-01-02T00:00:00"),
        # a step from one value goes on to the end of the field; a range the wrong way round is turned
        ("0 10/20 * * * *", "2026-01-05T08:00:00", "2026-01-05T08:10:00"),
        ("0 10/20 * * * *", "2026-01-05T08:30:00", "2026-01-05T08:50:00"),
        ("0 20-10/5 * * * *", "2026-01-05T08:16:00", "2026-01-05T08:20:00"),
        ("0 0 17-9 * * *", "2026-01-05T08:30:00", "2026-01-05T09:00:00"),
        # day of month and day of week must both match
        ("0 0 0 13 * Fri", "2026-01-01T00:00:00", "2026-02-13T00:00:00"),
        ("0 0 0 1,15 * Mon-Fri", "2026-01-15T00:00:00", "2026-04-01T00:00:00"),
        ("0 0 0 1-7 * */6", "2026-01-05T00:00:00", "2026-02-01T00:00:00"),
        # where cron reads on: a step of 1 from one value, a step within one value, and weekday 7
        ("0 10/1 * * * *", "2026-01-05T08:10:00", "2026-01-05T09:10:00"),
        ("0 0 0 5-5/10 * *", "2026-01-05T00:00:00", "2026-02-05T00:00:00"),
        ("0 0 0 * * Wed/4", "2026-01-07T00:00:00", "2026-01-14T00:00:00"),
        ("0 0 0 * * 6-6/1", "2026-01-03T00:00:00", "2026-01-10T00:00:00"),
        ("0 0 0 * * 1/2", "2026-01-09T00:00:00", "2026-01-12T00:00:00"),
        # a step longer than the field leaves its first value
        ("*/90 * * * * *", "2026-01-05T08:00:00", "2026-01-05T08:01:00"),
    ],
)
def test_the_following_instant(expression: str, moment: str, following: str) -> None:
    assert parse_schedule(expression).find_next(at(moment)) == at(following)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* 60 * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * 32 * *",
        "* * * * 13 *",
        "* * * * 0 *",
        "* * * * * 7",
        "* * * * Foo *",
        "* * ? * * *",
        "*/0 * * * * *",
        "*/x * * * * *",
        "1- * * * * *",
        # what cron would take
        "0 0 0 L * *",
        "0 0 0 LW * *",
        "0 0 0 * * 5L",
        "0 0 0 * * Fri#2",
        "*-5 * * * * *",
        "4/0 * * * * *",
        "1,,2 * * * * *",
        # what never comes
        "0 0 0 30 2 *",
        "0 0 0 30 2 Mon",
        "0 0 0 31 Apr,Jun,Sep,Nov *",
        "00:00:00",
        "every five minutes",
    ],
)
def test_what_azure_refuses_is_refused(expression: str) -> None:
    with pytest.raises(BadSchedule):
        parse_schedule(expression)


@pytest.mark.parametrize(
    ("span", "every"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("01:00:00", timedelta(hours=1)),
        ("23:59:59", timedelta(days=1, seconds=-1)),
        ("1.00:00:00", timedelta(days=1)),
        ("2.03:04:05", timedelta(days=2, hours=3, minutes=4, seconds=5)),
        ("24:00:00", timedelta(days=24)),  # as .NET reads it
        ("00:30", timedelta(minutes=30)),
    ],
)
def test_a_time_span_is_a_constant_interval(span: str, every: timedelta) -> None:
    moment = at("2026-01-05T08:00:00.5")
    assert parse_schedule(span).find_next(moment) == moment + every


def test_a_setting_is_put_in_its_place() -> None:
    schedule = parse_schedule("%EVERY%", {"EVERY": "0 */10 * * * *"})
    assert schedule.find_next(at("2026-01-05T08:01:00")) == at("2026-01-05T08:10:00")


def test_a_setting_may_be_a_part_of_the_schedule() -> None:
    schedule = parse_schedule("0 %MINUTES% * * * *", {"MINUTES": "7"})
    assert schedule.find_next(at("2026-01-05T08:01:00")) == at("2026-01-05T08:07:00")


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(BadSchedule, match="EVERY"):
        parse_schedule("%EVERY%", {})


def test_fractions_of_a_second_do_not_repeat_an_instant() -> None:
    schedule = parse_schedule("0 0 8 * * *")
    assert schedule.find_next(at("2026-01-05T08:00:00.000001")) == at("2026-01-06T08:00:00")
    assert schedule.find_next(at("2026-01-05T07:59:59.999999")) == at("2026-01-05T08:00:00")


FIELDS = ((0, 59), (0, 59), (0, 23), (1, 28), (1, 12))


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """Five fields of stars, values, ranges, steps and lists, and any day of the week."""

    def field(low: int, high: int) -> st.SearchStrategy[str]:
        value = st.integers(low, high)
        spans = (
            st.tuples(value, value).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: f"{min(pair)}-{max(pair)}")
        )
        steps = st.tuples(spans | st.just("*"), st.integers(1, 15)).map(lambda pair: f"{pair[0]}/{pair[1]}")
        single = value.map(str) | spans | steps
        return st.just("*") | st.lists(single, min_size=1, max_size=3).map(",".join)

    return " ".join([*(draw(field(low, high)) for low, high in FIELDS), "*"])


@given(expressions(), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001 - made aware below
def test_it_agrees_with_another_reader_where_any_weekday_will_do(expression: str, naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert parse_schedule(expression).find_next(moment) == next(CronSim(expression, moment))
