"""The gate before a cure: one node of a cluster at a time, and none of its machines in motion or in Azure."""

from collections.abc import Sequence
from datetime import timedelta

from orchestrators.durable.cluster_turns import join_cluster_queue, leave_cluster_queue
from orchestrators.durable.entity_calls import NotAdmitted, claim_keys
from orchestrators.durable.steps import Context, Steps, call, call_entity, now, sleep
from orchestrators.healing.look import NodeDiagnosis
from orchestrators.healing.progress import ProgressTracker
from shared.arm_ids import key_of
from shared.healing.cluster_queue import QueueTurn
from shared.healing.contract import READ_NODES, ReadNodes
from shared.healing.pacing import (
    FREE_EVERY,
    FREE_WITHIN,
    LOOKS_PER_GENERATION,
    SHORTEST_REPAIR,
    TURN_LATEST,
    TURN_SOONEST,
)
from shared.healing.proof import items_on_node
from shared.healing.repair import Repair, RepairDeferred
from shared.messages import VaultRef
from shared.operations.durable_names import LEASES
from shared.plans.machines import site_lease_keys
from shared.site_recovery.contract import READ_ITEMS, ReadItems
from shared.site_recovery.item_words import scenario_words
from shared.site_recovery.views import ItemView
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument
from shared.wording import list_briefly


def cluster_table(cluster_id: str) -> str:
    """The lease table of a cluster: who holds "repair" there installs or removes extensions on its nodes."""
    return f"cluster:{key_of(cluster_id)}"


def take_cluster_turn(ctx: Context, order: Repair, tracker: ProgressTracker) -> Steps[timedelta | None]:
    """Wait until no other node of the cluster is being healed: how long that took, None when it is not over yet.

    A run to which None is given continues as new, and waits on.
    """
    progress, began = tracker.progress, now(ctx)
    turn = QueueTurn(run=order.id, node=progress.node, since=progress.since)
    for _ in range(LOOKS_PER_GENERATION):
        place = yield from join_cluster_queue(ctx, progress.cluster, turn)
        if place.ahead == 0:
            return now(ctx) - began
        tracker.enter_phase("Queue", f"{place.node} to be healed first ({place.first})")
        yield from sleep(ctx, min(max(TURN_SOONEST, (place.ahead - 1) * SHORTEST_REPAIR), TURN_LATEST))
    return None


def release_cluster_turn(ctx: Context, order: Repair, site: SiteDocument, tracker: ProgressTracker) -> Steps[None]:
    """Give the leases back, and let the next run have its turn."""
    for table in (cluster_table(tracker.progress.cluster), VaultRef.from_id(site.vault).key):
        yield from call_entity(ctx, LEASES, table, "release", order.id)
    yield from leave_cluster_queue(ctx, tracker.progress.cluster, order.id)


def claim_node(
    ctx: Context, order: Repair, site: SiteDocument, diagnosis: NodeDiagnosis, tracker: ProgressTracker
) -> Steps[tuple[NodeView, ...]]:
    """Lease the cluster and the node's machines, so that no verb begins on them; gives the cluster's nodes.

    Raises:
        RepairDeferred: they are busy for too long, or one of them runs in Azure.
    """
    cluster = cluster_table(tracker.progress.cluster)
    yield from _claim_when_free(ctx, order, cluster, ("repair",), tracker)
    yield from _claim_machines(ctx, order, site, diagnosis, tracker)
    return (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=tracker.progress.cluster))).nodes


def _claim_machines(
    ctx: Context, order: Repair, site: SiteDocument, diagnosis: NodeDiagnosis, tracker: ProgressTracker
) -> Steps[None]:
    vault = VaultRef.from_id(site.vault)
    items = (yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items
    vms = items_on_node(items, diagnosis.providers, diagnosis.node.host)
    if vms:
        yield from _claim_when_free(ctx, order, vault.key, site_lease_keys(site, vms), tracker)
        own_ids = {vm.id.lower() for vm in vms}
        items_read = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault, vms=tuple(vm.vm for vm in vms)))
        require_at_rest([vm for vm in items_read.items if vm.id.lower() in own_ids], diagnosis.node.name)


def require_at_rest(vms: Sequence[ItemView], node: str) -> None:
    """See that no machine of the node is in Azure, or on its way.

    Raises:
        RepairDeferred: with the machines that are.
    """
    if away := [vm.vm for vm in vms if vm.active_location != "Primary"]:
        detail = f"These VMs of {node} run in Azure: {list_briefly(away)}. Fail them back first."
        raise RepairDeferred("vms-in-azure", detail)
    if busy := [f"{vm.vm} ({scenario_words(vm.scenario)})" for vm in vms if vm.scenario != "None"]:
        detail = f"An operation of Site Recovery runs on these VMs of {node}: {list_briefly(busy)}. Try again after it."
        raise RepairDeferred("vms-busy", detail)


def _claim_when_free(
    ctx: Context, order: Repair, table: str, keys: tuple[str, ...], tracker: ProgressTracker
) -> Steps[None]:
    deadline = now(ctx) + FREE_WITHIN
    while True:
        try:
            yield from claim_keys(ctx, table, order.id, keys)
        except NotAdmitted as refusal:
            if now(ctx) >= deadline:
                raise RepairDeferred("held", "; ".join(obstacle.detail for obstacle in refusal.obstacles)) from refusal
            tracker.enter_phase("Gate", refusal.obstacles[0].detail)
            yield from sleep(ctx, FREE_EVERY)
        else:
            return
