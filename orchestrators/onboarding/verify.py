"""Verify: compare a declared site with what is there. It changes nothing.

1. Read the site's resources in Azure.
2. Run a read-only script on each connected node: what runs there is not all known to a vault.
3. Read what the vault protects.
4. List what is other than declared; anything is a failure.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrators.durable.steps import Context, Steps, call, now
from orchestrators.onboarding.cluster_reading import keep_cluster_vms, read_azure_facts, read_hosts, read_vault_vms
from orchestrators.onboarding.preflight import failed_outcome
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.onboarding.drift import Drift, SiteVms, find_drift
from shared.onboarding.preflight.facts import AzureFacts, SiteFacts
from shared.recovery.outcome import Outcome
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.sites.operation import SiteOperation


def verify(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """List what is other than declared; it fails when anything is."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    try:
        azure = yield from read_azure_facts(ctx, operation)
        vms = yield from _read_vms(ctx, operation, azure)
    except SiteRecoveryError as failure:
        return failed_outcome(operation, failure, began, now(ctx)).model_dump(mode="json")
    return _outcome_of_drift(operation, find_drift(operation.document, azure, vms), began, now(ctx)).model_dump(
        mode="json"
    )


def _read_vms(ctx: Context, operation: SiteOperation, azure: AzureFacts) -> Steps[SiteVms]:
    """The VMs as the nodes and the vault have them."""
    read = yield from read_hosts(ctx, operation, azure)
    cluster_vms = yield from keep_cluster_vms(ctx, operation, SiteFacts(operation.document, azure, *read))
    items = ItemsRead(items=())
    if azure.vault:
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=VaultRef.from_id(operation.document.vault)))
    vault_vms = yield from read_vault_vms(ctx, operation, azure)
    return SiteVms(items.items, vault_vms, cluster_vms)


def _outcome_of_drift(operation: SiteOperation, drift: Sequence[Drift], began: datetime, ended: datetime) -> Outcome:
    return Outcome(
        state="failed" if drift else "succeeded",
        kind=operation.kind,
        site=operation.site,
        failures=tuple(_failure_of(one) for one in drift),
        facts={"drift": [one.model_dump(mode="json") for one in drift]},
        began=began,
        ended=ended,
    )


def _failure_of(drift: Drift) -> Obstacle:
    detail = f"declared {drift.declared}, found {drift.found}"
    return Obstacle(subject=drift.part, code="differs-from-declared", detail=detail)
