"""What only the recovery points tell of a preview: whether the wanted ones are there, and which a commit deletes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.errors import Refused
from shared.obstacle import Obstacle
from shared.plans.failed_over_vms import is_uncommitted_failover
from shared.plans.preview import LostPoint, LostPoints, Preview
from shared.site_recovery.recovery_points import LATEST, STARTS_FROM_A_POINT, PointChoice, RecoveryPoint, choose_point
from shared.site_recovery.views import ItemDetail

SHOWN = 10
"""Recovery points of a VM that are listed one by one; the evidence of a commit has all of them."""
type ListedPoints = tuple[ItemDetail, tuple[Sequence[RecoveryPoint], datetime]]
"""An item with its recovery points, newest first, and when Azure said so."""


def items_with_points_at_stake(
    choice: PointChoice, preview: Preview, items: Mapping[str, ItemDetail]
) -> list[ItemDetail]:
    """The plan's items whose recovery points matter to this preview, in the order of the plan."""
    views = {vm.casefold(): view for vm, view in items.items()}
    shown = [view for item in preview.items if (view := views.get(item.vm.casefold()))]
    return [view for view in shown if _may_lack_point(choice, preview, view) or _loses_points(preview, view)]


def with_recovery_points(choice: PointChoice, preview: Preview, listed: Sequence[ListedPoints], wanted: int) -> Preview:
    """The preview with what was found.

    Args:
        listed: The items whose points were listed.
        wanted: How many there are: not all are listed where there are very many.
    """
    blockers: list[Obstacle] = []
    for view, (points, at) in listed:
        if _may_lack_point(choice, preview, view):
            try:
                choose_point(points, choice.rule_for(view.vm), choice.max_age, at)
            except Refused as refusal:
                blockers.append(Obstacle(vm=view.vm, code=refusal.code, detail=f"{view.vm}: {refusal.detail}"))
    warnings = list(preview.warnings)
    if wanted > len(listed):
        detail = (
            f"the recovery points of {len(listed)} VMs were listed, those of {wanted - len(listed)} more were not. "
            "The run checks all of them before its first verb, and keeps the list before a commit"
        )
        warnings.append(Obstacle(code="points-not-listed", detail=detail))
    deleted = [_lost_points(choice, preview, *one) for one in listed if _loses_points(preview, one[0])]
    return preview.model_copy(
        update={
            "blockers": (*preview.blockers, *blockers),
            "recovery_points_deleted": tuple(deleted),
            "warnings": tuple(warnings),
        }
    )


def _may_lack_point(choice: PointChoice, preview: Preview, view: ItemDetail) -> bool:
    """Whether it starts from a point that may not be there; what is done already starts from none."""
    done = any(shown.already_done and shown.vm.casefold() == view.vm.casefold() for shown in preview.items)
    return preview.stages[0] in STARTS_FROM_A_POINT and choice.may_lack_point(view.vm) and not done


def _loses_points(preview: Preview, view: ItemDetail) -> bool:
    """Whether a commit deletes points; that of a failback deletes none, for its machine has run on premises since."""
    if "Commit" not in preview.stages or preview.stages[0] == "Failback":
        return False
    return is_uncommitted_failover(view) or (preview.kind != "commit" and view.active_location == "Primary")


def _lost_points(
    choice: PointChoice, preview: Preview, view: ItemDetail, found: tuple[Sequence[RecoveryPoint], datetime]
) -> LostPoints:
    """All but the one that is used; a failover from the latest may make one, and lose all that there are."""
    points, at = found
    used, rule = view.failover_point.lower(), choice.rule_for(view.vm)
    if view.active_location == "Primary":
        used = ""
        if preview.stages[0] in STARTS_FROM_A_POINT and rule != LATEST:
            try:
                used = choose_point(points, rule, None, at).name.lower()
            except Refused:  # then nothing is failed over; all that there is could be lost
                used = ""
    lost = [point for point in points if point.name.lower() != used]
    return LostPoints(
        vm=view.vm,
        count=len(lost),
        newest=lost[0].at if lost else None,
        oldest=lost[-1].at if lost else None,
        points=tuple(LostPoint(at=point.at, kind=point.kind) for point in lost[:SHOWN]),
    )
