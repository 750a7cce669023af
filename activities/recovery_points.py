"""Recovery points before anything is done with them: whether they are fit to start from, and which a commit deletes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.activity import Problem
from shared.azure.evidence_store import packs
from shared.azure.protected_items import point_views
from shared.azure.vault import Vault
from shared.concurrency import each
from shared.errors import Refused
from shared.evidence.chain import canonical
from shared.messages import VaultRef
from shared.plans.preview import Preview
from shared.plans.readiness import looks_at, told_with
from shared.recovery.contract import CheckPoints, KeepPoints, PointsChecked, PointsKept, PointsOf
from shared.recovery.operation import Operation
from shared.site_recovery.recovery_points import RecoveryPoint, choose
from shared.site_recovery.views import ItemDetail

MOST_LOOKED_AT = 200
"""VMs whose recovery points are listed, one by one, for a preview."""


async def with_points(operation: Operation, told: Preview, items: Mapping[str, ItemDetail]) -> Preview:
    """The preview with what only the recovery points tell; of verbs that have nothing to do with them as it is."""
    views = looks_at(operation.points, told, items)
    vaults = {key: Vault(VaultRef.from_id(view.id)) for key, view in _by_vault(views[:MOST_LOOKED_AT]).items()}

    async def read(view: ItemDetail) -> Listed:
        return await list_points(vaults[VaultRef.from_id(view.id).key], view.id)

    listed = await each(views[:MOST_LOOKED_AT], read)
    return told_with(operation.points, told, list(zip(views, listed, strict=False)), len(views))


def _by_vault(views: list[ItemDetail]) -> dict[str, ItemDetail]:
    return {VaultRef.from_id(view.id).key: view for view in views}


type Listed = tuple[Sequence[RecoveryPoint], datetime]
"""The points of an item, newest first, and when Azure said so."""


async def check_points(ask: CheckPoints) -> PointsChecked:
    """See whether each item has the point that it is to start from.

    Raises:
        Transient: the points of one could not be read.
    """
    vault = Vault(ask.vault)
    listed = await each(ask.items, lambda item: list_points(vault, item.item_id))
    found = [_problem(ask, item, *one) for item, one in zip(ask.items, listed, strict=True)]
    return PointsChecked(problems=tuple(problem for problem in found if problem), calls=vault.calls)


def _problem(ask: CheckPoints, item: PointsOf, points: Sequence[RecoveryPoint], now: datetime) -> Problem | None:
    try:
        choose(points, item.rule, ask.max_age, now)
    except Refused as no:
        return Problem(vm=item.vm, code=no.code, detail=f"{item.vm}: {no.detail}")
    return None


async def keep_points(ask: KeepPoints) -> PointsKept:
    """List the points of each item and keep the lists; without a store nothing is read.

    Raises:
        Transient: the points of one could not be read, or the store did not answer.
    """
    store = packs()
    if store is None:
        return PointsKept()
    vault = Vault(ask.vault)
    listed = await each(ask.items, lambda item: list_points(vault, item.item_id))
    told = [
        {"vm": item.vm, "item": item.item_id, "at": at, "points": [point.model_dump(mode="json") for point in points]}
        for item, (points, at) in zip(ask.items, listed, strict=True)
    ]
    await store.put_new(ask.keep, canonical(told))
    counts = {item.vm: len(points) for item, (points, _) in zip(ask.items, listed, strict=True)}
    return PointsKept(counts=counts, calls=vault.calls)


async def list_points(vault: Vault, item_id: str) -> Listed:
    """The recovery points of one item; the vault lists them in no order that is promised."""
    listed, at = await vault.list_points(item_id)
    return sorted(point_views(listed), key=lambda point: point.at, reverse=True), at
