"""Answers that are not final: what Azure said, how often, and since when. Pure."""

from datetime import datetime

from shared.messages import Message
from shared.site_recovery.pacing import ANSWER_AWAITED_FOR


class OpenAnswer(Message):
    """An answer that decides nothing yet, so that it is asked for again.

    Attributes:
        since: When it was got first.
        last: When it was got last.
        times: How often, in a row.
        detail: What was answered last.
    """

    since: datetime
    last: datetime
    times: int
    detail: str

    @property
    def is_overdue(self) -> bool:
        """Whether it has been the same for so long that something else has to decide."""
        return self.last - self.since >= ANSWER_AWAITED_FOR

    @property
    def span(self) -> str:
        """For people: since when, and how often."""
        times = "once" if self.times == 1 else f"{self.times} times"
        return f"since {self.since:%H:%M} UTC, {times}"

    def __str__(self) -> str:
        """The same, and what was answered."""
        return f"{self.span}: {self.detail}"


def answered_again(before: OpenAnswer | None, detail: str, now: datetime) -> OpenAnswer:
    """The answer as it is after it was got once more."""
    if before is None:
        return OpenAnswer(since=now, last=now, times=1, detail=detail)
    return OpenAnswer(since=before.since, last=now, times=before.times + 1, detail=detail)
