"""Schedules of timer triggers, read as Azure reads them.

Source: NCrontab, and the timer extension, which takes five or six fields or a TimeSpan, "00:05:00". cronsim finds the
instants. What NCrontab reads differently is rewritten for it: names may be written in full, a range the wrong way round
is turned, a step from one value ends with the field, there is no weekday 7 and no L, W, # or ?, and day of month and
day of week must both match.
"""

import calendar
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from cronsim import CronSim, CronSimError

TIME_SPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2}))?")
PART = re.compile(
    r"(?:\*|(?P<first>\d+|[a-z]+)(?:-(?P<last>\d+|[a-z]+))?)(?:/(?P<step>\d+))?", re.IGNORECASE | re.ASCII
)


class BadSchedule(ValueError):
    """A schedule that Azure would refuse, or that never comes."""


class Schedule(Protocol):
    """When a timer is due."""

    def find_next(self, moment: datetime) -> datetime:
        """The first instant after this one at which it is due, aware UTC."""


@dataclass(frozen=True)
class Interval:
    """Due again after a constant time."""

    every: timedelta

    def find_next(self, moment: datetime) -> datetime:
        """The first instant after this one at which it is due, aware UTC."""
        return moment + self.every


class Field(NamedTuple):
    """One field of an expression: its bounds, and the names it knows, the first for the lowest value."""

    low: int
    high: int
    names: Sequence[str] = ()

    def to_cron(self, text: str) -> str:
        """The field as cronsim reads it."""
        return ",".join(self._part_to_cron(part) for part in text.split(","))

    def _part_to_cron(self, text: str) -> str:
        found = PART.fullmatch(text)
        if found is None:
            raise BadSchedule(f"not a part of a schedule: {text!r}")
        step = int(found["step"] or 1)
        if step == 0:
            raise BadSchedule(f"not a step: {text!r}")
        if found["first"] is None:
            return f"*/{step}"
        low = high = self._value_of(found["first"])
        if found["last"]:
            low, high = sorted((low, self._value_of(found["last"])))
        elif step > 1:
            high = self.high
        return f"{low}-{high}/{step}" if low < high else f"{low}"

    def _value_of(self, text: str) -> int:
        values = [at for at, name in enumerate(self.names, start=self.low) if name.startswith(text.lower())]
        value = int(text) if text.isdecimal() else next(iter(values), -1)
        if not self.low <= value <= self.high:
            raise BadSchedule(f"not from {self.low} to {self.high}, nor a name: {text!r}")
        return value


FIELDS = (
    Field(0, 59),
    Field(0, 59),
    Field(0, 23),
    Field(1, 31),
    Field(1, 12, [name.lower() for name in calendar.month_name[1:]]),
    Field(0, 6, ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")),
)


class Cron:
    """An NCRONTAB expression, in UTC."""

    def __init__(self, expression: str) -> None:
        parts = expression.split()
        if len(parts) == 5:
            parts.insert(0, "0")
        if len(parts) != 6:
            raise BadSchedule(f"a schedule has six fields: {expression!r}")
        self._expression = " ".join(field.to_cron(part) for field, part in zip(FIELDS, parts, strict=True))
        self.find_next(datetime(2000, 1, 1, tzinfo=UTC))  # refuses what never comes

    def find_next(self, moment: datetime) -> datetime:
        """The first instant after this one at which it is due, aware UTC."""
        try:
            instants = CronSim(self._expression, moment)
            instants.day_and = True  # cron takes one of the two days, Azure both
            return next(instants)
        except (CronSimError, StopIteration) as error:
            raise BadSchedule(f"the schedule never comes, or is none: {self._expression}") from error


def parse_schedule(text: str, settings: Mapping[str, str] = os.environ) -> Schedule:
    """Read a schedule; `%NAME%` stands for a setting.

    Raises:
        BadSchedule: it is neither an NCRONTAB expression nor a TimeSpan, or the setting is missing.
    """

    def value_of(found: re.Match[str]) -> str:
        if found[1] not in settings:
            raise BadSchedule(f"the setting {found[1]} that a schedule names is missing")
        return settings[found[1]]

    written = re.sub(r"%([^%]+)%", value_of, text).strip()
    span = TIME_SPAN.fullmatch(written)
    return Cron(written) if span is None else Interval(_interval_of(span))


def _interval_of(span: re.Match[str]) -> timedelta:
    days, hours, minutes, seconds = (int(span[name] or 0) for name in ("days", "hours", "minutes", "seconds"))
    if span["days"] is None and hours > 23 and span["seconds"] is not None:
        every = timedelta(days=hours, hours=minutes, minutes=seconds)  # as .NET reads it: "24:00:00" is 24 days
    else:
        every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if every <= timedelta():
        raise BadSchedule(f"not an interval: {span[0]}")
    return every
