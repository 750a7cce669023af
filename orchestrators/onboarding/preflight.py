"""Preflight: look at a site from Azure and from its nodes, and judge every prerequisite. It changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.node_scripts import run_scripts
from orchestrators.durable.steps import Steps, call_patiently, now, show_status
from shared.arm_ids import name_of
from shared.errors import SiteRecoveryError
from shared.healing.contract import RunScript, ScriptView
from shared.onboarding.contract import READ_SITE, ReadSite
from shared.onboarding.preflight.cluster_nodes import required_endpoints
from shared.onboarding.preflight.facts import AzureFacts, HostFacts, NodeFacts, SiteFacts
from shared.onboarding.preflight.findings import count_by_state, overall_state, run_checks
from shared.onboarding.preflight.node_answers import NodePage, join_node_pages, read_node_page
from shared.recovery.outcome import Outcome
from shared.sites.defaults import cache_storage_of
from shared.sites.operation import SiteOperation

MOST_PAGES = 20


def preflight(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Judge a site; it fails when a check does, so that a pipeline can stop there."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    try:
        site_facts = yield from read_site_facts(ctx, operation)
    except SiteRecoveryError as failure:
        return _outcome_json(operation, state="failed", failures=(str(failure),), began=began, ended=now(ctx))
    check_findings = run_checks(site_facts)
    facts = {
        "checks": [finding.model_dump(mode="json") for finding in check_findings],
        "counts": count_by_state(check_findings),
    }
    failures = tuple(f"{finding.id}: {finding.evidence[0]}" for finding in check_findings if finding.state == "fail")
    return _outcome_json(
        operation, state=overall_state(check_findings), failures=failures, facts=facts, began=began, ended=now(ctx)
    )


def _outcome_json(operation: SiteOperation, **rest: Any) -> dict[str, Any]:
    outcome = Outcome.model_validate({"kind": operation.kind, "site": operation.site, **rest})
    return outcome.model_dump(mode="json")


def read_site_facts(ctx: task.OrchestrationContext, operation: SiteOperation) -> Steps[SiteFacts]:
    """All that can be seen of a site: in Azure, then on each node that is connected."""
    show_phase(ctx, "Azure", "the site's resources to be read")
    azure = yield from call_patiently(ctx, READ_SITE, ReadSite(site=operation.document))
    hosts, unread = yield from _read_nodes(ctx, operation, azure)
    return SiteFacts(operation.document, azure, hosts, unread)


def show_phase(ctx: task.OrchestrationContext, phase: str, waiting_for: str, **more: Any) -> None:
    """Tell where the run stands."""
    show_status(ctx, {"phase": phase, "waitingFor": waiting_for, "at": now(ctx).isoformat(), **more})


def _read_nodes(
    ctx: task.OrchestrationContext, operation: SiteOperation, azure: AzureFacts
) -> Steps[tuple[Mapping[str, HostFacts], Mapping[str, str]]]:
    """Each node's own view, page after page, all nodes at once; and why a node has none."""
    pages: dict[str, list[HostFacts]] = {}
    unread = {node.name: f"it is {node.status}" for node in azure.nodes if not _is_connected(node)}
    next_vm_by_node = {node.name: 0 for node in azure.nodes if _is_connected(node)}
    by_name = {node.name: node for node in azure.nodes}
    account = name_of(cache_storage_of(operation.document)) if azure.account else ""
    for number in range(1, MOST_PAGES + 1):
        if not next_vm_by_node:
            break
        show_phase(ctx, "Nodes", f"{len(next_vm_by_node)} nodes to say what they see (page {number})")
        requests = [
            _script_request(operation, by_name[name], first, account) for name, first in next_vm_by_node.items()
        ]
        for name, page in zip(list(next_vm_by_node), (yield from _read_pages(ctx, requests)), strict=True):
            following = _keep_page(name, page, pages, unread)
            next_vm_by_node = (
                _without_node(next_vm_by_node, name) if following is None else next_vm_by_node | {name: following}
            )
    unread |= dict.fromkeys(next_vm_by_node, f"it has more than {MOST_PAGES} pages of VMs")
    return {
        name.lower(): join_node_pages(host_pages) for name, host_pages in pages.items() if name not in unread
    }, unread


def _is_connected(node: NodeFacts) -> bool:
    return node.status.lower() == "connected"


def _without_node(next_vm_by_node: Mapping[str, int], name: str) -> dict[str, int]:
    return {other: first for other, first in next_vm_by_node.items() if other != name}


def _keep_page(
    name: str, page: NodePage | str, pages: dict[str, list[HostFacts]], unread: dict[str, str]
) -> int | None:
    """Note what a node said; where its next page begins, None when there is nothing more to ask it."""
    if isinstance(page, str):
        unread[name] = page
        return None
    pages.setdefault(name, []).append(page.host)
    return page.next_start


def _script_request(operation: SiteOperation, node: NodeFacts, first: int, account: str) -> RunScript:
    wanted = ",".join(required_endpoints(account)) if first == 0 else ""
    return RunScript(
        machine_id=node.id,
        name=f"{operation.id}-read-node-{first}",
        script="read-node",
        operation=operation.id,
        parameters={"Endpoints": wanted, "From": str(first)},
    )


def _read_pages(ctx: task.OrchestrationContext, requests: Sequence[RunScript]) -> Steps[list[NodePage | str]]:
    """Run a script on many nodes at once: what each said, or why it said nothing."""
    views = yield from run_scripts(ctx, requests)
    return [_parse_page(request, view) for request, view in zip(requests, views, strict=True)]


def _parse_page(request: RunScript, view: ScriptView | str) -> NodePage | str:
    if isinstance(view, str):
        return view
    try:
        return read_node_page(name_of(request.machine_id), view.result or {})
    except ValueError as error:
        return str(error)
