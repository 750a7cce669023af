"""What a run still owes: kept apart from the run, so that it survives it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

from shared.backoff import grow_pause
from shared.messages import Document, Message
from shared.operations.pacing import ATTEMPT_LATEST, ATTEMPT_SOONEST
from shared.request_ids import run_id

ObligationKind = Literal["cleanup", "commit", "reprotect", "source-off", "restore-lock", "leftovers"]


class Lock(Document):
    """A management lock as it was found.

    Attributes:
        id: ARM id of the lock itself.
        owners: Ids of the applications that own it, as Azure gave them.
    """

    id: str
    level: str
    notes: str | None = None
    owners: tuple[str, ...] = ()


class Obligation(Document):
    """One thing owed for a plan, or for a node.

    Attributes:
        plan: Whose it is: a plan's name, or "node:" and the key of a node.
        owner: The operation that incurred it.
        due: When it is late; a timer acts on it or reminds then.
        vms: Whom it concerns.
        locks: What has to be put back, exactly.
        order: The operation that can be done for it, as its request was: it outlives plan, sites and histories.
        baseline: Marks of what was there before.
        leftovers: ARM ids of what is still there.
        provable: It may be looked into although its owner still runs.
        attempts: How often it was tried to do it.
        last_attempt_by: The run that tried it last.
        last_checked_at: When the machines on premises were last looked at, once they were proven off.
    """

    kind: ObligationKind
    plan: str
    owner: str
    opened: datetime
    due: datetime
    vms: tuple[str, ...] = ()
    detail: str = ""
    locks: tuple[Lock, ...] = ()
    order: dict[str, Any] | None = None
    baseline: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    provable: bool = False
    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_attempt_by: str = ""
    last_checked_at: datetime | None = None

    @property
    def id(self) -> str:
        """One of a kind for a plan: a later run takes over what an earlier one owed."""
        return f"{self.plan}:{self.kind}"


class Attempted(Message):
    """An attempt to do what is owed."""

    kind: ObligationKind
    run: str
    at: datetime


class Checked(Message):
    """A look at machines that have to stay as they are."""

    kind: ObligationKind
    at: datetime


class LeftBehind(Message):
    """What an attempt found to be still there."""

    kind: ObligationKind
    leftovers: tuple[str, ...]


class Narrowed(Message):
    """Those of its VMs that still owe it."""

    kind: ObligationKind
    vms: tuple[str, ...]


HIDDEN = frozenset({"order", "baseline"})
"""What a reader does not need to see of an obligation: it is as large as its plan."""


def obligations_of_kind(states: Iterable[Mapping[str, Any]], kind: ObligationKind) -> list[Obligation]:
    """Those of one kind, read from what the entities keep."""
    return [one for one in map(Obligation.model_validate, states) if one.kind == kind]


type Obligations = Mapping[ObligationKind, Obligation]
"""What is owed for one plan or node, by kind."""


def with_obligation(owed: Obligations, new: Obligation) -> Obligations:
    """With a new obligation in place of an old one of its kind: locks of that one are still to be put back."""
    if old := owed.get(new.kind):
        locks = {lock.id.lower(): lock for lock in (*new.locks, *old.locks)}  # the older saw it before it was touched
        new = new.model_copy(update={"locks": tuple(locks.values())})
    return {**owed, new.kind: new}


def without_obligations(owed: Obligations, kinds: Iterable[ObligationKind]) -> Obligations:
    """Without what is owed no longer."""
    settled = set(kinds)
    return {kind: obligation for kind, obligation in owed.items() if kind not in settled}


def with_note(owed: Obligations, note: Attempted | Checked | LeftBehind | Narrowed) -> Obligations:
    """With a note about one of them; one that is owed no longer takes none."""
    obligation = owed.get(note.kind)
    if obligation is None:
        return owed
    match note:
        case Attempted():
            changed = with_attempt(obligation, note)
        case Checked():
            changed = obligation.model_copy(update={"last_checked_at": note.at})
        case LeftBehind():
            changed = obligation.model_copy(update={"leftovers": note.leftovers})
        case Narrowed():
            changed = obligation.model_copy(update={"vms": note.vms})
    return {**owed, note.kind: changed}


def with_attempt(obligation: Obligation, attempt: Attempted) -> Obligation:
    """Note an attempt, once."""
    if (obligation.last_attempt_by, obligation.last_attempt_at) == (attempt.run, attempt.at):
        return obligation
    return obligation.model_copy(
        update={
            "attempts": obligation.attempts + 1,
            "last_attempt_at": attempt.at,
            "last_attempt_by": attempt.run,
        }
    )


def is_attempt_due(owed: Obligation, now: datetime) -> bool:
    """Whether to try again: at each look of the timer at first, then at growing distances."""
    pause = grow_pause(ATTEMPT_SOONEST, owed.attempts - 3, ATTEMPT_LATEST)
    return owed.last_attempt_at is None or now - owed.last_attempt_at >= pause


def cleanup_run_id(owed: Obligation) -> str:
    """Id of the run that is the next try of a cleanup: whoever begins it, it is begun once."""
    return run_id("cleanup", owed.plan, f"{owed.owner}:{owed.attempts}")
