"""What speaks against a verb beyond what Site Recovery refuses: health, data at risk, hosts, drift, drills. Pure.

Three weights: a blocker is what Site Recovery or Azure would refuse; a concern makes the plan unready, and a person may
override it with a reason; a warning is told, and is in nobody's way.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from shared.arm_ids import name_of, same_id
from shared.errors import Refused
from shared.evidence.report import format_duration
from shared.messages import Document
from shared.obstacle import Obstacle
from shared.plans.failback_advice import CHECKED_AT_BEGIN, advise_machines
from shared.plans.history import (
    DrillGrounds,
    PastRun,
    PlanHistory,
    describe_changed_grounds,
    forecast_duration,
    grounds_of,
    last_good_drill,
)
from shared.plans.plan import PlanDocument, PlanItem
from shared.plans.preview import LostPoint, LostPoints, Preview, VerbParameters, build_preview
from shared.replication.health import replication_lag
from shared.site_recovery.recovery_points import LATEST, STARTS_FROM_A_POINT, PointChoice, RecoveryPoint, choose_point
from shared.site_recovery.views import ItemDetail, ProviderView
from shared.sites.site import SiteDocument

SHOWN = 10
"""Recovery points of a VM that are listed one by one; the evidence of a commit has all of them."""
type ListedPoints = tuple[ItemDetail, tuple[Sequence[RecoveryPoint], datetime]]
"""An item with its recovery points, newest first, and when Azure said so."""


def items_with_points_at_stake(
    choice: PointChoice, preview: Preview, items: Mapping[str, ItemDetail]
) -> list[ItemDetail]:
    """The plan's items whose recovery points say something on this preview, in the order of the plan."""
    views = {vm.casefold(): view for vm, view in items.items()}
    pairs = ((shown.vm, views.get(shown.vm.casefold())) for shown in preview.items)
    return [
        view for _, view in pairs if view and (_may_lack_point(choice, preview, view) or _loses_points(preview, view))
    ]


def with_recovery_points(choice: PointChoice, preview: Preview, listed: Sequence[ListedPoints], wanted: int) -> Preview:
    """The preview with what was found.

    Args:
        listed: The items that were looked at.
        wanted: How many there are to look at: fewer are where there are very many.
    """
    blockers = [
        blocker
        for view, found in listed
        if _may_lack_point(choice, preview, view) and (blocker := _point_blocker(choice, view, *found))
    ]
    lost = [_lost_points(choice, preview, view, *found) for view, found in listed if _loses_points(preview, view)]
    changes = {
        "blockers": (*preview.blockers, *blockers),
        "points_lost": tuple(lost),
        "warnings": (*preview.warnings, *_unlisted_points_warning(wanted - len(listed), len(listed))),
    }
    return with_preview_digest(preview.model_copy(update=changes))


def _may_lack_point(choice: PointChoice, preview: Preview, view: ItemDetail) -> bool:
    """Whether it starts from a point that may not be there; what is done already starts from none."""
    done = any(shown.done and shown.vm.casefold() == view.vm.casefold() for shown in preview.items)
    return preview.stages[0] in STARTS_FROM_A_POINT and choice.may_lack_point(view.vm) and not done


def _loses_points(preview: Preview, view: ItemDetail) -> bool:
    """Whether a commit deletes points; that of a failback deletes none, for its machine has run on premises since."""
    if "Commit" not in preview.stages or preview.stages[0] == "Failback":
        return False
    waits = view.active_location == "Recovery" and "Commit" in view.allowed_operations
    return waits or (preview.what != "commit" and view.active_location == "Primary")


def _point_blocker(
    choice: PointChoice, view: ItemDetail, points: Sequence[RecoveryPoint], now: datetime
) -> Obstacle | None:
    try:
        choose_point(points, choice.rule_for(view.vm), choice.max_age, now)
    except Refused as refusal:
        return Obstacle(vm=view.vm, code=refusal.code, detail=f"{view.vm}: {refusal.detail}")
    return None


def _lost_points(
    choice: PointChoice, preview: Preview, view: ItemDetail, points: Sequence[RecoveryPoint], now: datetime
) -> LostPoints:
    """All but the one that is used; a failover from the latest may make one, and lose all that there are."""
    used = view.failover_point.lower()
    if view.active_location == "Primary":
        used = (
            _chosen_point_name(choice.rule_for(view.vm), points, now)
            if preview.stages[0] in STARTS_FROM_A_POINT
            else ""
        )
    lost = [point for point in points if point.name.lower() != used]
    return LostPoints(
        vm=view.vm,
        count=len(lost),
        newest=lost[0].at if lost else None,
        oldest=lost[-1].at if lost else None,
        points=tuple(LostPoint(at=point.at, kind=point.kind) for point in lost[:SHOWN]),
    )


def _chosen_point_name(rule: str, points: Sequence[RecoveryPoint], now: datetime) -> str:
    if rule == LATEST:
        return ""
    try:
        return choose_point(points, rule, None, now).name.lower()
    except Refused:
        return ""


def _unlisted_points_warning(left_out: int, listed: int) -> tuple[Obstacle, ...]:
    if left_out <= 0:
        return ()
    detail = (
        f"the recovery points of {listed} VMs were looked at, those of {left_out} more were not: that takes a request "
        "for each. The run looks at all of them before its first verb, and keeps the list before a commit"
    )
    return (Obstacle(code="points-not-listed", detail=detail),)


LOSSY_KINDS = frozenset({"unplanned-failover", "unplanned-roundtrip"})
ROUNDTRIP_KINDS = frozenset({"planned-roundtrip", "unplanned-roundtrip"})
FAILOVER_KINDS = frozenset({"planned-failover", *LOSSY_KINDS, *ROUNDTRIP_KINDS})
HOST_KINDS = frozenset({"planned-failover", "planned-roundtrip", "failback", "reprotect"})
JUDGED_KINDS = frozenset({*FAILOVER_KINDS, *HOST_KINDS, "cancel"})
"""What is looked at before it begins; the others are judged at their admission alone."""
CODES_OF_TIME = frozenset({"behind-target", "drill-expired"})
"""Codes of what comes of waiting alone: a preview that was approved is no other one for them."""
SHOWN_DIFFERENCES = 5
type Weight = Literal["concern", "warning"]
type WeightedBlocker = tuple[Weight, Obstacle]


class PreviewFacts(NamedTuple):
    """What a preview is made of.

    Attributes:
        at: When Azure answered, by its own clock.
        items: The plan's protected items by VM name.
        missing: Why others of its machines have none, by name in lower case.
        hosts: The vaults' providers by ARM id in lower case.
        network_blockers: What is wrong with the networks of a failover.
        unread_networks: Those networks that could not be read, and so were not judged.
        isolation: What speaks against the network of a drill.
        unproven: The proof of sources that a failback waits for.
    """

    at: datetime
    items: Mapping[str, ItemDetail]
    hosts: Mapping[str, ProviderView]
    track: PlanHistory = PlanHistory()
    network_blockers: tuple[Obstacle, ...] = ()
    isolation: tuple[Obstacle, ...] = ()
    unproven: tuple[Obstacle, ...] = ()
    unread_networks: tuple[Obstacle, ...] = ()
    missing: Mapping[str, Obstacle] = MappingProxyType({})


class DrillVerification(Document):
    """Whether the plan as it is was rehearsed.

    Attributes:
        status: VERIFIED holds for the very plan that was rehearsed, as long as the plan lets a drill count.
        operation: The drill that this rests on; of a plan that has changed since, the newest good one.
        at: When that drill ended.
        until: How long it counts; None where the plan does not say.
        changed: What that drill rested on beside the plan and is no longer so.
    """

    status: Literal["VERIFIED", "NEEDS VERIFICATION", "NEVER VERIFIED"]
    operation: str | None = None
    at: datetime | None = None
    until: datetime | None = None
    changed: tuple[str, ...] = ()


def preview_with_readiness(
    plan: PlanDocument,
    what: str,
    sites: Mapping[str, SiteDocument],
    facts: PreviewFacts,
    name: str = "",
    parameters: VerbParameters = VerbParameters(),  # noqa: B008 - it is immutable
) -> Preview:
    """Say what a verb on a plan would do, and all that speaks against it.

    Args:
        parameters: How it is to be done; what it leaves out is as the plan says.

    Raises:
        ValueError: no such `what`.
    """
    production = [site.network for site in sites.values()]
    preview = build_preview(
        plan, what, facts.items, name=name, parameters=parameters, production=production, missing=facts.missing
    )
    more = dict.fromkeys(FAILOVER_KINDS, facts.network_blockers) | {
        "drill": facts.isolation,
        "failback": facts.unproven,
    }
    weighted_blockers = list(_weigh_all(plan, preview, sites, facts))
    changes: dict[str, Any] = {
        "blockers": (*preview.blockers, *more.get(what, ())),
        "concerns": tuple(note for weight, note in weighted_blockers if weight == "concern"),
        "warnings": (
            *(note for weight, note in weighted_blockers if weight == "warning"),
            *(facts.unread_networks if what in FAILOVER_KINDS else ()),
        ),
        "forecast": None
        if what in ROUNDTRIP_KINDS
        else forecast_duration(facts.track, what),  # they last as long as persons want
    }
    if what == "failback":
        changes |= {"advice": advise_machines(plan, sites, facts.items, facts.at), "later": CHECKED_AT_BEGIN}
    if changes["forecast"]:
        changes |= {"expected": timedelta(seconds=changes["forecast"]["p50"]), "expected_from": "past runs"}
    return with_preview_digest(preview.model_copy(update=changes))


def with_preview_digest(preview: Preview) -> Preview:
    """The preview with its digest: over what would be done and what is in the way, not over figures or passing time."""
    marks = [
        f"{one.vm.lower()}|{one.code}"
        for one in (*preview.blockers, *preview.concerns)
        if one.code not in CODES_OF_TIME
    ]
    content = preview.model_dump(
        mode="json", include={"what", "request", "stages", "order", "hooks", "otherwise", "configures", "confirm"}
    )
    content |= {"items": [[item.vm, item.allowed, item.done] for item in preview.items], "inTheWay": sorted(marks)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return preview.model_copy(update={"preview_digest": hashlib.sha256(text.encode()).hexdigest()})


def describe_differences(before: Preview, after: Preview) -> tuple[str, ...]:
    """How what would be done differs from what was approved, in words.

    Figures make no difference, nor what comes of waiting alone, nor what is in the way no longer.
    """
    differences = [
        f"{name} is {getattr(after, name)!r} and was {getattr(before, name)!r}"
        for name in ("what", "stages", "configures", "confirm")
        if getattr(after, name) != getattr(before, name)
    ]
    differences += ["the request is another"] if before.request != after.request else []
    differences += ["the order is another"] if before.order != after.order else []
    was = {item.vm: (item.allowed, item.done) for item in before.items}
    differences += [f"{i.vm} is {i.state}" for i in after.items if was.get(i.vm) != (i.allowed, i.done)]
    blockers_before = {(one.vm, one.code) for one in (*before.blockers, *before.concerns)}
    more = (one for one in (*after.blockers, *after.concerns) if one.code not in CODES_OF_TIME)
    differences += [one.detail for one in more if (one.vm, one.code) not in blockers_before]
    rest = len(differences) - SHOWN_DIFFERENCES
    return (*differences[:SHOWN_DIFFERENCES], f"and {rest} more") if rest > 0 else tuple(differences)


def verify_last_drill(
    plan: PlanDocument, track: PlanHistory, now: datetime, grounds: DrillGrounds | None = None
) -> DrillVerification:
    """Whether this very plan was rehearsed, and still counts as rehearsed.

    Args:
        grounds: What a drill would rest on now; without it nothing is held against what the last one rested on.
    """
    drill = last_good_drill(track, plan.digest)
    if drill is None:
        newest = last_good_drill(track)
        return _verification_by("NEEDS VERIFICATION", newest) if newest else DrillVerification(status="NEVER VERIFIED")
    if changed := describe_changed_grounds(drill.grounds, grounds or {}):
        return _verification_by("NEEDS VERIFICATION", drill).model_copy(update={"changed": changed})
    valid_for = plan.drill.valid_for if plan.drill else None
    until = drill.ended + valid_for if valid_for else None
    return _verification_by("NEEDS VERIFICATION" if until and until <= now else "VERIFIED", drill, until)


def _verification_by(
    status: Literal["VERIFIED", "NEEDS VERIFICATION"], drill: PastRun, until: datetime | None = None
) -> DrillVerification:
    return DrillVerification(status=status, operation=drill.run, at=drill.ended, until=until)


def _weigh_all(
    plan: PlanDocument, preview: Preview, sites: Mapping[str, SiteDocument], facts: PreviewFacts
) -> Iterator[WeightedBlocker]:
    """Everything but blockers; nothing is said of machines that the verb leaves alone."""
    if preview.what in FAILOVER_KINDS:
        yield from _weigh_drills(plan, sites, facts)
    views = {vm.casefold(): view for vm, view in facts.items.items()}
    for item, shown in zip(plan.items, preview.items, strict=True):
        view = views.get(item.vm.casefold())
        if view is not None and not shown.done:
            site = sites[item.site or plan.site]
            lost = _is_lost(view, facts.hosts)
            yield from _weigh_health(preview.what, view, expected=lost and preview.what in LOSSY_KINDS)
            yield from _weigh_data_at_risk(plan, preview.what, view, facts.at)
            yield from _weigh_host(preview.what, view, facts.hosts) if lost else ()
            yield from _weigh_drift(item, preview.what, view, site)


def _weigh_drills(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: PreviewFacts
) -> Iterator[WeightedBlocker]:
    verification = verify_last_drill(plan, facts.track, facts.at, grounds_of(plan, sites, facts.items.values()))
    weight: Weight = "concern" if plan.drill and plan.drill.valid_for else "warning"
    if verification.status == "NEVER VERIFIED":
        yield weight, Obstacle(code="never-verified", detail="no drill of this plan has succeeded yet")
    elif verification.status == "NEEDS VERIFICATION" and verification.until:
        until = f"{verification.until:%Y-%m-%d %H:%M} UTC"
        detail = f"the last good drill of this plan, {verification.operation}, counted until {until}"
        yield weight, Obstacle(code="drill-expired", detail=detail)
    elif verification.status == "NEEDS VERIFICATION":
        what = "; ".join(verification.changed) or "the plan has changed"
        detail = f"since the last good drill, {verification.operation}: {what}"
        yield weight, Obstacle(code="needs-verification", detail=detail)


def _weigh_health(what: str, view: ItemDetail, *, expected: bool) -> Iterator[WeightedBlocker]:
    """How well it replicates.

    Args:
        expected: That it does not is what the verb is for: its host is lost, and the data at risk is what counts.
    """
    health = view.replication_health
    if what in {*FAILOVER_KINDS, "drill"} and health in {"Critical", "Warning"}:
        weight: Weight = "concern" if health == "Critical" and what in FAILOVER_KINDS and not expected else "warning"
        detail = f"the replication of {view.vm} is {health}"
        yield weight, Obstacle(vm=view.vm, code=f"replication-{health.lower()}", detail=detail)


def _weigh_data_at_risk(plan: PlanDocument, what: str, view: ItemDetail, at: datetime) -> Iterator[WeightedBlocker]:
    """How far it is behind; an unplanned failover loses what is not replicated, a planned one loses nothing."""
    target = plan.targets.rpo if plan.targets else None
    if target is None or what not in {*FAILOVER_KINDS, "drill"}:
        return
    behind_by, lossy = replication_lag(view, at), what in LOSSY_KINDS
    if behind_by is None:
        yield "warning", Obstacle(vm=view.vm, code="rpo-unknown", detail=f"how far {view.vm} is behind is not known")
    elif behind_by > target:
        loss = "would be lost" if lossy else "is not in Azure yet"
        risk = f"{format_duration(behind_by)} of {view.vm}'s newest data {loss}"
        detail = f"{risk}; the plan's target is {format_duration(target)}"
        yield "concern" if lossy else "warning", Obstacle(vm=view.vm, code="behind-target", detail=detail)


def _is_lost(view: ItemDetail, hosts: Mapping[str, ProviderView]) -> bool:
    """Whether the vault hears nothing of the host that has the machine."""
    host = hosts.get(view.host_provider.lower())
    return view.host_provider != "" and not (host and host.connected)


def _weigh_host(what: str, view: ItemDetail, hosts: Mapping[str, ProviderView]) -> Iterator[WeightedBlocker]:
    """A host that is lost, where the verb needs it or would like to have it."""
    if what not in {*HOST_KINDS, *FAILOVER_KINDS}:
        return
    host = hosts.get(view.host_provider.lower())
    named = host.host if host else name_of(view.host_provider)
    needed = what in HOST_KINDS
    detail = f"the host of {view.vm} ({named}) is not connected to the vault"
    detail += "" if needed else ": the machine cannot be shut down, and may run on"
    yield "concern" if needed else "warning", Obstacle(vm=view.vm, code="host-not-connected", detail=detail)


def _weigh_drift(item: PlanItem, what: str, view: ItemDetail, site: SiteDocument) -> Iterator[WeightedBlocker]:
    """Where the protected item says other than its site: a failover goes by the item."""
    if what not in {*FAILOVER_KINDS, "drill"}:
        return
    weight: Weight = "concern" if what in FAILOVER_KINDS else "warning"
    if view.target_group and not same_id(view.target_group, site.target_resource_group):
        yield weight, _drift_blocker(view, "other-target-group", view.target_group, site.target_resource_group)
    if what in FAILOVER_KINDS and not item.network and site.network and not same_id(view.network, site.network):
        yield weight, _drift_blocker(view, "other-network", view.network or "no network", site.network)
    if view.policy and site.policy_name and not same_id(view.policy, site.policy_name):
        yield "warning", _drift_blocker(view, "other-policy", view.policy, site.policy_name)


def _drift_blocker(view: ItemDetail, code: str, found: str, declared: str) -> Obstacle:
    return Obstacle(vm=view.vm, code=code, detail=f"{view.vm} has {found}, and its site says {declared}")
