"""The ASR extension on every node: one node after another by default, and healing for those on which it fails.

Each node that registers asks for a certificate and so invalidates the one that another node is using: whoever installs
has the cluster's turn, which the healing of nodes stands in line for as well.
"""

from datetime import timedelta

from durabletask import task

from orchestrators.durable.steps import Steps, call, call_entity, now, sleep
from orchestrators.onboarding.prepare_steps import ensure_resource
from shared.arm_ids import key_of
from shared.errors import Refused
from shared.healing.classifier import classify_node
from shared.healing.cluster_queue import JoinQueue, QueuePosition, QueueTurn
from shared.healing.contract import CREATE_EXTENSION, READ_NODES, CreateExtension, ReadNodes
from shared.healing.repair import Repair
from shared.onboarding.preparation import (
    NodeState,
    NodeStep,
    Preparation,
    PrepareOrder,
    extension_settings,
    foreign_settings,
    is_extension_settled,
    wanted_extension,
)
from shared.operations.contract import READ_ENDED_RUNS, START_RUN, ReadEndedRuns, StartRun
from shared.operations.durable_names import CLUSTER_QUEUE
from shared.request_ids import run_id
from shared.sites.nodes import NodeView

LOOK_EVERY, INSTALLED_WITHIN = timedelta(seconds=20), timedelta(minutes=30)
TURN_WITHIN, REPAIRED_WITHIN = timedelta(hours=3), timedelta(hours=3)
WAIT_EVERY = timedelta(minutes=1)
REPAIRS = 3
PUBLISHER, TYPE = "Microsoft.SiteRecovery.Dra", "Windows"
DONE = frozenset({"installed", "kept", "healed", "differs", "failed"})


def install_on_next_node(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """One node further: install on it, or heal it; the step ends when there is no node left."""
    try:
        return (yield from _advance_installation(ctx, order, run))
    except Refused:
        yield from leave_cluster_queue(ctx, order)
        raise


def _advance_installation(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    if not run.nodes:
        return (yield from _list_nodes(ctx, order, run))
    if any(node.state == "pending" for node in run.nodes):
        yield from _take_cluster_turn(ctx, order)
        if order.document.install == "cluster":
            return (yield from _install_everywhere(ctx, order, run))
        node = next(node for node in run.nodes if node.state == "pending")
        return run.with_node((yield from _install_on(ctx, order, run, node)))
    yield from leave_cluster_queue(ctx, order)
    broken = next((node for node in run.nodes if node.state == "broken"), None)
    if broken:
        return run.with_node((yield from _repair_node(ctx, order, broken)))
    return _with_step_ended(run)


def _with_step_ended(run: Preparation) -> Preparation:
    failures = [f"{node.node}: {node.detail}" for node in run.nodes if node.state in {"failed", "differs"}]
    if failures:
        return run.with_step_ended("extension", "failed", "; ".join(failures))
    new = [node.node for node in run.nodes if node.state in {"installed", "healed"}]
    return run.with_step_ended(
        "extension", "created" if new else "kept", f"{len(run.nodes)} nodes, {len(new)} of them new"
    )


def _list_nodes(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    nodes_read = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=order.document.cluster))
    if not nodes_read.nodes:
        raise Refused("no-nodes", "no Arc machine says that it is a node of the cluster")
    return run.model_copy(
        update={"nodes": tuple(NodeStep(node=node.name, machine_id=node.id) for node in nodes_read.nodes)}
    )


def _take_cluster_turn(ctx: task.OrchestrationContext, order: PrepareOrder) -> Steps[None]:
    """Have the cluster to ourselves; asked again in each generation, it is still ours.

    Raises:
        Refused: whoever has it does not come to an end.
    """
    deadline = now(ctx) + TURN_WITHIN
    ended: tuple[str, ...] = ()
    while True:
        turn = QueueTurn(run=order.id, node="every node", since=now(ctx))
        request = JoinQueue(turn=turn, ended=ended).model_dump(mode="json")
        place = QueuePosition.model_validate(
            (yield from call_entity(ctx, CLUSTER_QUEUE, _cluster_key(order), "join", request))
        )
        if place.ahead == 0:
            return
        if now(ctx) >= deadline:
            raise Refused("no-turn", f"{place.first} works on {place.node} of this cluster since too long")
        ended = (yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=(place.first,)))).ended
        if not ended:
            yield from sleep(ctx, WAIT_EVERY)


def leave_cluster_queue(ctx: task.OrchestrationContext, order: PrepareOrder) -> Steps[None]:
    """Give the cluster to whoever is next; nothing happens when it is not ours."""
    yield from call_entity(ctx, CLUSTER_QUEUE, _cluster_key(order), "leave", order.id)


def _cluster_key(order: PrepareOrder) -> str:
    return key_of(order.document.cluster)


def _read_node(ctx: task.OrchestrationContext, node: NodeStep) -> Steps[NodeView]:
    return (yield from call(ctx, READ_NODES, ReadNodes(machine_id=node.machine_id))).nodes[0]


def _install_on(
    ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation, node: NodeStep
) -> Steps[NodeStep]:
    settings = extension_settings(order.document, run.facts)
    node_view = yield from _read_node(ctx, node)
    if node_view.status.lower() != "connected":
        return _with_state(node, "failed", f"its Arc agent is {node_view.status}")
    was_there = is_extension_settled(node_view)
    if node_view.extension is None:
        saved = wanted_extension(order.document, node_view, settings)
        yield from call(
            ctx, CREATE_EXTENSION, CreateExtension(machine_id=node.machine_id, operation=order.id, saved=saved)
        )
    if not was_there:
        node_view = yield from _wait_until_decided(ctx, node)
    return _judge_node(order, run, node, node_view, was_there=was_there)


def _wait_until_decided(ctx: task.OrchestrationContext, node: NodeStep) -> Steps[NodeView]:
    deadline = now(ctx) + INSTALLED_WITHIN
    node_view = yield from _read_node(ctx, node)
    while not is_extension_settled(node_view) and now(ctx) < deadline:
        yield from sleep(ctx, LOOK_EVERY)
        node_view = yield from _read_node(ctx, node)
    return node_view


def _judge_node(
    order: PrepareOrder, run: Preparation, node: NodeStep, node_view: NodeView, *, was_there: bool
) -> NodeStep:
    """What is to be said of a node whose extension has come to an end, or has not in time."""
    extension = node_view.extension
    if extension is None or not is_extension_settled(node_view):
        return _with_state(node, "failed", f"the extension did not come within {INSTALLED_WITHIN}")
    if other := foreign_settings(extension, extension_settings(order.document, run.facts)):
        return _with_state(node, "differs", f"the extension is there for another site: {other}")
    if extension.provisioning_state == "Succeeded":
        return _with_state(node, "kept" if was_there else "installed", extension.version)
    return _with_state(node, "broken", classify_node(node_view, site=order.document).code)


def _with_state(node: NodeStep, state: NodeState, detail: str) -> NodeStep:
    return node.model_copy(update={"state": state, "detail": detail})


def _install_everywhere(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The cluster-wide extension: every node installs it by itself, and nodes that are added later will."""
    site, settings = order.document, extension_settings(order.document, run.facts)
    before = {}
    for node in run.nodes:
        before[node.node] = is_extension_settled((yield from _read_node(ctx, node)))
    arm_id = f"{site.cluster}/arcSettings/default/extensions/{site.extension}"
    parameters = {"publisher": PUBLISHER, "type": TYPE, "enableAutomaticUpgrade": True, "settings": settings}
    body = {"properties": {"extensionParameters": parameters}}
    expect = {"properties.extensionParameters.settings.SiteId": settings["SiteId"]}
    ensured = yield from ensure_resource(ctx, order, arm_id, "cluster", body, expect)
    if ensured.outcome == "differs":
        raise Refused("other-site", f"the cluster-wide extension is there for another site: {ensured.differences[0]}")
    for node in run.nodes:
        node_view = yield from _wait_until_decided(ctx, node)
        run = run.with_node(_judge_node(order, run, node, node_view, was_there=before[node.node]))
    return run.model_copy(update={"changed": run.changed or ensured.outcome == "created"})


def _repair_node(ctx: task.OrchestrationContext, order: PrepareOrder, node: NodeStep) -> Steps[NodeStep]:
    """One healing run for a node, then see for ourselves; a node that does not heal ends with its cause."""
    repair_number = node.repairs + 1
    repair_id = run_id("repair", node.node, f"{order.id}:{repair_number}")
    repair_order = Repair(
        id=repair_id,
        machine_id=node.machine_id,
        requested_by=order.id,
        sites={order.site: order.document},
        cause=order.id,
    )
    yield from call(
        ctx, START_RUN, StartRun(id=repair_id, orchestrator="repair", payload=repair_order.model_dump(mode="json"))
    )
    deadline = now(ctx) + REPAIRED_WITHIN
    while (
        repair_id not in (yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=(repair_id,)))).ended
        and now(ctx) < deadline
    ):
        yield from sleep(ctx, WAIT_EVERY)
    node_view = yield from _wait_until_well(ctx, order, node)
    if node_view.extension and node_view.extension.provisioning_state == "Succeeded":
        return _with_state(node, "healed", f"healed by {repair_id}").model_copy(update={"repairs": repair_number})
    cause = classify_node(node_view, site=order.document)
    state: NodeState = "failed" if repair_number >= REPAIRS or not cause.curable else "broken"
    return _with_state(node, state, f"{cause.code}: {cause.remedy}").model_copy(update={"repairs": repair_number})


def _wait_until_well(ctx: task.OrchestrationContext, order: PrepareOrder, node: NodeStep) -> Steps[NodeView]:
    """See how a node is; while it can be cured another run may be at it, which an event of the failure started."""
    deadline = now(ctx) + INSTALLED_WITHIN
    while True:
        node_view = yield from _read_node(ctx, node)
        well = node_view.extension is not None and node_view.extension.provisioning_state == "Succeeded"
        hopeless = is_extension_settled(node_view) and not classify_node(node_view, site=order.document).curable
        if well or hopeless or now(ctx) >= deadline:
            return node_view
        yield from sleep(ctx, WAIT_EVERY)
