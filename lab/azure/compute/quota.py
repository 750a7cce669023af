"""Microsoft.Compute usages: how many cores a region gives to the subscription, and how many are used.

Source: usages/list of Microsoft.Compute: {currentValue, limit, unit, name: {value, localizedValue}}; the limit is
assumed.
"""

from lab.azure.arm import resources
from lab.azure.arm.paging import paged_answer
from lab.azure.compute import virtual_machines
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest

KIND = "quota"
LIMIT = 2500


@virtual_machines.provider.route(
    "GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages"
)
def list_usages(lab: Lab, request: ArmRequest) -> Answer:
    """The usages of a region: its cores, and its VMs."""
    resources.require_subscription(lab, request.params["subscription"])
    vms = lab.store.count(virtual_machines.VM.lower())
    cores_override = lab.store.get(KIND, "cores") or {}
    cores = _usage_document(
        "cores", "Total Regional vCPUs", cores_override.get("used", 2 * vms), cores_override.get("limit", LIMIT)
    )
    return paged_answer(request, [cores, _usage_document("virtualMachines", "Virtual Machines", vms, 25_000)])


def _usage_document(name: str, shown: str, used: int, limit: int) -> Json:
    return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": shown}}
