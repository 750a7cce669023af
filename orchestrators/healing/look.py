"""Looking at a node: what ails it, how its extension is doing, what a script says. None of it changes anything."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from durabletask import task

from orchestrators.durable.steps import Steps, call, now, sleep
from shared.errors import Refused, Transient
from shared.healing.classifier import Cause, classify_failure, find_cause
from shared.healing.contract import (
    READ_CAUSE,
    READ_NODES,
    READ_SCRIPT,
    REMOVE_SCRIPT,
    RUN_SCRIPT,
    NodesRead,
    ReadCause,
    ReadNodes,
    ReadScript,
    RemoveScript,
    RunScript,
    ScriptName,
    ScriptView,
)
from shared.healing.repair import Repair
from shared.messages import VaultRef
from shared.site_recovery.contract import READ_PROVIDERS, ReadProviders
from shared.site_recovery.views import ProviderView
from shared.sites.nodes import ExtensionView, NodeView
from shared.sites.site import SiteDocument

_LOG = logging.getLogger(__name__)
LOOK_EVERY = timedelta(seconds=30)
LOG_GOES_BACK = timedelta(hours=1)


class NodeDiagnosis(NamedTuple):
    """A node as it is now.

    Attributes:
        cause: What ails it, None when it is well.
        at: By Azure's own clock.
    """

    node: NodeView
    providers: tuple[ProviderView, ...]
    cause: Cause | None
    at: datetime


def diagnose_node(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, facts: dict[str, Any] | None = None
) -> Steps[NodeDiagnosis]:
    """Look at the node and its provider, and find out what ails it.

    Args:
        facts: What read-registration found on the node, when it was run.
    """
    nodes_read = yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))
    provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    cause = find_cause(site, nodes_read.nodes[0], provider_views.providers, provider_views.at, facts)
    if cause and cause.code == "unknown":
        cause = yield from _refine_by_activity_log(ctx, order, cause)
    return NodeDiagnosis(nodes_read.nodes[0], provider_views.providers, cause, provider_views.at)


def _refine_by_activity_log(ctx: task.OrchestrationContext, order: Repair, cause: Cause) -> Steps[Cause]:
    """What the Activity Log says of the event; the log comes late and may say nothing."""
    if order.reported_at is None:
        return cause
    request = ReadCause(
        resource_id=order.machine_id, correlation_id=order.cause, since=order.reported_at - LOG_GOES_BACK
    )
    try:
        log_entry = yield from call(ctx, READ_CAUSE, request)
    except (Refused, Transient):
        return cause
    logged_cause = classify_failure(log_entry.code, log_entry.message)
    return logged_cause if logged_cause.code != "unknown" else cause


def wait_for_extension(
    ctx: task.OrchestrationContext,
    machine_id: str,
    is_good: Callable[[ExtensionView | None], bool],
    within: timedelta,
) -> Steps[ExtensionView | None]:
    """Look at the node's extension until it is good, or the time is over: what it was like then.

    Raises:
        Transient: Azure did not answer once in all that time.
    """
    deadline = now(ctx) + within
    nodes_read: NodesRead | None = None
    while True:
        nodes_read = (yield from _read_node_once(ctx, machine_id)) or nodes_read
        if nodes_read and (is_good(nodes_read.nodes[0].extension) or now(ctx) >= deadline):
            return nodes_read.nodes[0].extension
        if now(ctx) >= deadline:
            raise Transient(f"{machine_id} could not be read for {within}")
        yield from sleep(ctx, LOOK_EVERY)


def _read_node_once(ctx: task.OrchestrationContext, machine_id: str) -> Steps[NodesRead | None]:
    """One look; none at all when Azure does not answer: the deadline of the caller bounds how often."""
    try:
        return (yield from call(ctx, READ_NODES, ReadNodes(machine_id=machine_id)))
    except Transient:
        return None


def run_script(
    ctx: task.OrchestrationContext,
    order: Repair,
    node: NodeView,
    script: ScriptName,
    mark: str,
    parameters: dict[str, str] | None = None,
) -> Steps[ScriptView]:
    """Run a script on a node, read what it said, and leave no run command behind.

    Args:
        mark: Makes the run command's name unique within the repair.
    """
    name = f"{order.id}-{mark}"
    request = RunScript(machine_id=node.id, name=name, script=script, operation=order.id, parameters=parameters or {})
    yield from call(ctx, RUN_SCRIPT, request)
    deadline = now(ctx) + 2 * request.timeout
    script_view = yield from _read_script(ctx, node, name)
    while not script_view.has_ended and now(ctx) < deadline:
        yield from sleep(ctx, LOOK_EVERY)
        script_view = yield from _read_script(ctx, node, name)
    yield from _remove_script(ctx, RemoveScript(machine_id=node.id, name=name, operation=order.id))
    return script_view


def _remove_script(ctx: task.OrchestrationContext, request: RemoveScript) -> Steps[None]:
    """Delete a run command; one that is left behind holds no secret and is not worth a cure."""
    try:
        yield from call(ctx, REMOVE_SCRIPT, request)
    except (Refused, Transient) as failure:
        ctx.create_replay_safe_logger(_LOG).warning("the run command %s was not deleted: %s", request.name, failure)


def _read_script(ctx: task.OrchestrationContext, node: NodeView, name: str) -> Steps[ScriptView]:
    try:
        return (yield from call(ctx, READ_SCRIPT, ReadScript(machine_id=node.id, name=name)))
    except Transient as silence:
        return ScriptView(state="Unknown", error=str(silence))
