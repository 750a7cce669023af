"""Schedules: six NCRONTAB fields in a time zone, and which of their moments is due."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from shared.messages import Document

_NOT_NCRONTAB = re.compile(r"#|\bL|\d+L\b|[?]", re.IGNORECASE)


def check_schedule(schedule: str) -> str:
    """The schedule with single spaces, when Azure and this app read it alike.

    Raises:
        ValueError: it is no schedule of six fields, it never comes, or Azure would read it differently.
    """
    fields = schedule.split()
    if len(fields) != 6:
        raise ValueError(f"a schedule has six fields (second minute hour day month weekday), not {len(fields)}")
    if _NOT_NCRONTAB.search(schedule):
        raise ValueError("L, # and ? are not NCRONTAB")
    if not fields[3].startswith("*") and not fields[5].startswith("*"):
        raise ValueError("restrict the day of the month or the day of the week, not both: Azure and cron differ there")
    require_some_moment(" ".join(fields))
    return " ".join(fields)


def require_some_moment(schedule: str) -> None:
    """See that the schedule comes to a moment at all."""
    from cronsim import CronSim, CronSimError  # noqa: PLC0415  # only documents and the reconciler need it

    try:
        next(iter(CronSim(schedule, datetime(2024, 1, 1))))  # noqa: DTZ001  # wall-clock time of any zone
    except CronSimError as error:
        raise ValueError(f"not a schedule: {str(error).lower()}") from None
    except StopIteration:
        raise ValueError("this day never comes") from None


def check_time_zone(name: str) -> str:
    """The name, when it is one of the IANA time zones.

    Raises:
        ValueError: it is not.
    """
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # unknown, or no name at all: ZoneInfo reads files by it
        raise ValueError(f"no such time zone: {name!r}; use an IANA name such as Europe/Berlin") from None
    return name


def find_due_moment(
    schedule: str,
    time_zone: str,
    last: datetime | None,
    declared: datetime,
    now: datetime,
    *,
    within: timedelta | None = None,
) -> datetime | None:
    """The newest moment of the schedule after `last` (or `declared`) that is not after `now`; None when none is due.

    Args:
        within: A moment that is longer ago counts as missed, and is not due any more.

    Moments that were missed count once. Where clocks go forward, a moment that the day skips comes an hour later by the
    clock; where they go back, one that the day repeats comes the first time only.
    """
    since = last if last is not None and last > declared else declared
    for moment in _moments_before(schedule, ZoneInfo(time_zone), now):
        if moment <= now:
            in_time = within is None or now - moment <= within
            return moment if moment > since and in_time else None
    return None


def find_next_moment(schedule: str, time_zone: str, now: datetime) -> datetime | None:
    """The first moment after now at which `find_due_moment` finds the schedule due; None when there is none.

    Clocks that go forward turn the order of moments round: one that the day skips comes after some of the hour that
    follows it. So those up to the clock of the first that is found are looked at, too.
    """
    zone = ZoneInfo(time_zone)
    first: datetime | None = None
    for wall in _walls_after(schedule, zone, now):
        if first and wall > first.astimezone(zone).replace(tzinfo=None):
            break
        moment = wall.replace(tzinfo=zone).astimezone(UTC)
        is_first = moment > now and (first is None or moment < first)
        if is_first and find_due_moment(schedule, time_zone, None, now, moment) == moment:
            first = moment
    return first


def _walls_after(schedule: str, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """The schedule by the clock, from the earliest on that may stand for a moment after now."""
    from cronsim import CronSim  # noqa: PLC0415

    walls = ((now - timedelta(hours=hours)).astimezone(zone).utcoffset() or timedelta(0) for hours in (0, 25))
    yield from CronSim(schedule, now.replace(tzinfo=None, microsecond=0) + min(walls))


def _moments_before(schedule: str, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    from cronsim import CronSim  # noqa: PLC0415

    wall = now.astimezone(zone).replace(tzinfo=None, microsecond=0)
    for moment in CronSim(schedule, wall + timedelta(seconds=1), reverse=True):
        yield moment.replace(tzinfo=zone).astimezone(UTC)


Day = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
DAYS: tuple[Day, ...] = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


class Blackout(Document):
    """A time in which no drill begins, by the clock of the schedule's time zone.

    Either once, from `begin` to `end`; or each week, on `days` from `since` to `until` o'clock: all day without them,
    over midnight when `until` is the earlier one.
    """

    begin: datetime | None = None
    end: datetime | None = None
    days: Annotated[tuple[Day, ...], Field(max_length=7)] = ()
    since: time | None = None
    until: time | None = None
    reason: str = ""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        once, weekly = self.begin is not None or self.end is not None, bool(self.days)
        if once == weekly:
            raise ValueError("a blackout has either begin and end, or days")
        if once and (self.begin is None or self.end is None or self.begin.tzinfo or self.end.tzinfo):
            raise ValueError("begin and end are both needed, without an offset: the schedule's time zone counts")
        if once and self.begin is not None and self.end is not None and self.end <= self.begin:
            raise ValueError("a blackout ends after it begins")
        if (self.since is None) != (self.until is None):
            raise ValueError("since and until belong together")
        return self

    def covers(self, wall: datetime) -> bool:
        """Whether a moment, by the clock of the schedule's time zone, is within it."""
        if self.begin is not None and self.end is not None:
            return self.begin <= wall < self.end
        today, yesterday = DAYS[wall.weekday()], DAYS[wall.weekday() - 1]
        if self.since is None or self.until is None:
            return today in self.days
        at = wall.time()
        if self.since < self.until:
            return today in self.days and self.since <= at < self.until
        evening = today in self.days and at >= self.since
        return evening or (yesterday in self.days and at < self.until)


def find_blackout(blackouts: tuple[Blackout, ...], time_zone: str, now: datetime) -> Blackout | None:
    """The blackout that covers this moment, None when there is none."""
    wall = now.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    return next((one for one in blackouts if one.covers(wall)), None)
