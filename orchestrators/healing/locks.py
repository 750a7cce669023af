"""Locks that stand in the way of a cure: written down as owed before they are taken off, put back whatever happens."""

from datetime import timedelta

from durabletask import task

from orchestrators.durable.steps import Steps, ask_entity, call, now
from orchestrators.healing.progress import Diary
from shared.arm_ids import key_of
from shared.errors import SiteRecoveryError
from shared.healing.classifier import cause_of
from shared.healing.contract import READ_LOCKS, REMOVE_LOCKS, RESTORE_LOCKS, ReadLocks, RemoveLocks, RestoreLocks
from shared.healing.repair import NeedsPerson, Repair
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligations import Lock, Obligation
from shared.sites.site import SiteDocument

OWED_WITHIN = timedelta(hours=2)


def find_locks(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument) -> Steps[tuple[Lock, ...]]:
    """The locks that have to be taken off first.

    Raises:
        NeedsPerson: there are some, and the site does not let the app touch them.
    """
    locks = (yield from call(ctx, READ_LOCKS, ReadLocks(machine_id=order.machine_id))).locks
    if locks and not site.healing_rules.allow_lock_removal:
        raise NeedsPerson(cause_of("resource-lock", *(lock.id for lock in locks)))
    return locks


def unlock(ctx: task.OrchestrationContext, order: Repair, locks: tuple[Lock, ...], diary: Diary) -> Steps[None]:
    """Take locks off; that they must come back is on record before the first one goes."""
    if not locks:
        return
    diary.enter("Unlock", f"{len(locks)} locks to be taken off")
    yield from ask_entity(ctx, OBLIGATIONS, owed_by(order), "open", _owed(ctx, order, locks).model_dump(mode="json"))
    diary.note(locks=[lock.id for lock in locks])
    diary.touch()
    yield from call(ctx, REMOVE_LOCKS, RemoveLocks(locks=locks, operation=order.id))


def owed_by(order: Repair) -> str:
    """Under which name a node's obligations are kept."""
    return f"node:{key_of(order.machine_id)}"


def _owed(ctx: task.OrchestrationContext, order: Repair, locks: tuple[Lock, ...]) -> Obligation:
    return Obligation(
        kind="restore-lock",
        plan=owed_by(order),
        owner=order.id,
        opened=now(ctx),
        due=now(ctx) + OWED_WITHIN,
        detail="locks were taken off for a repair and have to be put back",
        locks=locks,
    )


def put_back(ctx: task.OrchestrationContext, owed: Obligation) -> Steps[None]:
    """Put locks back, and cross them out only then.

    Raises:
        Refused: one was changed meanwhile; it stays owed.
        Transient: Azure did not answer; it stays owed.
    """
    yield from call(ctx, RESTORE_LOCKS, RestoreLocks(locks=owed.locks, operation=owed.owner))
    yield from ask_entity(ctx, OBLIGATIONS, owed.plan, "settle", [owed.kind])


def put_own_back(ctx: task.OrchestrationContext, order: Repair, diary: Diary) -> Steps[None]:
    """Put back what this repair took off; where that does not succeed now, the timer goes on trying."""
    if "locks" not in diary.progress.facts:
        return
    owed = (yield from ask_entity(ctx, OBLIGATIONS, owed_by(order), "read")).get("restore-lock")
    if not owed:
        return
    try:
        yield from put_back(ctx, Obligation.model_validate(owed))
    except SiteRecoveryError as failure:
        diary.note(locksOwed=str(failure))
