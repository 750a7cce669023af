"""After a drill: nothing of it is left, seen in the groups and the network themselves."""

from collections.abc import Sequence
from datetime import timedelta

from durabletask import task

from activities.contract import TAKE_INVENTORY
from orchestrators.entities import OBLIGATIONS
from orchestrators.isolation import AFTER, inventory_of
from orchestrators.owing import settle
from orchestrators.steps import Steps, ask_entity, call, now, sleep
from shared.errors import SiteRecoveryError
from shared.inventory import Thing, leftovers
from shared.obligations import Left
from shared.operations import Operation
from shared.runs import Run, touched

VANISHES_WITHIN, LOOK_EVERY = timedelta(minutes=3), timedelta(seconds=30)
"""What a cleanup removes may be listed a little longer."""
SHOWN = 20


def prove_clean(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Cross the cleanup out when nothing is left; else the run has failed, and what is left is named."""
    cleaned = all(item.state == "done" for item in run.items if touched(item))
    left, trouble = yield from _look(ctx, operation, run, patient=cleaned)
    if cleaned and not left and not trouble:
        yield from settle(ctx, operation, ("cleanup",))
        return run
    ids = tuple(thing.id for thing in left)
    note = Left(kind="cleanup", leftovers=ids[:SHOWN]).model_dump(mode="json")
    yield from ask_entity(ctx, OBLIGATIONS, operation.plan, "left", note)
    said = [f"left behind after the cleanup: {one}" for one in ids[:SHOWN]] + ([trouble] if trouble else [])
    return run.model_copy(update={"failures": (*run.failures, *said)})


def _look(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, *, patient: bool
) -> Steps[tuple[Sequence[Thing], str]]:
    """Look until nothing is left or time is over; the last look is kept as evidence."""
    deadline = now(ctx) + (VANISHES_WITHIN if patient else timedelta(0))
    while now(ctx) < deadline:
        left, trouble = yield from _once(ctx, operation, run, "")
        if not left and not trouble:
            break
        yield from sleep(ctx, LOOK_EVERY)
    return (yield from _once(ctx, operation, run, AFTER))


def _once(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, name: str
) -> Steps[tuple[Sequence[Thing], str]]:
    machines = {name for item in run.items for name in (item.vm, item.azure_vm)}
    try:
        seen = yield from call(ctx, TAKE_INVENTORY, inventory_of(operation, run, name))
    except SiteRecoveryError as failure:
        return (), f"whether anything is left cannot be read: {failure}"
    return leftovers(seen.fresh, machines, loose=run.rehearsal is not None and run.rehearsal.baseline is not None), ""
