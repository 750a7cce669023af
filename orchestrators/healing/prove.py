"""The proof of a cure, rung by rung: the node's registration, a new recovery point, the whole cluster."""

from orchestrators.durable.node_scripts import run_script
from orchestrators.durable.steps import Context, Steps, call, call_entity, now, sleep
from orchestrators.healing.cure import repair_script
from orchestrators.healing.look import read_node
from orchestrators.healing.progress import ProgressTracker
from shared.arm_ids import key_of
from shared.errors import Refused, Transient
from shared.healing.classifier import cause_of
from shared.healing.contract import READ_NODES, ReadNodes
from shared.healing.pacing import (
    CLUSTER_EVERY,
    CLUSTER_WITHIN,
    LOOKS_PER_GENERATION,
    NODE_EVERY,
    POINT_EVERY,
    POINT_WITHIN,
    PROVEN_WITHIN,
    REGISTRATION_EVERY,
)
from shared.healing.proof import (
    Rung,
    cluster_rung,
    items_on_node,
    ladder_up_to,
    list_gaps,
    point_rung,
    vault_ladder,
)
from shared.healing.registration import NodeRegistration, read_registration_output
from shared.healing.repair import NeedsPerson, Repair, RepairFacts
from shared.messages import VaultRef
from shared.operations.durable_names import CLUSTER_QUEUE
from shared.site_recovery.contract import READ_ITEMS, READ_PROVIDERS, ReadItems, ReadProviders
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument


def prove_registration(ctx: Context, order: Repair, site: SiteDocument, tracker: ProgressTracker) -> Steps[None]:
    """Climb from the extension to the provider.

    Raises:
        Refused: a rung is missing after all this time.
    """
    tracker.enter_phase("Prove", f"the registration of {tracker.progress.node}")
    deadline, registration, read_at, reads = now(ctx) + PROVEN_WITHIN, None, None, 0
    while True:
        node = yield from read_node(ctx, order.machine_id)
        if read_at is None or now(ctx) - read_at >= REGISTRATION_EVERY:
            reads += 1
            script = repair_script(order, node, "read-registration", f"proof-{reads}")
            registration = read_registration_output((yield from run_script(ctx, script)).result)
            read_at = now(ctx)
        ladder = yield from _climb_to_provider(ctx, site, node, registration, tracker)
        if not list_gaps(ladder):
            return
        if now(ctx) >= deadline:
            raise Refused("not-proven", "; ".join(list_gaps(ladder)))
        tracker.enter_phase("Prove", list_gaps(ladder)[0])
        yield from sleep(ctx, NODE_EVERY)


def _climb_to_provider(
    ctx: Context, site: SiteDocument, node: NodeView, registration: NodeRegistration | None, tracker: ProgressTracker
) -> Steps[tuple[Rung, ...]]:
    request = ReadProviders(vault=VaultRef.from_id(site.vault), fabric=site.hyper_v_site)
    try:
        provider_views = yield from call(ctx, READ_PROVIDERS, request)
    except Transient as silence:
        return (Rung("provider", (str(silence),)),)
    since = tracker.progress.cured_at or tracker.progress.began
    ladder = vault_ladder(site, node, registration, provider_views.providers, since, provider_views.at)
    tracker.record_rung(ladder)
    return ladder


def wait_for_recovery_point(ctx: Context, site: SiteDocument, tracker: ProgressTracker) -> Steps[bool]:
    """Wait until a machine of the node has a recovery point that is newer than the cure.

    False when it is time to continue as new.

    Raises:
        NeedsPerson: none came in time: the node is registered, and does not replicate.
    """
    for _ in range(LOOKS_PER_GENERATION):
        rung = yield from _recovery_point_rung(ctx, site, tracker)
        if not rung.gaps:
            tracker.record_rung(ladder_up_to(rung))
            return True
        if now(ctx) - tracker.progress.since >= POINT_WITHIN:
            raise NeedsPerson(cause_of("no-recovery-point", *rung.gaps))
        tracker.enter_phase("Recovery point", rung.gaps[0])
        yield from sleep(ctx, POINT_EVERY)
    return False


def _recovery_point_rung(ctx: Context, site: SiteDocument, tracker: ProgressTracker) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault, fabric=site.hyper_v_site))
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))
    except Transient as silence:
        return Rung("recovery-point", (str(silence),))
    since = tracker.progress.cured_at or tracker.progress.began
    return point_rung(
        items_on_node(items.items, provider_views.providers, tracker.progress.host or tracker.progress.node), since
    )


def _read_cluster_rung(ctx: Context, site: SiteDocument, cluster: str) -> Steps[Rung]:
    try:
        nodes = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=cluster))
        views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    except Transient as silence:
        return Rung("cluster", (str(silence),))
    return cluster_rung(site, nodes.nodes, views.providers, views.at)


def wait_for_cluster(ctx: Context, site: SiteDocument, tracker: ProgressTracker) -> Steps[bool]:
    """Wait for the other nodes while any of them is being healed; what is missing then is noted, not waited for.

    False when it is time to continue as new.
    """
    for _ in range(LOOKS_PER_GENERATION):
        waiting = yield from call_entity(ctx, CLUSTER_QUEUE, key_of(tracker.progress.cluster), "count")
        if not waiting or now(ctx) - tracker.progress.since >= CLUSTER_WITHIN:
            rung = yield from _read_cluster_rung(ctx, site, tracker.progress.cluster)
            tracker.record_rung(ladder_up_to(rung))
            tracker.note_facts(RepairFacts(not_registered=rung.gaps))
            return True
        tracker.enter_phase("Cluster", f"{waiting} more nodes of the cluster to be healed")
        yield from sleep(ctx, CLUSTER_EVERY)
    return False
