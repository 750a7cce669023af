"""When the timer looks, and when it should have looked long ago."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from shared.operations.timer_looks import TimerLooks

SETTING, EVERY_FIVE_MINUTES = "RECONCILE_SCHEDULE", "0 */5 * * * *"
SILENT_AFTER = 3
"""Intervals of the schedule without a look that came to its end."""


def find_silent_since(looks: TimerLooks, now: datetime, schedule: str = "") -> datetime | None:
    """The time since which the timer owes a look, None while it may still be on its way.

    Args:
        schedule: Fields of NCRONTAB, or a span between two looks as "00:05:00"; the app's own if not said.
    """
    last = looks.last_ended_at or looks.expected_since
    if last is None:
        return None
    due = list(islice(_moments_after(schedule or os.environ.get(SETTING) or EVERY_FIVE_MINUTES, last), SILENT_AFTER))
    return due[0] if len(due) == SILENT_AFTER and now > due[-1] else None


def _moments_after(schedule: str, last: datetime) -> Iterator[datetime]:
    from cronsim import CronSim  # noqa: PLC0415 - only health and documents need it

    if ":" not in schedule:
        return iter(CronSim(schedule, last))
    hours, minutes, seconds = map(int, schedule.split(":"))
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return (last + span * number for number in range(1, SILENT_AFTER + 1))
