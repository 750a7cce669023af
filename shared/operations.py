"""An operation: one run of a verb on a plan or a node, from its request to its outcome."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field

from shared.asked import Asked
from shared.documents import CHECKED
from shared.hooks import HookEnd
from shared.messages import Message, RunItem
from shared.plans import Approvals, PlanDocument
from shared.preview import Blocker, Preview
from shared.recovery_points import PointWish
from shared.repairs import Progress
from shared.runs import Approval, DataSync, Decision, Run
from shared.sites import SiteDocument

Kind = Literal[
    "drill",
    "failover",
    "commit",
    "failback",
    "reprotect",
    "roundtrip",
    "cancel",
    "change-point",
    "cleanup",
    "repair",
    "preflight",
    "prepare",
    "replication",
    "verify",
    "mirror",
]
PLAN_KINDS: tuple[Kind, ...] = (
    "drill",
    "failover",
    "commit",
    "cancel",
    "change-point",
    "failback",
    "reprotect",
    "roundtrip",
)
_FROM_A_POINT: frozenset[Kind] = frozenset({"drill", "failover", "roundtrip", "change-point"})
SITE_KINDS: tuple[Kind, ...] = ("preflight", "prepare", "replication", "verify")

CODES = {
    "waiting": "w",
    "starting": "s",
    "running": "r",
    "paused": "u",
    "resuming": "g",
    "probing": "p",
    "settling": "v",
    "done": "d",
    "failed": "f",
    "blocked": "b",
    "skipped": "k",
}
"""One letter an item in the custom status, in the plan's order: 5,000 items fit into 16 kB."""


class Override(Message):
    """Why a verb began although its plan was not ready.

    Attributes:
        by: Who said so; `person` is the same as Entra knows them, empty for a key.
        needed: Whether anything stood in the way at all.
        concerns: What did, as it was then.
    """

    reason: str
    by: str
    person: str = ""
    needed: bool = True
    concerns: tuple[Blocker, ...] = ()


class Operation(Message):
    """What a runbook on a plan starts from, and what it carries over when it continues as new.

    Attributes:
        id: Instance id of the root, unique for the run.
        plan: The plan's name; `document` is the plan as it was when the run was asked for.
        requester_id: Who asked, as Entra knows them; empty for a key, whose runs need no approval, or a timer.
        digest: Of that document.
        failover_type: For a failover only.
        points: The recovery points that it starts from.
        data_sync: For a failback: a full download with the machine in Azure off, or its changes while it runs.
        create_vm: Whether a failback makes a machine again that is gone on premises.
        host: The node that it is made on; empty for the one that had it last.
        order: Of the failback; empty for the plan's own.
        confirmed: The sentence that was repeated where something cannot be undone.
        resume_at: When a failback that waits after its data synchronisation goes on by itself.
        return_at: When the machines of a round trip come home by themselves; None when a person says so.
        lease_wait: How long it waits for VMs that another run still holds.
        override: The reason of who asked to begin although the plan was not ready; None when nobody gave one.
        preview: What was seen when it was asked for, where others have to approve it; dropped once it has begun.
        run: Where it stands; None until it was admitted.
    """

    id: str
    kind: Kind
    plan: str
    requested_by: str
    requester_id: str = ""
    digest: str
    document: PlanDocument
    sites: dict[str, SiteDocument]
    failover_type: Literal["planned", "unplanned"] = "planned"
    shut_down_source: bool = True
    points: PointWish = PointWish()
    data_sync: DataSync = "ForSynchronization"
    create_vm: bool = False
    host: str = ""
    order: Literal["", "reverse", "same"] = ""
    confirmed: str = ""
    resume_at: datetime | None = None
    return_at: datetime | None = None
    lease_wait: timedelta = timedelta(0)
    override: Override | None = None
    preview: Preview | None = None
    run: Run | None = None

    @property
    def what(self) -> str:
        """The kind, but of a failover or a round trip whether it is planned: what is previewed."""
        typed = self.kind in {"failover", "roundtrip"}
        return f"{self.failover_type}-{self.kind}" if typed else self.kind

    @property
    def asked(self) -> Asked:
        """How it is done, by the request or else by the plan."""
        said: dict[str, Any] = {}
        if self.kind in _FROM_A_POINT:
            said |= {"recovery_point": self._points, "max_age": self.points.max_age}
        if self.kind in {"failover", "roundtrip"}:
            said["shut_down_source"] = self.shuts_down_source
        if self.kind in {"failback", "roundtrip"}:
            sync = "minimise-downtime" if self.data_sync == "ForDownTime" else "full-download"
            said |= {"data_sync": sync, "resume_at": self.resume_at, "create_vm": self.create_vm}
            said |= {"host": self.host or None, "order": self.order or self.document.failback_order}
        if self.kind == "roundtrip":
            said["return_at"] = self.return_at
        return Asked(**said)

    @property
    def shuts_down_source(self) -> bool:
        """Whether the machines on premises are to be shut down: a planned failover always does."""
        return self.failover_type == "planned" or self.shut_down_source

    @property
    def _points(self) -> str | dict[str, str]:
        own = {item.vm: self.points.of(item.vm) for item in self.document.items if item.vm.lower() in self.points.by_vm}
        return own or self.points.rule

    @property
    def approvals(self) -> Approvals | None:
        """What the plan asks for before this kind of operation begins; None where nobody has to approve it."""
        wish = self.document.approvals
        return wish if wish and wish.concern(self.kind) else None

    def to_carry(self) -> dict[str, Any]:
        """The operation for its own next generation: what is as it is by default stays out.

        Each dispatch reads all of it, and of 5,000 machines most fields are never anything else. So a default must not
        change as long as a run that was begun with it goes on.
        """
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def carried(cls, payload: dict[str, Any]) -> Self:
        """Read an operation out of a run's own input: its plan was checked when it was declared."""
        return cls.model_validate(payload, context=CHECKED)


class Problem(Message):
    """One thing in the way; `vm` is empty when it is not about one VM.

    Attributes:
        by_hand: A person has to do something and then say so; the run can wait for it.
    """

    vm: str = ""
    code: str
    detail: str
    by_hand: bool = False


class StageTime(Message):
    """When a stage of the run was over."""

    verb: str
    began: datetime
    ended: datetime


class Outcome(Message):
    """How an operation ended: its output.

    Attributes:
        state: "refused" is a failure before anything was done; "aborted": a person ended the run.
        problems: Why it was refused.
        failures: What went wrong on the way.
        findings: What people have to know, though nothing went wrong.
        hooks: What became of each hook, in the order of their turns.
    """

    state: Literal["succeeded", "failed", "refused", "aborted"]
    kind: Kind
    plan: str = ""
    site: str = ""
    items: tuple[RunItem, ...] = ()
    problems: tuple[Problem, ...] = ()
    failures: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()
    approvals: tuple[Approval, ...] = ()
    hooks: tuple[HookEnd, ...] = ()
    began: datetime | None = None
    ended: datetime | None = None
    facts: dict[str, Any] = Field(default_factory=dict)


class SiteOperation(Message):
    """What every runbook on a site starts from; each adds what it needs.

    Attributes:
        document: The site as it was when the run was asked for.
    """

    id: str
    kind: Kind
    site: str
    requested_by: str
    document: SiteDocument


LEASE_TERM = timedelta(hours=24)
"""The backstop. A run that lives prolongs its leases long before, and they are free as soon as it has ended."""


class Repair(Message):
    """What the healing of one node starts from.

    Attributes:
        machine_id: ARM id of the Arc machine, in the casing it came in.
        sites: Every declared site: which one the machine belongs to is found out by its cluster.
        cause: Why it was asked for: an event's correlation id, or who asked.
        told_at: When the event that told of it was sent.
        progress: Where it stands; None until it was admitted.
    """

    id: str
    machine_id: str
    requested_by: str
    sites: dict[str, SiteDocument]
    cause: str = ""
    told_at: datetime | None = None
    progress: Progress | None = None
