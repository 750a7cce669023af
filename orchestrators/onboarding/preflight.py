"""Preflight: look at a site from Azure and from its nodes, and judge every prerequisite. It changes nothing.

1. Read the site's resources in Azure.
2. Run a script on each connected node, page after page, all nodes at once.
3. Apply every check; a check that fails, fails the run, so that a pipeline can stop there.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrators.durable.node_scripts import PagedScript, read_pages
from orchestrators.durable.steps import Context, Steps, call_patiently, now, show_status
from shared.arm_ids import name_of
from shared.errors import SiteRecoveryError
from shared.healing.contract import RunScript
from shared.obstacle import Obstacle
from shared.onboarding.contract import READ_SITE, ReadSite
from shared.onboarding.preflight.check import CheckResult
from shared.onboarding.preflight.cluster_nodes import required_endpoints
from shared.onboarding.preflight.facts import AzureFacts, HostFacts, NodeFacts, SiteFacts
from shared.onboarding.preflight.findings import count_by_state, overall_state, run_checks
from shared.onboarding.preflight.node_answers import join_node_pages, read_node_page
from shared.recovery.outcome import Outcome
from shared.sites.defaults import cache_storage_of
from shared.sites.node_health import disconnected_nodes
from shared.sites.operation import SiteOperation


def preflight(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Judge a site; it fails when a check does."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    try:
        azure = yield from read_azure_facts(ctx, operation)
        hosts, unread_nodes = yield from _read_nodes(ctx, operation, azure)
    except SiteRecoveryError as failure:
        return failed_outcome(operation, failure, began, now(ctx)).model_dump(mode="json")
    results = run_checks(SiteFacts(operation.document, azure, hosts, unread_nodes))
    return _outcome_of_checks(operation, results, began, now(ctx)).model_dump(mode="json")


def _outcome_of_checks(
    operation: SiteOperation, results: Sequence[CheckResult], began: datetime, ended: datetime
) -> Outcome:
    checks = [result.model_dump(mode="json") for result in results]
    return Outcome(
        state=overall_state(results),
        kind=operation.kind,
        site=operation.site,
        failures=tuple(
            Obstacle(subject=result.title, code=result.id, detail=result.evidence[0], remedy=result.remedy)
            for result in results
            if result.state == "fail"
        ),
        facts={"checks": checks, "counts": count_by_state(results)},
        began=began,
        ended=ended,
    )


def read_azure_facts(ctx: Context, operation: SiteOperation) -> Steps[AzureFacts]:
    """What Azure shows of the site."""
    show_phase(ctx, "Azure", "the site's resources to be read")
    return (yield from call_patiently(ctx, READ_SITE, ReadSite(site=operation.document)))


def failed_outcome(operation: SiteOperation, failure: Exception, began: datetime, ended: datetime) -> Outcome:
    """The outcome of a run that could not read the site."""
    return Outcome(
        state="failed",
        kind=operation.kind,
        site=operation.site,
        failures=(Obstacle.of_error(failure),),
        began=began,
        ended=ended,
    )


def show_phase(ctx: Context, phase: str, waiting_for: str) -> None:
    """Show where the run stands."""
    show_status(ctx, {"phase": phase, "waitingFor": waiting_for, "at": now(ctx).isoformat()})


def _node_script(operation: str, node: NodeFacts, endpoints: str) -> PagedScript:
    request = RunScript(
        machine_id=node.id,
        name=f"{operation}-read-node",
        script="read-node",
        operation=operation,
        parameters={"Endpoints": endpoints},
    )
    return PagedScript(node.name, request, later_parameters={"Endpoints": ""})  # they are tried once


def _read_nodes(
    ctx: Context, operation: SiteOperation, azure: AzureFacts
) -> Steps[tuple[Mapping[str, HostFacts], Mapping[str, str]]]:
    """Each node's own view, by its name in lower case; and why a node has none, by its name."""
    disconnected = disconnected_nodes(azure.nodes)
    account = name_of(cache_storage_of(operation.document)) if azure.account else ""
    endpoints = ",".join(required_endpoints(account))
    connected = [node for node in azure.nodes if node.name not in disconnected]
    scripts = [_node_script(operation.id, node, endpoints) for node in connected]

    def show_page(nodes: int, page: int) -> None:
        show_phase(ctx, "Nodes", f"{nodes} nodes to answer (page {page})")

    answers = yield from read_pages(ctx, scripts, read_node_page, show_page)
    hosts = {name.lower(): join_node_pages(pages) for name, pages in answers.by_node.items()}
    return hosts, {**disconnected, **answers.silent}
