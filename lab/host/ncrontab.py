"""Schedules of timer triggers, read as Azure reads them.

Source: NCrontab (all fields must match, also day of month and day of week) and the timer extension, which takes five or
six fields or a TimeSpan, "00:05:00".
"""

import calendar
import os
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

MONTHS = tuple(name.lower() for name in calendar.month_name[1:])
DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
YEARS_AHEAD = 28
"""After so many years every combination of a date and a weekday has come."""

TIME_SPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}))?")


class BadSchedule(ValueError):
    """A schedule that Azure would refuse, or that never comes."""


class Schedule(Protocol):
    """When a timer is due."""

    def following(self, moment: datetime) -> datetime:
        """The first instant after this one at which it is due, aware UTC."""


@dataclass(frozen=True)
class Interval:
    """Due again after a constant time."""

    every: timedelta

    def following(self, moment: datetime) -> datetime:
        """The first instant after this one at which it is due, aware UTC."""
        return moment + self.every


@dataclass(frozen=True)
class Field:
    """One field of an expression: its bounds, and the names it knows, the first for the lowest value."""

    name: str
    low: int
    high: int
    names: Sequence[str] = ()

    def parse(self, text: str) -> tuple[int, ...]:
        """The values that match, in order."""
        values: set[int] = set()
        for part in text.split(","):
            values.update(self._part(part))
        return tuple(sorted(values))

    def _part(self, text: str) -> range:
        span, slash, written = text.partition("/")
        step = self._step(written) if slash else 1
        if span == "*":
            return range(self.low, self.high + 1, step)
        first, dash, last = span.partition("-")
        start = self._value(first)
        if dash:
            start, end = sorted((start, self._value(last)))
        else:
            end = self.high if step > 1 else start
        return range(start, end + 1, step)

    def _step(self, text: str) -> int:
        if not text.isdigit() or int(text) == 0:
            raise BadSchedule(f"not a step of {self.name}: {text!r}")
        return int(text)

    def _value(self, text: str) -> int:
        if text.isdigit() and self.low <= int(text) <= self.high:
            return int(text)
        if text.isalpha():
            for value, name in enumerate(self.names, start=self.low):
                if name.startswith(text.lower()):
                    return value
        raise BadSchedule(f"not a {self.name}: {text!r}")


SECOND, MINUTE, HOUR = Field("second", 0, 59), Field("minute", 0, 59), Field("hour", 0, 23)
DAY, MONTH, WEEKDAY = Field("day", 1, 31), Field("month", 1, 12, MONTHS), Field("day of week", 0, 6, DAYS)


class Cron:
    """An NCRONTAB expression, in UTC."""

    def __init__(self, expression: str) -> None:
        parts = expression.split()
        if len(parts) == 5:
            parts.insert(0, "0")
        if len(parts) != 6:
            raise BadSchedule(f"a schedule has six fields: {expression!r}")
        fields = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
        parsed = [field.parse(part) for field, part in zip(fields, parts, strict=True)]
        self._seconds, self._minutes, self._hours, self._days, self._months, self._weekdays = parsed
        self.following(datetime(2000, 1, 1, tzinfo=UTC))  # refuses what never comes

    def following(self, moment: datetime) -> datetime:
        """The first instant after this one at which it is due, aware UTC."""
        after = moment.replace(microsecond=0) + timedelta(seconds=1)
        due = self._time_from(after.time())
        day = after.date()
        if due is None or not self._is_due_on(day):
            day, due = self._day_after(day), self._first_time()
        return datetime.combine(day, due, UTC)

    def _is_due_on(self, day: date) -> bool:
        return day.month in self._months and day.day in self._days and day.isoweekday() % 7 in self._weekdays

    def _day_after(self, day: date) -> date:
        last = date(day.year + YEARS_AHEAD, 12, 31)
        while day < last:
            day += timedelta(days=1)
            if self._is_due_on(day):
                return day
        raise BadSchedule("the schedule never comes")

    def _first_time(self) -> time:
        return time(self._hours[0], self._minutes[0], self._seconds[0])

    def _time_from(self, start: time) -> time | None:
        """The first time of day that is due, not before the start."""
        if start.hour in self._hours:
            if start.minute in self._minutes and (second := _at_least(self._seconds, start.second)) is not None:
                return time(start.hour, start.minute, second)
            if (minute := _at_least(self._minutes, start.minute + 1)) is not None:
                return time(start.hour, minute, self._seconds[0])
        if (hour := _at_least(self._hours, start.hour + 1)) is not None:
            return time(hour, self._minutes[0], self._seconds[0])
        return None


def parse(text: str, settings: Mapping[str, str] = os.environ) -> Schedule:
    """Read a schedule; `%NAME%` stands for a setting.

    Raises:
        BadSchedule: it is neither an NCRONTAB expression nor a TimeSpan, or the setting is missing.
    """
    written = re.sub(r"%([^%]+)%", lambda found: _setting(found[1], settings), text).strip()
    span = TIME_SPAN.fullmatch(written)
    return Cron(written) if span is None else Interval(_duration(span))


def _setting(name: str, settings: Mapping[str, str]) -> str:
    if name not in settings:
        raise BadSchedule(f"the setting {name} that a schedule names is missing")
    return settings[name]


def _duration(span: re.Match[str]) -> timedelta:
    days, hours, minutes, seconds = (int(span[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    if span["days"] is None and hours > 23 and span["seconds"] is not None:
        every = timedelta(days=hours, hours=minutes, minutes=seconds)  # as .NET reads it: "24:00:00" is 24 days
    else:
        every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if every <= timedelta():
        raise BadSchedule(f"not an interval: {span[0]}")
    return every


def _at_least(values: Sequence[int], low: int) -> int | None:
    position = bisect_left(values, low)
    return values[position] if position < len(values) else None
