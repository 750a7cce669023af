"""An operation: one run of a verb on a plan or a node, from its request to its outcome."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Self

from shared.documents import CHECKED
from shared.messages import Document, Message
from shared.obstacle import Obstacle
from shared.operations.kinds import Kind
from shared.operations.obligations import Machines
from shared.plans.approvals import RequiredApprovals
from shared.plans.data_loss import SourceLastSeen
from shared.plans.machines import ProtectedItem, homes_of
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.recovery.run import Run
from shared.site_recovery.recovery_points import LATEST
from shared.site_recovery.verb_options import VerbOptions, option_names
from shared.sites.site import SiteDocument

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
    "left-out": "o",
    "failed-before": "e",
}
"""One letter an item in the custom status, in the plan's order: 5,000 items fit into 16 kB.

left-out: it takes no part; failed-before: it failed in an earlier stage, and what came after that is done.
"""


class Override(Document):
    """Why a verb began although its plan was not ready.

    Attributes:
        person_id: Who gave the reason, as Entra knows them; empty for a key.
        was_needed: Whether anything stood in the way at all.
        concerns: What did, as it was then.
    """

    reason: str
    person_name: str
    person_id: str = ""
    was_needed: bool = True
    concerns: tuple[Obstacle, ...] = ()


class Operation(Message):
    """What a runbook on a plan starts from, and what it carries over when it continues as new.

    Attributes:
        id: Instance id of the root, unique for the run.
        plan: The plan's name; `document` is the plan as it was when the run was asked for.
        requester_id: Who asked, as Entra knows them; empty for a key, whose runs need no approval, or a timer.
        digest: Of that document.
        options: How its verb is to be done, as `options_for` has them.
        confirmed: The sentence that was repeated where something cannot be undone; its evidence keeps it.
        lease_wait: How long it waits for VMs that another run still holds.
        override: The reason of who asked to begin although the plan was not ready; None when nobody gave one.
        sources_last_seen: Of an unplanned failover: until when its sources are known to have written; a VM that is in
            none of these was still connected when it was requested.
        required_approvals: What policies and plans ask for before it begins.
        preview: The preview of when it was requested, where others have to approve it; dropped once it has begun.
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
    options: VerbOptions = VerbOptions()
    confirmed: str = ""
    lease_wait: timedelta = timedelta(0)
    override: Override | None = None
    sources_last_seen: tuple[SourceLastSeen, ...] = ()
    required_approvals: tuple[RequiredApprovals, ...] = ()
    preview: Preview | None = None
    run: Run | None = None

    @property
    def preview_kind(self) -> str:
        """The kind, but of a failover or a round trip whether it is planned: what is previewed."""
        if self.kind not in {"failover", "roundtrip"}:
            return self.kind
        return f"{'unplanned' if self.options.is_unplanned else 'planned'}-{self.kind}"

    @property
    def requested_part(self) -> PlanDocument:
        """The plan with the VMs alone that were asked for; which of them the run leaves out its admission says."""
        return self.document if self.options.vms is None else self.document.with_vms(self.options.vms)

    def homes(self, items: Iterable[ProtectedItem] = ()) -> list[Machines]:
        """The VMs that were asked for, by where they are at home.

        Args:
            items: Those of them whose protected items are known.
        """
        return homes_of(self.requested_part, self.sites, items)

    @property
    def vm_names(self) -> tuple[str, ...]:
        """The VMs that were asked for, in the order of their states."""
        return tuple(item.vm for item in self.requested_part.items)

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


def options_for(kind: Kind, requested: VerbOptions, plan: PlanDocument) -> VerbOptions:
    """The options of an operation: as requested, else as the plan says; those that its kind does not have are None."""
    usual = VerbOptions(
        failover_type="planned",
        shut_down_source=requested.shuts_down_source,
        recovery_point=LATEST,
        data_sync=plan.failback.data_sync,
        create_vm=plan.failback.create_vm,
        order=plan.failback_order,
    )
    chosen = {name: getattr(requested, name) for name in option_names(kind)}
    values = {name: getattr(usual, name) if value is None else value for name, value in chosen.items()}
    options = VerbOptions(**values)
    is_planned = options.failover_type == "planned"
    return options.model_copy(update={"shut_down_source": True}) if is_planned else options


class StageTime(Message):
    """When a stage of the run was over."""

    verb: str
    began: datetime
    ended: datetime
