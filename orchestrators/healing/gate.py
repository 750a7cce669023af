"""The gate before a cure: one node of a cluster at a time, and none of its machines in motion or in Azure."""

from collections.abc import Sequence
from datetime import timedelta

from durabletask import task

from orchestrators.durable.entity_calls import NotAdmitted, claim_keys
from orchestrators.durable.steps import Steps, ask_entity, call, now, sleep
from orchestrators.healing.look import Look, look, until
from orchestrators.healing.progress import Diary
from shared.arm_ids import key_of
from shared.healing.classifier import is_moving
from shared.healing.cluster_queue import Join, Place, Turn
from shared.healing.contract import READ_NODES, ReadNodes
from shared.healing.proof import vms_of
from shared.healing.repair import NeedsPerson, NothingToDo, NotNow, Repair
from shared.messages import VaultRef
from shared.operations.contract import READ_RUNS, ReadRuns
from shared.operations.durable_names import CLUSTER_QUEUE, LEASES
from shared.plans.machines import lease_keys_in
from shared.site_recovery.contract import READ_ITEMS, ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

GENERATION = 15
"""Looks at the queue before a repair that waits continues as new."""
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=10)
A_TURN = timedelta(minutes=3)
"""Less than any repair takes: whoever has n before it need not look again before n of these."""
BUSY_WITHIN = timedelta(minutes=20)
FREE_EVERY, FREE_WITHIN = timedelta(minutes=2), timedelta(minutes=30)


def cluster_table(cluster_id: str) -> str:
    """The lease table of a cluster: who holds "repair" there installs or removes extensions on its nodes."""
    return f"cluster:{key_of(cluster_id)}"


def take_turn(ctx: task.OrchestrationContext, order: Repair, diary: Diary) -> Steps[bool]:
    """Wait until no other node of the cluster is being healed; False when it is time to continue as new."""
    for _ in range(GENERATION):
        place = yield from _join(ctx, order, diary)
        if place.ahead == 0:
            return True
        diary.enter("Queue", f"{place.node} to be healed first ({place.first})")
        yield from sleep(ctx, min(max(SHORTEST, (place.ahead - 1) * A_TURN), LONGEST))
    return False


def _join(ctx: task.OrchestrationContext, order: Repair, diary: Diary) -> Steps[Place]:
    """Stand in line; see whether those who hold it up still live."""
    progress = diary.progress
    ask = Join(turn=Turn(run=order.id, node=progress.node, since=progress.since))
    table = key_of(progress.cluster)
    place = Place.model_validate(
        (yield from ask_entity(ctx, CLUSTER_QUEUE, table, "join", ask.model_dump(mode="json")))
    )
    if place.ahead == 0:
        return place
    gone = (yield from call(ctx, READ_RUNS, ReadRuns(ids=(place.first,)))).ended
    if not gone:
        return place
    again = ask.model_copy(update={"ended": gone}).model_dump(mode="json")
    return Place.model_validate((yield from ask_entity(ctx, CLUSTER_QUEUE, table, "join", again)))


def give_turn(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[None]:
    """Let the next one in, and give the leases back."""
    for table in (cluster_table(diary.progress.cluster), VaultRef.from_id(site.vault).key):
        yield from ask_entity(ctx, LEASES, table, "release", order.id)
    yield from ask_entity(ctx, CLUSTER_QUEUE, key_of(diary.progress.cluster), "leave", order.id)


def settled_look(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[Look]:
    """What ails the node, once its extension rests.

    Raises:
        NothingToDo: the node is well.
        NeedsPerson: what ails it is not for this app to cure, or its extension is stuck on its way.
    """
    diary.enter("Classify", f"what ails {diary.progress.node}")
    seen = yield from look(ctx, order, site)
    if seen.node.extension and is_moving(seen.node.extension):
        diary.enter("Classify", f"the extension of {seen.node.name} to come to rest")
        yield from until(ctx, order.machine_id, lambda it: it is None or not is_moving(it), BUSY_WITHIN)
        seen = yield from look(ctx, order, site)
    if seen.cause is None:
        raise NothingToDo("nothing-to-do", f"{seen.node.name} is well: registered, and heard of by the vault")
    diary.note(cause=seen.cause.code, evidence=list(seen.cause.evidence), remedy=seen.cause.remedy)
    if not seen.cause.curable and not _is_to_be_diagnosed(seen, site):
        raise NeedsPerson(seen.cause)
    return seen


def _is_to_be_diagnosed(seen: Look, site: SiteDocument) -> bool:
    return seen.cause is not None and seen.cause.code == "unknown" and site.healing_rules.diagnose


def hold_node(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, seen: Look, diary: Diary
) -> Steps[tuple[NodeView, ...]]:
    """Lease the cluster and the node's machines, so that no verb begins on them; gives the cluster's nodes.

    Raises:
        NotNow: they are busy for too long, or one of them runs in Azure.
    """
    cluster = cluster_table(diary.progress.cluster)
    yield from _lease(ctx, order, cluster, ("repair",), diary)
    vault = VaultRef.from_id(site.vault)
    vms = vms_of((yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items, seen.providers, seen.node.name)
    yield from _lease(ctx, order, vault.key, lease_keys_in(site, vms), diary)
    if vms:
        ours = {vm.id.lower() for vm in vms}
        again = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault, vms=tuple(vm.vm for vm in vms)))
        require_at_rest([vm for vm in again.items if vm.id.lower() in ours], seen.node.name)
    return (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=diary.progress.cluster))).nodes


def require_at_rest(vms: Sequence[ItemView], node: str) -> None:
    """See that no machine of the node is in Azure, or on its way.

    Raises:
        NotNow: with the machines that are.
    """
    if away := [vm.vm for vm in vms if vm.active_location != "Primary"]:
        raise NotNow("vms-in-azure", f"{', '.join(away)} of {node} run in Azure: bring them home first")
    if busy := [f"{vm.vm} ({vm.scenario})" for vm in vms if vm.scenario != "None"]:
        raise NotNow("vms-busy", f"a verb runs on {', '.join(busy)} of {node}")


def _lease(
    ctx: task.OrchestrationContext, order: Repair, table: str, keys: tuple[str, ...], diary: Diary
) -> Steps[None]:
    if not keys:
        return
    deadline = now(ctx) + FREE_WITHIN
    while True:
        try:
            yield from claim_keys(ctx, table, order.id, keys)
        except NotAdmitted as held:
            if now(ctx) >= deadline:
                raise NotNow("held", "; ".join(problem.detail for problem in held.problems)) from held
            diary.enter("Gate", held.problems[0].detail)
            yield from sleep(ctx, FREE_EVERY)
        else:
            return
