"""What recovery points have to do with a preview: which are not fit to start from, and which a commit deletes. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.errors import Refused
from shared.messages import ItemDetail
from shared.preview import Blocker, PointLost, PointsLost, Preview
from shared.readiness import sealed
from shared.recovery_points import LATEST, STARTS_FROM_A_POINT, PointWish, RecoveryPoint, choose

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
