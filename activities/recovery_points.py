"""Recovery points before anything is done with them: whether they are fit to start from, and which a commit deletes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.azure.evidence_store import keep_beside, open_evidence_store
from shared.azure.protected_items import point_views
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.evidence.canonical import to_canonical_json
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.plans.preview import Preview
from shared.plans.preview_points import items_with_points_at_stake, with_recovery_points
from shared.plans.readiness import with_preview_digest
from shared.recovery.contract import CheckPoints, KeepPoints, PointsChecked, PointsKept
from shared.recovery.operation import Operation
from shared.site_recovery.recovery_points import RecoveryPoint, choose_point
from shared.site_recovery.views import ItemDetail

MAX_LISTED_VMS = 200
"""VMs whose recovery points are listed, one by one, for a preview."""


async def complete_with_points(operation: Operation, preview: Preview, items: Mapping[str, ItemDetail]) -> Preview:
    """The preview with what only the recovery points tell; of verbs that have nothing to do with them as it is."""
    choice = operation.options.point_choice
    item_views = items_with_points_at_stake(choice, preview, items)
    refs = {ref.key: ref for ref in (VaultRef.from_id(view.id) for view in item_views[:MAX_LISTED_VMS])}
    vaults = {key: Vault(ref) for key, ref in refs.items()}

    async def list_view_points(view: ItemDetail) -> ListedPoints:
        return await list_points(vaults[VaultRef.from_id(view.id).key], view.id)

    listed = await map_concurrently(item_views[:MAX_LISTED_VMS], list_view_points)
    listed_points = list(zip(item_views, listed, strict=False))
    return with_preview_digest(with_recovery_points(choice, preview, listed_points, len(item_views)))


type ListedPoints = tuple[Sequence[RecoveryPoint], datetime]
"""The points of an item, newest first, and when Azure answered."""


async def check_points(request: CheckPoints) -> PointsChecked:
    """See whether each item has the point that it is to start from.

    Raises:
        Transient: the points of one could not be read.
    """
    vault = Vault(request.vault)
    listed = await map_concurrently(request.items, lambda item: list_points(vault, item.item_id))
    obstacles = []
    for item, (points, at) in zip(request.items, listed, strict=True):
        try:
            choose_point(points, item.rule, request.max_age, at)
        except Refused as refusal:
            obstacles.append(Obstacle(vm=item.vm, code=refusal.code, detail=f"{item.vm}: {refusal.detail}"))
    return PointsChecked(obstacles=tuple(obstacles), calls=vault.calls_made)


async def keep_points(request: KeepPoints) -> PointsKept:
    """List the points of each item and keep the lists; without a store nothing is read.

    Raises:
        Transient: the points of one could not be read.
    """
    if open_evidence_store() is None:
        return PointsKept()
    vault = Vault(request.vault)
    listed = await map_concurrently(request.items, lambda item: list_points(vault, item.item_id))
    kept_lists = [
        {"vm": item.vm, "item": item.item_id, "at": at, "points": [point.model_dump(mode="json") for point in points]}
        for item, (points, at) in zip(request.items, listed, strict=True)
    ]
    unkept = (await keep_beside(request.evidence_file, to_canonical_json(kept_lists))).unkept
    counts = {item.vm: len(points) for item, (points, _) in zip(request.items, listed, strict=True)}
    return PointsKept(counts=counts, calls=vault.calls_made, unkept=unkept)


async def list_points(vault: Vault, item_id: str) -> ListedPoints:
    """The recovery points of one item; the vault lists them in no order that is promised."""
    listed, at = await vault.list_recovery_points(item_id)
    return sorted(point_views(listed), key=lambda point: point.at, reverse=True), at
