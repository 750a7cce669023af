"""Looks of a run that failed: each is counted by what was looked at, and shown once some fail in a row. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

from shared.messages import Document, Message

SHOWN_FROM = 3
"""Looks in a row that fail before what a run waits for names them: one or two are nothing unusual."""
LONGEST_REASON = 200


class OpenObservation(Message):
    """Something that could not be seen when it was looked at last, such as "jobs of vault-dr".

    Attributes:
        in_a_row: How many looks failed since one succeeded.
        since: When the first of these failed.
        detail: Why the last one did.
    """

    subject: str
    in_a_row: int
    since: datetime
    detail: str

    def __str__(self) -> str:
        """As what a run waits for."""
        return f"{self.subject} to be seen, since {self.since:%H:%M} UTC, {self.in_a_row} times: {self.detail}"


class FailedObservations(Document):
    """What people see of it.

    Attributes:
        total: Looks that failed since the run began.
        in_a_row: Of what could not be seen for longest, up to now; 0 where all was seen by the last look at it.
        last_failed: When one failed last.
        last_reason: Of what, and why.
    """

    total: int
    in_a_row: int
    last_failed: datetime | None
    last_reason: str


class Observations(Message):
    """How the looks of a run at Azure went; of what was seen by the last look only the sum is kept."""

    failed: int = 0
    last_failed: datetime | None = None
    last_reason: str = ""
    open: tuple[OpenObservation, ...] = ()

    def after_look(self, subject: str, failures: Iterable[str], at: datetime) -> Self:
        """With one more look: what failed of it, nothing where all of it succeeded."""
        reasons, before = tuple(failures), next((one for one in self.open if one.subject == subject), None)
        if not reasons and not before:
            return self
        others = tuple(one for one in self.open if one is not before)
        if not reasons:
            return self.model_copy(update={"open": others})
        detail, since = reasons[0][:LONGEST_REASON], before.since if before else at
        in_a_row = before.in_a_row + 1 if before else 1
        still_open = OpenObservation(subject=subject, in_a_row=in_a_row, since=since, detail=detail)
        last = {"failed": self.failed + 1, "last_failed": at, "last_reason": f"{subject}: {detail}"}
        return self.model_copy(update={**last, "open": (*others, still_open)})

    def after_stage(self) -> Self:
        """Of what is not looked at any more nothing is waited for."""
        return self.model_copy(update={"open": ()})

    @property
    def summary(self) -> FailedObservations | None:
        """For people; None as long as no look has failed."""
        if not self.failed:
            return None
        return FailedObservations(
            total=self.failed,
            in_a_row=max((one.in_a_row for one in self.open), default=0),
            last_failed=self.last_failed,
            last_reason=self.last_reason,
        )

    @property
    def waits(self) -> tuple[str, ...]:
        """What a run waits for: what could not be seen for some looks."""
        return tuple(str(one) for one in self.open if one.in_a_row >= SHOWN_FROM)
