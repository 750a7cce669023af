"""Which drill is due now, what to do about it, and when the next one is. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared.backoff import grow_pause
from shared.messages import Document
from shared.operations.holds import Hold
from shared.plans.history import PlanHistory, last_good_drill
from shared.plans.pacing import RETRY_AFTER, RETRY_AFTER_AT_MOST
from shared.plans.plan import DrillSettings
from shared.plans.schedules import find_blackout, find_due_moment, find_next_moment


class DueDrill(NamedTuple):
    """Why a drill is due: a moment of the schedule, or a drill of the plan that this one follows."""

    key: str
    at: datetime


class DrillAdvice(NamedTuple):
    """What to do: begin the drill, wait (and for what), say that it is overdue, or nothing."""

    do: Literal["begin", "wait", "overdue", "nothing"]
    why: str = ""


def find_due_drill(
    settings: DrillSettings, declared: datetime, now: datetime, followed: PlanHistory | None
) -> DueDrill | None:
    """The newest occasion for a drill since the plan was declared; of those that were missed, only that one.

    Args:
        followed: What is remembered of the plan that this one follows.
    """
    found = []
    if settings.schedule and (moment := find_due_moment(settings.schedule, settings.time_zone, None, declared, now)):
        found.append(DueDrill(moment.isoformat(), moment))
    if followed and (drill := last_good_drill(followed)) and declared < drill.ended <= now:
        found.append(DueDrill(drill.run, drill.ended))
    return max(found, key=lambda one: one.at, default=None)


def advise_drill(
    settings: DrillSettings, due_drill: DueDrill, plan_history: PlanHistory, now: datetime, *, refused: bool
) -> DrillAdvice:
    """What to do about an occasion; who holds the plan's items is checked only when a drill may begin.

    Args:
        refused: Whether the drill that was begun for it did nothing, because something was in its way.
    """
    begun_at = plan_history.begun_at if plan_history.due_key == due_drill.key else None
    if begun_at and not refused:
        return DrillAdvice("nothing")
    if now > due_drill.at + settings.start_deadline:
        return DrillAdvice("nothing") if plan_history.overdue_key == due_drill.key else DrillAdvice("overdue")
    if blackout := find_blackout(settings.blackouts, settings.time_zone, now):
        return DrillAdvice("wait", f"blackout {blackout.reason}".strip())
    if begun_at and now - begun_at < grow_pause(RETRY_AFTER, plan_history.tries - 1, RETRY_AFTER_AT_MOST):
        return DrillAdvice("wait", "it was refused a short while ago")
    return DrillAdvice("begin")


class NextDrill(Document):
    """When the next drill of a plan begins by itself.

    Attributes:
        at: In UTC; None when no moment is known.
        local_time: The same by the clock of `time_zone`, with its offset.
        follows: Another plan: a drill also begins when one of that plan has succeeded.
        reason: Why no moment is known, or what the drill waits for at that moment; empty when nothing is to be said.
    """

    at: datetime | None = None
    local_time: str | None = None
    time_zone: str | None = None
    follows: str | None = None
    reason: str = ""


def find_next_drill(
    settings: DrillSettings | None,
    declared: datetime,
    now: datetime,
    plan_history: PlanHistory,
    followed: PlanHistory | None,
    holds: Sequence[Hold],
) -> NextDrill:
    """When the timer begins the next drill; one that is due and has not begun yet comes first.

    Args:
        declared: When the plan was declared as it is.
        followed: What is remembered of the plan that this one follows.
        holds: What is on hold at the plan's sites.
    """
    if settings is None:
        return NextDrill(reason="the plan has no drill settings")
    due = find_due_drill(settings, declared, now, followed)
    advice = advise_drill(settings, due, plan_history, now, refused=False) if due else DrillAdvice("nothing")
    at: datetime | None
    if due and advice.do in {"begin", "wait"}:
        at, reason = due.at, f"it is due, and waits: {advice.why}" if advice.why else "it is due, and begins shortly"
    else:
        at = find_next_moment(settings.schedule, settings.time_zone, now) if settings.schedule else None
        reason = _reason_at(settings, at)
    follows = settings.follows
    if hold := next((one for one in holds if at is None or not one.is_over(max(at, now))), None):
        return NextDrill(follows=follows, time_zone=settings.time_zone, reason=f"{hold.describe()}")
    local_time = at.astimezone(ZoneInfo(settings.time_zone)).isoformat() if at else None
    return NextDrill(at=at, local_time=local_time, time_zone=settings.time_zone, follows=follows, reason=reason)


def _reason_at(settings: DrillSettings, at: datetime | None) -> str:
    """Why there is no such moment, or what stands in the way at it."""
    if at is None and settings.follows:
        return f"a drill begins when one of {settings.follows} has succeeded"
    if at is None:
        return "no moment of the schedule is left" if settings.schedule else "the plan has no schedule"
    if blackout := find_blackout(settings.blackouts, settings.time_zone, at):
        deadline = f"{at + settings.start_deadline:%Y-%m-%d %H:%M} UTC"
        named = f"a blackout ({blackout.reason})" if blackout.reason else "a blackout"
        return f"{named} covers this moment: the drill begins when that is over, by {deadline} at the latest"
    return ""


def drill_run_key(due_drill: DueDrill, plan_history: PlanHistory) -> str:
    """What makes the id of the drill for an occasion: another one for each try."""
    tries = plan_history.tries if plan_history.due_key == due_drill.key else 0
    return f"{due_drill.key}:{tries}" if tries else due_drill.key
