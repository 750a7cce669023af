"""After the commit of a failback: what is left in Azure of machines that came home is named, or removed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from durabletask import task

from orchestrators.durable.entity_calls import owe
from orchestrators.durable.steps import Steps, ask_entity, call, call_all, now, sleep
from shared.errors import SiteRecoveryError
from shared.failback.leftovers import (
    READ_BELONGINGS,
    READ_LEFTOVERS,
    REMOVE_LEFTOVERS,
    Belonging,
    BelongingsRead,
    Leftover,
    ReadBelongings,
    ReadLeftovers,
    RemoveLeftovers,
    may_go,
)
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligations import Left, Obligation, ObligationKind, Tried, is_its_turn
from shared.plans.contract import BookRead
from shared.recovery.drill import mark
from shared.recovery.operation import Operation
from shared.recovery.run import Run, RunItem
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems

OWED: ObligationKind = "leftovers"
VANISHES_WITHIN, LOOK_EVERY = timedelta(minutes=3), timedelta(seconds=30)
"""What a commit removes may be listed a little longer."""
SEEN_TO_WITHIN = timedelta(days=14)
BATCH, SHOWN = 50, 20
WHY = "cards, disks or addresses of machines that came home are still in Azure, and cost money: remove them"


def note_belongings(ctx: task.OrchestrationContext, run: Run) -> Steps[Run]:
    """Note what hangs on the machines in Azure, before a commit gives them up; a run does not fail where it cannot."""
    home = [item for item in run.items if _is_home(item)]
    asks = [ReadBelongings(machines=tuple(map(_belonging, home[n : n + BATCH]))) for n in range(0, len(home), BATCH)]
    read = yield from call_all(ctx, READ_BELONGINGS, asks)
    marks = {vm: told for one in read if isinstance(one, BelongingsRead) for vm, told in one.marks.items() if told}
    if not marks:
        return run
    since = yield from _since(ctx, run, set(marks))
    return run.model_copy(update={"belongings": marks, "belongs_since": since})


def _is_home(item: RunItem) -> bool:
    came = any(step.verb == "Failback" and step.outcome == "succeeded" for step in item.steps)
    return item.state in {"waiting", "done"} and (came or item.location == "Primary") and "Commit" not in item.skip


def _is_given_up(item: RunItem) -> bool:
    """Whether its newest commit succeeded, and is no older than its failback."""
    verbs = [step.verb for step in item.steps if step.outcome == "succeeded"]
    since = verbs.index("Failback") if "Failback" in verbs else 0
    return "Commit" in verbs[since:]


def _belonging(item: RunItem) -> Belonging:
    return Belonging(vm=item.vm, azure_vm=item.azure_vm or item.vm, target_group=item.target_group)


def _since(ctx: task.OrchestrationContext, run: Run, vms: set[str]) -> Steps[datetime | None]:
    """When the first of the failovers began that made these machines; None when that is not known of each."""
    asks = [ReadItems(vault=vault, vms=tuple(sorted(vms))) for vault in run.vaults]
    reads = [seen for seen in (yield from call_all(ctx, READ_ITEMS, asks)) if isinstance(seen, ItemsRead)]
    known = {view.id.lower(): view.last_failover for seen in reads for view in seen.items}
    times = [known.get(item.id.lower()) for item in run.items if item.vm in vms]
    return min((time for time in times if time), default=None) if all(times) else None


def see_leftovers(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Look what of it is left once the commit is done; remove it where the plan says so, and owe the rest."""
    done = {item.vm for item in run.items if _is_given_up(item)}
    marks = tuple(one for vm, told in run.belongings.items() if vm in done for one in told)
    if not marks:
        return run
    groups = _groups(run)
    try:
        left = yield from _look(ctx, groups, marks, now(ctx) + VANISHES_WITHIN)
        removed: tuple[Leftover, ...] = ()
        if left and operation.document.failback.leftovers == "remove" and run.belongs_since:
            before = left
            left = yield from _remove(ctx, operation, groups, before, run.belongs_since)
            removed = tuple(one for one in before if one.id not in {each.id for each in left})
    except SiteRecoveryError as failure:
        said = f"whether anything of the machines is left in Azure could not be read: {failure}"
        return run.model_copy(update={"findings": (*run.findings, said)})
    if left:
        yield from _owe(ctx, operation, run, left)
    told = [f"removed in Azure: {one.id}" for one in removed] + [f"left in Azure: {one.id}" for one in left]
    return run.model_copy(update={"findings": (*run.findings, *told[:SHOWN])})


def _groups(run: Run) -> tuple[str, ...]:
    return tuple(
        sorted({item.target_group.lower(): item.target_group for item in run.items if item.target_group}.values())
    )


def _look(
    ctx: task.OrchestrationContext, groups: tuple[str, ...], marks: tuple[str, ...], deadline: datetime
) -> Steps[tuple[Leftover, ...]]:
    while True:
        left = (yield from call(ctx, READ_LEFTOVERS, ReadLeftovers(groups=groups, marks=marks))).left
        if not left or now(ctx) >= deadline:
            return left
        yield from sleep(ctx, LOOK_EVERY)


def _remove(
    ctx: task.OrchestrationContext,
    operation: Operation,
    groups: tuple[str, ...],
    left: Sequence[Leftover],
    since: datetime,
) -> Steps[tuple[Leftover, ...]]:
    """Remove what may go, and see what is left then."""
    marks = tuple(mark(one.id) for one in left)
    if any(may_go(one, since) for one in left):
        ask = RemoveLeftovers(operation=operation.id, groups=groups, marks=marks, since=since)
        yield from call(ctx, REMOVE_LEFTOVERS, ask)
        return (yield from _look(ctx, groups, marks, now(ctx) + VANISHES_WITHIN))
    return tuple(left)


def _owe(ctx: task.OrchestrationContext, operation: Operation, run: Run, left: Sequence[Leftover]) -> Steps[None]:
    yield from owe(ctx, operation, run, OWED, SEEN_TO_WITHIN, WHY)
    note = Left(kind=OWED, leftovers=tuple(one.id for one in left)).model_dump(mode="json")
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "left", note)


def cross_out_leftovers(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Cross out what was left once it is gone; a look of the timer, which starts no run."""
    for one in map(Obligation.model_validate, seen.obligations):
        if one.kind != OWED or not is_its_turn(one, now(ctx)):
            continue
        note = Tried(kind=OWED, run="", at=now(ctx)).model_dump(mode="json")
        yield from ask_entity(ctx, OBLIGATIONS, one.plan, "tried", note)
        groups = tuple(dict.fromkeys(arm_id.lower().partition("/providers/")[0] for arm_id in one.leftovers))
        ask = ReadLeftovers(groups=groups, marks=tuple(map(mark, one.leftovers)))
        left = (yield from call(ctx, READ_LEFTOVERS, ask)).left
        if left:
            note = Left(kind=OWED, leftovers=tuple(each.id for each in left)).model_dump(mode="json")
            yield from ask_entity(ctx, OBLIGATIONS, one.plan, "left", note)
        else:
            yield from ask_entity(ctx, OBLIGATIONS, one.plan, "settle", [OWED])
    return []
