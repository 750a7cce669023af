"""Verify: compare a declared site with what is there. It reads Azure only, and changes nothing.

1. Read the site's resources in Azure, and the vault's protected items.
2. List what is other than declared; anything is a failure.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrators.durable.steps import Context, Steps, call, now
from orchestrators.onboarding.preflight import failed_outcome, read_azure_facts
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.onboarding.drift import Drift, find_drift
from shared.recovery.outcome import Outcome
from shared.replication.contract import (
    READ_PROTECTABLE_ITEMS,
    READ_REPLICATED_ITEMS,
    ReadProtectableItems,
    ReadReplicatedItems,
)
from shared.replication.disks import list_unreplicated
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.sites.operation import SiteOperation
from shared.sites.site import SiteDocument


def verify(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """List what is other than declared; it fails when anything is."""
    operation = SiteOperation.model_validate(payload)
    began, items, unreplicated = now(ctx), ItemsRead(items=()), dict[str, tuple[str, ...]]()
    try:
        azure = yield from read_azure_facts(ctx, operation)
        if azure.vault:
            items = yield from call(ctx, READ_ITEMS, ReadItems(vault=VaultRef.from_id(operation.document.vault)))
        if azure.vault and azure.vault.site_exists and azure.vault.associated:
            unreplicated = yield from _read_unreplicated_disks(ctx, operation.document)
    except SiteRecoveryError as failure:
        return failed_outcome(operation, failure, began, now(ctx)).model_dump(mode="json")
    drift = find_drift(operation.document, azure, items.items, unreplicated)
    return _outcome_of_drift(operation, drift, began, now(ctx)).model_dump(mode="json")


def _read_unreplicated_disks(ctx: Context, site: SiteDocument) -> Steps[dict[str, tuple[str, ...]]]:
    """Names of disks that protected VMs have at home and that are not replicated, by VM."""
    vault = VaultRef.from_id(site.vault)
    request = ReadProtectableItems(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    machines = (yield from call(ctx, READ_PROTECTABLE_ITEMS, request)).machines
    copies = (yield from call(ctx, READ_REPLICATED_ITEMS, ReadReplicatedItems(vault=vault))).items
    copied_disks = {one.id.lower(): one.disk_sizes for one in copies if one.is_protected}
    return {machine.vm: disks for machine, disks in list_unreplicated(machines, copied_disks, site)}


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
