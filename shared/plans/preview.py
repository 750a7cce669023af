"""What a verb on a plan would do, and what Site Recovery would refuse: said before anything is done."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from shared.graph import Edges, critical_path, reversed_edges, waves_of
from shared.messages import Document
from shared.obstacle import Obstacle
from shared.plans.failback_advice import FailbackAdvice
from shared.plans.history import Forecast
from shared.plans.hooks import HOOK_OCCASIONS, HookKind
from shared.plans.left_out import find_exclusion, find_order_gaps, nothing_to_do
from shared.plans.machines import missing_from_vault
from shared.plans.next_steps import NextStep, find_next_steps
from shared.plans.plan import PlanDocument
from shared.plans.preview_kinds import RULES_OF_KINDS, PreviewKind, find_preview_kind, stage_verbs
from shared.site_recovery.loss_moments import LossCountedFrom
from shared.site_recovery.verb_options import VerbOptions
from shared.site_recovery.verb_rules import RULES, find_lasting_refusal, find_refusal, has_settled
from shared.site_recovery.views import ItemView, Verb
from shared.wording import list_briefly


class PreviewItem(Document):
    """One VM of the preview.

    Attributes:
        state: protectionState, "missing" when the vault has no such item.
        reason: Why its first verb is not allowed, or what it waits for; empty when it is.
        rpo: How far its replica was behind when that was last measured.
        data_loss: For an unplanned failover: how much of its newest data would be lost, from its latest recovery point
            on; None when that is not known. With `loss_counted_from` and `loss_counted_to`, to which moment.
        already_done: It is already where the verb would bring it, and will be left alone.
    """

    vm: str
    state: str
    allowed: bool
    already_done: bool = False
    reason: str = ""
    replication_health: str = ""
    rpo: timedelta | None = None
    data_loss: timedelta | None = None
    loss_counted_from: LossCountedFrom | None = None
    loss_counted_to: datetime | None = None


class LostPoint(Document):
    """A recovery point that a commit deletes; `kind` as the vault spells it, such as "CrashConsistent"."""

    at: datetime
    kind: str = ""


class LostPoints(Document):
    """What a commit deletes of one VM: all but the point that was used.

    Attributes:
        newest, oldest: Times of the youngest and the eldest of them.
        points: The first of them, newest first.
    """

    vm: str
    count: int
    newest: datetime | None = None
    oldest: datetime | None = None
    points: tuple[LostPoint, ...] = ()


class PreviewHook(Document):
    """Something that would be done besides: on which occasion and at which moment, and whom it concerns."""

    occasion: str
    moment: str
    name: str
    kind: HookKind
    target: str
    required: bool


class Preview(Document):
    """What would happen.

    Attributes:
        options: How it would be done, by the request or else by the plan.
        settings_to_change: VMs whose target settings are set first, where their protected items say otherwise.
        next_steps: What brings all of the plan's VMs, as they stand now, to be Protected again, whatever is previewed.
        confirm: What the request must repeat, word for word; empty when nothing has to be confirmed.
        recovery_points_deleted: What a commit, of its own or of a failover, would delete as the points are now.
        advice: For a failback: both ways home of each VM, and which is the better one.
        checked_when_run_begins: What is checked only when the run begins.
        site_recovery_differences: What is different because the plan says `"engine": "site-recovery"`.
        plan_digest: Of the plan that was previewed.
        left_out: VMs for which the verb makes no sense as they stand, and why: they take no part.
        stages: Verbs, one after the other.
        preview_digest: Names what would be done and what is in the way; empty as long as not all is known.
        order: VMs in waves for the first verb: each waits only for machines in earlier ones.
        blockers: What Site Recovery or Azure would refuse.
        concerns: Why the plan is not ready all the same: an override with a reason lets the verb go on.
        warnings: What is worth knowing, and in nobody's way.
        hooks: What would be done besides, in the order of its turns.
        irreversible: What could not be undone, in words.
        expected_duration: How long it takes. From recorded medians: the longest chain of waiting; probes and queues
            come on top.
        forecast: What past runs took; None without any.
    """

    kind: PreviewKind
    plan: str = ""
    plan_digest: str
    options: VerbOptions = VerbOptions()
    preview_digest: str = ""
    stages: tuple[Verb, ...]
    order: tuple[tuple[str, ...], ...]
    items: tuple[PreviewItem, ...]
    left_out: tuple[Obstacle, ...] = ()
    blockers: tuple[Obstacle, ...] = ()
    concerns: tuple[Obstacle, ...] = ()
    warnings: tuple[Obstacle, ...] = ()
    hooks: tuple[PreviewHook, ...] = ()
    irreversible: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    settings_to_change: tuple[str, ...] = ()
    confirm: str = ""
    recovery_points_deleted: tuple[LostPoints, ...] = ()
    advice: tuple[FailbackAdvice, ...] = ()
    checked_when_run_begins: tuple[str, ...] = ()
    site_recovery_differences: tuple[str, ...] = ()
    expected_duration: timedelta
    expected_duration_source: Literal["past-runs", "recorded-medians"] = "recorded-medians"
    forecast: Forecast | None = None


def build_preview(
    plan: PlanDocument,
    kind: str,
    items: Mapping[str, ItemView],
    *,
    name: str = "",
    options: VerbOptions = VerbOptions(),  # noqa: B008 - it is immutable
    production: Collection[str] = (),
    missing: Mapping[str, Obstacle] = MappingProxyType({}),
) -> Preview:
    """Say what a verb on a plan would do.

    Args:
        kind: One of `PreviewKind`.
        items: The plan's protected items by VM name, in any casing; others do no harm.
        options: How it is to be done; what they leave out is as the plan says.
        production: ARM ids of networks that a drill must keep away from.
        missing: Why a machine has no item, by its name in lower case, where more is known than that.

    Raises:
        ValueError: no such kind.
    """
    preview_kind = find_preview_kind(kind)
    verbs = stage_verbs(plan, preview_kind)
    exclusions = _find_exclusions(plan, verbs[0], options, items, missing)
    left_out = exclusions if len(exclusions) < len(plan.items) else ()  # where nobody is left all are shown
    whole_plan, plan = plan, plan_without(plan, options, left_out)
    views = views_of_plan(plan, items)
    shown = [
        _preview_item(item.vm, verbs[0], view, missing.get(item.vm.lower()) or missing_from_vault(item.vm))
        for item, view in zip(plan.items, views, strict=True)
    ]
    edges = {verb: stage_edges(plan, verb, options.order) for verb in verbs}
    longest = [critical_path(edges[verb], dict.fromkeys(plan.edges, RULES[verb].median))[0] for verb in verbs]
    return Preview(
        kind=preview_kind,
        plan=name,
        plan_digest=whole_plan.digest,
        options=options,
        stages=verbs,
        order=waves_of(edges[verbs[0]]),
        items=tuple(item for item, _ in shown),
        left_out=left_out,
        blockers=(
            *_nothing_to_do(plan, preview_kind, verbs, views, options, exclusions, name),
            *drill_blockers(plan, preview_kind, production),
            *(blocker for _, blocker in shown if blocker),
        ),
        warnings=_order_gaps(whole_plan, plan, verbs[0], options, items),
        settings_to_change=tuple(item.vm for item in plan.items if item.target_settings)
        if RULES_OF_KINDS[preview_kind].fails_over
        else (),
        next_steps=find_next_steps(view_by_vm(whole_plan, items)),
        confirm=confirmation_sentence(plan, preview_kind, items),
        hooks=tuple(_preview_hooks(plan, verbs)),
        irreversible=tuple(f"{verb}: {text}" for verb in verbs if (text := RULES[verb].irreversible)),
        expected_duration=sum(longest, timedelta(0)),
    )


def views_of_plan[View: ItemView](plan: PlanDocument, items: Mapping[str, View]) -> list[View | None]:
    """The protected item of each of the plan's VMs, in the plan's order; None for one that has none.

    Args:
        items: By VM name, in any casing.
    """
    views = {vm.casefold(): view for vm, view in items.items()}
    return [views.get(item.vm.casefold()) for item in plan.items]


def view_by_vm[View: ItemView](plan: PlanDocument, items: Mapping[str, View]) -> dict[str, View | None]:
    """The same by the names of the plan."""
    return dict(zip((item.vm for item in plan.items), views_of_plan(plan, items), strict=True))


def _preview_hooks(plan: PlanDocument, verbs: Sequence[Verb]) -> Iterator[PreviewHook]:
    for occasion in dict.fromkeys(HOOK_OCCASIONS[verb] for verb in verbs if verb in HOOK_OCCASIONS):
        for moment in ("before", "after", "after-cleanup"):
            for hook in plan.hooks_at(occasion, moment):
                about = hook.model_dump(include={"name", "kind", "required"})
                yield PreviewHook(occasion=occasion, moment=moment, target=hook.target, **about)


def _find_exclusions(
    plan: PlanDocument,
    verb: Verb,
    options: VerbOptions,
    items: Mapping[str, ItemView],
    missing: Mapping[str, Obstacle],
) -> tuple[Obstacle, ...]:
    exclusions = (
        find_exclusion(verb, view, missing.get(item.vm.lower()) or missing_from_vault(item.vm), options)
        for item, view in zip(plan.items, views_of_plan(plan, items), strict=True)
    )
    return tuple(one for one in exclusions if one)


def plan_without(plan: PlanDocument, options: VerbOptions, left_out: Sequence[Obstacle]) -> PlanDocument:
    """The part of the plan that a verb acts on."""
    left_out_vms = {one.vm.casefold() for one in left_out}
    named_vms = [item.vm for item in plan.items] if options.vms is None else options.vms
    return plan.with_vms([vm for vm in named_vms if vm.casefold() not in left_out_vms])


def _order_gaps(
    whole_plan: PlanDocument, part: PlanDocument, verb: Verb, options: VerbOptions, items: Mapping[str, ItemView]
) -> tuple[Obstacle, ...]:
    edges = stage_edges(whole_plan, verb, options.order)
    return tuple(find_order_gaps(verb, edges, part.edges, view_by_vm(whole_plan, items)))


def _nothing_to_do(
    plan: PlanDocument,
    kind: PreviewKind,
    verbs: Sequence[Verb],
    views: Sequence[ItemView | None],
    options: VerbOptions,
    exclusions: Sequence[Obstacle],
    name: str,
) -> list[Obstacle]:
    """Where nothing would be done at all; and each VM that was named although nothing would be done with it."""
    done_vms = [
        item.vm
        for item, view in zip(plan.items, views, strict=True)
        if view and all(_is_done_already(verb, view) for verb in verbs)
    ]
    excluded_vms = {one.vm.casefold() for one in exclusions}
    if len(done_vms) == len(plan.items) or all(item.vm.casefold() in excluded_vms for item in plan.items):
        return [nothing_to_do(name or "the plan", kind, exclusions, is_plan=True)]
    if options.vms is None:
        return []
    return [nothing_to_do(vm, kind).model_copy(update={"vm": vm}) for vm in done_vms]


def _is_done_already(verb: Verb, view: ItemView) -> bool:
    return not RULES[verb].is_always_new and has_settled(verb, view)


def stage_edges(plan: PlanDocument, verb: Verb, order: str | None = None) -> Edges:
    """Who waits for whom in the stage of a verb; nobody for anybody where the order does not matter.

    Args:
        order: Of a failback, "reverse" or "same", when that is not the plan's.
    """
    if not RULES[verb].is_ordered:
        return {item.vm: () for item in plan.items}
    turned = verb == "Failback" and (order or plan.failback_order) == "reverse"
    return reversed_edges(plan.edges) if turned else plan.edges


def _preview_item(vm: str, verb: Verb, view: ItemView | None, why: Obstacle) -> tuple[PreviewItem, Obstacle | None]:
    if view is None:
        return PreviewItem(vm=vm, state="missing", allowed=False, reason=why.detail), why
    done = _is_done_already(verb, view)
    refusal = None if done else find_refusal(verb, view)
    lasting_refusal = None if done else find_lasting_refusal(verb, view)
    shown = PreviewItem(
        vm=vm,
        state=view.protection_state,
        allowed=refusal is None and not done,
        already_done=done,
        reason=refusal.detail if refusal else "",
        replication_health=view.replication_health,
        rpo=view.rpo,
    )
    return shown, lasting_refusal


def drill_blockers(plan: PlanDocument, kind: str, production: Collection[str]) -> tuple[Obstacle, ...]:
    """Why a plan must not be rehearsed where it says; nothing for any other verb."""
    if kind != "drill":
        return ()
    if plan.drill is None:
        return (
            Obstacle(
                code="no-drill-settings",
                detail="the plan has no drill settings: declare drill.network, an isolated network",
            ),
        )
    if plan.drill.network.lower() in {network.lower() for network in production}:
        detail = f"{plan.drill.network} is the production network: choose an isolated one for drills"
        return (Obstacle(code="drill-in-production", detail=detail),)
    return ()


SHOWN_NAMES = 10


def confirmation_sentence(plan: PlanDocument, kind: PreviewKind, items: Mapping[str, ItemView]) -> str:
    """The sentence that a verb has to repeat as the plan's machines are now; empty when it deletes nothing.

    A plan that commits by itself has decided on its commits already.

    Args:
        plan: The plan.
        kind: Of the operation.
        items: The protected items by VM name, in any casing.
    """
    views = [view for view in views_of_plan(plan, items) if view]
    if kind == "cancel":
        return cancel_sentence(views)
    return commit_sentence(views) if kind == "commit" and plan.commit == "manual" else ""


def commit_sentence(views: Iterable[ItemView]) -> str:
    """What a commit deletes: of a failover, not of a failback, which leaves nothing to choose from anyway."""
    committed = [v.vm for v in views if v.is_in_azure and find_refusal("Commit", v) is None]
    if not committed:
        return ""
    return f"Commit: all other recovery points of {list_briefly(committed, SHOWN_NAMES)} are deleted."


def cancel_sentence(views: Iterable[ItemView]) -> str:
    """What a cancel ends; empty when there is nothing to cancel.

    Source: the vendor's documentation: a failover that is cancelled ends the replication; a failback that is
    cancelled during its data synchronisation leaves the machine on premises corrupt.
    """
    cancellable = [view for view in views if find_refusal("CancelFailover", view) is None]
    back = [view.vm for view in cancellable if _fails_back(view)]
    over = [view.vm for view in cancellable if not _fails_back(view)]
    consequences = (
        [f"the replication of {list_briefly(over, SHOWN_NAMES)} ends, and they must be protected anew"] if over else []
    )
    consequences += (
        [f"on premises {list_briefly(back, SHOWN_NAMES)} may be corrupt until failed back once more"] if back else []
    )
    return f"Cancel: {'; '.join(consequences)}." if consequences else ""


def _fails_back(view: ItemView) -> bool:
    """Whether a failback runs: Site Recovery calls its scenario PlannedFailover too."""
    return view.is_in_azure and "Commit" not in view.allowed_operations
