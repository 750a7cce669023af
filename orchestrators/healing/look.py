"""Looking at a node: what is wrong with it, and how its extension is doing. None of it changes anything."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from orchestrators.durable.steps import Context, Steps, call, now, sleep
from orchestrators.healing.progress import ProgressTracker
from shared.errors import Refused, Transient
from shared.healing.classifier import Cause, classify_failure, find_cause, may_be_cured
from shared.healing.contract import READ_CAUSE, READ_NODES, ReadCause, ReadNodes
from shared.healing.pacing import LOG_REACHES_BACK, NODE_EVERY, SETTLED_WITHIN
from shared.healing.repair import NeedsPerson, NothingToDo, Repair
from shared.messages import VaultRef
from shared.site_recovery.contract import READ_PROVIDERS, ReadProviders
from shared.site_recovery.views import ProviderView
from shared.sites.node_health import is_extension_moving
from shared.sites.nodes import ExtensionView, NodeView
from shared.sites.site import SiteDocument


class NodeDiagnosis(NamedTuple):
    """A node that is not well.

    Attributes:
        providers: Those of the site's vault.
        cause: What is wrong with it.
    """

    node: NodeView
    providers: tuple[ProviderView, ...]
    cause: Cause


def read_node(ctx: Context, machine_id: str) -> Steps[NodeView]:
    """The node as Azure shows it now."""
    return (yield from call(ctx, READ_NODES, ReadNodes(machine_id=machine_id))).nodes[0]


def diagnose_settled_node(
    ctx: Context, order: Repair, site: SiteDocument, tracker: ProgressTracker, node: NodeView | None = None
) -> Steps[NodeDiagnosis]:
    """What is wrong with the node, once its extension is neither being installed nor removed.

    Args:
        node: The node as it was read just now; None to read it here.

    Raises:
        NothingToDo: the node is well.
        NeedsPerson: the app cannot cure it, or its extension is still on its way after all that time.
    """
    tracker.enter_phase("Classify", f"what is wrong with {tracker.progress.node}")
    node = yield from _wait_until_settled(ctx, order, tracker, node or (yield from read_node(ctx, order.machine_id)))
    provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    cause = find_cause(site, node, provider_views.providers, provider_views.at)
    if cause is None:
        detail = f"{node.name} is well: its extension succeeded, and its provider is connected"
        raise NothingToDo("nothing-to-do", detail)
    if cause.code == "unknown":
        cause = yield from _refine_by_activity_log(ctx, order, cause)
    tracker.note_cause(cause)
    is_unexplained = cause.code == "unknown" and site.healing_rules.diagnose
    is_to_be_examined = is_unexplained or may_be_cured(site, node, cause, provider_views.providers)
    if not cause.curable and not is_to_be_examined:
        raise NeedsPerson(cause)
    return NodeDiagnosis(node, provider_views.providers, cause)


def _wait_until_settled(ctx: Context, order: Repair, tracker: ProgressTracker, node: NodeView) -> Steps[NodeView]:
    if not is_extension_moving(node.extension):
        return node
    tracker.enter_phase("Classify", f"the extension of {node.name} to be installed or removed")
    return (yield from wait_for_node(ctx, order.machine_id, is_extension_at_rest, SETTLED_WITHIN))


def is_extension_at_rest(extension: ExtensionView | None) -> bool:
    """Whether it is neither being installed nor removed."""
    return not is_extension_moving(extension)


def _refine_by_activity_log(ctx: Context, order: Repair, cause: Cause) -> Steps[Cause]:
    """The cause that the Activity Log names, if any; the log comes late and may not have the failure yet."""
    if order.reported_at is None:
        return cause
    since = order.reported_at - LOG_REACHES_BACK
    request = ReadCause(resource_id=order.machine_id, correlation_id=order.cause, since=since)
    try:
        log_entry = yield from call(ctx, READ_CAUSE, request)
    except (Refused, Transient):
        return cause
    logged_cause = classify_failure(log_entry.code, log_entry.message)
    return logged_cause if logged_cause.code != "unknown" else cause


def wait_for_node(
    ctx: Context, machine_id: str, is_good: Callable[[ExtensionView | None], bool], within: timedelta
) -> Steps[NodeView]:
    """Read the node until its extension is good, or the time is over: what it was like then.

    Raises:
        Transient: Azure did not answer once in all that time.
    """
    deadline = now(ctx) + within
    node: NodeView | None = None
    while True:
        try:
            node = yield from read_node(ctx, machine_id)
        except Transient:
            if now(ctx) >= deadline and node is None:
                raise
        if node and (is_good(node.extension) or now(ctx) >= deadline):
            return node
        yield from sleep(ctx, NODE_EVERY)
