"""Verify: compare a declared site with what is there. It reads Azure only, and changes nothing."""

from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call, insist, now
from orchestrators.onboarding.preflight import show
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.onboarding.contract import READ_SITE, ReadSite
from shared.onboarding.drift import Drift, drift
from shared.recovery.outcome import Outcome
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.sites.operation import SiteOperation


def verify(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """List what is other than declared; it fails when anything is."""
    operation = SiteOperation.model_validate(payload)
    began = now(ctx)
    outcome: dict[str, Any] = {"kind": operation.kind, "site": operation.site, "began": began}
    try:
        found = yield from _compare(ctx, operation)
    except SiteRecoveryError as failure:
        outcome |= {"state": "failed", "failures": (str(failure),), "ended": now(ctx)}
        return Outcome.model_validate(outcome).model_dump(mode="json")
    outcome |= {
        "state": "failed" if found else "succeeded",
        "failures": tuple(f"{one.what}: declared {one.declared}, found {one.found}" for one in found),
        "facts": {"drift": [one.model_dump(mode="json") for one in found]},
        "ended": now(ctx),
    }
    return Outcome.model_validate(outcome).model_dump(mode="json")


def _compare(ctx: task.OrchestrationContext, operation: SiteOperation) -> Steps[tuple[Drift, ...]]:
    show(ctx, "Azure", "the site's resources to be read")
    azure = yield from insist(ctx, READ_SITE, ReadSite(site=operation.document))
    items = ItemsRead(items=())
    if azure.vault:
        vault = VaultRef.from_id(operation.document.vault)
        items = yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))
    return drift(operation.document, azure, items.items)
