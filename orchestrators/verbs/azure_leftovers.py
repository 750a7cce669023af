"""After the commit of a failback: what is left in Azure of machines that came home is named, or removed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrators.durable.entity_calls import machines_among, note_on_obligation, obligation_of
from orchestrators.durable.steps import Context, Steps, call, call_all, call_entity, call_patiently, now, sleep
from orchestrators.durable.timer_look import TimerLook, attempt_part, describe_obligation
from shared.arm_ids import group_id_of
from shared.errors import SiteRecoveryError
from shared.failback.leftovers import (
    READ_LEFTOVERS,
    READ_VM_RESOURCES,
    REMOVE_LEFTOVERS,
    FailoverVm,
    Leftover,
    ReadLeftovers,
    ReadVmResources,
    RemoveLeftovers,
    VmResourcesRead,
    is_removable,
)
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligation_table import Attempted, LeftBehind, Settlement
from shared.operations.obligations import Obligation, ObligationKind, is_attempt_due
from shared.recovery.drill import mark_of
from shared.recovery.operation import Operation
from shared.recovery.pacing import (
    LEFTOVERS_REMOVED_WITHIN,
    LEFTOVERS_VANISH_WITHIN,
    LOOK_FOR_LEFTOVERS_EVERY,
    RESOURCES_READ_WITHIN,
)
from shared.recovery.results import vms_committed_at_home
from shared.recovery.run import ReturnedVms, Run
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.wording import list_briefly

LEFTOVERS_KIND: ObligationKind = "leftovers"
BATCH, SHOWN = 50, 20
OBLIGATION_DETAIL = (
    "cards, disks or addresses of machines that came home are still in Azure, and cost money: remove them"
)


def read_resource_marks(
    ctx: Context, machines: Sequence[FailoverVm]
) -> Steps[tuple[dict[str, tuple[str, ...]], tuple[str, ...]]]:
    """What hangs on each machine; and the machines of which that could not be read."""
    batches = [tuple(machines[first : first + BATCH]) for first in range(0, len(machines), BATCH)]
    requests = [ReadVmResources(machines=batch) for batch in batches]
    marks: dict[str, tuple[str, ...]] = {}
    unread: list[str] = []
    for request, answer in zip(requests, (yield from call_all(ctx, READ_VM_RESOURCES, requests)), strict=True):
        try:
            read = answer if isinstance(answer, VmResourcesRead) else (yield from _read_resources_again(ctx, request))
            marks |= {vm: vm_marks for vm, vm_marks in read.marks.items() if vm_marks}
        except SiteRecoveryError:
            unread += [machine.vm for machine in request.machines]
    return marks, tuple(unread)


def _read_resources_again(ctx: Context, request: ReadVmResources) -> Steps[VmResourcesRead]:
    yield from sleep(ctx, LOOK_FOR_LEFTOVERS_EVERY)
    return (yield from call_patiently(ctx, READ_VM_RESOURCES, request, RESOURCES_READ_WITHIN))


def note_belongings(ctx: Context, _operation: Operation, run: Run) -> Steps[Run]:
    """Note what hangs on the machines in Azure, before a commit gives them up; where it cannot the run says so."""
    if run.current is None:
        return run
    machines = [
        FailoverVm(vm=item.vm, azure_vm=item.azure_vm or item.vm, target_group=item.target_group)
        for item in run.items
        if item.is_to_be_committed and (item.location == "Primary" or item.has_done("Failback"))
    ]
    marks, unread = yield from read_resource_marks(ctx, machines)
    if unread:
        finding = "what belongs to {} in Azure could not be read before the commit: look yourself what is left of it"
        run = run.with_findings([finding.format(list_briefly(unread))])
    if not marks:
        return run
    since = yield from _first_failover_at(ctx, run, set(marks))
    returned = ReturnedVms(azure_resource_marks=marks, azure_resources_since=since)
    return run.model_copy(update={"returned": returned})


def _first_failover_at(ctx: Context, run: Run, vms: set[str]) -> Steps[datetime | None]:
    """When the first of the failovers began that made these machines; None when that is not known of each."""
    requests = [ReadItems(vault=vault, vms=tuple(sorted(vms))) for vault in run.vaults]
    reads = [answer for answer in (yield from call_all(ctx, READ_ITEMS, requests)) if isinstance(answer, ItemsRead)]
    failover_times = {view.id.lower(): view.last_failover for answer in reads for view in answer.items}
    times = [failover_times.get(item.id.lower()) for item in run.items if item.vm in vms]
    return min((time for time in times if time), default=None) if all(times) else None


def target_groups_of(run: Run) -> tuple[str, ...]:
    """ARM ids of the resource groups that its machines were failed over to."""
    groups_by_key = {item.target_group.lower(): item.target_group for item in run.items if item.target_group}
    return tuple(sorted(groups_by_key.values()))


def handle_leftovers(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Look what of it is left once the commit is done; remove it where the plan says so, and owe the rest."""
    done = vms_committed_at_home(run)
    marks_by_vm, since = run.returned.azure_resource_marks, run.returned.azure_resources_since
    marks = tuple(mark for vm, vm_marks in marks_by_vm.items() if vm in done for mark in vm_marks)
    if not marks:
        return run
    groups = target_groups_of(run)
    try:
        found = left = yield from _read_until_gone(ctx, groups, marks)
        if left and operation.document.failback.leftovers == "remove" and since:
            left = yield from _remove_leftovers(ctx, operation, groups, found, since)
    except SiteRecoveryError as failure:
        return run.with_findings([f"whether anything of the machines is left in Azure could not be read: {failure}"])
    left_ids = [leftover.id for leftover in left]
    if left:
        yield from _owe_leftovers(ctx, operation, run, left_ids)
    removed = [f"removed in Azure: {leftover.id}" for leftover in found if leftover.id not in left_ids]
    return run.with_findings([*removed, *(f"left in Azure: {arm_id}" for arm_id in left_ids)][:SHOWN])


def _owe_leftovers(ctx: Context, operation: Operation, run: Run, left_ids: Sequence[str]) -> Steps[None]:
    """Write down what is left, for each home of the machines apart."""
    left_by_mark, marks_by_vm = {mark_of(arm_id): arm_id for arm_id in left_ids}, run.returned.azure_resource_marks
    left_by_vm = {
        vm: [left_by_mark[mark] for mark in marks if mark in left_by_mark] for vm, marks in marks_by_vm.items()
    }
    new = obligation_of(ctx, operation, LEFTOVERS_KIND, LEFTOVERS_REMOVED_WITHIN, OBLIGATION_DETAIL)
    for machines in machines_among(operation, run, [vm for vm, left in left_by_vm.items() if left]):
        left = tuple(dict.fromkeys(arm_id for vm in machines.vms for arm_id in left_by_vm[vm]))
        owed = new.model_copy(update={"vms": machines.vms, "home": machines.home, "leftovers": left})
        yield from call_entity(ctx, OBLIGATIONS, owed.table, "open", owed.model_dump(mode="json"))


def _read_until_gone(ctx: Context, groups: tuple[str, ...], marks: tuple[str, ...]) -> Steps[tuple[Leftover, ...]]:
    deadline = now(ctx) + LEFTOVERS_VANISH_WITHIN
    while True:
        left = (yield from call(ctx, READ_LEFTOVERS, ReadLeftovers(groups=groups, marks=marks))).leftovers
        if not left or now(ctx) >= deadline:
            return left
        yield from sleep(ctx, LOOK_FOR_LEFTOVERS_EVERY)


def _remove_leftovers(
    ctx: Context, operation: Operation, groups: tuple[str, ...], left: Sequence[Leftover], since: datetime
) -> Steps[tuple[Leftover, ...]]:
    """Remove what may go, and see what is left then."""
    marks = tuple(mark_of(leftover.id) for leftover in left)
    if any(is_removable(leftover, since) for leftover in left):
        request = RemoveLeftovers(operation=operation.id, groups=groups, marks=marks, since=since)
        yield from call(ctx, REMOVE_LEFTOVERS, request)
        return (yield from _read_until_gone(ctx, groups, marks))
    return tuple(left)


def settle_gone_leftovers(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Cross out what was left once it is gone; a look of the timer, which starts no run."""
    for owed in look.owed_of_kind(LEFTOVERS_KIND):
        yield from attempt_part(ctx, look, describe_obligation(owed), _settle_if_gone(ctx, owed))
    return []


def _settle_if_gone(ctx: Context, owed: Mapping[str, Any]) -> Steps[list[str]]:
    obligation = Obligation.model_validate(owed)
    if not is_attempt_due(obligation, now(ctx)):
        return []
    attempt = Attempted(id=obligation.id, run="", at=now(ctx))
    yield from note_on_obligation(ctx, obligation.table, "note_attempt", attempt)
    groups = tuple(dict.fromkeys(group_id_of(arm_id.lower()) for arm_id in obligation.leftovers))
    request = ReadLeftovers(groups=groups, marks=tuple(map(mark_of, obligation.leftovers)))
    left = (yield from call(ctx, READ_LEFTOVERS, request)).leftovers
    if left:
        noted = LeftBehind(id=obligation.id, leftovers=tuple(each.id for each in left))
        yield from note_on_obligation(ctx, obligation.table, "note_leftovers", noted)
    else:
        settlement = Settlement(kinds=(LEFTOVERS_KIND,), ids=(obligation.id,)).model_dump(mode="json")
        yield from call_entity(ctx, OBLIGATIONS, obligation.table, "settle", settlement)
    return []
