"""Looking before acting: what a verb would do to a plan's machines as Azure and the vault show them now."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import azure.durable_functions as df

from activities.drill_inventory import read_network, read_virtual_networks
from activities.durable_state import list_entities, read_entity
from activities.evidence import find_store_obstacle
from activities.failed_over_vms import read_failed_over_vms
from activities.owed import read_owed_by
from activities.recovery_plans import with_recovery_plan_limits
from activities.recovery_points import complete_with_points
from activities.replication import list_unreplicated_disks
from activities.target_checks import read_target_facts
from activities.vault import read_all_items_by_vault, read_providers
from shared.azure.compute_quota import read_region_quota
from shared.concurrency import map_concurrently
from shared.documents import CHECKED
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.operations.durable_names import DOCUMENTS, PLAN_HISTORY
from shared.operations.obligations import Obligation
from shared.plans.addresses import (
    NO_ADDRESSES,
    AddressClaim,
    AddressFacts,
    claims_of_items,
    claims_of_plan,
    networks_with_addresses,
)
from shared.plans.azure_checks import find_network_blockers, networks_of, unread_network_blocker
from shared.plans.failed_over_vms import JUDGED_BY_AZURE_VM
from shared.plans.history import PlanHistory
from shared.plans.machines import homes_of, match_machines
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.plans.preview_kinds import RULES_OF_KINDS, find_preview_kind
from shared.plans.quota_checks import PlacedQuota, places_of, sizes_in_place
from shared.plans.readiness import PreviewFacts, preview_with_readiness, with_preview_digest
from shared.plans.target_checks import find_hook_blockers, find_size_blockers, unread_target_blockers
from shared.plans.versions import Version, VersionedDocument
from shared.recovery.contract import PreviewTaken, ReadNetwork, TakePreview
from shared.recovery.drill import find_network_flaws
from shared.recovery.operation import Operation
from shared.site_recovery.contract import ReadProviders
from shared.site_recovery.views import ItemDetail
from shared.sites.lost_nodes import LOST_REMEDY
from shared.sites.site import SiteDocument, vaults_of_sites

type Sites = Mapping[str, SiteDocument]


async def preview_operation(client: df.DurableFunctionsClient, operation: Operation) -> Preview:
    """What the operation would do."""
    preview, facts = await preview_without_points(client, operation)
    return await complete_with_points(operation, preview, facts.items)


async def preview_without_points(
    client: df.DurableFunctionsClient, operation: Operation
) -> tuple[Preview, PreviewFacts]:
    """The same without what only the recovery points tell and without a digest, and what it is made of."""
    plan, sites, kind = operation.document, operation.sites, operation.preview_kind
    facts = await read_preview_facts(client, operation.plan, plan, sites, {kind}, operation.requested_part)
    preview = preview_with_readiness(plan, kind, sites, facts, operation.plan, operation.options)
    return await with_recovery_plan_limits(operation, preview), facts


async def take_preview(client: df.DurableFunctionsClient, request: TakePreview) -> PreviewTaken:
    """See what an operation would do now, and whether its plan is still the one that is declared."""
    preview, _ = await preview_without_points(client, request.operation)
    state = await read_entity(client, DOCUMENTS, f"plan:{request.operation.plan}")
    declared = PlanDocument.model_validate(state["document"]).digest if state else ""
    return PreviewTaken(preview=with_preview_digest(preview), declared_digest=declared)


async def read_preview_facts(
    client: df.DurableFunctionsClient,
    name: str,
    plan: PlanDocument,
    sites: Sites,
    kinds: Collection[str],
    requested_part: PlanDocument | None = None,
) -> PreviewFacts:
    """See what previews of these kinds are made of: one list of items a vault, and of the rest what they need.

    Args:
        requested_part: The plan with the VMs alone that were asked for; None for all.
    """
    part = requested_part or plan
    vaults = vaults_of_sites(sites.values())
    items_by_vault, at = await read_all_items_by_vault(vaults)
    machines = match_machines(plan, sites, items_by_vault)
    rules = [RULES_OF_KINDS[find_preview_kind(kind)] for kind in kinds]
    fails_over = any(rule.fails_over for rule in rules)
    hosts_wanted = fails_over or any(rule.needs_host for rule in rules)
    providers_read = await map_concurrently(
        vaults if hosts_wanted else (), lambda vault: read_providers(ReadProviders(vault=vault))
    )
    places = TargetPlaces()
    if fails_over or "drill" in kinds:
        claims = await _read_claims(client, name, sites, items_by_vault)
        places = await _read_places(part, sites, machines.found, claims)
    occasions = _occasions_of(kinds, fails_over=fails_over)
    targets = await read_target_facts(part, sites, items_by_vault if fails_over else {}, occasions)
    unreplicated, unread_disks = await _read_disks(sites, items_by_vault) if fails_over else ({}, ())
    is_judged = bool(JUDGED_BY_AZURE_VM & set(kinds))
    failed_over_vms = await read_failed_over_vms(part, sites, machines.found) if is_judged else {}
    isolation = await _check_isolation(plan, sites) if "drill" in kinds else ()
    found = machines.found.values()
    unproven = await _read_unproven_sources(client, part, sites, found) if "failback" in kinds else ()
    return PreviewFacts(
        at=at,
        items=machines.found,
        missing=machines.missing,
        hosts={host.id.lower(): host for one in providers_read for host in one.providers},
        plan_history=PlanHistory.model_validate(await read_entity(client, PLAN_HISTORY, name)),
        network_blockers=(
            *places.blockers,
            *find_size_blockers(part, sites, targets),
            *find_hook_blockers(plan, "failover", targets),
        ),
        unread_networks=(*places.unread, *unread_target_blockers(targets), *unread_disks),
        addresses=places.addresses,
        quotas=places.quotas,
        unreplicated=unreplicated,
        versions=await _read_versions(client, name),
        evidence=await find_store_obstacle(),
        failed_over_vms=failed_over_vms,
        isolation=(*isolation, *find_hook_blockers(plan, "drill", targets)),
        unproven=(*unproven, *find_hook_blockers(plan, "failback", targets)),
    )


async def _read_versions(client: df.DurableFunctionsClient, name: str) -> tuple[Version, ...]:
    """The versions of a plan; none of one that was withdrawn meanwhile."""
    state = await read_entity(client, DOCUMENTS, f"plan:{name}")
    return VersionedDocument.model_validate(state).history if state else ()


async def _read_disks(
    sites: Sites, items_by_vault: Mapping[str, Sequence[ItemDetail]]
) -> tuple[dict[str, tuple[str, ...]], tuple[Obstacle, ...]]:
    """The disks at home that are not replicated, by item; and of which sites they could not be read."""

    async def read(name: str) -> dict[str, tuple[str, ...]] | Obstacle:
        site = sites[name]
        try:
            return await list_unreplicated_disks(site, items_by_vault[VaultRef.from_id(site.vault).key])
        except SiteRecoveryError as failure:
            return Obstacle(code="target-unread", detail=f"the disks of the VMs of {name} could not be read: {failure}")

    found = await map_concurrently(sorted(sites), read)
    disks = {item: names for one in found if isinstance(one, dict) for item, names in one.items()}
    return disks, tuple(one for one in found if isinstance(one, Obstacle))


def _occasions_of(kinds: Collection[str], *, fails_over: bool) -> list[str]:
    """Whose hooks previews of these kinds would come to."""
    return [*(["failover"] if fails_over else []), *(one for one in ("drill", "failback") if one in kinds)]


async def _read_unproven_sources(
    client: df.DurableFunctionsClient, plan: PlanDocument, sites: Sites, items: Iterable[ItemDetail]
) -> tuple[Obstacle, ...]:
    """The proof that an unplanned failover still owes: before it is there no failback of the machines begins."""
    owed = await read_owed_by(client, homes_of(plan, sites, items), "source-off")
    return tuple(map(_unproven_source, owed))


def _unproven_source(owed: Obligation) -> Obstacle:
    leftovers_text = f"{', '.join(owed.leftovers)}: " if owed.leftovers else ""
    return Obstacle(code="source-not-proven-off", detail=f"{leftovers_text}{owed.detail} {LOST_REMEDY}")


class TargetPlaces(NamedTuple):
    """Where machines go in Azure.

    Attributes:
        blockers: What is wrong with the networks.
        unread: What could not be read.
        addresses: Who has the addresses in the networks where machines ask for one.
    """

    blockers: tuple[Obstacle, ...] = ()
    unread: tuple[Obstacle, ...] = ()
    addresses: AddressFacts = NO_ADDRESSES
    quotas: tuple[PlacedQuota, ...] = ()


async def _read_places(
    plan: PlanDocument, sites: Sites, items: Mapping[str, ItemDetail], claims: Sequence[AddressClaim]
) -> TargetPlaces:
    asking = networks_with_addresses(plan, sites, items)
    named = {network.lower(): network for network in (*networks_of(plan, sites), *asking)}
    virtual_networks, unread_networks = await read_virtual_networks(list(named.values()), asking)
    quotas, unread_quotas = await _read_quotas(plan, sites, items)
    unread = (unread_network_blocker(network, why) for network, why in unread_networks.items())
    return TargetPlaces(
        blockers=find_network_blockers(plan, sites, virtual_networks),
        unread=(*unread, *unread_quotas),
        addresses=AddressFacts({network: one.cards for network, one in virtual_networks.items()}, claims),
        quotas=quotas,
    )


async def _read_claims(
    client: df.DurableFunctionsClient, name: str, sites: Sites, items_by_vault: Mapping[str, Sequence[ItemDetail]]
) -> tuple[AddressClaim, ...]:
    """The addresses that other plans declare, and that protected items ask for by themselves."""
    declared = await list_entities(client, DOCUMENTS, "plan:")
    others = {key.partition(":")[2]: state for key, state in declared.items() if key != f"plan:{name}"}
    plans = {other: PlanDocument.model_validate(state["document"], context=CHECKED) for other, state in others.items()}
    known_sites = {**await _read_sites_of(client, plans.values()), **sites}
    of_plans = (claim for other, plan in plans.items() for claim in claims_of_plan(other, plan, known_sites))
    return (*of_plans, *claims_of_items(view for views in items_by_vault.values() for view in views))


async def _read_sites_of(client: df.DurableFunctionsClient, plans: Iterable[PlanDocument]) -> dict[str, SiteDocument]:
    """The sites that these plans name."""
    wanted = sorted({site for plan in plans for site in plan.site_names})
    states = await map_concurrently(wanted, lambda site: read_entity(client, DOCUMENTS, f"site:{site}"))
    found = zip(wanted, states, strict=True)
    return {site: SiteDocument.model_validate(state["document"]) for site, state in found if state}


async def _read_quotas(
    plan: PlanDocument, sites: Sites, items: Mapping[str, ItemDetail]
) -> tuple[tuple[PlacedQuota, ...], tuple[Obstacle, ...]]:
    """The quota of each region that the machines go to, with their sizes; and which could not be read."""

    async def read(place: tuple[str, str]) -> PlacedQuota | Obstacle:
        sizes = sizes_in_place(place, plan, sites, items)
        try:
            return PlacedQuota(place, await read_region_quota(*place, set(sizes.values())), sizes)
        except SiteRecoveryError as failure:
            return Obstacle(code="target-unread", detail=f"the quota of {place[1]} could not be read: {failure}")

    found = await map_concurrently(places_of(plan, sites), read)
    quotas = tuple(one for one in found if isinstance(one, PlacedQuota))
    return quotas, tuple(one for one in found if isinstance(one, Obstacle))


async def _check_isolation(plan: PlanDocument, sites: Sites) -> tuple[Obstacle, ...]:
    """What speaks against the drill's network as it is now."""
    settings = plan.drill
    if settings is None:
        return ()
    try:
        network = await read_network(ReadNetwork(network=settings.network))
    except SiteRecoveryError as failure:  # a drill is not begun where nobody can tell; other verbs do not mind
        detail = f"whether {settings.network} is isolated could not be read: {failure}"
        return (Obstacle(code="drill-network-unread", detail=detail),)
    production = [site.network for site in sites.values()]
    return tuple(
        find_network_flaws(settings, production, found=network.found, peered=network.peered, cards=network.cards)
    )


async def read_items_by_vm(plan: PlanDocument, sites: Sites) -> Mapping[str, ItemDetail]:
    """The plan's protected items, by VM name in lower case; one list a vault."""
    items_by_vault, _ = await read_all_items_by_vault(vaults_of_sites(sites.values()))
    return match_machines(plan, sites, items_by_vault).found
