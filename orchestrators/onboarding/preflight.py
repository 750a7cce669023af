"""Preflight: look at a site from Azure and from its nodes, and judge every prerequisite. It changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.node_scripts import run_scripts
from orchestrators.durable.steps import Steps, insist, now, show_status
from shared.errors import SiteRecoveryError
from shared.healing.contract import RunScript, ScriptView
from shared.onboarding.contract import READ_SITE, ReadSite
from shared.onboarding.preflight.cluster_nodes import endpoints
from shared.onboarding.preflight.facts import AzureFacts, HostFacts, NodeFacts, Seen
from shared.onboarding.preflight.findings import counts, findings, state_of
from shared.onboarding.preflight.node_answers import Page, joined, page_of
from shared.recovery.outcome import Outcome
from shared.sites.defaults import cache_storage_of
from shared.sites.operation import SiteOperation

MOST_PAGES = 20


def preflight(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Judge a site; it fails when a check does, so that a pipeline can stop there."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    try:
        seen = yield from look(ctx, operation)
    except SiteRecoveryError as failure:
        return _end(operation, state="failed", failures=(str(failure),), began=began, ended=now(ctx))
    found = findings(seen)
    facts = {"checks": [one.model_dump(mode="json") for one in found], "counts": counts(found)}
    failures = tuple(f"{one.id}: {one.evidence[0]}" for one in found if one.state == "fail")
    return _end(operation, state=state_of(found), failures=failures, facts=facts, began=began, ended=now(ctx))


def _end(operation: SiteOperation, **rest: Any) -> dict[str, Any]:
    outcome = Outcome.model_validate({"kind": operation.kind, "site": operation.site, **rest})
    return outcome.model_dump(mode="json")


def look(ctx: task.OrchestrationContext, operation: SiteOperation) -> Steps[Seen]:
    """All that can be seen of a site: in Azure, then on each node that is connected."""
    show(ctx, "Azure", "the site's resources to be read")
    azure = yield from insist(ctx, READ_SITE, ReadSite(site=operation.document))
    hosts, unread = yield from _ask_nodes(ctx, operation, azure)
    return Seen(operation.document, azure, hosts, unread)


def show(ctx: task.OrchestrationContext, phase: str, waiting_for: str, **more: Any) -> None:
    """Tell where the run stands."""
    show_status(ctx, {"phase": phase, "waitingFor": waiting_for, "at": now(ctx).isoformat(), **more})


def _ask_nodes(
    ctx: task.OrchestrationContext, operation: SiteOperation, azure: AzureFacts
) -> Steps[tuple[Mapping[str, HostFacts], Mapping[str, str]]]:
    """Each node's own view, page after page, all nodes at once; and why a node has none."""
    pages: dict[str, list[HostFacts]] = {}
    unread = {node.name: f"it is {node.status}" for node in azure.nodes if not _answers(node)}
    open_at = {node.name: 0 for node in azure.nodes if _answers(node)}
    by_name = {node.name: node for node in azure.nodes}
    account = cache_storage_of(operation.document).rpartition("/")[2] if azure.account else ""
    for number in range(1, MOST_PAGES + 1):
        if not open_at:
            break
        show(ctx, "Nodes", f"{len(open_at)} nodes to say what they see (page {number})")
        asks = [_script(operation, by_name[name], first, account) for name, first in open_at.items()]
        for name, page in zip(list(open_at), (yield from _run(ctx, asks)), strict=True):
            following = _keep(name, page, pages, unread)
            open_at = _without(open_at, name) if following is None else open_at | {name: following}
    unread |= dict.fromkeys(open_at, f"it has more than {MOST_PAGES} pages of VMs")
    return {name.lower(): joined(told) for name, told in pages.items() if name not in unread}, unread


def _answers(node: NodeFacts) -> bool:
    return node.status.lower() == "connected"


def _without(open_at: Mapping[str, int], name: str) -> dict[str, int]:
    return {other: first for other, first in open_at.items() if other != name}


def _keep(name: str, page: Page | str, pages: dict[str, list[HostFacts]], unread: dict[str, str]) -> int | None:
    """Note what a node said; where its next page begins, None when there is nothing more to ask it."""
    if isinstance(page, str):
        unread[name] = page
        return None
    pages.setdefault(name, []).append(page.host)
    return page.following


def _script(operation: SiteOperation, node: NodeFacts, first: int, account: str) -> RunScript:
    wanted = ",".join(endpoints(account)) if first == 0 else ""
    return RunScript(
        machine_id=node.id,
        name=f"{operation.id}-read-node-{first}",
        script="read-node",
        operation=operation.id,
        parameters={"Endpoints": wanted, "From": str(first)},
    )


def _run(ctx: task.OrchestrationContext, asks: Sequence[RunScript]) -> Steps[list[Page | str]]:
    """Run a script on many nodes at once: what each said, or why it said nothing."""
    views = yield from run_scripts(ctx, asks)
    return [_page(ask, view) for ask, view in zip(asks, views, strict=True)]


def _page(ask: RunScript, view: ScriptView | str) -> Page | str:
    if isinstance(view, str):
        return view
    try:
        return page_of(ask.machine_id.rpartition("/")[2], view.result or {})
    except ValueError as wrong:
        return str(wrong)
