"""The recovery plans that should mirror a plan, those that are there, and what is to be done about it. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from shared.messages import Message
from shared.obstacle import Obstacle
from shared.plans.machines import match_machines
from shared.plans.plan import PlanDocument
from shared.recovery_plans.differences import (
    NEEDS_CONFIRMATION,
    Difference,
    compare_parts,
    is_part_of,
    left_over_difference,
    left_over_names,
    unprotected_differences,
)
from shared.recovery_plans.hook_actions import actions_of
from shared.recovery_plans.parts import PlanAction, PlanPart, parts_of
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

type Vaults = Mapping[str, Sequence[ItemView]]
"""By the vault's key: its protected items."""
RUNNING = frozenset({"InProgress", "Suspended", "NotStarted", "Cancelling"})
"""currentScenarioStatus of a recovery plan that is being run."""


class FoundPart(Message):
    """A recovery plan as the vault has it; `busy_with` is what runs on it, empty when nothing does."""

    part: PlanPart
    busy_with: str = ""


class MirrorOrder(Message):
    """What the mirroring of a plan starts from.

    Attributes:
        requester_id: Who asked, as Entra knows them; empty for a key or the timer.
        action: "save" and "repair" write ours over what is there; "remove" takes it away.
        confirm: The sentence that names what is lost, as whoever asked for it has repeated it.
    """

    id: str
    kind: Literal["mirror"] = "mirror"
    plan: str
    requested_by: str
    requester_id: str = ""
    action: Literal["save", "repair", "remove"]
    document: PlanDocument
    sites: dict[str, SiteDocument]
    confirm: str = ""


class MirrorSurvey(Message):
    """A plan and its recovery plans side by side.

    Attributes:
        wanted: What our plan says, in the order in which they have to run.
        found: What the vaults have of it, also what is left over.
        differences: None when it is in step.
        away: VMs that run in Azure, or that something is being done with.
    """

    wanted: tuple[PlanPart, ...]
    found: tuple[FoundPart, ...] = ()
    away: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def find_part(self, part: PlanPart) -> PlanPart | None:
        """The vault's recovery plan of the same name."""
        return next((one.part for one in self.found if one.part.id.lower() == part.id.lower()), None)


class PartWrite(Message):
    """One recovery plan that is to be made, to get new groups, or to be deleted."""

    what: Literal["save", "replace", "remove"]
    part: PlanPart


def base_name_of(name: str, plan: PlanDocument) -> str:
    """What the plan's recovery plans are called, before their numbers."""
    return plan.recovery_plan.name or name


def survey_mirror(
    name: str,
    plan: PlanDocument,
    sites: Mapping[str, SiteDocument],
    vaults: Vaults,
    found: Sequence[FoundPart],
    known: Iterable[str] = (),
) -> MirrorSurvey:
    """Compare a plan with the recovery plans of its vaults.

    Args:
        found: The vaults' recovery plans; those of other names are passed over.
        known: ARM ids, in lower case, of those that this app made or that a person took over.
    """
    base, items = base_name_of(name, plan), items_of_plan(plan, sites, vaults)
    wanted = parts_of(base, plan, sites, items, actions_of(plan))
    ours = frozenset(known)
    differences = [*unprotected_differences(plan, base, items)]
    away = tuple(vm for vm, item in items.items() if item.active_location != "Primary" or item.scenario != "None")
    found_parts = tuple(one for one in found if is_part_of(base, one.part.name))
    result = MirrorSurvey(wanted=wanted, found=found_parts, away=away)
    for part in wanted:
        vault_items = {view.id.lower(): view for view in vaults.get(part.vault.key, ())} | items
        differences += compare_parts(part, result.find_part(part), vault_items, ours=part.id.lower() in ours)
    differences += [left_over_difference(one.part.name) for one in _left_over_parts(base, wanted, result.found)]
    return result.model_copy(update={"differences": tuple(differences)})


def items_of_plan(plan: PlanDocument, sites: Mapping[str, SiteDocument], vaults: Vaults) -> dict[str, ItemView]:
    """The plan's protected items by name in lower case, each from the Hyper-V site of its own site."""
    return dict(match_machines(plan, sites, vaults).found)


def _left_over_parts(base: str, wanted: Sequence[PlanPart], found: Sequence[FoundPart]) -> list[FoundPart]:
    """What is there under a name of ours that no part has now, vault by vault."""
    left_over = []
    for key in dict.fromkeys(one.part.vault.key for one in found):
        in_vault = [one for one in found if one.part.vault.key == key]
        parts = [part for part in wanted if part.vault.key == key]
        names = left_over_names(base, parts, [one.part.name for one in in_vault])
        left_over += [one for one in in_vault if one.part.name in names]
    return left_over


def writes_needed(name: str, plan: PlanDocument, survey: MirrorSurvey) -> tuple[PartWrite, ...]:
    """What would bring the vaults in step; deletions first, because a machine should not be in two of ours at once."""
    left_over = _left_over_parts(base_name_of(name, plan), survey.wanted, survey.found)
    removals = [PartWrite(what="remove", part=one.part) for one in left_over]
    return (*removals, *(write for part in survey.wanted for write in _writes_of(part, survey.find_part(part))))


def writes_to_remove(survey: MirrorSurvey) -> tuple[PartWrite, ...]:
    """What would take the mirror away."""
    return tuple(PartWrite(what="remove", part=one.part) for one in survey.found)


def _writes_of(part: PlanPart, found: PlanPart | None) -> Iterator[PartWrite]:
    if found is None:
        yield PartWrite(what="save", part=part)
    elif found.fabric_id.lower() != part.fabric_id.lower():  # a recovery plan keeps its primary fabric for ever
        yield from (PartWrite(what="remove", part=found), PartWrite(what="save", part=part))
    elif not is_in_step(part, found):
        yield PartWrite(what="replace", part=part)


def is_in_step(part: PlanPart, found: PlanPart | None) -> bool:
    """Whether the recovery plan does what ours says: members, order and actions, not where its machines are."""
    return compare_parts(part, found, {}) == ()


def find_busy_plans(survey: MirrorSurvey, wanted: Sequence[PartWrite]) -> tuple[Obstacle, ...]:
    """The recovery plans that cannot be written now because they are run."""
    ids = {write.part.id.lower() for write in wanted}
    busy = [one for one in survey.found if one.busy_with and one.part.id.lower() in ids]
    return tuple(
        Obstacle(
            subject=one.part.name,
            code="recovery-plan-busy",
            detail=f"The recovery plan {one.part.name} is being run ({one.busy_with}). Ask again once that has ended.",
            passing=True,
        )
        for one in busy
    )


def required_confirmation(action: str, name: str, survey: MirrorSurvey, known: Iterable[str] = ()) -> str:
    """The sentence that has to be repeated before somebody else's work is written over; empty when none is."""
    losses = list(_lost_sentences(action, survey, frozenset(known)))
    return f"{action.capitalize()} {name}: {'; '.join(losses)}." if losses else ""


def _overwritten_sentences(differences: Iterable[Difference]) -> Iterator[str]:
    for difference in differences:
        if difference.what == "plan-not-ours":
            yield f"the recovery plan {difference.part}, which this app did not make, is written over"
        elif difference.what in NEEDS_CONFIRMATION:
            yield f"the action {difference.about!r} {difference.found} of {difference.part} is deleted"


def _lost_sentences(action: str, survey: MirrorSurvey, known: frozenset[str]) -> Iterator[str]:
    if action == "remove":
        for one in survey.found:
            if one.part.id.lower() not in known:
                yield f"the recovery plan {one.part.name}, which this app did not make, is deleted"
        yield from _actions_lost(survey, [one.part for one in survey.found])
        return
    yield from _overwritten_sentences(survey.differences)
    left_over = [d.part for d in survey.differences if d.what == "plan-left-over"]
    for part in left_over:
        yield f"the recovery plan {part} is deleted"
    yield from _actions_lost(survey, [one.part for one in survey.found if one.part.name in left_over])


def _actions_lost(survey: MirrorSurvey, parts: Sequence[PlanPart]) -> Iterator[str]:
    """Actions of recovery plans that are deleted, which our plan does not know."""
    ours = {action.name.lower() for part in survey.wanted for action in actions_in(part)}
    actions = ((part.name, action.name) for part in parts for action in actions_in(part))
    yield from (f"the action {name!r} of {part} goes with it" for part, name in actions if name.lower() not in ours)


def actions_in(part: PlanPart) -> tuple[PlanAction, ...]:
    """Every action, in the order of the groups."""
    return tuple(action for group in part.groups for action in (*group.before, *group.after))


class Mirror(Message):
    """What is remembered of a plan's mirror.

    Attributes:
        known_ids: ARM ids, in lower case, of recovery plans that are ours.
        reported_digest: Names the differences that were published last; empty while it is in step.
        checked_at: When the timer compared it last, as ISO 8601.
    """

    known_ids: tuple[str, ...] = ()
    reported_digest: str = ""
    checked_at: str = ""

    def with_saved(self, ids: Iterable[str]) -> "Mirror":
        """After recovery plans were saved, or taken over: they are ours."""
        return self.model_copy(update={"known_ids": tuple(sorted({*self.known_ids, *ids}))})

    def with_removed(self, ids: Collection[str]) -> "Mirror":
        """After recovery plans were removed."""
        return self.model_copy(update={"known_ids": tuple(one for one in self.known_ids if one not in ids)})

    def with_check(self, reported_digest: str, checked_at: str) -> "Mirror":
        """After it was compared with its plan."""
        return self.model_copy(update={"reported_digest": reported_digest, "checked_at": checked_at})
