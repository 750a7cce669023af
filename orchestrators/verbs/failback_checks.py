"""Before a failback: what stands in the way of each machine, as the nodes and the vault show it. It changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import find_unproven_sources
from orchestrators.durable.steps import Context, Steps, call_all, call_entity, now, show_status
from orchestrators.verbs.source_power import read_cluster_nodes, read_source_states, reopen_source_proof
from shared.evidence.chain import EvidenceEntry
from shared.failback.checks import SOURCE_GONE, ReturningVm, SiteState, check_failback
from shared.grouping import group_pairs
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.operations.durable_names import LOST_NODES
from shared.plans.machines import home_of
from shared.recovery.operation import Operation
from shared.recovery.people import Pause
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem
from shared.recovery.status import join_details
from shared.site_recovery.contract import READ_PROVIDERS, ProvidersRead, ReadProviders
from shared.sites.lost_nodes import LostNode, read_lost_nodes, split_lost_nodes
from shared.sites.node_health import disconnected_nodes
from shared.sites.nodes import NodeView, fabric_name_of


class SiteCheck(NamedTuple):
    """What a look at one site has shown.

    Attributes:
        providers: For each machine that is made again, the one that makes it.
        lost_nodes: The words of persons that stood for nodes that do not answer.
    """

    providers: dict[str, str]
    obstacles: list[Obstacle]
    lost_nodes: tuple[LostNode, ...] = ()


PHASE, WAITING_FOR = "Premises", "the nodes to say whether the machines are off and have room"


def admit_failback(
    ctx: Context, operation: Operation, run: Run, _inbox: DecisionInbox
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """When a failback begins: what only a person can do by hand is waited for, all else refuses the run."""
    run, obstacles = yield from find_failback_obstacles(ctx, operation, run)
    if not obstacles:
        return run.with_progress(run.progress.with_guard(passed=True)), ()
    if any(not obstacle.by_hand for obstacle in obstacles):
        return run, obstacles
    manual_steps = join_details([obstacle.detail for obstacle in obstacles])
    data = {"waitsFor": "resume", "vms": [obstacle.vm for obstacle in obstacles], "what": manual_steps}
    yield from publish_operation_event(ctx, operation, "waiting", data, key="by-hand")
    return run.with_pause(Pause(what=manual_steps, since=now(ctx))), ()


def find_failback_obstacles(ctx: Context, operation: Operation, run: Run) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The run with what it knows of the machines' hosts, and what stands in the way of their failback."""
    unproven = yield from find_unproven_sources(ctx, operation, run)
    if unproven:
        return run, unproven
    show_status(ctx, {"phase": PHASE, "waitingFor": WAITING_FOR, "total": len(run.items), "at": now(ctx).isoformat()})
    providers: dict[str, str] = {}
    obstacles: list[Obstacle] = []
    for number, (site_name, items) in enumerate(_returning_items_by_site(operation, run).items()):
        look = f"home-{len(run.people.decisions)}-{number}-{now(ctx):%m%d%H%M%S}"
        site_check = yield from _check_site(ctx, operation, site_name, items, look)
        providers |= site_check.providers
        obstacles += site_check.obstacles
        run = _with_lost_nodes(run, site_check.lost_nodes, now(ctx))
    return run.with_items(
        item.model_copy(update={"provider": providers.get(item.vm, "")}) for item in run.items
    ), obstacles


def _with_lost_nodes(run: Run, lost_nodes: Sequence[LostNode], at: datetime) -> Run:
    """With the words of the persons that stood for nodes that do not answer, in the run's findings and its evidence."""
    for lost in lost_nodes:
        if (finding := lost.describe()) not in run.results.findings:
            entry = EvidenceEntry.of("finding", at, {"lostNode": lost.model_dump(mode="json", by_alias=True)})
            run = run.with_findings([finding]).with_pending_entry(entry)
    return run


def _returning_items_by_site(operation: Operation, run: Run) -> dict[str, list[RunItem]]:
    plan = operation.document
    sites = {item.vm: plan.site_name_of(item) for item in plan.items}
    returning = (item for item in run.items if item.state in {"waiting", "done"})
    return group_pairs((sites[item.vm], item) for item in returning if "Failback" not in item.verbs_done_before)


def nodes_unreadable(site_name: str, why: object) -> Obstacle:
    """Nothing is brought home to nodes that could not be looked at."""
    return Obstacle(code="nodes-unreadable", detail=f"the nodes of {site_name} cannot be read now: {why}")


def _check_site(
    ctx: Context, operation: Operation, site_name: str, items: Sequence[RunItem], look: str
) -> Steps[SiteCheck]:
    """Look at one site, and say what stands in the way there; what runs twice is owed from then on.

    Args:
        look: Tells the looks of one run apart.
    """
    site = operation.sites[site_name]
    returning = [ReturningVm(vm=item.vm, provider=item.host_provider, mb=item.disk_mb) for item in items]
    cluster_nodes, unread = yield from read_cluster_nodes(ctx, (site.cluster,))
    nodes, lost_nodes = yield from _split_nodes(ctx, site_name, cluster_nodes)
    provider_views = (yield from call_all(ctx, READ_PROVIDERS, [ReadProviders(vault=VaultRef.from_id(site.vault))]))[0]
    if unread or not isinstance(provider_views, ProvidersRead):
        return SiteCheck({}, [nodes_unreadable(site_name, ", ".join(unread) or provider_views)])
    source_look = yield from read_source_states(ctx, operation.id, look, nodes, [vm.vm for vm in returning])
    if source_look.running_vms:
        home = home_of(site_name, site, (fabric_name_of(item.id) for item in items if item.id))
        yield from reopen_source_proof(ctx, operation.plan, operation.id, home, source_look)
    state = SiteState(site, nodes, provider_views.providers, source_look)
    providers, obstacles = check_failback(
        state, returning, create=bool(operation.options.create_vm), host=operation.options.host or ""
    )
    return SiteCheck(providers if operation.options.create_vm else {}, obstacles, lost_nodes)


def _split_nodes(
    ctx: Context, site_name: str, nodes: Sequence[NodeView]
) -> Steps[tuple[list[NodeView], tuple[LostNode, ...]]]:
    """The nodes that have to answer, and the words that stand for others; nobody is asked while all are connected."""
    if not disconnected_nodes(nodes):
        return list(nodes), ()
    kept_words = yield from call_entity(ctx, LOST_NODES, site_name, "read")
    return split_lost_nodes(nodes, read_lost_nodes(kept_words))


def with_manual_steps(ctx: Context, operation: Operation, run: Run) -> Steps[Run]:
    """Where a failback failed for a machine that is gone: the run that says what to do by hand."""
    failed = [item for item in run.items if any(s.verb == "Failback" and s.outcome == "failed" for s in item.steps)]
    if not failed or run.people.aborted:
        return run
    returning = run.with_items(item.model_copy(update={"state": "waiting", "verbs_done_before": ()}) for item in failed)
    _, obstacles = yield from find_failback_obstacles(ctx, operation, returning)
    return run.with_failures(each for each in obstacles if each.code == SOURCE_GONE)
