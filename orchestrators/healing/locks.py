"""Locks that stand in the way of a cure: written down as owed before they are taken off, put back whatever happens."""

from datetime import datetime

from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from orchestrators.healing.progress import ProgressTracker
from shared.arm_ids import key_of
from shared.errors import SiteRecoveryError
from shared.healing.classifier import cause_of
from shared.healing.contract import READ_LOCKS, REMOVE_LOCKS, RESTORE_LOCKS, ReadLocks, RemoveLocks, RestoreLocks
from shared.healing.pacing import LOCKS_BACK_WITHIN
from shared.healing.repair import NeedsPerson, Repair, RepairFacts
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligation_table import OwedQuery, Settlement
from shared.operations.obligations import Lock, Obligation
from shared.sites.site import SiteDocument


def find_locks(ctx: Context, order: Repair, site: SiteDocument) -> Steps[tuple[Lock, ...]]:
    """The locks that have to be taken off first.

    Raises:
        NeedsPerson: there are some, and the site does not let the app touch them.
    """
    locks = (yield from call(ctx, READ_LOCKS, ReadLocks(machine_id=order.machine_id))).locks
    if locks and not site.healing_rules.allow_lock_removal:
        raise NeedsPerson(cause_of("resource-lock", *(lock.id for lock in locks)))
    return locks


def _locks_owed(order: Repair, locks: tuple[Lock, ...], opened: datetime) -> Obligation:
    return Obligation(
        kind="restore-lock",
        plan=obligation_key(order),
        owner=order.id,
        opened=opened,
        due=opened + LOCKS_BACK_WITHIN,
        detail="Locks were taken off for a repair and have to be put back.",
        locks=locks,
    )


def remove_locks(ctx: Context, order: Repair, locks: tuple[Lock, ...], tracker: ProgressTracker) -> Steps[None]:
    """Take locks off; that they must come back is on record before the first one goes."""
    if not locks:
        return
    tracker.enter_phase("Unlock", f"{len(locks)} locks to be taken off")
    obligation = _locks_owed(order, locks, now(ctx))
    yield from call_entity(ctx, OBLIGATIONS, obligation.table, "open", obligation.model_dump(mode="json"))
    tracker.note_facts(RepairFacts(locks=tuple(lock.id for lock in locks)))
    yield from call(ctx, REMOVE_LOCKS, RemoveLocks(locks=locks, operation=order.id))


def obligation_key(order: Repair) -> str:
    """Under which name a node's obligations are kept."""
    return f"node:{key_of(order.machine_id)}"


def restore_locks(ctx: Context, obligation: Obligation) -> Steps[None]:
    """Put locks back, and settle the obligation only then.

    Raises:
        Refused: one was changed meanwhile; it stays owed.
        Transient: Azure did not answer; it stays owed.
    """
    yield from call(ctx, RESTORE_LOCKS, RestoreLocks(locks=obligation.locks, operation=obligation.owner))
    settlement = Settlement(kinds=(obligation.kind,)).model_dump(mode="json")
    yield from call_entity(ctx, OBLIGATIONS, obligation.table, "settle", settlement)


def restore_own_locks(ctx: Context, order: Repair, tracker: ProgressTracker) -> Steps[None]:
    """Put back what this repair took off; where that does not succeed now, the timer goes on trying."""
    if not tracker.facts.locks:
        return
    owed = yield from call_entity(ctx, OBLIGATIONS, obligation_key(order), "read", OwedQuery().model_dump(mode="json"))
    try:
        for obligation in map(Obligation.model_validate, owed):
            yield from restore_locks(ctx, obligation)
    except SiteRecoveryError as failure:
        tracker.note_facts(RepairFacts(locks_owed=str(failure)))
