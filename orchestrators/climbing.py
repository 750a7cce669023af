"""The upper rungs of the proof, which take their time: a new recovery point, and the whole cluster."""

from datetime import timedelta

from durabletask import task

from activities.contract import READ_ITEMS, READ_PROVIDERS, ReadItems, ReadProviders
from activities.node_contract import READ_NODES, ReadNodes
from orchestrators.diary import Diary
from orchestrators.entities import TURNS
from orchestrators.steps import Steps, ask_entity, call, now, sleep
from shared.classifier import cause_of
from shared.errors import Transient
from shared.healing import RUNGS, Rung, cluster_rung, point_rung, vms_of
from shared.messages import VaultRef
from shared.records import key_of
from shared.repairs import NeedsPerson
from shared.sites import SiteDocument

GENERATION = 15
POINT_EVERY, POINT_WITHIN = timedelta(minutes=1), timedelta(hours=2)
CLUSTER_EVERY, CLUSTER_WITHIN = timedelta(minutes=10), timedelta(hours=24)


def await_point(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[bool]:
    """Wait until a machine of the node has a recovery point that is newer than the cure.

    Raises:
        NeedsPerson: none came in time: the node is registered, and does not replicate.
    """
    for _ in range(GENERATION):
        rung = yield from _point(ctx, site, diary)
        if not rung.missing:
            diary.reach((*_below(rung.name), rung))
            return True
        if now(ctx) - diary.progress.since >= POINT_WITHIN:
            raise NeedsPerson(cause_of("no-recovery-point", *rung.missing))
        diary.enter("Recovery point", rung.missing[0])
        yield from sleep(ctx, POINT_EVERY)
    return False


def _below(name: str) -> tuple[Rung, ...]:
    return tuple(Rung(each) for each in RUNGS[: RUNGS.index(name)])


def _point(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault, fabric=site.hyper_v_site))
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))
    except Transient as silence:
        return Rung("recovery-point", (str(silence),))
    since = diary.progress.cured_at or diary.progress.began
    return point_rung(vms_of(items.items, hosts.providers, diary.progress.node), since)


def await_cluster(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[bool]:
    """Wait for the other nodes while any of them is being healed; what is missing then is told, not awaited."""
    for _ in range(GENERATION):
        waiting = yield from ask_entity(ctx, TURNS, key_of(diary.progress.cluster), "waiting")
        if not waiting or now(ctx) - diary.progress.since >= CLUSTER_WITHIN:
            rung = yield from _cluster(ctx, site, diary)
            diary.reach((*_below(rung.name), rung))
            diary.note(notRegistered=list(rung.missing))
            return True
        diary.enter("Cluster", f"{waiting} more nodes of the cluster to be healed")
        yield from sleep(ctx, CLUSTER_EVERY)
    return False


def _cluster(ctx: task.OrchestrationContext, site: SiteDocument, diary: Diary) -> Steps[Rung]:
    vault = VaultRef.from_id(site.vault)
    try:
        nodes = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=diary.progress.cluster))
        hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault))
    except Transient as silence:
        return Rung("cluster", (str(silence),))
    return cluster_rung(site, nodes.nodes, hosts.providers, hosts.at)
