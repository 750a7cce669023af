"""What a verb on a plan would do, and what stands in its way: said before anything is done."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, get_args

from pydantic import SerializerFunctionWrapHandler, model_serializer

from shared.graph import Edges, critical_path, reversed_edges, waves_of
from shared.messages import Document
from shared.obstacle import Obstacle
from shared.plans.failback_advice import FailbackAdvice
from shared.plans.hooks import HOOK_OCCASIONS, HookKind
from shared.plans.machines import missing_from_vault
from shared.plans.plan import DataSyncChoice, PlanDocument
from shared.site_recovery.verb_rules import ALWAYS_NEW, RULES, find_lasting_refusal, find_refusal, has_settled
from shared.site_recovery.views import ItemView, Verb

PreviewKind = Literal[
    "drill",
    "planned-failover",
    "unplanned-failover",
    "commit",
    "cancel",
    "change-point",
    "failback",
    "reprotect",
    "planned-roundtrip",
    "unplanned-roundtrip",
]
_STAGE_VERBS: Mapping[PreviewKind, tuple[Verb, ...]] = {
    "drill": ("TestFailover", "TestFailoverCleanup"),
    "planned-failover": ("PlannedFailover", "Commit"),
    "unplanned-failover": ("UnplannedFailover", "Commit"),
    "commit": ("Commit",),
    "failback": ("Failback", "Commit"),
    "reprotect": ("ReverseReplicate",),
    "cancel": ("CancelFailover",),
    "planned-roundtrip": ("PlannedFailover", "Commit", "Failback", "Commit", "ReverseReplicate"),
    "unplanned-roundtrip": ("UnplannedFailover", "Commit", "Failback", "Commit", "ReverseReplicate"),
    "change-point": ("ChangePit",),
}
_MOVES: frozenset[Verb] = frozenset({"PlannedFailover", "UnplannedFailover"})
_ORDERED: frozenset[Verb] = frozenset({"TestFailover", "PlannedFailover", "UnplannedFailover", "ChangePit", "Failback"})


class PreviewItem(Document):
    """One VM of the preview.

    Attributes:
        state: protectionState, "missing" when the vault has no such item.
        reason: Why its first verb is not allowed, or what it waits for; empty when it is.
        rpo: How far its replica was behind when that was last measured.
        done: It is already where the verb would bring it, and will be left alone.
    """

    vm: str
    state: str
    allowed: bool
    done: bool = False
    reason: str = ""
    replication_health: str = ""
    rpo: timedelta | None = None


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


class VerbParameters(Document):
    """The parameters of a verb as they will be used, by the request or else by the plan; only those that the verb has.

    Attributes:
        recovery_point: A rule, a name or an ARM id; or by VM, and the others take the latest.
        max_age: Of the points.
        shut_down_source: Whether the machines on premises are to be shut down.
        data_sync: How data comes home.
        resume_at: When a failback goes on by itself after its data synchronisation.
        create_vm: Whether a machine that is gone on premises is made again.
        host: The node that it is made on.
        order: Of the way home.
        return_at: When the machines of a round trip come home by themselves.
    """

    recovery_point: str | dict[str, str] | None = None
    max_age: timedelta | None = None
    shut_down_source: bool | None = None
    data_sync: DataSyncChoice | None = None
    resume_at: datetime | None = None
    create_vm: bool | None = None
    host: str | None = None
    order: Literal["reverse", "same"] | None = None
    return_at: datetime | None = None

    @model_serializer(mode="wrap")
    def _leave_out_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What a verb does not have is left out."""
        return {name: value for name, value in handler(self).items() if value is not None}


class Preview(Document):
    """What would happen.

    Attributes:
        request: How it would be done, by the request or else by the plan.
        configures: VMs whose target settings are set first, where their protected items say otherwise.
        confirm: What the request must repeat, word for word; empty when nothing has to be confirmed.
        points_lost: The recovery points that a commit, of its own or of a failover, would delete as they are now.
        advice: For a failback: both ways home of each VM, and which is the better one.
        later: What is looked at only when the run begins.
        otherwise: What goes otherwise because the plan says `"engine": "site-recovery"`.
        digest: Of the plan that was looked at.
        stages: Verbs, one after the other.
        preview_digest: Names what would be done and what is in the way; empty for one that was not looked at closely.
        order: VMs in waves for the first verb: each waits only for machines in earlier ones.
        blockers: What Site Recovery or Azure would refuse.
        concerns: Why the plan is not ready all the same: an override with a reason lets the verb go on.
        warnings: What is worth knowing, and in nobody's way.
        hooks: What would be done besides, in the order of its turns.
        irreversible: What could not be undone, in words.
        expected: How long it takes. From recorded medians: the longest chain of waiting; probes and queues come on top.
        forecast: What past runs took, in seconds: {p50, p95, runs}; None without any.
    """

    what: PreviewKind
    plan: str = ""
    digest: str
    request: VerbParameters = VerbParameters()
    preview_digest: str = ""
    stages: tuple[Verb, ...]
    order: tuple[tuple[str, ...], ...]
    items: tuple[PreviewItem, ...]
    blockers: tuple[Obstacle, ...] = ()
    concerns: tuple[Obstacle, ...] = ()
    warnings: tuple[Obstacle, ...] = ()
    hooks: tuple[PreviewHook, ...] = ()
    irreversible: tuple[str, ...] = ()
    configures: tuple[str, ...] = ()
    confirm: str = ""
    points_lost: tuple[LostPoints, ...] = ()
    advice: tuple[FailbackAdvice, ...] = ()
    later: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    expected: timedelta
    expected_from: Literal["past runs", "recorded medians"] = "recorded medians"
    forecast: dict[str, float | int] | None = None


def build_preview(
    plan: PlanDocument,
    what: str,
    items: Mapping[str, ItemView],
    *,
    name: str = "",
    parameters: VerbParameters = VerbParameters(),  # noqa: B008 - it is immutable
    production: Collection[str] = (),
    missing: Mapping[str, Obstacle] = MappingProxyType({}),
) -> Preview:
    """Say what a verb on a plan would do.

    Args:
        what: One of `PreviewKind`.
        items: The plan's protected items by VM name, in any casing; others do no harm.
        parameters: How it is to be done; what it leaves out is as the plan says.
        production: ARM ids of networks that a drill must keep away from.
        missing: Why a machine has no item, by its name in lower case, where more is known than that.

    Raises:
        ValueError: no such `what`.
    """
    kind = _preview_kind_of(what)
    verbs = stage_verbs(plan, kind)
    views = {vm.casefold(): view for vm, view in items.items()}
    reasons = [missing.get(item.vm.lower()) or missing_from_vault(item.vm) for item in plan.items]
    item_views = [views.get(item.vm.casefold()) for item in plan.items]
    shown = [
        _preview_item(item.vm, verbs[0], view, why)
        for item, view, why in zip(plan.items, item_views, reasons, strict=True)
    ]
    return Preview(
        what=kind,
        plan=name,
        digest=plan.digest,
        request=parameters,
        stages=verbs,
        order=waves_of(stage_edges(plan, verbs[0], parameters.order)),
        items=tuple(item for item, _ in shown),
        blockers=(
            *_nothing_to_do_blockers(plan, kind, views),
            *drill_blockers(plan, kind, production),
            *(blocker for _, blocker in shown if blocker),
        ),
        configures=tuple(item.vm for item in plan.items if item.target_settings) if verbs[0] in _MOVES else (),
        confirm=confirmation_sentence(plan, items) if kind == "cancel" else "",
        hooks=tuple(_preview_hooks(plan, verbs)),
        irreversible=tuple(f"{verb}: {text}" for verb in verbs if (text := RULES[verb].irreversible)),
        expected=_expected_duration(plan, verbs, parameters),
    )


def _nothing_to_do_blockers(
    plan: PlanDocument, what: PreviewKind, views: Mapping[str, ItemView]
) -> tuple[Obstacle, ...]:
    """A verb that would do nothing is refused: whoever asks for it takes the plan for where it is not."""
    item_views = [views.get(item.vm.casefold()) for item in plan.items]
    if not all(view and all(_is_done_already(verb, view) for verb in stage_verbs(plan, what)) for view in item_views):
        return ()
    return (Obstacle(code="nothing-to-do", detail=f"every VM is already where a {what} would bring it"),)


def _is_done_already(verb: Verb, view: ItemView) -> bool:
    return verb not in ALWAYS_NEW and has_settled(verb, view)


def _preview_hooks(plan: PlanDocument, verbs: Sequence[Verb]) -> Iterator[PreviewHook]:
    for occasion in dict.fromkeys(HOOK_OCCASIONS[verb] for verb in verbs if verb in HOOK_OCCASIONS):
        for moment in ("before", "after", "after-cleanup"):
            for hook in plan.hooks_at(occasion, moment):
                about = hook.model_dump(include={"name", "kind", "required"})
                yield PreviewHook(occasion=occasion, moment=moment, target=hook.target, **about)


def _preview_kind_of(given: str) -> PreviewKind:
    kinds: tuple[PreviewKind, ...] = get_args(PreviewKind)
    for what in kinds:
        if what == given:
            return what
    raise ValueError(f"no such thing to preview: {given!r}")


def stage_verbs(plan: PlanDocument, what: PreviewKind) -> tuple[Verb, ...]:
    """The verbs of a run, in order; its commit belongs to it only where the plan says so."""
    verbs = _STAGE_VERBS[what]
    return verbs[:1] if verbs[-1] == "Commit" and plan.commit == "manual" else verbs


def stage_edges(plan: PlanDocument, verb: Verb, order: str | None = None) -> Edges:
    """Who waits for whom in the stage of a verb; nobody for anybody where the order does not matter.

    Args:
        order: Of a failback, "reverse" or "same", when that is not the plan's.
    """
    if verb not in _ORDERED:
        return {item.vm: () for item in plan.items}
    turned = verb == "Failback" and (order or plan.failback_order) == "reverse"
    return reversed_edges(plan.edges) if turned else plan.edges


def _expected_duration(plan: PlanDocument, verbs: Sequence[Verb], parameters: VerbParameters) -> timedelta:
    edges = {verb: stage_edges(plan, verb, parameters.order) for verb in verbs}
    each = [critical_path(edges[verb], dict.fromkeys(plan.edges, RULES[verb].median))[0] for verb in verbs]
    return sum(each, timedelta(0))


def _preview_item(vm: str, verb: Verb, view: ItemView | None, why: Obstacle) -> tuple[PreviewItem, Obstacle | None]:
    if view is None:
        missing = PreviewItem(vm=vm, state="missing", allowed=False, reason=why.detail)
        return missing, why
    done = _is_done_already(verb, view)
    refusal = None if done else find_refusal(verb, view)
    lasting_refusal = None if done else find_lasting_refusal(verb, view)
    shown = PreviewItem(
        vm=vm,
        state=view.protection_state,
        allowed=refusal is None and not done,
        done=done,
        reason=refusal.detail if refusal else "",
        replication_health=view.replication_health,
        rpo=view.rpo,
    )
    return shown, lasting_refusal


def drill_blockers(plan: PlanDocument, what: str, production: Collection[str]) -> tuple[Obstacle, ...]:
    """Why a plan must not be rehearsed where it says; nothing for any other verb."""
    if what != "drill":
        return ()
    if plan.drill is None:
        return (Obstacle(code="no-drill-settings", detail="the plan names no isolated network for a drill"),)
    if plan.drill.network.lower() in {network.lower() for network in production}:
        detail = f"{plan.drill.network} is the production network: a drill there would meet the real machines"
        return (Obstacle(code="drill-in-production", detail=detail),)
    return ()


SHOWN_NAMES = 10


def confirmation_sentence(plan: PlanDocument, items: Mapping[str, ItemView]) -> str:
    """The sentence for this plan as its machines are now; empty when there is nothing to cancel.

    Args:
        items: The protected items by VM name, in any casing.

    Source: the vendor's documentation: a failover that is cancelled ends the replication; a failback that is
    cancelled during its data synchronisation leaves the machine on premises corrupt.
    """
    views_by_name = {vm.casefold(): view for vm, view in items.items()}
    views = [views_by_name[item.vm.casefold()] for item in plan.items if item.vm.casefold() in views_by_name]
    cancellable = [view for view in views if find_refusal("CancelFailover", view) is None]
    back = [view.vm for view in cancellable if _fails_back(view)]
    over = [view.vm for view in cancellable if not _fails_back(view)]
    consequences = [f"the replication of {_list_names(over)} ends, and they must be protected anew"] if over else []
    consequences += [f"on premises {_list_names(back)} may be corrupt until failed back once more"] if back else []
    return f"Cancel: {'; '.join(consequences)}." if consequences else ""


def _fails_back(view: ItemView) -> bool:
    """Whether a failback runs: Site Recovery calls its scenario PlannedFailover too."""
    return view.active_location == "Recovery" and "Commit" not in view.allowed_operations


def _list_names(vms: Sequence[str]) -> str:
    return ", ".join(vms[:SHOWN_NAMES]) + (f" and {len(vms) - SHOWN_NAMES} more" if len(vms) > SHOWN_NAMES else "")
