"""Looking at a node: what ails it, how its extension is doing, what a script says. None of it changes anything."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from durabletask import task

from orchestrators.durable.steps import Steps, call, now, sleep
from shared.errors import Refused, Transient
from shared.healing.classifier import Cause, ailment, classify
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


class Look(NamedTuple):
    """A node as it is now.

    Attributes:
        cause: What ails it, None when it is well.
        at: By Azure's own clock.
    """

    node: NodeView
    providers: tuple[ProviderView, ...]
    cause: Cause | None
    at: datetime


def look(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, facts: dict[str, Any] | None = None
) -> Steps[Look]:
    """Look at the node and its provider, and find out what ails it.

    Args:
        facts: What read-registration found on the node, when it was run.
    """
    seen = yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))
    hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    cause = ailment(site, seen.nodes[0], hosts.providers, hosts.at, facts)
    if cause and cause.code == "unknown":
        cause = yield from _by_the_log(ctx, order, cause)
    return Look(seen.nodes[0], hosts.providers, cause, hosts.at)


def _by_the_log(ctx: task.OrchestrationContext, order: Repair, cause: Cause) -> Steps[Cause]:
    """What the Activity Log says of the event; the log comes late and may say nothing."""
    if order.told_at is None:
        return cause
    ask = ReadCause(resource_id=order.machine_id, correlation=order.cause, since=order.told_at - LOG_GOES_BACK)
    try:
        said = yield from call(ctx, READ_CAUSE, ask)
    except (Refused, Transient):
        return cause
    known = classify(said.code, said.message)
    return known if known.code != "unknown" else cause


def until(
    ctx: task.OrchestrationContext,
    machine_id: str,
    good: Callable[[ExtensionView | None], bool],
    within: timedelta,
) -> Steps[ExtensionView | None]:
    """Look at the node's extension until it is good, or the time is over: what it was like then.

    Raises:
        Transient: Azure did not answer once in all that time.
    """
    deadline = now(ctx) + within
    seen: NodesRead | None = None
    while True:
        seen = (yield from _glance(ctx, machine_id)) or seen
        if seen and (good(seen.nodes[0].extension) or now(ctx) >= deadline):
            return seen.nodes[0].extension
        if now(ctx) >= deadline:
            raise Transient(f"{machine_id} could not be read for {within}")
        yield from sleep(ctx, LOOK_EVERY)


def _glance(ctx: task.OrchestrationContext, machine_id: str) -> Steps[NodesRead | None]:
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
    ask = RunScript(machine_id=node.id, name=name, script=script, operation=order.id, parameters=parameters or {})
    yield from call(ctx, RUN_SCRIPT, ask)
    deadline = now(ctx) + 2 * ask.timeout
    seen = yield from _read(ctx, node, name)
    while not seen.ended and now(ctx) < deadline:
        yield from sleep(ctx, LOOK_EVERY)
        seen = yield from _read(ctx, node, name)
    yield from _sweep(ctx, RemoveScript(machine_id=node.id, name=name, operation=order.id))
    return seen


def _sweep(ctx: task.OrchestrationContext, ask: RemoveScript) -> Steps[None]:
    """Delete a run command; one that is left behind holds no secret and is not worth a cure."""
    try:
        yield from call(ctx, REMOVE_SCRIPT, ask)
    except (Refused, Transient) as failure:
        ctx.create_replay_safe_logger(_LOG).warning("the run command %s was not deleted: %s", ask.name, failure)


def _read(ctx: task.OrchestrationContext, node: NodeView, name: str) -> Steps[ScriptView]:
    try:
        return (yield from call(ctx, READ_SCRIPT, ReadScript(machine_id=node.id, name=name)))
    except Transient as silence:
        return ScriptView(state="Unknown", error=str(silence))
