"""How far a repair is, what it has found out, and the ways in which it ends early."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

from shared.errors import SiteRecoveryError
from shared.healing.classifier import Cause, CauseCode
from shared.messages import Document, Message
from shared.obstacle import Obstacle
from shared.operations.kinds import REQUESTED_BY_EVENT_GRID, REQUESTED_BY_TIMER
from shared.sites.site import SiteDocument


class RepairPhase(Message):
    """A part of a repair, from when it began."""

    name: str
    began: datetime


class RepairFacts(Document):
    """What a repair has found out; it becomes part of its outcome. None, and left out there, is what it has not.

    Attributes:
        site: The Hyper-V site that the node belongs to.
        finding: A person has to act.
        locks: ARM ids of the locks that this repair took off.
        locks_owed: Why they could not be put back; the timer goes on trying.
        unread: Why the node's registration could not be read.
        sync: How Sync-AzureStackHci went, and where.
        extension: Provisioning state of the extension that came back, "missing" without one.
        not_registered: The nodes of the cluster that are not registered, with the cause.
        attempts: Cures in a row that did not succeed, this one included.
    """

    node: str = ""
    site: str = ""
    cause: CauseCode | None = None
    evidence: tuple[str, ...] | None = None
    remedy: str | None = None
    finding: bool | None = None
    locks: tuple[str, ...] | None = None
    locks_owed: str | None = None
    unread: str | None = None
    sync: str | None = None
    extension: str | None = None
    not_registered: tuple[str, ...] | None = None
    attempts: int | None = None
    quarantined: bool | None = None
    next_attempt: datetime | None = None

    def with_facts(self, new: Self) -> Self:
        """The same with those that are set in the new ones."""
        return self.model_copy(update={name: getattr(new, name) for name in new.model_fields_set})

    def to_json(self) -> dict[str, Any]:
        """As the outcome shows them."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class RepairProgress(Message):
    """What a repair carries over when it continues as new.

    Attributes:
        stage: What it does next: wait for its turn (and heal), wait for a recovery point, wait for the whole cluster.
        since: When the stage began.
        cured_at: When the old registration was gone: only what is newer proves the new one.
        host: What the vault calls the node.
        touched: Whether the cure has changed anything yet; locks that are put back do not count.
    """

    stage: Literal["turn", "point", "cluster"] = "turn"
    site: str
    node: str
    host: str = ""
    cluster: str
    began: datetime
    since: datetime
    cured_at: datetime | None = None
    touched: bool = False
    rung: str = ""
    phases: tuple[RepairPhase, ...] = ()
    facts: RepairFacts = RepairFacts()


class Repair(Message):
    """A repair of one node, as it was asked for.

    Attributes:
        machine_id: ARM id of the Arc machine, in the casing it came in.
        requester_id: Who asked, as Entra knows them; empty for a key, the timer or an event.
        sites: Every declared site; the machine belongs to the one with its cluster.
        cause: Why it was asked for: an event's correlation id, or who asked.
        reported_at: When the event that reported the failure was sent.
        progress: How far it is; None until it was admitted.
    """

    id: str
    machine_id: str
    requested_by: str
    requester_id: str = ""
    sites: dict[str, SiteDocument]
    cause: str = ""
    reported_at: datetime | None = None
    progress: RepairProgress | None = None

    @property
    def is_asked_by_person(self) -> bool:
        """Whether neither the timer nor an event asks for it."""
        return self.requested_by not in {REQUESTED_BY_TIMER, REQUESTED_BY_EVENT_GRID}


class RepairDeferred(SiteRecoveryError):
    """Nothing may be done to the node at this moment; later perhaps."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class NothingToDo(RepairDeferred):
    """The node is well."""


class NeedsPerson(SiteRecoveryError):
    """The app cannot cure the node: a person has to act."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"{cause.code}: {cause.remedy}")
        self.cause = cause


def failure_of(failure: SiteRecoveryError, node: str) -> Obstacle:
    """Why a repair did not get to its proof."""
    if isinstance(failure, NeedsPerson):
        return Obstacle(subject=node, code=failure.cause.code, detail=failure.cause.remedy)
    return Obstacle.of_error(failure, node)


def phase_timeline(phases: Sequence[RepairPhase], until: datetime) -> list[dict[str, Any]]:
    """Where the time went: each phase with its seconds, in order."""
    ends = [*(phase.began for phase in phases[1:]), until]
    return [
        {"phase": phase.name, "began": phase.began.isoformat(), "seconds": round((end - phase.began).total_seconds())}
        for phase, end in zip(phases, ends, strict=True)
    ]
