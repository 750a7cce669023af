"""What differs between a plan and the recovery plan that mirrors it, said so that a person can read it. Pure."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Literal

from shared.messages import Message
from shared.plans.plan import PlanDocument
from shared.recovery_plans.parts import Action, Group, Items, Part, effective_edges, part_name
from shared.site_recovery.views import ItemView

What = Literal[
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
NEEDS_A_WORD: frozenset[str] = frozenset({"plan-not-ours", "action-foreign"})
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

    what: What
    part: str
    about: str = ""
    declared: str = ""
    found: str = ""
    detail: str


def compare(wanted: Part, found: Part | None, seen: Items, *, ours: bool = True) -> tuple[Difference, ...]:
    """What is different in the vault, none when it is in step.

    Args:
        found: The recovery plan of this name, None when the vault has none.
        seen: The protected items of the vault, whether they are of our plan or not; those of our plan by VM name.
        ours: Whether this app made it, or a person took it over; one that equals ours may be taken for ours.
    """
    if found is None:
        machines = len(wanted.members)
        told = f"{len(wanted.boots)} groups with {machines} VMs"
        detail = f"the vault has no recovery plan {wanted.name}, which would have {told}"
        return (Difference(what="plan-missing", part=wanted.name, declared=told, detail=detail),)
    differences = (
        *_members(wanted, found, seen),
        *_order(wanted, found),
        *_actions(wanted, found),
        *_locations(wanted, seen),
    )
    if ours or not differences:
        return differences
    detail = f"the recovery plan {wanted.name} was not made by this app, and is not as our plan says"
    return (Difference(what="plan-not-ours", part=wanted.name, found=_shape(found), detail=detail), *differences)


def left_over(base: str, wanted: Sequence[Part], names: Sequence[str]) -> tuple[str, ...]:
    """Recovery plans of the same vault that a mirror of another number of parts has left: "payroll-2-of-3"."""
    now = {part.name.lower() for part in wanted}
    return tuple(name for name in names if name.lower() not in now and is_part_of(base, name))


def is_part_of(base: str, name: str) -> bool:
    """Whether a recovery plan is called as a mirror of this name, or a part of it, would be."""
    base, name = part_name(base, 1, 1).lower(), name.lower()
    number, of, total = name.removeprefix(f"{base}-").partition("-of-")
    return name == base or (bool(of) and number.isdigit() and total.isdigit() and name.startswith(f"{base}-"))


def surplus(name: str) -> Difference:
    """A recovery plan that is left over."""
    detail = f"the recovery plan {name} is left over from when our plan needed another number of them"
    return Difference(what="plan-left-over", part=name, found=name, detail=detail)


def unprotected(plan: PlanDocument, part: str, items: Items) -> tuple[Difference, ...]:
    """The machines of our plan that no recovery plan can have."""
    told = effective_edges(plan, items)
    return tuple(
        Difference(
            what="vm-not-protected",
            part=part,
            about=item.vm,
            declared=item.vm,
            detail=f"{item.vm} is not protected, so that no recovery plan can have it",
        )
        for item in plan.items
        if item.vm not in told
    )


def digest(differences: Sequence[Difference]) -> str:
    """Names these differences; empty when there are none."""
    told = "\n".join(sorted(sentences(differences)))
    return hashlib.sha256(told.encode()).hexdigest()[:16] if told else ""


def sentences(differences: Sequence[Difference]) -> tuple[str, ...]:
    """The differences as lines for people."""
    return tuple(difference.detail for difference in differences)


def _members(wanted: Part, found: Part, seen: Items) -> Iterator[Difference]:
    there = {member.id.lower() for member in found.members}
    ours = {member.id.lower(): member for member in wanted.members}
    by_machine = {member.machine.lower(): member for member in wanted.members if member.machine}
    moved = set()
    by_id = {item.id.lower(): item for item in seen.values()}
    for number, group in enumerate(found.boots, start=1):
        for member in group.members:
            if member.id.lower() in ours:
                continue
            again = by_machine.get(member.machine.lower())
            if again and member.id.lower() not in by_id:
                moved.add(again.id.lower())
            yield _strange(found.name, number, member.id, again.vm if again else "", by_id.get(member.id.lower()))
    for number, group in enumerate(wanted.boots, start=1):
        for member in group.members:
            if member.id.lower() not in there | moved:
                yield _absent(wanted.name, number, member.vm)


def _strange(part: str, number: int, item_id: str, again: str, item: ItemView | None) -> Difference:
    """A machine in the vault's recovery plan that is none of ours, or none any more."""
    name, where = item_id.rpartition("/")[2], f"group {number}"
    if item is not None:
        detail = f"{item.vm} is in {where} of the recovery plan {part}, and our plan does not have it there"
        return Difference(what="vm-foreign", part=part, about=item.vm, found=where, detail=detail)
    if again:
        detail = f"{again} was protected anew: {where} of the recovery plan {part} still has its former item {name}"
        return Difference(what="vm-moved", part=part, about=again, declared=again, found=name, detail=detail)
    detail = f"{where} of the recovery plan {part} has the item {name}, which the vault does not protect any more"
    return Difference(what="vm-gone", part=part, about=name, found=where, detail=detail)


def _absent(part: str, number: int, vm: str) -> Difference:
    where = f"group {number}"
    detail = f"{vm} is not in the recovery plan {part}; our plan has it in {where}"
    return Difference(what="vm-missing", part=part, about=vm, declared=where, detail=detail)


def _locations(wanted: Part, seen: Items) -> Iterator[Difference]:
    where: dict[str, list[str]] = {}
    for member in wanted.members:
        if item := seen.get(member.vm.lower()):
            where.setdefault(item.active_location, []).append(member.vm)
    if len(where) > 1:
        told = "; ".join(f"{_SIDES.get(side, side)}: {_some(vms)}" for side, vms in sorted(where.items()))
        detail = f"the VMs of {wanted.name} run on both sides, so that one recovery plan cannot move them: {told}"
        yield Difference(what="location-mixed", part=wanted.name, found=told, detail=detail)


_SIDES = {"Primary": "on premises", "Recovery": "in Azure"}


def _order(wanted: Part, found: Part) -> Iterator[Difference]:
    """Compare the groups of the machines that both have; which numbers these groups have does not matter."""
    names = {member.id.lower(): member.vm for member in wanted.members}
    common = names.keys() & {member.id.lower() for member in found.members}
    ours, theirs = _waves(wanted, common), _waves(found, common)
    if ours == theirs:
        return
    if sorted(map(sorted, ours)) == sorted(map(sorted, theirs)):
        declared, there = (_listed(waves, names) for waves in (ours, theirs))
        detail = f"the groups of the recovery plan {wanted.name} are in another order: {there}, not {declared}"
        yield Difference(what="order-changed", part=wanted.name, declared=declared, found=there, detail=detail)
        return
    place = {one: number for number, wave in enumerate(theirs, start=1) for one in wave}
    for number, wave in enumerate(ours, start=1):
        for one in sorted(wave, key=names.__getitem__):
            if place[one] != number:
                yield _regrouped(wanted.name, names[one], number, place[one])


def _regrouped(part: str, vm: str, declared: int, found: int) -> Difference:
    detail = f"{vm} is in group {found} of the recovery plan {part}, not in group {declared}"
    return Difference(
        what="group-changed", part=part, about=vm, declared=f"group {declared}", found=f"group {found}", detail=detail
    )


def _waves(part: Part, only: Set[str]) -> list[frozenset[str]]:
    waves = (frozenset(member.id.lower() for member in group.members) & only for group in part.boots)
    return [wave for wave in waves if wave]


def _listed(waves: Sequence[frozenset[str]], names: Mapping[str, str]) -> str:
    return " -> ".join(_some(sorted(names[one] for one in wave)) for wave in waves)


def _actions(wanted: Part, found: Part) -> Iterator[Difference]:
    ours, theirs = _placed(wanted), _placed(found)
    for name, (where, action) in ours.items():
        there = theirs.get(name)
        if there is None:
            detail = f"the recovery plan {wanted.name} lacks our {_said(action)} {where}"
            yield _about(wanted.name, "action-missing", action, (where, ""), detail)
        elif there[0] != where:
            detail = f"our {_said(action)} is {there[0]} in the recovery plan {wanted.name}, not {where}"
            yield _about(wanted.name, "action-moved", action, (where, there[0]), detail)
        elif said := list(_changes(action, there[1])):
            detail = f"our {_said(action)} was changed in the recovery plan {wanted.name}: {'; '.join(said)}"
            yield _about(wanted.name, "action-changed", action, (where, "; ".join(said)), detail)
    for name, (where, action) in theirs.items():
        if name not in ours:
            detail = f"the recovery plan {wanted.name} has a {_said(action)} {where} that our plan does not know"
            yield _about(wanted.name, "action-foreign", action, ("", where), detail)


def _about(part: str, what: What, action: Action, sides: tuple[str, str], detail: str) -> Difference:
    return Difference(what=what, part=part, about=action.name, declared=sides[0], found=sides[1], detail=detail)


def _said(action: Action) -> str:
    return f"{action.kind} action {action.name!r}"


def _changes(ours: Action, theirs: Action) -> Iterator[str]:
    if {one.lower() for one in ours.operations} != {one.lower() for one in theirs.operations}:
        yield f"it runs in {_some(theirs.operations)}, not in {_some(ours.operations)}"
    if {one.lower() for one in ours.directions} != {one.lower() for one in theirs.directions}:
        yield f"its directions are {_some(theirs.directions)}, not {_some(ours.directions)}"
    for key, value in ours.details.items():
        if theirs.details.get(key) != value:
            yield f"{key} is {theirs.details.get(key)!r}, not {value!r}"


def _placed(part: Part) -> dict[str, tuple[str, Action]]:
    """Each action by its name in lower case, with where it is; a name that is used again has its number."""
    placed: dict[str, tuple[str, Action]] = {}
    for where, action in _in_order(part):
        name, count = action.name.lower(), 1
        while (key := name if count == 1 else f"{name} #{count}") in placed:
            count += 1
        placed[key] = (where, action)
    return placed


def _in_order(part: Part) -> Iterator[tuple[str, Action]]:
    number = 0
    for group in part.groups:
        number += group.kind == "Boot"
        label = _label(group, number)
        yield from ((f"before {label}", action) for action in group.before)
        yield from ((f"after {label}", action) for action in group.after)


def _label(group: Group, number: int) -> str:
    return {"Shutdown": "the shutdown", "Failover": "the failover"}.get(group.kind, f"group {number}")


def _shape(part: Part) -> str:
    return f"{len(part.boots)} groups with {len(part.members)} VMs"


def _some(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
