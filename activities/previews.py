"""Looking before acting: what a verb would do to a plan's machines as Azure and the vault show them now."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import azure.durable_functions as df

from activities.drill_inventory import look_into, read_network
from activities.durable_state import read_entity
from activities.recovery_plans import through_plans
from activities.recovery_points import with_points
from activities.vault import read_providers
from shared.azure.protected_items import is_ours, item_detail
from shared.azure.vault import Vault
from shared.concurrency import each
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.operations.durable_names import DOCUMENTS, OBLIGATIONS, PLAN_HISTORY
from shared.operations.obligations import Obligation
from shared.plans.azure_checks import networks_of, place_blockers, unjudged
from shared.plans.history import Track
from shared.plans.machines import machines_of
from shared.plans.plan import PlanDocument
from shared.plans.preview import Blocker, Preview
from shared.plans.readiness import MOVES, NEED_HOST, Seen, foretell, sealed
from shared.recovery.contract import PreviewTaken, ReadNetwork, TakePreview
from shared.recovery.drill import flaws
from shared.recovery.operation import Operation
from shared.site_recovery.contract import ReadProviders
from shared.site_recovery.views import ItemDetail, ProviderView
from shared.sites.site import SiteDocument

type Sites = Mapping[str, SiteDocument]


async def previewed(client: df.DurableFunctionsClient, operation: Operation) -> Preview:
    """What the operation would do."""
    told, seen = await foretold(client, operation)
    return await with_points(operation, told, seen.items)


async def foretold(client: df.DurableFunctionsClient, operation: Operation) -> tuple[Preview, Seen]:
    """The same without what only the recovery points tell, and what it is made of."""
    plan, sites, what = operation.document, operation.sites, operation.what
    seen = await look(client, operation.plan, plan, sites, {what})
    told = foretell(plan, what, sites, seen, operation.plan, operation.asked)
    return sealed(await through_plans(operation, told)), seen


async def take_preview(client: df.DurableFunctionsClient, ask: TakePreview) -> PreviewTaken:
    """See what an operation would do now, and whether its plan is still the one that is declared."""
    told, _ = await foretold(client, ask.operation)
    state = await read_entity(client, DOCUMENTS, f"plan:{ask.operation.plan}")
    declared = PlanDocument.model_validate(state["document"]).digest if state else ""
    return PreviewTaken(preview=told, declared=declared)


async def look(
    client: df.DurableFunctionsClient, name: str, plan: PlanDocument, sites: Sites, verbs: Collection[str]
) -> Seen:
    """See what previews of these verbs are made of: one list of items a vault, and of the rest what they need."""
    vaults, at = await _items(list(sites.values()))
    machines = machines_of(plan, sites, vaults)
    places, unread = await _misplaced(plan, sites) if MOVES & set(verbs) else ((), ())
    return Seen(
        at=at,
        items=machines.found,
        missing=machines.missing,
        hosts=await _hosts(sites.values()) if {*NEED_HOST, *MOVES} & set(verbs) else {},
        track=await _track(client, name),
        places=places,
        unread=unread,
        isolation=await _not_isolated(plan, sites) if "drill" in verbs else (),
        unproven=await _unproven(client, name) if "failback" in verbs else (),
    )


async def _track(client: df.DurableFunctionsClient, plan: str) -> Track:
    return Track.model_validate(await read_entity(client, PLAN_HISTORY, plan))


async def _unproven(client: df.DurableFunctionsClient, plan: str) -> tuple[Blocker, ...]:
    """The proof that an unplanned failover still owes: before it is there no failback of the plan begins."""
    owed = await read_entity(client, OBLIGATIONS, plan)
    if "source-off" not in owed:
        return ()
    one = Obligation.model_validate(owed["source-off"])
    seen = f"{', '.join(one.leftovers)}: " if one.leftovers else ""
    return (Blocker(code="source-not-proven-off", detail=f"{seen}{one.detail}"),)


async def _misplaced(plan: PlanDocument, sites: Sites) -> tuple[tuple[Blocker, ...], tuple[Blocker, ...]]:
    """What is wrong with the networks that a failover would bring the machines to, and which could not be read."""
    rooms, unread = await look_into(networks_of(plan, sites))
    return place_blockers(plan, sites, rooms), tuple(unjudged(network, why) for network, why in unread.items())


async def _not_isolated(plan: PlanDocument, sites: Sites) -> tuple[Blocker, ...]:
    """What speaks against the drill's network as it is now."""
    settings = plan.drill
    if settings is None:
        return ()
    try:
        seen = await read_network(ReadNetwork(network=settings.network))
    except SiteRecoveryError as failure:  # a drill is not begun where nobody can tell; other verbs do not mind
        detail = f"whether {settings.network} is isolated could not be read: {failure}"
        return (Blocker(code="drill-network-unread", detail=detail),)
    production = [site.network for site in sites.values()]
    found = flaws(settings, production, found=seen.found, peered=seen.peered, cards=seen.cards)
    return tuple(Blocker(code=flaw.code, detail=flaw.detail) for flaw in found if flaw.code != "drill-in-production")


async def views_of(plan: PlanDocument, sites: Sites) -> Mapping[str, ItemDetail]:
    """The plan's protected items, by VM name in lower case; one list a vault."""
    vaults, _ = await _items(list(sites.values()))
    return machines_of(plan, sites, vaults).found


async def _items(sites: Sequence[SiteDocument]) -> tuple[dict[str, list[ItemDetail]], datetime]:
    """The protected items of these sites' vaults, by the vault's key, and when Azure said so."""
    refs = vaults_of(sites)
    read = await each(refs, lambda vault: Vault(vault).list_items_at())
    views = {
        vault.key: [item_detail(item) for item in items if is_ours(item)]
        for vault, (items, _) in zip(refs, read, strict=True)
    }
    return views, max(at for _, at in read)


async def _hosts(sites: Iterable[SiteDocument]) -> dict[str, ProviderView]:
    read = await each(vaults_of(sites), lambda vault: read_providers(ReadProviders(vault=vault)))
    return {host.id.lower(): host for one in read for host in one.providers}


def vaults_of(sites: Iterable[SiteDocument]) -> list[VaultRef]:
    """The sites' vaults, each once."""
    refs = (VaultRef.from_id(site.vault) for site in sites)
    return list({ref.key: ref for ref in refs}.values())
