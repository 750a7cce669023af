"""The table of what is owed for the machines of a vault, or for a node: how it changes. Pure.

A machine owes each thing once: who opens it anew takes it over, whatever plan opened it before. Who settles it settles
it for their own machines, whatever plan they belong to.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from shared.messages import Message
from shared.operations.obligations import Machines, Obligation, ObligationKind, SettledByPerson

TAKEN_OVER: frozenset[ObligationKind] = frozenset({"commit", "reprotect", "source-off"})
"""Kinds of which a later run knows all that an earlier one owed; of others each names what it left."""
SETTLED_KEPT = 100
"""What persons settled, in each table: of more the oldest are forgotten. Their evidence is in the events."""

type Entry = Annotated[Obligation | dict[str, Any], Field(union_mode="left_to_right")]
type Obligations = Mapping[str, Entry]
"""By id; what cannot be read is kept as it is, and keeps nothing else from being changed."""


class Attempted(Message):
    """An attempt to do what is owed."""

    id: str
    run: str
    at: datetime


class Checked(Message):
    """A look at machines that have to stay off."""

    machines: Machines
    at: datetime


class LeftBehind(Message):
    """What an attempt found to be still there."""

    id: str
    leftovers: tuple[str, ...]


class SeenDone(Message):
    """Those of its VMs that the vault shows as owing it no longer."""

    id: str
    vms: tuple[str, ...]


class Settlement(Message):
    """What is owed no longer.

    Attributes:
        machines: For whom; None for all, as at a node.
        ids: Of these alone; empty for all of the kinds.
    """

    kinds: tuple[ObligationKind, ...]
    machines: Machines | None = None
    ids: tuple[str, ...] = ()


class OwedQuery(Message):
    """Ask what these machines owe; all that is owed where none are named."""

    machines: Machines | None = None


class PersonSettlement(Message):
    """A person settles an obligation.

    Attributes:
        vms: For these alone; empty for all that owe it.
    """

    id: str
    word: SettledByPerson
    vms: tuple[str, ...] = ()


def open_entries(owed: Obligations) -> dict[str, Obligation]:
    """What is owed and can be read."""
    return {key: one for key, one in owed.items() if isinstance(one, Obligation) and one.settled is None}


def with_obligation(owed: Obligations, new: Obligation) -> Obligations:
    """With a new obligation, which takes its machines over from older ones of its kind.

    Opened once more by its own run it keeps those that it had. One obligation of a node holds all of its locks.
    """
    same_kind = {key: one for key, one in open_entries(owed).items() if one.kind == new.kind}
    merged = {key: one for key, one in same_kind.items() if key == new.id or (new.home is None and one.home is None)}
    vms = dict.fromkeys(vm for one in (new, *merged.values()) for vm in one.vms)
    locks = {
        lock.id.lower(): lock for one in (new, *merged.values()) for lock in one.locks
    }  # the older saw it untouched
    changed: dict[str, Entry] = {key: one for key, one in owed.items() if key not in merged}
    for key, one in same_kind.items():
        if key not in merged and new.home and (new.kind in TAKEN_OVER or one.is_found):
            _replace(changed, key, one.without_vms(Machines(home=new.home, vms=new.vms)))
    update = {"vms": tuple(vms), "locks": tuple(locks.values()), "settled": None}
    return {**changed, new.id: new.model_copy(update=update)}


def _replace(owed: dict[str, Entry], key: str, obligation: Obligation) -> None:
    """Keep what is left of an obligation; one that concerns nobody any more is owed no longer."""
    if obligation.vms:
        owed[key] = obligation
    else:
        del owed[key]


def without_settled(owed: Obligations, settlement: Settlement) -> Obligations:
    """Without what is owed no longer."""
    changed: dict[str, Entry] = dict(owed)
    for key, one in open_entries(owed).items():
        if one.kind not in settlement.kinds or (settlement.ids and key not in settlement.ids):
            continue
        if settlement.machines is None:
            del changed[key]
        elif one.concerned_of(settlement.machines):
            _replace(changed, key, one.without_vms(settlement.machines))
    return changed


def with_found(owed: Obligations, found: Iterable[Obligation]) -> tuple[Obligations, tuple[str, ...]]:
    """With what a look at Azure found and nobody owes yet; and the ids of those to which it added a machine."""
    changed: dict[str, Entry] = dict(owed)
    added = []
    for one in found:
        if one.home is None:
            continue
        known = open_entries(changed)
        owing = {vm for other in known.values() if other.kind == one.kind for vm in _vms_in_both(one, other)}
        new_vms = tuple(vm for vm in one.vms if vm not in owing)
        if new_vms:
            before = known.get(one.id)
            changed[one.id] = (before or one).model_copy(update={"vms": (*(before.vms if before else ()), *new_vms)})
            added.append(one.id)
    return changed, tuple(added)


def _vms_in_both(one: Obligation, other: Obligation) -> tuple[str, ...]:
    return one.concerned_of(Machines(home=other.home, vms=other.vms)) if other.home else ()


def with_note(owed: Obligations, note: Attempted | LeftBehind | SeenDone) -> Obligations:
    """With a note about one of them; one that is owed no longer takes none."""
    obligation = open_entries(owed).get(note.id)
    if obligation is None:
        return owed
    match note:
        case Attempted():
            changed = with_attempt(obligation, note)
        case LeftBehind():
            changed = obligation.model_copy(update={"leftovers": note.leftovers})
        case SeenDone():
            changed = obligation.model_copy(update={"seen_done": note.vms})
    return {**owed, note.id: changed}


def with_attempt(obligation: Obligation, attempt: Attempted) -> Obligation:
    """Note an attempt, once."""
    if (obligation.last_attempt_by, obligation.last_attempt_at) == (attempt.run, attempt.at):
        return obligation
    return obligation.model_copy(
        update={
            "attempts": obligation.attempts + 1,
            "last_attempt_at": attempt.at,
            "last_attempt_by": attempt.run,
        }
    )


def with_check(owed: Obligations, check: Checked) -> Obligations:
    """Note at machines that are away when it was seen that they are off at home."""
    away = {
        key: one.model_copy(update={"last_checked_at": check.at})
        for key, one in open_entries(owed).items()
        if one.kind == "reprotect" and one.concerned_of(check.machines)
    }
    return {**owed, **away}


def owed_by(owed: Obligations, query: OwedQuery) -> list[Obligation]:
    """What is owed for these machines."""
    entries = open_entries(owed).values()
    return [one for one in entries if query.machines is None or one.concerned_of(query.machines)]


def settle_by_person(owed: Obligations, request: PersonSettlement) -> tuple[Obligations, Obligation | None]:
    """Have an obligation settled by a person's word, which is kept; and what was settled, None when it is not owed."""
    obligation = open_entries(owed).get(request.id)
    if obligation is None:
        return owed, None
    names = {vm.casefold() for vm in request.vms}
    vms = tuple(vm for vm in obligation.vms if not names or vm.casefold() in names)
    settled = obligation.model_copy(update={"vms": vms, "settled": request.word, "order": None, "baseline": ()})
    changed: dict[str, Entry] = dict(owed)
    left = tuple(vm for vm in obligation.vms if vm not in vms)
    if left:
        changed[request.id] = obligation.model_copy(update={"vms": left})
    else:
        del changed[request.id]
    changed[f"{request.id}:{request.word.at:%Y%m%dT%H%M%S.%f}"] = settled
    return _without_oldest_settled(changed), settled


def _without_oldest_settled(owed: Obligations) -> Obligations:
    settled = [(one.settled.at, key) for key, one in owed.items() if isinstance(one, Obligation) and one.settled]
    forgotten = {key for _, key in sorted(settled)[:-SETTLED_KEPT]}
    return {key: one for key, one in owed.items() if key not in forgotten}
