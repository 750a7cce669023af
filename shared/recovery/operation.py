"""An operation: one run of a verb on a plan or a node, from its request to its outcome."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from shared.documents import CHECKED
from shared.messages import Message
from shared.obstacle import Obstacle
from shared.operations.kinds import Kind
from shared.plans.plan import Approvals, PlanDocument
from shared.plans.preview import Preview, VerbParameters
from shared.recovery.run import Run
from shared.site_recovery.recovery_points import PointChoice
from shared.site_recovery.verb_options import VerbOptions
from shared.sites.site import SiteDocument

_KINDS_FROM_A_POINT: frozenset[Kind] = frozenset({"drill", "failover", "roundtrip", "change-point"})
STATE_CODES = {
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
    concerns: tuple[Obstacle, ...] = ()


class Operation(VerbOptions):
    """What a runbook on a plan starts from, and what it carries over when it continues as new.

    Attributes:
        id: Instance id of the root, unique for the run.
        plan: The plan's name; `document` is the plan as it was when the run was asked for.
        requester_id: Who asked, as Entra knows them; empty for a key, whose runs need no approval, or a timer.
        digest: Of that document.
        failover_type: For a failover only.
        points: The recovery points that it starts from.
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
    points: PointChoice = PointChoice()
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
    def preview_kind(self) -> str:
        """The kind, but of a failover or a round trip whether it is planned: what is previewed."""
        has_type = self.kind in {"failover", "roundtrip"}
        return f"{self.failover_type}-{self.kind}" if has_type else self.kind

    @property
    def verb_parameters(self) -> VerbParameters:
        """How it is done, by the request or else by the plan."""
        values: dict[str, Any] = {}
        if self.kind in _KINDS_FROM_A_POINT:
            values |= {"recovery_point": self._point_rules, "max_age": self.points.max_age}
        if self.kind in {"failover", "roundtrip"}:
            values["shut_down_source"] = self.shuts_down_source
        if self.kind in {"failback", "roundtrip"}:
            sync = "minimise-downtime" if self.data_sync == "ForDownTime" else "full-download"
            values |= {"data_sync": sync, "resume_at": self.resume_at, "create_vm": self.create_vm}
            values |= {"host": self.host or None, "order": self.order or self.document.failback_order}
        if self.kind == "roundtrip":
            values["return_at"] = self.return_at
        return VerbParameters(**values)

    @property
    def shuts_down_source(self) -> bool:
        """Whether the machines on premises are to be shut down: a planned failover always does."""
        return self.failover_type == "planned" or self.shut_down_source

    @property
    def _point_rules(self) -> str | dict[str, str]:
        own = {
            item.vm: self.points.rule_for(item.vm)
            for item in self.document.items
            if item.vm.lower() in self.points.by_vm
        }
        return own or self.points.rule

    @property
    def approvals_required(self) -> Approvals | None:
        """What the plan asks for before this kind of operation begins; None where nobody has to approve it."""
        approvals = self.document.approvals
        return approvals if approvals and approvals.needs_approval(self.kind) else None

    def to_carry(self) -> dict[str, Any]:
        """The operation for its own next generation: what is as it is by default stays out.

        Each dispatch reads all of it, and of 5,000 machines most fields are never anything else. So a default must not
        change as long as a run that was begun with it goes on.
        """
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def from_carried(cls, payload: dict[str, Any]) -> Self:
        """Read an operation out of a run's own input: its plan was checked when it was declared."""
        return cls.model_validate(payload, context=CHECKED)


class StageTime(Message):
    """When a stage of the run was over."""

    verb: str
    began: datetime
    ended: datetime
