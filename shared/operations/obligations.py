"""What a run still owes: kept apart from the run, so that it survives it."""

from datetime import datetime, timedelta
from typing import Any, Literal

from shared.messages import Document, Message
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
        attempts: How often it was tried to do it, when last, and by which run.
        watched: When the machines on premises were last looked at, once they were proven off.
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
    tried: datetime | None = None
    tried_by: str = ""
    watched: datetime | None = None

    @property
    def id(self) -> str:
        """One of a kind for a plan: a later run takes over what an earlier one owed."""
        return f"{self.plan}:{self.kind}"


def take_over_obligation(old: Obligation | None, new: Obligation) -> Obligation:
    """A new obligation in place of an old one of its kind: locks that were to be put back are still to be put back."""
    if old is None:
        return new
    locks = {lock.id.lower(): lock for lock in (*new.locks, *old.locks)}  # the older saw it before anyone touched it
    return new.model_copy(update={"locks": tuple(locks.values())})


class Attempted(Message):
    """An attempt to do what is owed."""

    kind: ObligationKind
    run: str
    at: datetime


class Watched(Message):
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
SOONEST, LATEST = timedelta(minutes=4), timedelta(hours=1)


def with_attempt(owed: Obligation, attempt: Attempted) -> Obligation:
    """Note an attempt."""
    return owed.model_copy(update={"attempts": owed.attempts + 1, "tried": attempt.at, "tried_by": attempt.run})


def is_attempt_due(owed: Obligation, now: datetime) -> bool:
    """Whether to try again: at each look of the timer at first, then at growing distances."""
    return owed.tried is None or now - owed.tried >= min(SOONEST * 2 ** max(owed.attempts - 3, 0), LATEST)


def cleanup_run_id(owed: Obligation) -> str:
    """Id of the run that is the next try of a cleanup: whoever begins it, it is begun once."""
    return run_id("cleanup", owed.plan, f"{owed.owner}:{owed.attempts}")
