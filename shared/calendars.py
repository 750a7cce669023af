"""When no drill is started by itself: holidays, quarter ends, office hours. Pure."""

from datetime import datetime, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from shared.messages import Document

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


def blacked_out(blackouts: tuple[Blackout, ...], time_zone: str, now: datetime) -> Blackout | None:
    """The blackout that covers this moment, None when there is none."""
    wall = now.astimezone(ZoneInfo(time_zone)).replace(tzinfo=None)
    return next((one for one in blackouts if _covers(one, wall)), None)


def _covers(blackout: Blackout, wall: datetime) -> bool:
    if blackout.begin is not None and blackout.end is not None:
        return blackout.begin <= wall < blackout.end
    today, yesterday = DAYS[wall.weekday()], DAYS[wall.weekday() - 1]
    if blackout.since is None or blackout.until is None:
        return today in blackout.days
    at = wall.time()
    if blackout.since < blackout.until:
        return today in blackout.days and blackout.since <= at < blackout.until
    evening = today in blackout.days and at >= blackout.since
    return evening or (yesterday in blackout.days and at < blackout.until)
