"""Which drill is due now, and what to do about it. Pure."""

from datetime import datetime
from typing import Literal, NamedTuple

from shared.backoff import grow_pause
from shared.plans.history import PlanHistory, last_good_drill
from shared.plans.pacing import RETRY_AFTER, RETRY_AFTER_AT_MOST
from shared.plans.plan import DrillSettings
from shared.plans.schedules import find_blackout, find_due_moment


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


def drill_run_key(due_drill: DueDrill, plan_history: PlanHistory) -> str:
    """What makes the id of the drill for an occasion: another one for each try."""
    tries = plan_history.tries if plan_history.due_key == due_drill.key else 0
    return f"{due_drill.key}:{tries}" if tries else due_drill.key
