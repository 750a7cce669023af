"""A run on the replication of VMs: what is asked for, where each VM stands, and how the run begins. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field

from shared.arm_ids import split_at
from shared.errors import Refused
from shared.messages import Message
from shared.obstacle import Obstacle
from shared.replication.contract import ProtectableItemsRead
from shared.replication.coverage import UnprotectedVm, find_unprotected, items_within
from shared.replication.disks import names_left_out
from shared.replication.pacing import INITIAL_COPY_PATIENCE
from shared.replication.settings import (
    GUEST_CODE,
    GUEST_REMEDY,
    VM_MISSING_CODE,
    ProtectableItem,
    ReplicatedItem,
    ReplicationAction,
    ReplicationRequest,
    VmRequest,
    VmSettings,
    find_name_refusal,
    find_protectable_item,
    pick_disks,
    requested_vms,
    require_protectable,
    settings_of_vm,
)
from shared.sites.cluster_vms import ClusterVms, VmRefusal
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
        job: Of the action under way; at the end, of the last one.
        restarts: How often its job was done again; `failed_job` is the last that failed.
        since: When the state was entered.
        open_since: From when on it has no final answer: its action is not taken, or its job cannot be read.
        percent: Of the copy, as last seen.
        changed: Whether this run did anything to it.
        refusals: Why it is not enabled, unless that was done before.
        lacks_network: Whether a failover would connect it to no network, as far as the run knows.
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
    refusals: tuple[VmRefusal, ...] = ()
    lacks_network: bool = False

    def with_state(self, state: ReplicationState, now: datetime, **changes: Any) -> "ReplicationRunItem":
        """The VM as it enters a state."""
        return self.model_copy(update={"state": state, "since": now, "open_since": None, **changes})

    def with_action_done(self, now: datetime) -> "ReplicationRunItem":
        """The VM once its action is done: on to the next, or to the end."""
        left = self.actions[1:]
        if left:
            return self.with_state("waiting", now, actions=left, attempt=1, restarts=0, job="", not_before=None)
        cleared = {"code": "", "cause": "", "remedy": "", "not_before": None}
        return self.with_state("done" if self.changed else "kept", now, **cleared)


class ReplicationRun(Message):
    """Where the whole run stands.

    Attributes:
        initial_copies: How many may be under way at once.
        patience: How long one may be copying.
        unprotected: The VMs of the cluster that had no protected item when it began.
        unread_nodes: Why nodes could not be read, by name: their VMs were not judged.
    """

    items: tuple[ReplicationRunItem, ...]
    policy_id: str = ""
    initial_copies: int = 10
    patience: timedelta = INITIAL_COPY_PATIENCE
    began: datetime
    unprotected: tuple[UnprotectedVm, ...] = ()
    unread_nodes: dict[str, str] = Field(default_factory=dict)

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
    order: ReplicationOrder,
    machines: Sequence[ProtectableItem],
    policy_id: str,
    now: datetime,
    cluster_vms: ClusterVms = ClusterVms(),  # noqa: B008 - it is immutable
) -> ReplicationRun:
    """The run over all VMs that are meant; one that is not there, or cannot be protected, is given up at once.

    Args:
        cluster_vms: What the nodes named, each VM with what a preflight fails it for.
    """
    opening = _Opening(order, machines, cluster_vms, now)
    named = cluster_vms.vms if order.request.action == "enable" else ()
    items = map(opening.open_item, requested_vms(order.request, order.document, machines, named))
    return ReplicationRun(
        items=tuple({item.vm.lower(): item for item in items}.values()),
        policy_id=policy_id,
        initial_copies=order.request.initial_copies if order.request.action == "enable" else BATCH,
        patience=order.request.patience,
        began=now,
        unread_nodes=dict(cluster_vms.unread),
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


class _Opening:
    """What the items of a run are opened with."""

    def __init__(
        self, order: ReplicationOrder, machines: Sequence[ProtectableItem], cluster_vms: ClusterVms, now: datetime
    ) -> None:
        self._order, self._machines, self._now = order, machines, now
        self._refusals = cluster_vms.refusals_by_vm()
        self._nodes = {vm.name.lower(): vm.node for vm in cluster_vms.vms}

    def open_item(self, vm_request: VmRequest) -> ReplicationRunItem:
        """A VM as the run begins with it; one that cannot take part has failed already."""
        request, site = self._order.request, self._order.document
        settings = settings_of_vm(vm_request, request, site)
        actions: tuple[ReplicationAction, ...] = (request.action,)
        if request.action == "enable" and settings.needs_update:
            actions = ("enable", "update")
        item = ReplicationRunItem(vm=vm_request.vm, settings=settings, actions=actions)
        try:
            machine = find_protectable_item(vm_request, self._machines)
            item = item.model_copy(update={"vm": machine.vm, "item_id": item_id_of(machine), "machine": machine})
            if request.action != "enable":
                return item
            item = item.model_copy(update={"refusals": self._refusals_of(machine, settings)})
            if machine.item_id:  # what its item shows is still to be read
                return item
            if item.refusals:
                return _refused_item(item, item.refusals, self._now)
            machine = _with_disks_picked(machine, _without_left_out(machine, settings, site))
            return item.model_copy(update={"machine": machine, "lacks_network": not settings.network})
        except Refused as no:
            return _refused_item(item, [self._explained(no, vm_request.vm)], self._now)

    def _refusals_of(self, machine: ProtectableItem, settings: VmSettings) -> tuple[VmRefusal, ...]:
        """What a preflight fails the VM for, and the name that it would have in Azure."""
        refusals = self._refusals.get(machine.vm.lower(), ())
        named = None if settings.azure_vm else find_name_refusal(machine.vm, self._order.document)
        return (*refusals, named) if named else refusals

    def _explained(self, no: Refused, vm: str) -> VmRefusal:
        """The refusal with its remedy, and of a VM that no host has reported the node that named it."""
        detail, node = no.detail, self._nodes.get(vm.lower())
        if no.code == VM_MISSING_CODE and node:
            detail = f"{vm} runs on {node}, and no registered host has reported it: see whether {node} is registered"
        return VmRefusal(code=no.code, detail=detail, remedy=REMEDIES.get(no.code, ""))


REMEDIES = {
    GUEST_CODE: GUEST_REMEDY,
    VM_MISSING_CODE: "Register every node with the vault (prepare, or repair of the node), then enable again.",
}


def _refused_item(item: ReplicationRunItem, refusals: Sequence[VmRefusal], now: datetime) -> ReplicationRunItem:
    """A VM that is left alone; the first reason has the code, and all of them are told."""
    detail = "; ".join(refusal.detail for refusal in refusals)
    return item.with_state("failed", now, code=refusals[0].code, detail=detail, remedy=refusals[0].remedy)


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
        item = item.model_copy(update={"lacks_network": not copied.network})
        return (
            item.with_action_done(now)
            if copied.is_protected
            else item.with_state("copying", now, percent=copied.percent)
        )

    return run.with_each(adopt_item)


def begin_run(
    order: ReplicationOrder,
    listed: ProtectableItemsRead,
    copies: Sequence[ReplicatedItem],
    now: datetime,
    cluster_vms: ClusterVms = ClusterVms(),  # noqa: B008 - it is immutable
) -> ReplicationRun:
    """The run as it begins: each VM that is meant, with what replicates already, and what nothing protects.

    Args:
        listed: What the vault lists of the site.
        copies: The protected items of the vault.
        cluster_vms: What the nodes named, each VM with what a preflight fails it for.
    """
    site = order.document
    run = open_run(order, listed.machines, listed.policy_id, now, cluster_vms)
    own_items = items_within(copies, listed.container)
    unprotected = find_unprotected(site, listed.machines, own_items, cluster_vms.vms)
    return adopt_replicated(run.model_copy(update={"unprotected": unprotected}), copies, site, now)


def still_unprotected(run: ReplicationRun) -> tuple[UnprotectedVm, ...]:
    """The VMs that nothing protects once the run is over: those that it did not enable, and those that it disabled."""
    ended = {item.vm.lower(): item for item in run.items if item.state in {"done", "kept"}}
    disabled = [UnprotectedVm(vm=one.vm) for one in ended.values() if one.actions[0] == "disable" and one.changed]
    left = (vm for vm in run.unprotected if (one := ended.get(vm.vm.lower())) is None or one.actions[0] == "disable")
    return tuple(sorted({vm.vm.lower(): vm for vm in (*disabled, *left)}.values(), key=lambda vm: vm.vm.lower()))


def _enable_anew(item: ReplicationRunItem, site: SiteDocument, now: datetime) -> ReplicationRunItem:
    """What an enabling that failed has left is removed first: nothing was ever copied for it."""
    if item.refusals:
        return _refused_item(item, item.refusals, now)
    try:
        machine = item.machine and _with_disks_picked(
            item.machine, _without_left_out(item.machine, item.settings, site)
        )
    except Refused as no:
        return item.with_state("failed", now, code=no.code, detail=no.detail)
    lacks_network = not item.settings.network
    return item.model_copy(
        update={"machine": machine, "actions": ("disable", *item.actions), "lacks_network": lacks_network}
    )


def coverage_findings(unprotected: Sequence[UnprotectedVm], unread_nodes: Mapping[str, str]) -> tuple[str, ...]:
    """What people have to know of the VMs beside those of the run."""
    named = [f"{one.vm} on {one.node}" if one.node else one.vm for one in unprotected]
    found = [f"Not protected: {list_briefly(named, SHOWN_VMS)}."] if named else []
    return (*found, *(f"The VMs of {node} were not checked: {why}." for node, why in unread_nodes.items()))


SHOWN_VMS = 20
NO_NETWORK = {
    "code": "no-network",
    "detail": "A failover would connect it to no network: update it with a network, or name one in its plan.",
}
"""Of a VM whose network is to be configured later."""


def failure_of(item: ReplicationRunItem) -> Obstacle:
    """Why a VM is not as it was asked for."""
    detail = f"{item.detail} {item.cause}".strip()
    return Obstacle(vm=item.vm, code=item.code or "failed", detail=detail, remedy=item.remedy)


def vm_view(item: ReplicationRunItem) -> dict[str, Any]:
    """A VM as people read it."""
    view = item.model_dump(mode="json", include={"vm", "state", "percent", "code", "detail", "cause", "remedy"})
    notes = [NO_NETWORK] if item.lacks_network and item.state != "failed" else []
    return {**view, "action": item.actions[0], "jobId": item.job, "notes": notes}
