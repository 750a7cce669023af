"""Sites, plans and items as tests need them."""

from typing import Any

from shared.plans.plan import PlanDocument
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument

SUBSCRIPTION = "/subscriptions/11111111-1111-1111-1111-111111111111"
ISOLATED = f"{SUBSCRIPTION}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/vnet-drill"
PRODUCTION = f"{SUBSCRIPTION}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/vnet-dr"

SITE = {
    "cluster": f"{SUBSCRIPTION}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01",
    "vault": f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr",
    "hyperVSite": "hci-01-site",
    "policy": "policy-24h",
    "targetResourceGroup": f"{SUBSCRIPTION}/resourceGroups/rg-dr-vms",
    "network": PRODUCTION,
    "subnet": "apps",
    "region": "westeurope",
}

PAYROLL = {
    "site": "hci-01",
    "items": [
        {"vm": "dc-01"},
        {"vm": "sql-01", "after": ["dc-01"], "probes": [{"port": 1433}]},
        {"vm": "app-01", "after": ["sql-01"]},
        {"vm": "web-01", "after": ["app-01"], "probes": [{"kind": "http", "port": 443, "path": "/health"}]},
    ],
    "drill": {"network": ISOLATED, "schedule": "0 0 3 * * SUN", "timeZone": "Europe/Berlin", "timeToLive": "PT3H"},
    "commit": "automatic",
}

REPLICATING = ("PlannedFailover", "UnplannedFailover", "DisableProtection", "TestFailover")


def site(**changes: Any) -> SiteDocument:
    return SiteDocument.model_validate({**SITE, **changes})


def plan(**changes: Any) -> PlanDocument:
    return PlanDocument.model_validate({**PAYROLL, **changes})


def view(vm: str = "sql-01", **changes: Any) -> ItemView:
    protected = {"id": f"/x/{vm}", "vm": vm, "protection_state": "Protected", "allowed_operations": REPLICATING}
    return ItemView.model_validate({**protected, **changes})
