"""A run on the replication of VMs: what is asked for, where each VM stands, and how the run begins. Pure."""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from shared.arm_ids import split_at
from shared.errors import Refused
from shared.messages import Message
from shared.obstacle import Obstacle
from shared.replication.disks import names_left_out
from shared.replication.pacing import INITIAL_COPY_PATIENCE
from shared.replication.settings import (
    VM_MISSING_CODE,
    ProtectableItem,
    ReplicatedItem,
    ReplicationAction,
    ReplicationRequest,
    VmRequest,
    VmSettings,
    find_protectable_item,
    pick_disks,
    requested_vms,
    require_protectable,
    settings_of_vm,
)
from shared.sites.operation import SiteOperation
from shared.sites.site import SiteDocument
from shared.wording import list_briefly

ReplicationState = Literal["waiting", "starting", "running", "restarting", "copying", "done", "kept", "failed"]
"""starting: asked, not yet answered; running: its job runs; restarting: its job shall be done again;
copying: what the job has set off is not over yet."""
BATCH = 50
"""So many VMs are started with one call, and follow each other in an action that copies nothing."""


class ReplicationRunItem(Message):
    """One VM of the run.

    Attributes:
        item_id: ARM id of its protected item, or the one that it is to have.
        actions: What is still to be done, the first is under way.
        attempt: Counts the requests sent on purpose for the action under way.
        restarts: How often its job was done again; `failed_job` is the last that failed.
        since: When the state was entered.
        open_since: From when on it has no final answer: its action is not taken, or its job cannot be read.
        percent: Of the copy, as last seen.
        changed: Whether this run did anything to it.
    """

    vm: str
    item_id: str = ""
    machine: ProtectableItem | None = None
    settings: VmSettings = VmSettings()
    actions: tuple[ReplicationAction, ...]
    state: ReplicationState = "waiting"
    attempt: int = 1
    restarts: int = 0
    failed_job: str = ""
    job: str = ""
    since: datetime | None = None
    open_since: datetime | None = None
    not_before: datetime | None = None
    percent: int = 0
    changed: bool = False
    code: str = ""
    detail: str = ""
    cause: str = ""
    remedy: str = ""

    def with_state(self, state: ReplicationState, now: datetime, **changes: Any) -> "ReplicationRunItem":
        """The VM as it enters a state."""
        return self.model_copy(update={"state": state, "since": now, "open_since": None, **changes})

    def with_action_done(self, now: datetime) -> "ReplicationRunItem":
        """The VM once its action is done: on to the next, or to the end."""
        left = self.actions[1:]
        if left:
            return self.with_state("waiting", now, actions=left, attempt=1, restarts=0, job="", not_before=None)
        cleared = {"code": "", "cause": "", "remedy": "", "job": "", "not_before": None}
        return self.with_state("done" if self.changed else "kept", now, **cleared)


class ReplicationRun(Message):
    """Where the whole run stands.

    Attributes:
        initial_copies: How many may be under way at once.
        patience: How long one may be copying.
    """

    items: tuple[ReplicationRunItem, ...]
    policy_id: str = ""
    initial_copies: int = 10
    patience: timedelta = INITIAL_COPY_PATIENCE
    began: datetime

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do or to wait for."""
        return all(item.state in ENDED for item in self.items)

    def with_each(self, change: Callable[[ReplicationRunItem], ReplicationRunItem]) -> "ReplicationRun":
        """The run with every VM changed."""
        return self.model_copy(update={"items": tuple(map(change, self.items))})


ENDED: Collection[ReplicationState] = frozenset({"done", "kept", "failed"})
UNDER_WAY: Collection[ReplicationState] = frozenset({"starting", "running", "restarting", "copying"})


class ReplicationOrder(SiteOperation):
    """Do something with the replication of VMs; `run` is None until it was admitted."""

    request: ReplicationRequest
    run: ReplicationRun | None = None


def open_run(
    order: ReplicationOrder, machines: Sequence[ProtectableItem], policy_id: str, now: datetime
) -> ReplicationRun:
    """The run over all VMs that are meant; one that is not there, or cannot be protected, is given up at once."""
    items = (
        _open_item(order, vm_request, machines, now)
        for vm_request in requested_vms(order.request, order.document, machines)
    )
    return ReplicationRun(
        items=tuple({item.vm.lower(): item for item in items}.values()),
        policy_id=policy_id,
        initial_copies=order.request.initial_copies if order.request.action == "enable" else BATCH,
        patience=order.request.patience,
        began=now,
    )


def missing_vms(order: ReplicationOrder, run: ReplicationRun) -> str:
    """The VMs that a host may still have to report, in words: all of them where nobody names any; else empty."""
    if not order.request.vms and not order.document.vms:
        return "all VMs"
    return list_briefly([item.vm for item in run.items if item.code == VM_MISSING_CODE])


def item_id_of(machine: ProtectableItem) -> str:
    """The id of its protected item, or the one that it will have."""
    container, _ = split_at(machine.id, "replicationProtectableItems")
    return machine.item_id or f"{container}/replicationProtectedItems/{machine.guid}"


def _open_item(
    order: ReplicationOrder, vm_request: VmRequest, machines: Sequence[ProtectableItem], now: datetime
) -> ReplicationRunItem:
    settings = settings_of_vm(vm_request, order.request, order.document)
    actions: tuple[ReplicationAction, ...] = (order.request.action,)
    if order.request.action == "enable" and settings.needs_update:
        actions = ("enable", "update")
    copy = ReplicationRunItem(vm=vm_request.vm, settings=settings, actions=actions)
    try:
        machine = find_protectable_item(vm_request, machines)
        copy = copy.model_copy(update={"vm": machine.vm, "item_id": item_id_of(machine)})
        if order.request.action == "enable" and not machine.item_id:
            machine = _with_disks_picked(machine, _without_left_out(machine, settings, order.document))
        return copy.model_copy(update={"machine": machine})
    except Refused as no:
        return copy.with_state("failed", now, code=no.code, detail=no.detail)


def _without_left_out(machine: ProtectableItem, settings: VmSettings, site: SiteDocument) -> VmSettings:
    """The settings with the disks that the site replicates, where the request names none."""
    left_out = names_left_out(machine.vm, site)
    if settings.disks is not None or not left_out:
        return settings
    kept = tuple(disk.name for disk in machine.disks if disk.name.lower() not in left_out)
    return settings.model_copy(update={"disks": kept})


def _with_disks_picked(machine: ProtectableItem, settings: VmSettings) -> ProtectableItem:
    """The machine as it is enabled.

    Raises:
        Refused: it cannot be protected, or nobody can tell its disks apart.
    """
    require_protectable(machine, settings)
    return pick_disks(machine, settings)


def adopt_replicated(
    run: ReplicationRun, items: Iterable[ReplicatedItem], site: SiteDocument, now: datetime
) -> ReplicationRun:
    """Follow what replicates already: another run, or a person in the portal, may have enabled it."""
    by_item = {copied.id.lower(): copied for copied in items}

    def adopt_item(item: ReplicationRunItem) -> ReplicationRunItem:
        copied = by_item.get(item.item_id.lower())
        if item.state != "waiting" or item.actions[0] != "enable" or copied is None:
            return item
        if copied.has_failed_enabling:
            return _enable_anew(item, site, now)
        return (
            item.with_action_done(now)
            if copied.is_protected
            else item.with_state("copying", now, percent=copied.percent)
        )

    return run.with_each(adopt_item)


def _enable_anew(item: ReplicationRunItem, site: SiteDocument, now: datetime) -> ReplicationRunItem:
    """What an enabling that failed has left is removed first: nothing was ever copied for it."""
    try:
        machine = item.machine and _with_disks_picked(
            item.machine, _without_left_out(item.machine, item.settings, site)
        )
    except Refused as no:
        return item.with_state("failed", now, code=no.code, detail=no.detail)
    return item.model_copy(update={"machine": machine, "actions": ("disable", *item.actions)})


def failure_of(item: ReplicationRunItem) -> Obstacle:
    """Why a VM is not as it was asked for."""
    detail = f"{item.detail} {item.cause}".strip()
    return Obstacle(vm=item.vm, code=item.code or "failed", detail=detail, remedy=item.remedy)


def vm_view(item: ReplicationRunItem) -> dict[str, Any]:
    """A VM as people read it."""
    view = item.model_dump(mode="json", include={"vm", "state", "percent", "job", "code", "detail", "cause", "remedy"})
    return {**view, "action": item.actions[0]}
