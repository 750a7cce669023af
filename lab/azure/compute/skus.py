"""Microsoft.Compute skus: the sizes of a region with their cores and families.

Source: skus/list of Microsoft.Compute 2021-07-01; of other resource types than VMs the lab lists none.
"""

from lab.azure.arm import resources
from lab.azure.arm.odata import parse_clauses
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.compute.sizes import SIZES, Size
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import LOCATION, Lab
from lab.azure.simulator.requests import ArmRequest

provider = Provider("Microsoft.Compute", {"2021-07-01"})


@provider.route("GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/skus")
def list_skus(lab: Lab, request: ArmRequest) -> Answer:
    """The sizes of the region that the filter names, or of all."""
    resources.require_subscription(lab, request.params["subscription"])
    wanted = parse_clauses(request.query.get("$filter", ""), {"location": "location"}).get("location", LOCATION)
    return paged_answer(request, [_sku_document(size) for size in SIZES if wanted.lower() == LOCATION])


def _sku_document(size: Size) -> Json:
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [LOCATION],
        "capabilities": [
            {"name": "vCPUs", "value": str(size.cores)},
            {"name": "MemoryGB", "value": f"{size.memory_gb:g}"},
        ],
        "restrictions": [],
    }
