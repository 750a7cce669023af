"""Microsoft.Compute usages: how many cores a region gives to the subscription, and how many are used.

Source: usages/list of Microsoft.Compute: {currentValue, limit, unit, name: {value, localizedValue}}; the limit is
assumed.
"""

from lab.azure import compute, resources
from lab.azure.answers import Answer, Json
from lab.azure.lab import Lab
from lab.azure.paging import paged
from lab.azure.routing import Ask

KIND = "quota"
LIMIT = 2500


@compute.provider.route("GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages")
def list_usages(lab: Lab, ask: Ask) -> Answer:
    """The usages of a region: its cores, and its VMs."""
    resources.require_subscription(lab, ask.params["subscription"])
    vms = lab.store.count(compute.VM.lower())
    told = lab.store.get(KIND, "cores") or {}
    cores = _usage("cores", "Total Regional vCPUs", told.get("used", 2 * vms), told.get("limit", LIMIT))
    return paged(ask, [cores, _usage("virtualMachines", "Virtual Machines", vms, 25_000)])


def _usage(name: str, shown: str, used: int, limit: int) -> Json:
    return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": shown}}
