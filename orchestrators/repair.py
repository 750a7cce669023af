"""Healing a node whose ASR extension has failed: classify, uninstall, sync, wait, prove."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from activities.contract import (
    CREATE_EXTENSION,
    READ_NODES,
    READ_PROVIDERS,
    READ_SCRIPT,
    REMOVE_EXTENSION,
    REMOVE_SCRIPT,
    RUN_SCRIPT,
    CreateExtension,
    NodesRead,
    Publish,
    ReadNodes,
    ReadProviders,
    ReadScript,
    RemoveExtension,
    RemoveScript,
    RunScript,
    ScriptName,
    ScriptView,
)
from orchestrators.admission import NotAdmitted, claim_keys
from orchestrators.entities import LEASES
from orchestrators.steps import Steps, ask_entity, call, now, sleep
from orchestrators.telling import publish
from shared.classifier import classify_node
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.healing import choose_helper, proof_gaps
from shared.messages import ExtensionView, NodeView, VaultRef
from shared.operations import Outcome, Problem, Repair
from shared.sites import SiteDocument

LOOK_EVERY = timedelta(seconds=20)
GONE_WITHIN, BACK_WITHIN, PROVEN_WITHIN = timedelta(minutes=20), timedelta(minutes=12), timedelta(minutes=15)


def repair(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Bring the ASR extension of one node back, and say "healed" only when its registration is proven."""
    order = Repair.model_validate(payload)
    try:
        outcome = yield from _attempt(ctx, order)
    except SiteRecoveryError as failure:
        outcome = Outcome(state="failed", kind="repair", failures=(str(failure),), ended=now(ctx))
    yield from _tell(ctx, order, outcome)
    return outcome.model_dump(mode="json")


def _tell(ctx: task.OrchestrationContext, order: Repair, outcome: Outcome) -> Steps[None]:
    word = "Healed" if outcome.state == "succeeded" else "Finished"
    data = {"operation": order.id, "state": outcome.state, "failures": list(outcome.failures)}
    kind, subject = f"HciSiteRecovery.Node.{word}", f"nodes/{order.machine_id.rsplit('/', 1)[-1]}"
    yield from publish(ctx, Publish(id=f"{order.id}:{word}", type=kind, subject=subject, at=now(ctx), data=data))


def _attempt(ctx: task.OrchestrationContext, order: Repair) -> Steps[Outcome]:
    seen = yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))
    node = seen.nodes[0]
    site = next((s for s in order.sites.values() if s.cluster.lower() == node.cluster_id.lower()), None)
    if site is None:
        return _refuse("not-ours", f"{node.name} is a node of no declared site")
    if node.extension and node.extension.provisioning_state == "Succeeded":
        return _refuse("nothing-to-do", f"the ASR extension of {node.name} is Succeeded")
    table = f"cluster:{node.cluster_id.lower()}"
    try:
        yield from claim_keys(ctx, table, order.id, ("repair",))
    except NotAdmitted as verdict:
        return Outcome(state="refused", kind="repair", problems=verdict.problems)
    try:
        outcome = yield from _heal(ctx, order, site, node)
    except SiteRecoveryError:
        yield from ask_entity(ctx, LEASES, table, "release", order.id)
        raise
    yield from ask_entity(ctx, LEASES, table, "release", order.id)
    return outcome


def _refuse(code: str, detail: str) -> Outcome:
    return Outcome(state="refused", kind="repair", problems=(Problem(code=code, detail=detail),))


def _heal(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, node: NodeView) -> Steps[Outcome]:
    """The six manual steps of the vendor's workaround, and the proof."""
    began, saved = now(ctx), node.extension
    cause = classify_node(node, site=site)
    facts: dict[str, Any] = {"node": node.name, "site": site.hyper_v_site, "cause": cause.code, "remedy": cause.remedy}
    if saved and not cause.curable:
        return _end(ctx, began, (f"{cause.code}: {cause.remedy}",), facts | {"evidence": list(cause.evidence)})
    helper = yield from _helper(ctx, node)
    if saved:
        yield from _uninstall(ctx, order, node, saved)
    facts["uninstalled"] = now(ctx).isoformat()
    yield from _sync(ctx, order, helper)
    back = yield from _wait_back(ctx, order, node, saved)
    facts["extension"] = back.provisioning_state if back else "missing"
    if back is None or back.provisioning_state != "Succeeded":
        return _end(ctx, began, (_not_back(node, back),), facts)
    gaps = yield from _prove(ctx, order, site, node, since=began)
    return _end(ctx, began, gaps, facts)


def _not_back(node: NodeView, back: ExtensionView | None) -> str:
    said = f"{back.provisioning_state}: {back.message[:300]}" if back else "it did not come"
    return f"the ASR extension of {node.name} is not back: {said}"


def _end(ctx: task.OrchestrationContext, began: datetime, failures: tuple[str, ...], facts: dict[str, Any]) -> Outcome:
    facts = facts | {"healed": not failures}
    ended = now(ctx)
    return Outcome.model_validate(
        {"state": "failed" if failures else "succeeded", "kind": "repair", "failures": failures}
        | {"began": began, "ended": ended, "facts": facts}
    )


def _show(ctx: task.OrchestrationContext, phase: str, waiting_for: str) -> None:
    ctx.set_custom_status({"phase": phase, "waitingFor": waiting_for, "at": now(ctx).isoformat()})


def _helper(ctx: task.OrchestrationContext, node: NodeView) -> Steps[NodeView]:
    all_nodes = yield from call(ctx, READ_NODES, ReadNodes(cluster_id=node.cluster_id))
    helper = choose_helper(all_nodes.nodes, node.name)
    if helper is None:
        raise Refused(
            "no-healthy-node", f"no other node of the cluster is connected and well, to sync {node.name} from"
        )
    return helper


def _uninstall(ctx: task.OrchestrationContext, order: Repair, node: NodeView, saved: ExtensionView) -> Steps[None]:
    _show(ctx, "Uninstall", f"the ASR extension to leave {node.name}")
    yield from call(ctx, REMOVE_EXTENSION, RemoveExtension(extension_id=saved.id, operation=order.id))
    gone = yield from _until(ctx, node, lambda seen: seen is None, GONE_WITHIN)
    if gone is not None:
        raise Refused("not-uninstalled", f"the ASR extension is still on {node.name} after {GONE_WITHIN}")


def _until(
    ctx: task.OrchestrationContext, node: NodeView, good: Callable[[ExtensionView | None], bool], within: timedelta
) -> Steps[ExtensionView | None]:
    """Look at the node's extension until it is good, or the time is over: what it was like then."""
    deadline = now(ctx) + within
    while True:
        seen = yield from _look(ctx, node)
        extension = seen.nodes[0].extension if seen else node.extension
        if (seen and good(extension)) or now(ctx) >= deadline:
            return extension
        yield from sleep(ctx, LOOK_EVERY)


def _look(ctx: task.OrchestrationContext, node: NodeView) -> Steps[NodesRead | None]:
    """One look; none at all when Azure does not answer: the deadline of the caller bounds how often."""
    try:
        return (yield from call(ctx, READ_NODES, ReadNodes(machine_id=node.id)))
    except Transient:
        return None


def _sync(ctx: task.OrchestrationContext, order: Repair, helper: NodeView) -> Steps[None]:
    _show(ctx, "Sync", f"Sync-AzureStackHci on {helper.name}")
    seen = yield from _script(ctx, order, helper, "sync-cluster")
    if seen.state != "Succeeded" or seen.exit_code not in {0, None}:
        raise Refused("sync-failed", f"Sync-AzureStackHci on {helper.name}: {seen.state} {seen.error[-300:]}")


def _script(ctx: task.OrchestrationContext, order: Repair, node: NodeView, script: ScriptName) -> Steps[ScriptView]:
    """Run a script on a node, read what it said, and leave no run command behind."""
    name = f"{order.id}-{script}"
    ask = RunScript(machine_id=node.id, name=name, script=script, operation=order.id)
    yield from call(ctx, RUN_SCRIPT, ask)
    deadline = now(ctx) + 2 * ask.timeout
    seen = yield from call(ctx, READ_SCRIPT, ReadScript(machine_id=node.id, name=name))
    while not seen.ended and now(ctx) < deadline:
        yield from sleep(ctx, LOOK_EVERY)
        seen = yield from call(ctx, READ_SCRIPT, ReadScript(machine_id=node.id, name=name))
    yield from call(ctx, REMOVE_SCRIPT, RemoveScript(machine_id=node.id, name=name, operation=order.id))
    return seen


def _wait_back(
    ctx: task.OrchestrationContext, order: Repair, node: NodeView, saved: ExtensionView | None
) -> Steps[ExtensionView | None]:
    """Wait for the extension; Sync does not bring every extension back, so re-create it when it does not come."""
    _show(ctx, "Install", f"the ASR extension to come back on {node.name}")
    back = yield from _until(ctx, node, _decided, BACK_WITHIN)
    if back is None and saved:
        _show(ctx, "Re-create", f"the ASR extension to be installed on {node.name}")
        yield from call(ctx, CREATE_EXTENSION, CreateExtension(machine_id=node.id, operation=order.id, saved=saved))
        back = yield from _until(ctx, node, _decided, BACK_WITHIN)
    return back


def _decided(extension: ExtensionView | None) -> bool:
    return extension is not None and extension.provisioning_state in {"Succeeded", "Failed", "Canceled"}


def _prove(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, node: NodeView, since: datetime
) -> Steps[tuple[str, ...]]:
    """Read the node's registry once, then wait for its provider in the vault: what is missing, nothing if healed."""
    _show(ctx, "Prove", f"the registry of {node.name}")
    seen = yield from _script(ctx, order, node, "read-registration")
    _show(ctx, "Prove", f"the provider of {node.name} in the vault")
    deadline = now(ctx) + PROVEN_WITHIN
    while True:
        ask = ReadProviders(vault=VaultRef.from_id(site.vault), fabric=site.hyper_v_site)
        hosts = yield from call(ctx, READ_PROVIDERS, ask)
        gaps = proof_gaps(site, node.name, seen.result, hosts.providers, since, hosts.at)
        if not gaps or now(ctx) >= deadline:
            return gaps
        yield from sleep(ctx, LOOK_EVERY)
