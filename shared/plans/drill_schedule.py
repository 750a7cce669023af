"""Which drill is due now, and what to do about it. Pure."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.plans.history import Track, last_good_drill
from shared.plans.plan import DrillSettings
from shared.plans.schedules import blacked_out, due

AGAIN, AGAIN_AT_MOST = timedelta(minutes=4), timedelta(hours=2)


class Occasion(NamedTuple):
    """Why a drill is due: a moment of the schedule, or a drill of the plan that this one follows."""

    key: str
    at: datetime


class Advice(NamedTuple):
    """What to do: begin the drill, wait (and for what), say that it is overdue, or nothing."""

    do: Literal["begin", "wait", "overdue", "nothing"]
    why: str = ""


def occasion(settings: DrillSettings, declared: datetime, now: datetime, followed: Track | None) -> Occasion | None:
    """The newest occasion for a drill since the plan was declared; of those that were missed, only that one.

    Args:
        followed: What is remembered of the plan that this one follows.
    """
    found = []
    if settings.schedule and (moment := due(settings.schedule, settings.time_zone, None, declared, now)):
        found.append(Occasion(moment.isoformat(), moment))
    if followed and (drill := last_good_drill(followed)) and declared < drill.ended <= now:
        found.append(Occasion(drill.run, drill.ended))
    return max(found, key=lambda one: one.at, default=None)


def advice(settings: DrillSettings, due_now: Occasion, track: Track, now: datetime, *, refused: bool) -> Advice:
    """What to do about an occasion; who holds the plan's items is looked at only when a drill may begin.

    Args:
        refused: Whether the drill that was begun for it did nothing, because something was in its way.
    """
    begun = track.key == due_now.key
    if begun and not refused:
        return Advice("nothing")
    if now > due_now.at + settings.start_deadline:
        return Advice("nothing") if track.told == due_now.key else Advice("overdue")
    if blackout := blacked_out(settings.blackouts, settings.time_zone, now):
        return Advice("wait", f"blackout {blackout.reason}".strip())
    if begun and track.at and now - track.at < min(AGAIN * 2 ** (track.tries - 1), AGAIN_AT_MOST):
        return Advice("wait", "it was refused a short while ago")
    return Advice("begin")


def run_key(due_now: Occasion, track: Track) -> str:
    """What makes the id of the drill for an occasion: another one for each try."""
    return f"{due_now.key}:{track.tries}" if track.key == due_now.key and track.tries else due_now.key
