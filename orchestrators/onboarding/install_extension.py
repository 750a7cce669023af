"""The ASR extension on every node: one node after another by default, and healing for those on which it fails.

Each node that registers asks for a certificate and so invalidates the one that another node is using: whoever installs
has the cluster's turn, which the healing of nodes stands in line for as well.
"""

from datetime import timedelta

from durabletask import task

from orchestrators.durable.steps import Steps, ask_entity, call, now, sleep
from orchestrators.onboarding.prepare_steps import resource
from shared.arm_ids import key_of
from shared.errors import Refused
from shared.healing.classifier import classify_node
from shared.healing.cluster_queue import Join, Place, Turn
from shared.healing.contract import CREATE_EXTENSION, READ_NODES, CreateExtension, ReadNodes
from shared.healing.repair import Repair
from shared.onboarding.preparation import (
    NodeState,
    NodeStep,
    Preparation,
    PrepareOrder,
    decided,
    extension_settings,
    foreign,
    wanted_extension,
)
from shared.operations.contract import READ_RUNS, START_RUN, ReadRuns, StartRun
from shared.operations.durable_names import CLUSTER_QUEUE
from shared.request_ids import run_id
from shared.sites.nodes import NodeView

LOOK_EVERY, INSTALLED_WITHIN = timedelta(seconds=20), timedelta(minutes=30)
TURN_WITHIN, REPAIRED_WITHIN = timedelta(hours=3), timedelta(hours=3)
WAIT_EVERY = timedelta(minutes=1)
REPAIRS = 3
PUBLISHER, TYPE = "Microsoft.SiteRecovery.Dra", "Windows"
DONE = frozenset({"installed", "kept", "healed", "differs", "failed"})


def install(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """One node further: install on it, or heal it; the step ends when there is no node left."""
    try:
        return (yield from _go_on(ctx, order, run))
    except Refused:
        yield from leave_turn(ctx, order)
        raise


def _go_on(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    if not run.nodes:
        return (yield from _list_nodes(ctx, order, run))
    if any(node.state == "pending" for node in run.nodes):
        yield from _turn(ctx, order)
        if order.document.install == "cluster":
            return (yield from _install_everywhere(ctx, order, run))
        node = next(node for node in run.nodes if node.state == "pending")
        return run.with_node((yield from _install_on(ctx, order, run, node)))
    yield from leave_turn(ctx, order)
    broken = next((node for node in run.nodes if node.state == "broken"), None)
    if broken:
        return run.with_node((yield from _heal(ctx, order, broken)))
    return _ended(run)


def _ended(run: Preparation) -> Preparation:
    bad = [f"{node.node}: {node.detail}" for node in run.nodes if node.state in {"failed", "differs"}]
    if bad:
        return run.told("extension", "failed", "; ".join(bad))
    new = [node.node for node in run.nodes if node.state in {"installed", "healed"}]
    return run.told("extension", "created" if new else "kept", f"{len(run.nodes)} nodes, {len(new)} of them new")


def _list_nodes(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    seen = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=order.document.cluster))
    if not seen.nodes:
        raise Refused("no-nodes", "no Arc machine says that it is a node of the cluster")
    return run.model_copy(update={"nodes": tuple(NodeStep(node=node.name, machine_id=node.id) for node in seen.nodes)})


def _turn(ctx: task.OrchestrationContext, order: PrepareOrder) -> Steps[None]:
    """Have the cluster to ourselves; asked again in each generation, it is still ours.

    Raises:
        Refused: whoever has it does not come to an end.
    """
    deadline = now(ctx) + TURN_WITHIN
    ended: tuple[str, ...] = ()
    while True:
        turn = Turn(run=order.id, node="every node", since=now(ctx))
        ask = Join(turn=turn, ended=ended).model_dump(mode="json")
        place = Place.model_validate((yield from ask_entity(ctx, CLUSTER_QUEUE, _cluster(order), "join", ask)))
        if place.ahead == 0:
            return
        if now(ctx) >= deadline:
            raise Refused("no-turn", f"{place.first} works on {place.node} of this cluster since too long")
        ended = (yield from call(ctx, READ_RUNS, ReadRuns(ids=(place.first,)))).ended
        if not ended:
            yield from sleep(ctx, WAIT_EVERY)


def leave_turn(ctx: task.OrchestrationContext, order: PrepareOrder) -> Steps[None]:
    """Give the cluster to whoever is next; nothing happens when it is not ours."""
    yield from ask_entity(ctx, CLUSTER_QUEUE, _cluster(order), "leave", order.id)


def _cluster(order: PrepareOrder) -> str:
    return key_of(order.document.cluster)


def _look(ctx: task.OrchestrationContext, node: NodeStep) -> Steps[NodeView]:
    return (yield from call(ctx, READ_NODES, ReadNodes(machine_id=node.machine_id))).nodes[0]


def _install_on(
    ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation, node: NodeStep
) -> Steps[NodeStep]:
    settings = extension_settings(order.document, run.facts)
    seen = yield from _look(ctx, node)
    if seen.status.lower() != "connected":
        return _told(node, "failed", f"its Arc agent is {seen.status}")
    was_there = decided(seen)
    if seen.extension is None:
        saved = wanted_extension(order.document, seen, settings)
        yield from call(
            ctx, CREATE_EXTENSION, CreateExtension(machine_id=node.machine_id, operation=order.id, saved=saved)
        )
    if not was_there:
        seen = yield from _until_decided(ctx, node)
    return _judge(order, run, node, seen, was_there=was_there)


def _until_decided(ctx: task.OrchestrationContext, node: NodeStep) -> Steps[NodeView]:
    deadline = now(ctx) + INSTALLED_WITHIN
    seen = yield from _look(ctx, node)
    while not decided(seen) and now(ctx) < deadline:
        yield from sleep(ctx, LOOK_EVERY)
        seen = yield from _look(ctx, node)
    return seen


def _judge(order: PrepareOrder, run: Preparation, node: NodeStep, seen: NodeView, *, was_there: bool) -> NodeStep:
    """What is to be said of a node whose extension has come to an end, or has not in time."""
    extension = seen.extension
    if extension is None or not decided(seen):
        return _told(node, "failed", f"the extension did not come within {INSTALLED_WITHIN}")
    if other := foreign(extension, extension_settings(order.document, run.facts)):
        return _told(node, "differs", f"the extension is there for another site: {other}")
    if extension.provisioning_state == "Succeeded":
        return _told(node, "kept" if was_there else "installed", extension.version)
    return _told(node, "broken", classify_node(seen, site=order.document).code)


def _told(node: NodeStep, state: NodeState, detail: str) -> NodeStep:
    return node.model_copy(update={"state": state, "detail": detail})


def _install_everywhere(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The cluster-wide extension: every node installs it by itself, and nodes that are added later will."""
    site, settings = order.document, extension_settings(order.document, run.facts)
    before = {}
    for node in run.nodes:
        before[node.node] = decided((yield from _look(ctx, node)))
    arm_id = f"{site.cluster}/arcSettings/default/extensions/{site.extension}"
    parameters = {"publisher": PUBLISHER, "type": TYPE, "enableAutomaticUpgrade": True, "settings": settings}
    body = {"properties": {"extensionParameters": parameters}}
    expect = {"properties.extensionParameters.settings.SiteId": settings["SiteId"]}
    done = yield from resource(ctx, order, arm_id, "cluster", body, expect)
    if done.outcome == "differs":
        raise Refused("other-site", f"the cluster-wide extension is there for another site: {done.differences[0]}")
    for node in run.nodes:
        seen = yield from _until_decided(ctx, node)
        run = run.with_node(_judge(order, run, node, seen, was_there=before[node.node]))
    return run.model_copy(update={"changed": run.changed or done.outcome == "created"})


def _heal(ctx: task.OrchestrationContext, order: PrepareOrder, node: NodeStep) -> Steps[NodeStep]:
    """One healing run for a node, then see for ourselves; a node that does not heal ends with its cause."""
    number = node.repairs + 1
    repair = run_id("repair", node.node, f"{order.id}:{number}")
    asked = Repair(
        id=repair,
        machine_id=node.machine_id,
        requested_by=order.id,
        sites={order.site: order.document},
        cause=order.id,
    )
    yield from call(ctx, START_RUN, StartRun(id=repair, orchestrator="repair", payload=asked.model_dump(mode="json")))
    deadline = now(ctx) + REPAIRED_WITHIN
    while repair not in (yield from call(ctx, READ_RUNS, ReadRuns(ids=(repair,)))).ended and now(ctx) < deadline:
        yield from sleep(ctx, WAIT_EVERY)
    seen = yield from _until_well(ctx, order, node)
    if seen.extension and seen.extension.provisioning_state == "Succeeded":
        return _told(node, "healed", f"healed by {repair}").model_copy(update={"repairs": number})
    cause = classify_node(seen, site=order.document)
    state: NodeState = "failed" if number >= REPAIRS or not cause.curable else "broken"
    return _told(node, state, f"{cause.code}: {cause.remedy}").model_copy(update={"repairs": number})


def _until_well(ctx: task.OrchestrationContext, order: PrepareOrder, node: NodeStep) -> Steps[NodeView]:
    """See how a node is; while it can be cured another run may be at it, which an event of the failure started."""
    deadline = now(ctx) + INSTALLED_WITHIN
    while True:
        seen = yield from _look(ctx, node)
        well = seen.extension is not None and seen.extension.provisioning_state == "Succeeded"
        hopeless = decided(seen) and not classify_node(seen, site=order.document).curable
        if well or hopeless or now(ctx) >= deadline:
            return seen
        yield from sleep(ctx, WAIT_EVERY)
