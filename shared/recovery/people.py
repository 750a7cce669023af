"""What people say of a run: who let it begin, what they decided, and what it waits for them to say."""

from datetime import datetime
from typing import Literal, Self

from shared.messages import Message


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


class Decision(Message):
    """What a person decided about a run that waits.

    Attributes:
        vms: Whom it concerns; empty for all that wait for a decision.
        about: Mark of what the run waited for when it was said: said twice, it decides nothing on what comes next.
    """

    verdict: Literal["retry", "skip", "abort", "resume"]
    by: str
    at: datetime
    vms: tuple[str, ...] = ()
    comment: str = ""
    about: str = ""


class Approval(Message):
    """A person's answer on a run that has not begun.

    Attributes:
        person: Who it was, as Entra knows them: names are not unique.
        digest: Of the plan as that person saw it.
        preview: Digest of the preview that they saw; empty where none is named.
    """

    approved: bool
    person: str
    by: str
    at: datetime
    digest: str
    preview: str = ""
    comment: str = ""


class People(Message):
    """What people have said of one run, and what it waits for them to say.

    Attributes:
        approvals: Who let it begin.
        decisions: What they decided, oldest first.
        aborted: A person ended the run: nothing new starts.
        skipped_vms: VMs that a person said to go on without, at any stage.
        pause: What the whole run waits for; None while it goes on.
        resume_at: When jobs that are suspended go on by themselves.
    """

    approvals: tuple[Approval, ...] = ()
    decisions: tuple[Decision, ...] = ()
    aborted: bool = False
    skipped_vms: tuple[str, ...] = ()
    pause: Pause | None = None
    resume_at: datetime | None = None

    @property
    def resume_comment(self) -> str:
        """The comment of whoever last let suspended jobs go on."""
        return next((decision.comment for decision in reversed(self.decisions) if decision.verdict == "resume"), "")

    def with_decision(self, decision: Decision) -> Self:
        """With one decision more."""
        return self.model_copy(update={"decisions": (*self.decisions, decision)})

    def with_pause(self, pause: Pause | None) -> Self:
        """Waiting for a person; or for nobody."""
        return self.model_copy(update={"pause": pause})
