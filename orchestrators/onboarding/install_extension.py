"""The ASR extension on every node: one node after another by default, and healing for those on which it fails.

Each node that registers asks for a certificate and so invalidates the one that another node is using: whoever installs
has the cluster's turn, which the healing of nodes waits for as well. In each generation of the run one of these:
1. List the nodes.
2. While any node is pending: have the cluster's turn, and install on the next node (or on all, with the cluster-wide
   extension), wait for its end and judge it.
3. Give the turn away, and have each node on which it failed healed by a repair of its own.
4. End the step.
"""

from orchestrators.durable.cluster_turns import join_cluster_queue, leave_cluster_queue
from orchestrators.durable.steps import Context, Steps, call, now, show_status, sleep
from shared.errors import Refused
from shared.healing.classifier import CauseCode, classify_node
from shared.healing.cluster_queue import QueueTurn
from shared.healing.contract import CREATE_EXTENSION, READ_NODES, CreateExtension, ReadNodes
from shared.healing.repair import Repair
from shared.onboarding.contract import ENSURE_RESOURCE, EnsureAnswer, EnsureResource
from shared.onboarding.pacing import (
    INSTALLED_WITHIN,
    NODE_EVERY,
    REPAIRED_WITHIN,
    ROLE_TAKES_EFFECT_WITHIN,
    TURN_WITHIN,
    WAIT_EVERY,
)
from shared.onboarding.preparation import (
    NodeState,
    NodeStep,
    Preparation,
    PrepareOrder,
    extension_settings,
    foreign_settings,
    wanted_extension,
)
from shared.operations.contract import READ_ENDED_RUNS, START_RUN, ReadEndedRuns, StartRun
from shared.request_ids import run_id
from shared.sites.node_health import is_agent_connected, is_extension_settled, is_extension_well
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

MOST_REPAIRS = 3
VAULT_RIGHTS: CauseCode = "vault-rights"
PUBLISHER, TYPE = "Microsoft.SiteRecovery.Dra", "Windows"


def install_on_next_node(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """One node further: install on it, or heal it; the step ends when there is no node left."""
    try:
        return (yield from _advance_installation(ctx, order, run))
    except Refused:
        yield from leave_cluster_queue(ctx, order.document.cluster, order.id)
        raise


def _advance_installation(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    site = order.document
    if not run.nodes:
        return run.with_nodes((yield from _find_nodes(ctx, site)))
    if pending := [node for node in run.nodes if node.state == "pending"]:
        yield from _take_cluster_turn(ctx, order)
        if site.install == "cluster":
            return (yield from _install_everywhere(ctx, order, run))
        node = yield from _install_on(ctx, order, run, pending[0])
        if node.detail == VAULT_RIGHTS:
            yield from _wait_for_roles(ctx, run, node)
        return run.with_node(node)
    yield from leave_cluster_queue(ctx, site.cluster, order.id)
    if broken := [node for node in run.nodes if node.state == "broken"]:
        return run.with_node((yield from _repair_node(ctx, order, broken[0])))
    return end_installation(run)


def _find_nodes(ctx: Context, site: SiteDocument) -> Steps[tuple[NodeStep, ...]]:
    nodes = (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=site.cluster))).nodes
    if not nodes:
        raise Refused("no-nodes", "No Arc machine names this cluster as its parent. Enable Azure Arc on its nodes.")
    return tuple(NodeStep(node=node.name, machine_id=node.id) for node in nodes)


def end_installation(run: Preparation) -> Preparation:
    """The step as it ends once every node is through."""
    if failures := [f"{node.node}: {node.detail}" for node in run.nodes if node.state in {"failed", "differs"}]:
        return run.with_step_ended("extension", "failed", "; ".join(failures))
    new = sum(node.state in {"installed", "healed"} for node in run.nodes)
    return run.with_step_ended("extension", "created" if new else "kept", f"{len(run.nodes)} nodes, {new} of them new")


def _take_cluster_turn(ctx: Context, order: PrepareOrder) -> Steps[None]:
    """Have the cluster to ourselves; asked again in each generation, it is still ours.

    Raises:
        Refused: whoever has it does not come to an end.
    """
    deadline = now(ctx) + TURN_WITHIN
    while True:
        turn = QueueTurn(run=order.id, node="every node", since=now(ctx))
        place = yield from join_cluster_queue(ctx, order.document.cluster, turn)
        if place.ahead == 0:
            return
        if now(ctx) >= deadline:
            detail = f"{place.first} has been working on {place.node} of this cluster for more than {TURN_WITHIN}."
            raise Refused("no-turn", detail)
        yield from sleep(ctx, WAIT_EVERY)


def _wait_for_roles(ctx: Context, run: Preparation, node: NodeStep) -> Steps[None]:
    """Have no other node refused by the vault while a role that this run has assigned may not hold yet."""
    holds_from = run.began + ROLE_TAKES_EFFECT_WITHIN
    while now(ctx) < holds_from:
        show_status(ctx, {"phase": "Extension", "waitingFor": f"the new roles to hold; the vault refused {node.node}"})
        yield from sleep(ctx, min(WAIT_EVERY, holds_from - now(ctx)))


def _read_node(ctx: Context, node: NodeStep) -> Steps[NodeView]:
    return (yield from call(ctx, READ_NODES, ReadNodes(machine_id=node.machine_id))).nodes[0]


def _install_on(ctx: Context, order: PrepareOrder, run: Preparation, node: NodeStep) -> Steps[NodeStep]:
    node_view = yield from _read_node(ctx, node)
    if not is_agent_connected(node_view):
        return node.with_state("failed", f"its Arc agent is {node_view.status}")
    was_there = is_extension_settled(node_view.extension)
    if node_view.extension is None:
        saved = wanted_extension(order.document, node_view, extension_settings(order.document, run.ids))
        request = CreateExtension(machine_id=node.machine_id, operation=order.id, saved=saved)
        yield from call(ctx, CREATE_EXTENSION, request)
    if not was_there:
        node_view = yield from _wait_until_settled(ctx, node)
    return _judge_node(order, run, node, node_view, was_there=was_there)


def _wait_until_settled(ctx: Context, node: NodeStep) -> Steps[NodeView]:
    deadline = now(ctx) + INSTALLED_WITHIN
    node_view = yield from _read_node(ctx, node)
    while not is_extension_settled(node_view.extension) and now(ctx) < deadline:
        yield from sleep(ctx, NODE_EVERY)
        node_view = yield from _read_node(ctx, node)
    return node_view


def _judge_node(
    order: PrepareOrder, run: Preparation, node: NodeStep, node_view: NodeView, *, was_there: bool
) -> NodeStep:
    """The state of a node whose extension has come to an end, or has not in time."""
    extension = node_view.extension
    if extension is None or not is_extension_settled(extension):
        return node.with_state("failed", f"the extension did not come within {INSTALLED_WITHIN}")
    if other := foreign_settings(extension, extension_settings(order.document, run.ids)):
        return node.with_state("differs", f"the extension is there for another site: {other}")
    if is_extension_well(extension):
        return node.with_state("kept" if was_there else "installed", extension.version)
    return node.with_state("broken", classify_node(node_view, site=order.document).code)


def _ensure_cluster_extension(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[EnsureAnswer]:
    site, settings = order.document, extension_settings(order.document, run.ids)
    arm_id = f"{site.cluster}/arcSettings/default/extensions/{site.extension}"
    parameters = {"publisher": PUBLISHER, "type": TYPE, "enableAutomaticUpgrade": True, "settings": settings}
    body = {"properties": {"extensionParameters": parameters}}
    expect = {"properties.extensionParameters.settings.SiteId": settings["SiteId"]}
    request = EnsureResource(operation=order.id, resource_id=arm_id, kind="cluster", body=body, expect=expect)
    ensured = yield from call(ctx, ENSURE_RESOURCE, request)  # how it went is judged node by node, never as a whole
    if ensured.outcome == "differs":
        detail = f"The cluster-wide extension is there for another site: {ensured.differences[0]}."
        raise Refused("other-site", detail)
    return ensured


def _install_everywhere(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The cluster-wide extension: every node installs it by itself, and nodes that are added later will."""
    before = {}
    for node in run.nodes:
        before[node.node] = is_extension_settled((yield from _read_node(ctx, node)).extension)
    ensured = yield from _ensure_cluster_extension(ctx, order, run)
    for node in run.nodes:
        node_view = yield from _wait_until_settled(ctx, node)
        run = run.with_node(_judge_node(order, run, node, node_view, was_there=before[node.node]))
    return run.with_change() if ensured.outcome == "created" else run


def _run_repair(ctx: Context, order: PrepareOrder, node: NodeStep, run: str) -> Steps[None]:
    repair_order = Repair(
        id=run,
        machine_id=node.machine_id,
        requested_by=order.id,
        sites={order.site: order.document},
        cause=order.id,
    )
    payload = repair_order.model_dump(mode="json")
    yield from call(ctx, START_RUN, StartRun(id=run, orchestrator="repair", payload=payload))
    deadline, read_ended = now(ctx) + REPAIRED_WITHIN, ReadEndedRuns(ids=(run,))
    while not (yield from call(ctx, READ_ENDED_RUNS, read_ended)).ended and now(ctx) < deadline:
        yield from sleep(ctx, WAIT_EVERY)


def _repair_node(ctx: Context, order: PrepareOrder, node: NodeStep) -> Steps[NodeStep]:
    """One repair of a node, then a look at it; a node that does not heal ends with its cause."""
    node = node.with_repair()
    run = run_id("repair", node.node, f"{order.id}:{node.repairs}")
    yield from _run_repair(ctx, order, node, run)
    node_view = yield from _wait_until_well(ctx, order, node)
    if is_extension_well(node_view.extension):
        return node.with_state("healed", f"healed by {run}")
    cause = classify_node(node_view, site=order.document)
    state: NodeState = "failed" if node.repairs >= MOST_REPAIRS or not cause.curable else "broken"
    return node.with_state(state, f"{cause.code}: {cause.remedy}")


def _wait_until_well(ctx: Context, order: PrepareOrder, node: NodeStep) -> Steps[NodeView]:
    """See how a node is; while it can be cured another repair may be at it, which an event of the failure started."""
    deadline = now(ctx) + INSTALLED_WITHIN
    while True:
        node_view = yield from _read_node(ctx, node)
        is_settled = is_extension_settled(node_view.extension)
        is_hopeless = is_settled and not classify_node(node_view, site=order.document).curable
        if is_extension_well(node_view.extension) or is_hopeless or now(ctx) >= deadline:
            return node_view
        yield from sleep(ctx, WAIT_EVERY)
