"""Recovery points while a caller waits: who has none that is fit to start from, and which a commit would delete."""

from collections.abc import Mapping

from activities.points import Listed, list_points
from shared.azure.crowd import each
from shared.azure.site_recovery import Vault
from shared.messages import ItemDetail, VaultRef
from shared.operations import Operation
from shared.point_previews import looks_at, told_with
from shared.preview import Preview

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
