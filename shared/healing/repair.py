"""How far a repair is, and the ways in which it ends early."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from shared.errors import SiteRecoveryError
from shared.healing.classifier import Cause
from shared.messages import Message
from shared.sites.site import SiteDocument


class RepairPhase(Message):
    """A part of a repair, from when it began."""

    name: str
    began: datetime


class RepairProgress(Message):
    """What a repair carries over when it continues as new.

    Attributes:
        stage: What it does next: wait for its turn (and heal), wait for a recovery point, wait for the whole cluster.
        since: When the stage began.
        cured_at: When the old registration was gone: only what is newer proves the new one.
        touched: Whether anything was changed yet.
    """

    stage: Literal["turn", "point", "cluster"] = "turn"
    site: str
    node: str
    cluster: str
    began: datetime
    since: datetime
    cured_at: datetime | None = None
    touched: bool = False
    rung: str = ""
    phases: tuple[RepairPhase, ...] = ()
    facts: dict[str, Any] = Field(default_factory=dict)


class Repair(Message):
    """What the healing of one node starts from.

    Attributes:
        machine_id: ARM id of the Arc machine, in the casing it came in.
        sites: Every declared site: which one the machine belongs to is found out by its cluster.
        cause: Why it was asked for: an event's correlation id, or who asked.
        reported_at: When the event that told of it was sent.
        progress: Where it stands; None until it was admitted.
    """

    id: str
    machine_id: str
    requested_by: str
    sites: dict[str, SiteDocument]
    cause: str = ""
    reported_at: datetime | None = None
    progress: RepairProgress | None = None


class RepairDeferred(SiteRecoveryError):
    """Nothing may be done to the node at this moment; later perhaps."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class NothingToDo(RepairDeferred):
    """The node is well."""


class NeedsPerson(SiteRecoveryError):
    """What ails the node is not for this app to cure."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(f"{cause.code}: {cause.remedy}")
        self.cause = cause


def phase_timeline(phases: Sequence[RepairPhase], until: datetime) -> list[dict[str, Any]]:
    """Where the time went: each phase with its seconds, in order."""
    ends = [*(phase.began for phase in phases[1:]), until]
    return [
        {"phase": phase.name, "began": phase.began.isoformat(), "seconds": round((end - phase.began).total_seconds())}
        for phase, end in zip(phases, ends, strict=True)
    ]
