"""What the looks of the timer left undone, and when the last one came to its end. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.messages import Message

KEPT = 50
"""Failures; of more only the number is kept."""
PUBLISHED_AFTER = 2
"""Looks that a failure which may pass has to last: what Azure does not answer once it mostly answers the next time."""
PUBLISHED_AGAIN_AFTER = timedelta(days=1)
MAX_DETAIL_LENGTH = 300


class DutyFailure(Message):
    """What one look could not do.

    Attributes:
        duty: As DUTIES names it.
        about: The plan, site, node or obligation; empty for the whole duty.
        passing: Azure or the engine did not answer, so that the next look may succeed.
    """

    duty: str
    about: str
    detail: str
    passing: bool = False


class KnownFailure(DutyFailure):
    """A failure that goes on.

    Attributes:
        since: The look that had it first, of those without a gap up to the last one.
        looks: How many looks have had it.
        published_at: When an event of it went out last.
    """

    since: datetime
    looks: int = 1
    published_at: datetime | None = None


class LookEnded(Message):
    """A look of the timer has come to its end."""

    at: datetime
    failures: tuple[DutyFailure, ...]


class TimerLooks(Message):
    """What is remembered of the timer.

    Attributes:
        expected_since: When somebody asked first, and no look had ended yet.
        last_ended_at: When the last look came to its end: each duty was attempted.
        failures: Of the last look, the first KEPT.
        more_failures: How many there were besides.
    """

    expected_since: datetime | None = None
    last_ended_at: datetime | None = None
    failures: tuple[KnownFailure, ...] = ()
    more_failures: int = 0


def end_look(looks: TimerLooks, ended: LookEnded) -> tuple[TimerLooks, tuple[KnownFailure, ...]]:
    """Enter a look that has ended; and the failures of which an event is to go out now."""
    if looks.last_ended_at and ended.at < looks.last_ended_at:
        return looks, ()
    known = {(one.duty, one.about): one for one in looks.failures}
    failures = [_go_on(known.get((one.duty, one.about)), one, ended.at) for one in _first_of_each(ended.failures)]
    told = tuple(one for one in failures if one.published_at == ended.at)
    kept = tuple(failures[:KEPT])
    return TimerLooks(
        expected_since=looks.expected_since,
        last_ended_at=ended.at,
        failures=kept,
        more_failures=len(failures) - len(kept),
    ), told[:KEPT]


def _first_of_each(failures: Iterable[DutyFailure]) -> list[DutyFailure]:
    first: dict[tuple[str, str], DutyFailure] = {}
    for failure in failures:
        first.setdefault((failure.duty, failure.about), failure)
    return list(first.values())


def _go_on(known: KnownFailure | None, failure: DutyFailure, at: datetime) -> KnownFailure:
    looks = known.looks + 1 if known else 1
    published_at = known.published_at if known else None
    is_due = published_at is None or at - published_at >= PUBLISHED_AGAIN_AFTER
    if is_due and (looks >= PUBLISHED_AFTER or not failure.passing):
        published_at = at
    return KnownFailure(
        duty=failure.duty,
        about=failure.about,
        detail=failure.detail,
        passing=failure.passing,
        since=known.since if known else at,
        looks=looks,
        published_at=published_at,
    )


def expect_look(looks: TimerLooks, at: datetime) -> TimerLooks:
    """With the time since which a first look is waited for, if none has ended yet."""
    if looks.last_ended_at or looks.expected_since:
        return looks
    return looks.model_copy(update={"expected_since": at})
