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

from shared.arm_ids import same_id
from shared.errors import Refused
from shared.evidence.report import span
from shared.messages import Document
from shared.plans.failback_advice import LOOKED_AT_LATER, advice_of
from shared.plans.history import Grounds, Past, Track, changed, grounds_of, last_good_drill, lasted
from shared.plans.machines import Missing
from shared.plans.plan import PlanDocument, PlanItem
from shared.plans.preview import Asked, Blocker, PointLost, PointsLost, Preview, preview
from shared.replication.health import behind
from shared.site_recovery.recovery_points import LATEST, STARTS_FROM_A_POINT, PointWish, RecoveryPoint, choose
from shared.site_recovery.views import ItemDetail, ProviderView
from shared.sites.site import SiteDocument

SHOWN = 10
"""Recovery points of a VM that are listed one by one; the evidence of a commit has all of them."""
type Points = tuple[ItemDetail, tuple[Sequence[RecoveryPoint], datetime]]
"""An item with its recovery points, newest first, and when Azure said so."""


def looks_at(wish: PointWish, told: Preview, items: Mapping[str, ItemDetail]) -> list[ItemDetail]:
    """The plan's items whose recovery points say something on this preview, in the order of the plan."""
    views = {vm.casefold(): view for vm, view in items.items()}
    known = ((shown.vm, views.get(shown.vm.casefold())) for shown in told.items)
    return [view for _, view in known if view and (_is_gated(wish, told, view) or _is_emptied(told, view))]


def told_with(wish: PointWish, told: Preview, listed: Sequence[Points], wanted: int) -> Preview:
    """The preview with what was found.

    Args:
        listed: The items that were looked at.
        wanted: How many there are to look at: fewer are where there are very many.
    """
    blockers = [no for view, found in listed if _is_gated(wish, told, view) and (no := _unfit(wish, view, *found))]
    lost = [_lost(wish, told, view, *found) for view, found in listed if _is_emptied(told, view)]
    changes = {
        "blockers": (*told.blockers, *blockers),
        "points_lost": tuple(lost),
        "warnings": (*told.warnings, *_unseen(wanted - len(listed), len(listed))),
    }
    return sealed(told.model_copy(update=changes))


def _is_gated(wish: PointWish, told: Preview, view: ItemDetail) -> bool:
    """Whether it starts from a point that may not be there; what is done already starts from none."""
    done = any(shown.done and shown.vm.casefold() == view.vm.casefold() for shown in told.items)
    return told.stages[0] in STARTS_FROM_A_POINT and wish.gates(view.vm) and not done


def _is_emptied(told: Preview, view: ItemDetail) -> bool:
    """Whether a commit deletes points; that of a failback deletes none, for its machine has run on premises since."""
    if "Commit" not in told.stages or told.stages[0] == "Failback":
        return False
    waits = view.active_location == "Recovery" and "Commit" in view.allowed_operations
    return waits or (told.what != "commit" and view.active_location == "Primary")


def _unfit(wish: PointWish, view: ItemDetail, points: Sequence[RecoveryPoint], now: datetime) -> Blocker | None:
    try:
        choose(points, wish.of(view.vm), wish.max_age, now)
    except Refused as no:
        return Blocker(vm=view.vm, code=no.code, detail=f"{view.vm}: {no.detail}")
    return None


def _lost(
    wish: PointWish, told: Preview, view: ItemDetail, points: Sequence[RecoveryPoint], now: datetime
) -> PointsLost:
    """All but the one that is used; a failover from the latest may make one, and lose all that there are."""
    used = view.failover_point.lower()
    if view.active_location == "Primary":
        used = _chosen(wish.of(view.vm), points, now) if told.stages[0] in STARTS_FROM_A_POINT else ""
    lost = [point for point in points if point.name.lower() != used]
    return PointsLost(
        vm=view.vm,
        count=len(lost),
        newest=lost[0].at if lost else None,
        oldest=lost[-1].at if lost else None,
        points=tuple(PointLost(at=point.at, kind=point.kind) for point in lost[:SHOWN]),
    )


def _chosen(rule: str, points: Sequence[RecoveryPoint], now: datetime) -> str:
    if rule == LATEST:
        return ""
    try:
        return choose(points, rule, None, now).name.lower()
    except Refused:
        return ""


def _unseen(left_out: int, listed: int) -> tuple[Blocker, ...]:
    if left_out <= 0:
        return ()
    detail = (
        f"the recovery points of {listed} VMs were looked at, those of {left_out} more were not: that takes a request "
        "for each. The run looks at all of them before its first verb, and keeps the list before a commit"
    )
    return (Blocker(code="points-not-listed", detail=detail),)


LOSSY = frozenset({"unplanned-failover", "unplanned-roundtrip"})
ROUNDTRIPS = frozenset({"planned-roundtrip", "unplanned-roundtrip"})
MOVES = frozenset({"planned-failover", *LOSSY, *ROUNDTRIPS})
NEED_HOST = frozenset({"planned-failover", "planned-roundtrip", "failback", "reprotect"})
JUDGED = frozenset({*MOVES, *NEED_HOST, "cancel"})
"""What is looked at before it begins; the others are judged at their admission alone."""
OF_TIME = frozenset({"behind-target", "drill-expired"})
"""Codes of what comes of waiting alone: a preview that was approved is no other one for them."""
SHOWN_READINESS = 5
type Weight = Literal["concern", "warning"]
type Noted = tuple[Weight, Blocker]


class Seen(NamedTuple):
    """What a preview is made of.

    Attributes:
        at: When Azure answered, by its own clock.
        items: The plan's protected items by VM name.
        missing: Why others of its machines have none, by name in lower case.
        hosts: The vaults' providers by ARM id in lower case.
        places: What is wrong with the networks of a failover.
        unread: Those networks that could not be read, and so were not judged.
        isolation: What speaks against the network of a drill.
        unproven: The proof of sources that a failback waits for.
    """

    at: datetime
    items: Mapping[str, ItemDetail]
    hosts: Mapping[str, ProviderView]
    track: Track = Track()
    places: tuple[Blocker, ...] = ()
    isolation: tuple[Blocker, ...] = ()
    unproven: tuple[Blocker, ...] = ()
    unread: tuple[Blocker, ...] = ()
    missing: Mapping[str, Missing] = MappingProxyType({})


class Rehearsal(Document):
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


def foretell(
    plan: PlanDocument,
    what: str,
    sites: Mapping[str, SiteDocument],
    seen: Seen,
    name: str = "",
    asked: Asked = Asked(),  # noqa: B008 - it is immutable
) -> Preview:
    """Say what a verb on a plan would do, and all that speaks against it.

    Args:
        asked: How it is to be done; what it leaves out is as the plan says.

    Raises:
        ValueError: no such `what`.
    """
    production = [site.network for site in sites.values()]
    told = preview(plan, what, seen.items, name=name, asked=asked, production=production, missing=seen.missing)
    more = dict.fromkeys(MOVES, seen.places) | {"drill": seen.isolation, "failback": seen.unproven}
    noted = list(_noted(plan, told, sites, seen))
    changes: dict[str, Any] = {
        "blockers": (*told.blockers, *more.get(what, ())),
        "concerns": tuple(note for weight, note in noted if weight == "concern"),
        "warnings": (*(note for weight, note in noted if weight == "warning"), *(seen.unread if what in MOVES else ())),
        "forecast": None if what in ROUNDTRIPS else lasted(seen.track, what),  # they last as long as persons want
    }
    if what == "failback":
        changes |= {"advice": advice_of(plan, sites, seen.items, seen.at), "later": LOOKED_AT_LATER}
    if changes["forecast"]:
        changes |= {"expected": timedelta(seconds=changes["forecast"]["p50"]), "expected_from": "past runs"}
    return sealed(told.model_copy(update=changes))


def sealed(told: Preview) -> Preview:
    """The preview with its digest: over what would be done and what is in the way, not over figures or passing time."""
    marks = [f"{one.vm.lower()}|{one.code}" for one in (*told.blockers, *told.concerns) if one.code not in OF_TIME]
    said = told.model_dump(
        mode="json", include={"what", "request", "stages", "order", "hooks", "otherwise", "configures", "confirm"}
    )
    said |= {"items": [[item.vm, item.allowed, item.done] for item in told.items], "inTheWay": sorted(marks)}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return told.model_copy(update={"preview_digest": hashlib.sha256(text.encode()).hexdigest()})


def changes(before: Preview, after: Preview) -> tuple[str, ...]:
    """How what would be done differs from what was approved, in words.

    Figures make no difference, nor what comes of waiting alone, nor what is in the way no longer.
    """
    told = [
        f"{name} is {getattr(after, name)!r} and was {getattr(before, name)!r}"
        for name in ("what", "stages", "configures", "confirm")
        if getattr(after, name) != getattr(before, name)
    ]
    told += ["the request is another"] if before.request != after.request else []
    told += ["the order is another"] if before.order != after.order else []
    was = {item.vm: (item.allowed, item.done) for item in before.items}
    told += [f"{i.vm} is {i.state}" for i in after.items if was.get(i.vm) != (i.allowed, i.done)]
    known = {(one.vm, one.code) for one in (*before.blockers, *before.concerns)}
    more = (one for one in (*after.blockers, *after.concerns) if one.code not in OF_TIME)
    told += [one.detail for one in more if (one.vm, one.code) not in known]
    rest = len(told) - SHOWN_READINESS
    return (*told[:SHOWN_READINESS], f"and {rest} more") if rest > 0 else tuple(told)


def rehearsal(plan: PlanDocument, track: Track, now: datetime, grounds: Grounds | None = None) -> Rehearsal:
    """Whether this very plan was rehearsed, and still counts as rehearsed.

    Args:
        grounds: What a drill would rest on now; without it nothing is held against what the last one rested on.
    """
    drill = last_good_drill(track, plan.digest)
    if drill is None:
        newest = last_good_drill(track)
        return _rests_on("NEEDS VERIFICATION", newest) if newest else Rehearsal(status="NEVER VERIFIED")
    if other := changed(drill.grounds, grounds or {}):
        return _rests_on("NEEDS VERIFICATION", drill).model_copy(update={"changed": other})
    valid_for = plan.drill.valid_for if plan.drill else None
    until = drill.ended + valid_for if valid_for else None
    return _rests_on("NEEDS VERIFICATION" if until and until <= now else "VERIFIED", drill, until)


def _rests_on(
    status: Literal["VERIFIED", "NEEDS VERIFICATION"], drill: Past, until: datetime | None = None
) -> Rehearsal:
    return Rehearsal(status=status, operation=drill.run, at=drill.ended, until=until)


def _noted(plan: PlanDocument, told: Preview, sites: Mapping[str, SiteDocument], seen: Seen) -> Iterator[Noted]:
    """Everything but blockers; nothing is said of machines that the verb leaves alone."""
    if told.what in MOVES:
        yield from _of_drills(plan, sites, seen)
    views = {vm.casefold(): view for vm, view in seen.items.items()}
    for item, shown in zip(plan.items, told.items, strict=True):
        view = views.get(item.vm.casefold())
        if view is not None and not shown.done:
            site = sites[item.site or plan.site]
            lost = _is_lost(view, seen.hosts)
            yield from _of_health(told.what, view, expected=lost and told.what in LOSSY)
            yield from _of_data(plan, told.what, view, seen.at)
            yield from _of_host(told.what, view, seen.hosts) if lost else ()
            yield from _of_drift(item, told.what, view, site)


def _of_drills(plan: PlanDocument, sites: Mapping[str, SiteDocument], seen: Seen) -> Iterator[Noted]:
    stands = rehearsal(plan, seen.track, seen.at, grounds_of(plan, sites, seen.items.values()))
    weight: Weight = "concern" if plan.drill and plan.drill.valid_for else "warning"
    if stands.status == "NEVER VERIFIED":
        yield weight, Blocker(code="never-verified", detail="no drill of this plan has succeeded yet")
    elif stands.status == "NEEDS VERIFICATION" and stands.until:
        detail = (
            f"the last good drill of this plan, {stands.operation}, counted until {stands.until:%Y-%m-%d %H:%M} UTC"
        )
        yield weight, Blocker(code="drill-expired", detail=detail)
    elif stands.status == "NEEDS VERIFICATION":
        what = "; ".join(stands.changed) or "the plan has changed"
        detail = f"since the last good drill, {stands.operation}: {what}"
        yield weight, Blocker(code="needs-verification", detail=detail)


def _of_health(what: str, view: ItemDetail, *, expected: bool) -> Iterator[Noted]:
    """How well it replicates.

    Args:
        expected: That it does not is what the verb is for: its host is lost, and the data at risk is what counts.
    """
    health = view.replication_health
    if what in {*MOVES, "drill"} and health in {"Critical", "Warning"}:
        weight: Weight = "concern" if health == "Critical" and what in MOVES and not expected else "warning"
        detail = f"the replication of {view.vm} is {health}"
        yield weight, Blocker(vm=view.vm, code=f"replication-{health.lower()}", detail=detail)


def _of_data(plan: PlanDocument, what: str, view: ItemDetail, at: datetime) -> Iterator[Noted]:
    """How far it is behind; an unplanned failover loses what is not replicated, a planned one loses nothing."""
    target = plan.targets.rpo if plan.targets else None
    if target is None or what not in {*MOVES, "drill"}:
        return
    late, lossy = behind(view, at), what in LOSSY
    if late is None:
        yield "warning", Blocker(vm=view.vm, code="rpo-unknown", detail=f"how far {view.vm} is behind is not known")
    elif late > target:
        risk = f"{span(late)} of {view.vm}'s newest data {'would be lost' if lossy else 'is not in Azure yet'}"
        detail = f"{risk}; the plan's target is {span(target)}"
        yield "concern" if lossy else "warning", Blocker(vm=view.vm, code="behind-target", detail=detail)


def _is_lost(view: ItemDetail, hosts: Mapping[str, ProviderView]) -> bool:
    """Whether the vault hears nothing of the host that has the machine."""
    host = hosts.get(view.host_provider.lower())
    return view.host_provider != "" and not (host and host.connected)


def _of_host(what: str, view: ItemDetail, hosts: Mapping[str, ProviderView]) -> Iterator[Noted]:
    """A host that is lost, where the verb needs it or would like to have it."""
    if what not in {*NEED_HOST, *MOVES}:
        return
    host = hosts.get(view.host_provider.lower())
    named = host.host if host else view.host_provider.rpartition("/")[2]
    needed = what in NEED_HOST
    detail = f"the host of {view.vm} ({named}) is not connected to the vault"
    detail += "" if needed else ": the machine cannot be shut down, and may run on"
    yield "concern" if needed else "warning", Blocker(vm=view.vm, code="host-not-connected", detail=detail)


def _of_drift(item: PlanItem, what: str, view: ItemDetail, site: SiteDocument) -> Iterator[Noted]:
    """Where the protected item says other than its site: a failover goes by the item."""
    if what not in {*MOVES, "drill"}:
        return
    weight: Weight = "concern" if what in MOVES else "warning"
    if view.target_group and not same_id(view.target_group, site.target_resource_group):
        yield weight, _drifted(view, "other-target-group", view.target_group, site.target_resource_group)
    if what in MOVES and not item.network and site.network and not same_id(view.network, site.network):
        yield weight, _drifted(view, "other-network", view.network or "no network", site.network)
    if view.policy and site.policy_name and not same_id(view.policy, site.policy_name):
        yield "warning", _drifted(view, "other-policy", view.policy, site.policy_name)


def _drifted(view: ItemDetail, code: str, found: str, declared: str) -> Blocker:
    return Blocker(vm=view.vm, code=code, detail=f"{view.vm} has {found}, and its site says {declared}")
