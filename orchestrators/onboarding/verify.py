"""Verify: compare a declared site with what is there. It reads Azure only, and changes nothing."""

from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call, call_patiently, now
from orchestrators.onboarding.preflight import show_phase
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.onboarding.contract import READ_SITE, ReadSite
from shared.onboarding.drift import Drift, find_drift
from shared.recovery.outcome import Outcome
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.sites.operation import SiteOperation


def verify(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """List what is other than declared; it fails when anything is."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    outcome: dict[str, Any] = {"kind": operation.kind, "site": operation.site, "began": began}
    try:
        differences = yield from _compare_site(ctx, operation)
    except SiteRecoveryError as failure:
        outcome |= {"state": "failed", "failures": (str(failure),), "ended": now(ctx)}
        return Outcome.model_validate(outcome).model_dump(mode="json")
    outcome |= {
        "state": "failed" if differences else "succeeded",
        "failures": tuple(
            f"{difference.what}: declared {difference.declared}, found {difference.found}" for difference in differences
        ),
        "facts": {"drift": [one.model_dump(mode="json") for one in differences]},
        "ended": now(ctx),
    }
    return Outcome.model_validate(outcome).model_dump(mode="json")


def _compare_site(ctx: task.OrchestrationContext, operation: SiteOperation) -> Steps[tuple[Drift, ...]]:
    show_phase(ctx, "Azure", "the site's resources to be read")
    azure = yield from call_patiently(ctx, READ_SITE, ReadSite(site=operation.document))
    items = ItemsRead(items=())
    if azure.vault:
        vault = VaultRef.from_id(operation.document.vault)
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))
    return find_drift(operation.document, azure, items.items)
