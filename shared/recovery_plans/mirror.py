"""The recovery plans that should mirror a plan, those that are there, and what is to be done about it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from shared.messages import Message, VaultRef
from shared.plans.machines import machines_of
from shared.plans.plan import PlanDocument
from shared.recovery_plans.differences import (
    NEEDS_A_WORD,
    Difference,
    compare,
    is_part_of,
    left_over,
    surplus,
    unprotected,
)
from shared.recovery_plans.hook_actions import actions_of
from shared.recovery_plans.parts import Action, Part, parts_of
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

type Vaults = Mapping[str, Sequence[ItemView]]
"""By the vault's key: its protected items."""
RUNNING = frozenset({"InProgress", "Suspended", "NotStarted", "Cancelling"})
"""currentScenarioStatus of a recovery plan that is being run."""


class Found(Message):
    """A recovery plan as the vault has it; `busy` is what runs on it, empty when nothing does."""

    part: Part
    busy: str = ""


class MirrorOrder(Message):
    """What the mirroring of a plan starts from.

    Attributes:
        action: "save" and "repair" write ours over what is there; "remove" takes it away.
        confirm: The sentence that names what is lost, as whoever asked for it has repeated it.
    """

    id: str
    kind: Literal["mirror"] = "mirror"
    plan: str
    requested_by: str
    action: Literal["save", "repair", "remove"]
    document: PlanDocument
    sites: dict[str, SiteDocument]
    confirm: str = ""


class Survey(Message):
    """A plan and its recovery plans side by side.

    Attributes:
        wanted: What our plan says, in the order in which they have to run.
        found: What the vaults have of it, also what is left over.
        differences: None when it is in step.
        away: VMs that run in Azure, or that something is being done with.
    """

    wanted: tuple[Part, ...]
    found: tuple[Found, ...] = ()
    away: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def there(self, part: Part) -> Part | None:
        """The vault's recovery plan of the same name."""
        return next((one.part for one in self.found if one.part.id.lower() == part.id.lower()), None)


class Write(Message):
    """One recovery plan that is to be made, to get new groups, or to be deleted."""

    what: Literal["save", "replace", "remove"]
    part: Part


def vaults_in(sites: Iterable[SiteDocument]) -> tuple[VaultRef, ...]:
    """The sites' vaults, each once."""
    refs = (VaultRef.from_id(site.vault) for site in sites)
    return tuple({ref.key: ref for ref in refs}.values())


def base_of(name: str, plan: PlanDocument) -> str:
    """What the plan's recovery plans are called, before their numbers."""
    return plan.recovery_plan.name or name


def survey(
    name: str,
    plan: PlanDocument,
    sites: Mapping[str, SiteDocument],
    vaults: Vaults,
    found: Sequence[Found],
    known: Iterable[str] = (),
) -> Survey:
    """Compare a plan with the recovery plans of its vaults.

    Args:
        found: The vaults' recovery plans; those of other names are passed over.
        known: ARM ids, in lower case, of those that this app made or that a person took over.
    """
    base, items = base_of(name, plan), items_of(plan, sites, vaults)
    wanted = parts_of(base, plan, sites, items, actions_of(plan))
    ours = frozenset(known)
    told = [*unprotected(plan, base, items)]
    away = tuple(vm for vm, item in items.items() if item.active_location != "Primary" or item.scenario != "None")
    there_are = tuple(one for one in found if is_part_of(base, one.part.name))
    seen = Survey(wanted=wanted, found=there_are, away=away)
    for part in wanted:
        there = {view.id.lower(): view for view in vaults.get(part.vault.key, ())} | items
        told += compare(part, seen.there(part), there, ours=part.id.lower() in ours)
    told += [surplus(one.part.name) for one in _surplus(base, wanted, seen.found)]
    return seen.model_copy(update={"differences": tuple(told)})


def items_of(plan: PlanDocument, sites: Mapping[str, SiteDocument], vaults: Vaults) -> dict[str, ItemView]:
    """The plan's protected items by name in lower case, each from the Hyper-V site of its own site."""
    return dict(machines_of(plan, sites, vaults).found)


def _surplus(base: str, wanted: Sequence[Part], found: Sequence[Found]) -> list[Found]:
    """What is there under a name of ours that no part has now, vault by vault."""
    over = []
    for key in dict.fromkeys(one.part.vault.key for one in found):
        here = [one for one in found if one.part.vault.key == key]
        parts = [part for part in wanted if part.vault.key == key]
        names = left_over(base, parts, [one.part.name for one in here])
        over += [one for one in here if one.part.name in names]
    return over


def writes(name: str, plan: PlanDocument, seen: Survey) -> tuple[Write, ...]:
    """What would bring the vaults in step; deletions first, because a machine should not be in two of ours at once."""
    over = [Write(what="remove", part=one.part) for one in _surplus(base_of(name, plan), seen.wanted, seen.found)]
    return (*over, *(write for part in seen.wanted for write in _writes_of(part, seen.there(part))))


def removals(seen: Survey) -> tuple[Write, ...]:
    """What would take the mirror away."""
    return tuple(Write(what="remove", part=one.part) for one in seen.found)


def _writes_of(part: Part, there: Part | None) -> Iterator[Write]:
    if there is None:
        yield Write(what="save", part=part)
    elif there.fabric_id.lower() != part.fabric_id.lower():  # a recovery plan keeps its primary fabric for ever
        yield from (Write(what="remove", part=there), Write(what="save", part=part))
    elif not in_step(part, there):
        yield Write(what="replace", part=part)


def in_step(part: Part, there: Part | None) -> bool:
    """Whether the recovery plan does what ours says: members, order and actions, not where its machines are."""
    return compare(part, there, {}) == ()


def busy(seen: Survey, wanted: Sequence[Write]) -> tuple[str, ...]:
    """Sentences about recovery plans that cannot be written now because they are run."""
    ids = {write.part.id.lower() for write in wanted}
    return tuple(
        f"the recovery plan {one.part.name} is being run ({one.busy})"
        for one in seen.found
        if one.busy and one.part.id.lower() in ids
    )


def confirmation(action: str, name: str, seen: Survey, known: Iterable[str] = ()) -> str:
    """The sentence that has to be repeated before somebody else's work is written over; empty when none is."""
    told = list(_lost(action, seen, frozenset(known)))
    return f"{action.capitalize()} {name}: {'; '.join(told)}." if told else ""


def _lost(action: str, seen: Survey, known: frozenset[str]) -> Iterator[str]:
    if action == "remove":
        for one in seen.found:
            if one.part.id.lower() not in known:
                yield f"the recovery plan {one.part.name}, which this app did not make, is deleted"
        yield from _actions_lost(seen, [one.part for one in seen.found])
        return
    for difference in seen.differences:
        if difference.what == "plan-not-ours":
            yield f"the recovery plan {difference.part}, which this app did not make, is written over"
        elif difference.what in NEEDS_A_WORD:
            yield f"the action {difference.about!r} {difference.found} of {difference.part} is deleted"
    over = [d.part for d in seen.differences if d.what == "plan-left-over"]
    for part in over:
        yield f"the recovery plan {part} is deleted"
    yield from _actions_lost(seen, [one.part for one in seen.found if one.part.name in over])


def _actions_lost(seen: Survey, parts: Sequence[Part]) -> Iterator[str]:
    """Actions of recovery plans that are deleted, which our plan does not know."""
    ours = {action.name.lower() for part in seen.wanted for action in actions_in(part)}
    for part in parts:
        for action in actions_in(part):
            if action.name.lower() not in ours:
                yield f"the action {action.name!r} of {part.name} goes with it"


def actions_in(part: Part) -> tuple[Action, ...]:
    """Every action, in the order of the groups."""
    return tuple(action for group in part.groups for action in (*group.before, *group.after))


class Mirror(Message):
    """What is remembered of a plan's mirror.

    Attributes:
        known: ARM ids, in lower case, of recovery plans that are ours.
        told: Names the differences that were told last; empty while it is in step.
        looked: When the timer looked last, as ISO 8601.
    """

    known: tuple[str, ...] = ()
    told: str = ""
    looked: str = ""


def noted(mirror: Mirror, what: str, ask: Sequence[str]) -> Mirror:
    """What is remembered after recovery plans were saved or removed, or after a look (differences told, when).

    Raises:
        ValueError: it knows no such thing.
    """
    match what:
        case "saved":
            return mirror.model_copy(update={"known": tuple(sorted({*mirror.known, *ask}))})
        case "removed":
            return mirror.model_copy(update={"known": tuple(one for one in mirror.known if one not in ask)})
        case "looked":
            told, looked = ask
            return mirror.model_copy(update={"told": told, "looked": looked})
    raise ValueError(f"a plan's mirror knows no operation {what}")
