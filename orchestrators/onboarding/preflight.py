"""Preflight: look at a site from Azure and from its nodes, and judge every prerequisite. It changes nothing.

1. Read the site's resources in Azure.
2. Run a script on each connected node, page after page, all nodes at once.
3. Read what the vault protects of these VMs.
4. Apply every check; a check that fails, fails the run, so that a pipeline can stop there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrators.durable.steps import Context, Steps, now
from orchestrators.onboarding.cluster_reading import (
    endpoints_to_try,
    keep_cluster_vms,
    read_azure_facts,
    read_hosts,
    read_vault_vms,
)
from shared.errors import SiteRecoveryError
from shared.obstacle import Obstacle
from shared.onboarding.preflight.check import CheckResult
from shared.onboarding.preflight.facts import AzurePart, SiteFacts
from shared.onboarding.preflight.findings import count_by_state, overall_state, run_checks
from shared.recovery.outcome import Outcome
from shared.sites.operation import SiteOperation


def preflight(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Judge a site; it fails when a check does."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    try:
        azure = yield from read_azure_facts(ctx, operation)
        read = yield from read_hosts(ctx, operation, azure, endpoints_to_try(operation, azure))
        facts = yield from _read_coverage(ctx, operation, SiteFacts(operation.document, azure, *read))
    except SiteRecoveryError as failure:
        return failed_outcome(operation, failure, began, now(ctx)).model_dump(mode="json")
    results = run_checks(facts)
    return _outcome_of_checks(operation, results, began, now(ctx)).model_dump(mode="json")


def _read_coverage(ctx: Context, operation: SiteOperation, facts: SiteFacts) -> Steps[SiteFacts]:
    """The facts with what is protected of the VMs, and with those that nodes named before that say nothing now."""
    cluster_vms = yield from keep_cluster_vms(ctx, operation, facts)
    try:
        vault_vms = yield from read_vault_vms(ctx, operation, facts.azure)
    except SiteRecoveryError as failure:
        unread: dict[AzurePart, str] = {**facts.azure.unread, "coverage": str(failure)}
        azure = facts.azure.model_copy(update={"unread": unread})
        return facts._replace(azure=azure, cluster_vms=cluster_vms.vms)
    return facts._replace(vault_vms=vault_vms, cluster_vms=cluster_vms.vms)


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
