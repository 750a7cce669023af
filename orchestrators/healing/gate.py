"""The gate before a cure: one node of a cluster at a time, and none of its machines in motion or in Azure."""

from collections.abc import Sequence
from datetime import timedelta

from durabletask import task

from orchestrators.durable.entity_calls import NotAdmitted, claim_keys
from orchestrators.durable.steps import Steps, call, call_entity, now, sleep
from orchestrators.healing.look import NodeDiagnosis, diagnose_node, wait_for_extension
from orchestrators.healing.progress import ProgressTracker
from shared.arm_ids import key_of
from shared.healing.classifier import is_extension_moving
from shared.healing.cluster_queue import JoinQueue, QueuePosition, QueueTurn
from shared.healing.contract import READ_NODES, ReadNodes
from shared.healing.proof import items_on_node
from shared.healing.repair import NeedsPerson, NothingToDo, Repair, RepairDeferred
from shared.messages import VaultRef
from shared.operations.contract import READ_ENDED_RUNS, ReadEndedRuns
from shared.operations.durable_names import CLUSTER_QUEUE, LEASES
from shared.plans.machines import site_lease_keys
from shared.site_recovery.contract import READ_ITEMS, ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

GENERATION = 15
"""Looks at the queue before a repair that waits continues as new."""
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=10)
SHORTEST_REPAIR = timedelta(minutes=3)
"""Less than any repair takes: whoever has n before it need not look again before n of these."""
BUSY_WITHIN = timedelta(minutes=20)
FREE_EVERY, FREE_WITHIN = timedelta(minutes=2), timedelta(minutes=30)


def cluster_table(cluster_id: str) -> str:
    """The lease table of a cluster: who holds "repair" there installs or removes extensions on its nodes."""
    return f"cluster:{key_of(cluster_id)}"


def take_cluster_turn(ctx: task.OrchestrationContext, order: Repair, tracker: ProgressTracker) -> Steps[bool]:
    """Wait until no other node of the cluster is being healed; False when it is time to continue as new."""
    for _ in range(GENERATION):
        place = yield from _join_queue(ctx, order, tracker)
        if place.ahead == 0:
            return True
        tracker.enter_phase("Queue", f"{place.node} to be healed first ({place.first})")
        yield from sleep(ctx, min(max(SHORTEST, (place.ahead - 1) * SHORTEST_REPAIR), LONGEST))
    return False


def _join_queue(ctx: task.OrchestrationContext, order: Repair, tracker: ProgressTracker) -> Steps[QueuePosition]:
    """Stand in line; see whether those who hold it up still live."""
    progress = tracker.progress
    request = JoinQueue(turn=QueueTurn(run=order.id, node=progress.node, since=progress.since))
    table = key_of(progress.cluster)
    place = QueuePosition.model_validate(
        (yield from call_entity(ctx, CLUSTER_QUEUE, table, "join", request.model_dump(mode="json")))
    )
    if place.ahead == 0:
        return place
    ended = (yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=(place.first,)))).ended
    if not ended:
        return place
    second_request = request.model_copy(update={"ended": ended}).model_dump(mode="json")
    return QueuePosition.model_validate((yield from call_entity(ctx, CLUSTER_QUEUE, table, "join", second_request)))


def release_cluster_turn(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[None]:
    """Let the next one in, and give the leases back."""
    for table in (cluster_table(tracker.progress.cluster), VaultRef.from_id(site.vault).key):
        yield from call_entity(ctx, LEASES, table, "release", order.id)
    yield from call_entity(ctx, CLUSTER_QUEUE, key_of(tracker.progress.cluster), "leave", order.id)


def diagnose_settled_node(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[NodeDiagnosis]:
    """What ails the node, once its extension rests.

    Raises:
        NothingToDo: the node is well.
        NeedsPerson: what ails it is not for this app to cure, or its extension is stuck on its way.
    """
    tracker.enter_phase("Classify", f"what ails {tracker.progress.node}")
    diagnosis = yield from diagnose_node(ctx, order, site)
    if diagnosis.node.extension and is_extension_moving(diagnosis.node.extension):
        tracker.enter_phase("Classify", f"the extension of {diagnosis.node.name} to come to rest")
        yield from wait_for_extension(
            ctx,
            order.machine_id,
            lambda extension: extension is None or not is_extension_moving(extension),
            BUSY_WITHIN,
        )
        diagnosis = yield from diagnose_node(ctx, order, site)
    if diagnosis.cause is None:
        raise NothingToDo("nothing-to-do", f"{diagnosis.node.name} is well: registered, and heard of by the vault")
    tracker.note_facts(
        cause=diagnosis.cause.code, evidence=list(diagnosis.cause.evidence), remedy=diagnosis.cause.remedy
    )
    if not diagnosis.cause.curable and not _is_to_be_diagnosed(diagnosis, site):
        raise NeedsPerson(diagnosis.cause)
    return diagnosis


def _is_to_be_diagnosed(diagnosis: NodeDiagnosis, site: SiteDocument) -> bool:
    return diagnosis.cause is not None and diagnosis.cause.code == "unknown" and site.healing_rules.diagnose


def claim_node(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    diagnosis: NodeDiagnosis,
    tracker: ProgressTracker,
) -> Steps[tuple[NodeView, ...]]:
    """Lease the cluster and the node's machines, so that no verb begins on them; gives the cluster's nodes.

    Raises:
        NotNow: they are busy for too long, or one of them runs in Azure.
    """
    cluster = cluster_table(tracker.progress.cluster)
    yield from _claim_when_free(ctx, order, cluster, ("repair",), tracker)
    vault = VaultRef.from_id(site.vault)
    vms = items_on_node(
        (yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items, diagnosis.providers, diagnosis.node.name
    )
    yield from _claim_when_free(ctx, order, vault.key, site_lease_keys(site, vms), tracker)
    if vms:
        own_ids = {vm.id.lower() for vm in vms}
        items_read = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault, vms=tuple(vm.vm for vm in vms)))
        require_at_rest([vm for vm in items_read.items if vm.id.lower() in own_ids], diagnosis.node.name)
    return (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=tracker.progress.cluster))).nodes


def require_at_rest(vms: Sequence[ItemView], node: str) -> None:
    """See that no machine of the node is in Azure, or on its way.

    Raises:
        NotNow: with the machines that are.
    """
    if away := [vm.vm for vm in vms if vm.active_location != "Primary"]:
        raise RepairDeferred("vms-in-azure", f"{', '.join(away)} of {node} run in Azure: bring them home first")
    if busy := [f"{vm.vm} ({vm.scenario})" for vm in vms if vm.scenario != "None"]:
        raise RepairDeferred("vms-busy", f"a verb runs on {', '.join(busy)} of {node}")


def _claim_when_free(
    ctx: task.OrchestrationContext, order: Repair, table: str, keys: tuple[str, ...], tracker: ProgressTracker
) -> Steps[None]:
    if not keys:
        return
    deadline = now(ctx) + FREE_WITHIN
    while True:
        try:
            yield from claim_keys(ctx, table, order.id, keys)
        except NotAdmitted as refusal:
            if now(ctx) >= deadline:
                raise RepairDeferred("held", "; ".join(problem.detail for problem in refusal.obstacles)) from refusal
            tracker.enter_phase("Gate", refusal.obstacles[0].detail)
            yield from sleep(ctx, FREE_EVERY)
        else:
            return
