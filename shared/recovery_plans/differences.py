"""What differs between a plan and the recovery plan that mirrors it, in sentences for people. Pure."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from typing import Literal

from shared.arm_ids import name_of
from shared.grouping import group_pairs
from shared.messages import Message
from shared.plans.plan import PlanDocument
from shared.recovery_plans.parts import Items, PlanAction, PlanPart, effective_edges, part_name
from shared.site_recovery.views import ItemView
from shared.wording import list_briefly

DifferenceKind = Literal[
    "plan-missing",
    "plan-not-ours",
    "plan-left-over",
    "vm-missing",
    "vm-foreign",
    "vm-gone",
    "vm-moved",
    "vm-not-protected",
    "order-changed",
    "group-changed",
    "location-mixed",
    "action-missing",
    "action-changed",
    "action-moved",
    "action-foreign",
]
NEEDS_CONFIRMATION: frozenset[str] = frozenset({"plan-not-ours", "action-foreign"})
"""What is somebody else's work, and so is written over only when a person has named it."""


class Difference(Message):
    """One way in which the vault's recovery plan is not as our plan says.

    Attributes:
        part: Name of the recovery plan.
        about: The machine or the action, empty when it is about the recovery plan.
        declared: What our plan says, empty when it says nothing.
        found: What the vault has, empty when it has nothing.
        detail: All of it in a sentence.
    """

    what: DifferenceKind
    part: str
    about: str = ""
    declared: str = ""
    found: str = ""
    detail: str


def compare_parts(
    wanted: PlanPart, found: PlanPart | None, items: Items, *, ours: bool = True
) -> tuple[Difference, ...]:
    """What is different in the vault, none when it is in step.

    Args:
        found: The recovery plan of this name, None when the vault has none.
        items: The protected items of the vault, whether they are of our plan or not; those of our plan by VM name.
        ours: Whether this app made it, or a person took it over; one that equals ours may be taken for ours.
    """
    if found is None:
        machines = len(wanted.members)
        size = f"{len(wanted.boot_groups)} groups with {machines} VMs"
        detail = f"the vault has no recovery plan {wanted.name}, which would have {size}"
        return (Difference(what="plan-missing", part=wanted.name, declared=size, detail=detail),)
    differences = (
        *_member_differences(wanted, found, items),
        *_order_differences(wanted, found),
        *_action_differences(wanted, found),
        *_location_differences(wanted, items),
    )
    if ours or not differences:
        return differences
    found_size = f"{len(found.boot_groups)} groups with {len(found.members)} VMs"
    detail = f"the recovery plan {wanted.name} was not made by this app, and is not as our plan says"
    return (
        Difference(
            what="plan-not-ours",
            part=wanted.name,
            found=found_size,
            detail=detail,
        ),
        *differences,
    )


def left_over_names(base: str, wanted: Sequence[PlanPart], names: Sequence[str]) -> tuple[str, ...]:
    """Recovery plans of the same vault that a mirror of another number of parts has left: "payroll-2-of-3"."""
    now = {part.name.lower() for part in wanted}
    return tuple(name for name in names if name.lower() not in now and is_part_of(base, name))


def is_part_of(base: str, name: str) -> bool:
    """Whether a recovery plan is called as a mirror of this name, or a part of it, would be."""
    base, name = part_name(base, 1, 1).lower(), name.lower()
    number, of, total = name.removeprefix(f"{base}-").partition("-of-")
    return name == base or (bool(of) and number.isdigit() and total.isdigit() and name.startswith(f"{base}-"))


def left_over_difference(name: str) -> Difference:
    """A recovery plan that is left over."""
    detail = f"the recovery plan {name} is left over from when our plan needed another number of them"
    return Difference(what="plan-left-over", part=name, found=name, detail=detail)


def unprotected_differences(plan: PlanDocument, part: str, items: Items) -> tuple[Difference, ...]:
    """The machines of our plan that no recovery plan can have."""
    protected = effective_edges(plan, items)
    return tuple(
        Difference(
            what="vm-not-protected",
            part=part,
            about=item.vm,
            declared=item.vm,
            detail=f"{item.vm} is not protected, so that no recovery plan can have it",
        )
        for item in plan.items
        if item.vm not in protected
    )


def digest_of_differences(differences: Sequence[Difference]) -> str:
    """Names these differences; empty when there are none."""
    lines = "\n".join(sorted(difference_sentences(differences)))
    return hashlib.sha256(lines.encode()).hexdigest()[:16] if lines else ""


def difference_sentences(differences: Sequence[Difference]) -> tuple[str, ...]:
    """The differences as lines for people."""
    return tuple(difference.detail for difference in differences)


def _member_differences(wanted: PlanPart, found: PlanPart, items: Items) -> Iterator[Difference]:
    found_ids = {member.id.lower() for member in found.members}
    ours = {member.id.lower(): member for member in wanted.members}
    by_machine = {member.machine.lower(): member for member in wanted.members if member.machine}
    moved = set()
    by_id = {item.id.lower(): item for item in items.values()}
    for number, group in enumerate(found.boot_groups, start=1):
        for member in group.members:
            if member.id.lower() in ours:
                continue
            again = by_machine.get(member.machine.lower())
            if again and member.id.lower() not in by_id:
                moved.add(again.id.lower())
            yield _foreign_member(
                found.name, number, member.id, again.vm if again else "", by_id.get(member.id.lower())
            )
    for number, group in enumerate(wanted.boot_groups, start=1):
        for member in group.members:
            if member.id.lower() not in found_ids | moved:
                where = f"group {number}"
                detail = f"{member.vm} is not in the recovery plan {wanted.name}; our plan has it in {where}"
                yield Difference(what="vm-missing", part=wanted.name, about=member.vm, declared=where, detail=detail)


def _foreign_member(part: str, number: int, item_id: str, again: str, item: ItemView | None) -> Difference:
    """A machine in the vault's recovery plan that is none of ours, or none any more."""
    name, where = name_of(item_id), f"group {number}"
    if item is not None:
        detail = f"{item.vm} is in {where} of the recovery plan {part}, and our plan does not have it there"
        return Difference(what="vm-foreign", part=part, about=item.vm, found=where, detail=detail)
    if again:
        detail = f"{again} was protected anew: {where} of the recovery plan {part} still has its former item {name}"
        return Difference(what="vm-moved", part=part, about=again, declared=again, found=name, detail=detail)
    detail = f"{where} of the recovery plan {part} has the item {name}, which the vault does not protect any more"
    return Difference(what="vm-gone", part=part, about=name, found=where, detail=detail)


def _location_differences(wanted: PlanPart, items: Items) -> Iterator[Difference]:
    members = [(items.get(member.vm.lower()), member.vm) for member in wanted.members]
    where = group_pairs((item.active_location, vm) for item, vm in members if item)
    if len(where) > 1:
        sides = "; ".join(f"{_SIDES.get(side, side)}: {list_briefly(vms, 5)}" for side, vms in sorted(where.items()))
        detail = f"the VMs of {wanted.name} run on both sides, so that one recovery plan cannot move them: {sides}"
        yield Difference(what="location-mixed", part=wanted.name, found=sides, detail=detail)


_SIDES = {"Primary": "on premises", "Recovery": "in Azure"}


def _order_differences(wanted: PlanPart, found: PlanPart) -> Iterator[Difference]:
    """Compare the groups of the machines that both have; which numbers these groups have does not matter."""
    names = {member.id.lower(): member.vm for member in wanted.members}
    common = names.keys() & {member.id.lower() for member in found.members}
    ours, theirs = _waves_of(wanted, common), _waves_of(found, common)
    if ours == theirs:
        return
    if sorted(map(sorted, ours)) == sorted(map(sorted, theirs)):
        declared, actual = (_waves_in_words(waves, names) for waves in (ours, theirs))
        detail = f"the groups of the recovery plan {wanted.name} are in another order: {actual}, not {declared}"
        yield Difference(what="order-changed", part=wanted.name, declared=declared, found=actual, detail=detail)
        return
    yield from _group_differences(wanted, ours, theirs)


def _group_differences(
    wanted: PlanPart, ours: Sequence[Collection[str]], theirs: Sequence[Collection[str]]
) -> Iterator[Difference]:
    names = {member.id.lower(): member.vm for member in wanted.members}
    place = {one: number for number, wave in enumerate(theirs, start=1) for one in wave}
    for number, wave in enumerate(ours, start=1):
        for one in sorted(wave, key=names.__getitem__):
            if place[one] != number:
                declared, current = f"group {number}", f"group {place[one]}"
                detail = f"{names[one]} is in {current} of the recovery plan {wanted.name}, not in {declared}"
                sides = {"declared": declared, "found": current}
                yield Difference(what="group-changed", part=wanted.name, about=names[one], detail=detail, **sides)


def _waves_of(part: PlanPart, only: Set[str]) -> list[frozenset[str]]:
    waves = (frozenset(member.id.lower() for member in group.members) & only for group in part.boot_groups)
    return [wave for wave in waves if wave]


def _waves_in_words(waves: Sequence[frozenset[str]], names: Mapping[str, str]) -> str:
    return " -> ".join(list_briefly(sorted(names[one] for one in wave), 5) for wave in waves)


def _action_differences(wanted: PlanPart, found: PlanPart) -> Iterator[Difference]:
    ours, theirs = _actions_by_name(wanted), _actions_by_name(found)
    for name, (where, action) in ours.items():
        placed = theirs.get(name)
        if placed is None:
            detail = f"the recovery plan {wanted.name} lacks our {_action_in_words(action)} {where}"
            yield _action_difference(wanted.name, "action-missing", action, (where, ""), detail)
        elif placed[0] != where:
            detail = f"our {_action_in_words(action)} is {placed[0]} in the recovery plan {wanted.name}, not {where}"
            yield _action_difference(wanted.name, "action-moved", action, (where, placed[0]), detail)
        elif changes := list(_action_changes(action, placed[1])):
            detail = (
                f"our {_action_in_words(action)} was changed in the recovery plan {wanted.name}: {'; '.join(changes)}"
            )
            yield _action_difference(wanted.name, "action-changed", action, (where, "; ".join(changes)), detail)
    for name, (where, action) in theirs.items():
        if name not in ours:
            detail = (
                f"the recovery plan {wanted.name} has a {_action_in_words(action)} {where} that our plan does not know"
            )
            yield _action_difference(wanted.name, "action-foreign", action, ("", where), detail)


def _action_difference(
    part: str, what: DifferenceKind, action: PlanAction, sides: tuple[str, str], detail: str
) -> Difference:
    return Difference(what=what, part=part, about=action.name, declared=sides[0], found=sides[1], detail=detail)


def _action_in_words(action: PlanAction) -> str:
    return f"{action.kind} action {action.name!r}"


def _action_changes(ours: PlanAction, theirs: PlanAction) -> Iterator[str]:
    if {one.lower() for one in ours.operations} != {one.lower() for one in theirs.operations}:
        yield f"it runs in {list_briefly(theirs.operations, 5)}, not in {list_briefly(ours.operations, 5)}"
    if {one.lower() for one in ours.directions} != {one.lower() for one in theirs.directions}:
        yield f"its directions are {list_briefly(theirs.directions, 5)}, not {list_briefly(ours.directions, 5)}"
    for key, value in ours.details.items():
        if theirs.details.get(key) != value:
            yield f"{key} is {theirs.details.get(key)!r}, not {value!r}"


def _actions_by_name(part: PlanPart) -> dict[str, tuple[str, PlanAction]]:
    """Each action by its name in lower case, with where it is; a name that is used again has its number."""
    placed: dict[str, tuple[str, PlanAction]] = {}
    for where, action in _in_order(part):
        name, count = action.name.lower(), 1
        while (key := name if count == 1 else f"{name} #{count}") in placed:
            count += 1
        placed[key] = (where, action)
    return placed


def _in_order(part: PlanPart) -> Iterator[tuple[str, PlanAction]]:
    number = 0
    for group in part.groups:
        number += group.kind == "Boot"
        label = {"Shutdown": "the shutdown", "Failover": "the failover"}.get(group.kind, f"group {number}")
        yield from ((f"before {label}", action) for action in group.before)
        yield from ((f"after {label}", action) for action in group.after)
