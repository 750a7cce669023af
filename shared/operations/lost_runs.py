"""Runs that the engine ended before they came to their own end: which those are, and what people are told. Pure.

A run ends itself: with an outcome, sealed evidence and leases given back. One that is terminated or deleted in the
engine, or that the engine cannot go on with, does none of it. The timer then does it in its place.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.operations.hook_work import HookWork
from shared.operations.kinds import PLAN_KINDS, Kind

RUN_LOST = "run-lost"
STATE_OF_RUN_ENDED_BY_APP = "aborted"
"""In the output of a run that the app itself terminated; whoever else terminates one says what they like."""

type Ending = Literal["failed", "terminated", "gone"]
"""The engine could not go on with it; it was terminated there; it was deleted there."""

ENDING_SENTENCES: Mapping[Ending, str] = {
    "failed": "the engine could not go on with it",
    "terminated": "it was terminated in the engine, not aborted here",
    "gone": "the engine does not know it any more: it was deleted there",
}
NEXT_STEPS: Mapping[str, str] = {
    "cleanup": "The timer starts the cleanup again.",
    "drill": "The timer cleans up what it left in Azure. Then ask for the drill again.",
    "repair": "The timer looks at the node again, and repairs it when that is due.",
}


class LostRun(Message):
    """A run that did not come to its own end.

    Attributes:
        ended_by_app: The app itself terminated it, to make way for another run: that is an abort, and no loss.
        subject: What it was about, as events have it: "plans/payroll", "sites/hci-01", "nodes/n1".
        plan: Its plan; empty for a run on a site or a node.
        words: What the engine says of it; empty where it says nothing.
        lease_tables: Where it still holds leases.
        began: When it began; None for one that had not, or of which nothing is known any more.
        digest: Of its plan, and `preview_kind` of its request, where these are known.
        hook_work: Scripts and runbook jobs that its hooks may have left in Azure.
        published_at: When its end was published; None as long as it was not.
    """

    id: str
    kind: Kind
    ending: Ending
    ended_by_app: bool = False
    subject: str
    plan: str = ""
    words: str = ""
    lease_tables: tuple[str, ...] = ()
    began: datetime | None = None
    digest: str = ""
    preview_kind: str = ""
    hook_work: tuple[HookWork, ...] = ()
    published_at: datetime | None = None

    @property
    def state(self) -> Literal["failed", "aborted"]:
        """How it counts as ended."""
        return "aborted" if self.ended_by_app else "failed"

    def describe_failures(self, owed_kinds: Iterable[str]) -> tuple[Obstacle, ...]:
        """What people are told of it."""
        if self.ended_by_app:
            return ()
        return describe_lost_run(self.kind, self.ending, self.words, owed_kinds)


def describe_lost_run(kind: str, ending: Ending, words: str, owed_kinds: Iterable[str] = ()) -> tuple[Obstacle, ...]:
    """What is so and what to do next; then what the engine says of it."""
    owed = ", ".join(sorted(owed_kinds))
    owed_text = f" Still owed: {owed}; the timer keeps it in mind." if owed else ""
    detail = f"The run did not come to its own end: {ENDING_SENTENCES[ending]}. {_next_step_of(kind)}{owed_text}"
    said = Obstacle(subject="the engine", code="engine-said", detail=words)
    return (Obstacle(code=RUN_LOST, detail=detail), *([said] if words else []))


def _next_step_of(kind: str) -> str:
    if kind in NEXT_STEPS:
        return NEXT_STEPS[kind]
    if kind in PLAN_KINDS:
        return (
            f"Jobs that it began go on in Azure. Look at its VMs, then ask for {kind} again: what is through stays so."
        )
    return f"Ask for {kind} again: what is done already is left as it is."


class LostRunNote(Message):
    """What was done for a lost run: its end was published, and later its evidence was sealed."""

    run: str
    published_at: datetime
    sealed: bool = False


type LostRuns = Mapping[str, LostRunNote]
"""What was done for each lost run, as long as anything shows the run."""


def with_run_note(lost_runs: LostRuns, note: LostRunNote) -> LostRuns:
    """Note what was done; when its end was published first stays, and what is sealed stays sealed."""
    old = lost_runs.get(note.run)
    if old is not None:
        note = old.model_copy(update={"sealed": old.sealed or note.sealed})
    return {**lost_runs, note.run: note}


def without_run_notes(lost_runs: LostRuns, runs: Collection[str]) -> LostRuns:
    """Without runs that nothing shows any more."""
    return {run: note for run, note in lost_runs.items() if run not in runs}
