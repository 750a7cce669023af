"""Previews over HTTP: what a verb would do to the machines as the vault shows them now."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from activities.contract import ReadItems, ReadNetwork
from activities.inventory import read_network, read_room
from activities.protection import read_points
from activities.site_contract import ReadPoints
from activities.vault import read_items
from shared.azure.crowd import each
from shared.isolation import flaws
from shared.messages import ItemView, VaultRef
from shared.operations import Operation
from shared.placing import networks_of, place_blockers
from shared.plans import PlanDocument
from shared.preview import Blocker, PointsLost, Preview, preview
from shared.sites import SiteDocument
from triggers.homecoming import LOOKED_AT_LATER, advice_of

MOST_LOOKED_AT = 200
"""VMs whose recovery points are listed, one by one, for a preview."""


async def previewed(operation: Operation) -> Preview:
    """What the operation would do."""
    production = [site.network for site in operation.sites.values()]
    views, at = await _views_at(list(operation.sites.values()))
    seen = preview(operation.document, _what(operation), views, name=operation.plan, production=production)
    if operation.kind == "commit":
        return seen.model_copy(update={"points_lost": await _points_lost(operation, views)})
    if operation.kind == "failback" and at:
        return seen.model_copy(update={"advice": advice_of(operation, views, at), "later": LOOKED_AT_LATER})
    more = await _network_blockers(operation, production) if operation.kind == "drill" else ()
    if operation.kind in {"failover", "roundtrip"}:
        more = await misplaced(operation.document, operation.sites)
    return seen.model_copy(update={"blockers": (*seen.blockers, *more)})


async def misplaced(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> tuple[Blocker, ...]:
    """What is wrong with the networks that a failover would bring the machines to, as they are now."""
    networks = networks_of(plan, sites)
    rooms = await each(networks, read_room)
    return place_blockers(plan, sites, {network.lower(): room for network, room in zip(networks, rooms, strict=True)})


async def _network_blockers(operation: Operation, production: list[str]) -> tuple[Blocker, ...]:
    """What speaks against the drill's network as it is now."""
    settings = operation.document.drill
    if settings is None:
        return ()
    seen = await read_network(ReadNetwork(network=settings.network))
    found = flaws(settings, production, found=seen.found, peered=seen.peered, cards=seen.cards)
    return tuple(Blocker(code=flaw.code, detail=flaw.detail) for flaw in found if flaw.code != "drill-in-production")


def _what(operation: Operation) -> str:
    typed = operation.kind in {"failover", "roundtrip"}
    return f"{operation.failover_type}-{operation.kind}" if typed else operation.kind


async def _points_lost(operation: Operation, views: Mapping[str, ItemView]) -> tuple[PointsLost, ...] | None:
    """What a commit deletes; a failback's deletes nothing, for its machines have run on premises since."""
    wanted = {item.vm.lower() for item in operation.document.items}
    away = [v for v in views.values() if v.vm.lower() in wanted and "Commit" in v.allowed_operations]
    if len(away) > MOST_LOOKED_AT:
        return None
    return tuple(await each([view for view in away if view.active_location == "Recovery"], _lost))


async def _lost(view: ItemView) -> PointsLost:
    points = (await read_points(ReadPoints(vault=VaultRef.from_id(view.id), item_id=view.id))).points
    return PointsLost(vm=view.vm, count=max(len(points) - 1, 0), newest=points[0].at if points else None)


async def views_of(sites: Sequence[SiteDocument]) -> dict[str, ItemView]:
    """The protected items of these sites' vaults, by VM name; one list a vault."""
    return (await _views_at(sites))[0]


async def _views_at(sites: Sequence[SiteDocument]) -> tuple[dict[str, ItemView], datetime | None]:
    """The same, and when Azure said so; None where there is no vault to ask."""
    found: dict[str, ItemView] = {}
    at = None
    for vault in vaults_of(sites):
        seen = await read_items(ReadItems(vault=vault))
        found |= {view.vm: view for view in seen.items}
        at = seen.at
    return found, at


def vaults_of(sites: Iterable[SiteDocument]) -> list[VaultRef]:
    """The sites' vaults, each once."""
    refs = (VaultRef.from_id(site.vault) for site in sites)
    return list({ref.key: ref for ref in refs}.values())
