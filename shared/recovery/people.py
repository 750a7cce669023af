"""What people say of a run: who let it begin, what they decided, and what it waits for them to say."""

from datetime import datetime
from typing import Self

from shared.messages import Message
from shared.recovery.person_events import ApprovalGiven, DecisionGiven


class Pause(Message):
    """A run that waits for a person before it goes on.

    Attributes:
        what: What is waited for, in words.
        until: When it goes on by itself; None when only a person can say.
    """

    what: str
    since: datetime
    until: datetime | None = None

    @property
    def mark(self) -> str:
        """Tells this pause from every other one of the run."""
        return f"pause:{self.since.isoformat()}"


class Decision(DecisionGiven):
    """What a person decided about a run that waits, and when the run read it."""

    at: datetime

    def decides_like(self, earlier: "Decision") -> bool:
        """Whether it says the same about the same."""
        return (self.verdict, self.vms, self.about) == (earlier.verdict, earlier.vms, earlier.about)


class Approval(ApprovalGiven):
    """A person's answer on a run that has not begun, and when the run read it."""

    at: datetime


class People(Message):
    """What people have said of one run, and what it waits for them to say.

    Attributes:
        approvals: Who let it begin.
        decisions: What they decided, oldest first.
        aborted: A person ended the run: nothing new starts.
        skipped_vms: VMs that a person said to go on without, at any stage.
        pause: What the whole run waits for; None while it goes on.
        awaited_since: Since when anything waits for a person; None while nothing does.
    """

    approvals: tuple[Approval, ...] = ()
    decisions: tuple[Decision, ...] = ()
    aborted: bool = False
    skipped_vms: tuple[str, ...] = ()
    pause: Pause | None = None
    awaited_since: datetime | None = None

    @property
    def resume_comment(self) -> str:
        """The comment of whoever last let suspended jobs go on."""
        return next((decision.comment for decision in reversed(self.decisions) if decision.verdict == "resume"), "")

    def repeats_earlier(self, decision: Decision) -> bool:
        """Whether the same was decided before: by whoever, with whatever comment; a run is aborted only once."""
        if decision.verdict == "abort":
            return self.aborted
        return any(decision.decides_like(earlier) for earlier in self.decisions)

    def with_decision(self, decision: Decision) -> Self:
        """With one decision more."""
        return self.model_copy(update={"decisions": (*self.decisions, decision)})

    def with_pause(self, pause: Pause | None) -> Self:
        """Waiting for a person; or for nobody."""
        return self.model_copy(update={"pause": pause})
