"""Microsoft.Compute usages: the cores that a region gives to the subscription, in all and by family, and those in use.

Source: usages/list of Microsoft.Compute: {currentValue, limit, unit, name: {value, localizedValue}}; the limits are
assumed. A VM counts from when it is made, deallocated or not: Azure counts those that are allocated (assumed).
"""

from lab.azure.arm import resources
from lab.azure.arm.paging import paged_answer
from lab.azure.compute import virtual_machines
from lab.azure.compute.sizes import FAMILIES, SIZES, Size, find_size
from lab.azure.simulator.answers import Answer, Json, bad_request
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest

KIND = "quota"
TOTAL = "cores"
LIMIT, FAMILY_LIMIT = 2500, 1000


@virtual_machines.provider.route(
    "GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/usages"
)
def list_usages(lab: Lab, request: ArmRequest) -> Answer:
    """The usages of a region: its cores, those of each family, and its VMs."""
    resources.require_subscription(lab, request.params["subscription"])
    vms = lab.store.count(virtual_machines.VM.lower())
    usages = [_usage_document(TOTAL, "Total Regional vCPUs", *_usage_of(lab, TOTAL))]
    usages += [_usage_document(family, shown, *_usage_of(lab, family)) for family, shown in FAMILIES.items()]
    return paged_answer(request, [*usages, _usage_document("virtualMachines", "Virtual Machines", vms, 25_000)])


@virtual_machines.provider.route(
    "GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/vmSizes"
)
def list_sizes(lab: Lab, request: ArmRequest) -> Answer:
    """The sizes that a region offers."""
    resources.require_subscription(lab, request.params["subscription"])
    return paged_answer(request, [_size_document(size) for size in SIZES])


def _size_document(size: Size) -> Json:
    return {
        "name": size.name,
        "numberOfCores": size.cores,
        "memoryInMB": int(size.memory_gb * 1024),
        "osDiskSizeInMB": 1047552,
        "resourceDiskSizeInMB": 0,
        "maxDataDiskCount": size.cores * 2,
    }


def find_shortage(lab: Lab, size_name: str) -> str | None:
    """Why one more VM of a size would exceed a quota, in Azure's words; None when it would not."""
    size = find_size(size_name)
    if size is None:
        return None
    for name, shown in ((TOTAL, "Total Regional Cores"), (size.family, FAMILIES[size.family])):
        used, limit = _usage_of(lab, name)
        if used + size.cores > limit:
            return (
                f"Operation could not be completed as it results in exceeding approved {shown} quota. Current Limit: "
                f"{limit}, Current Usage: {used}, Additional Required: {size.cores}."
            )
    return None


def change_quota(lab: Lab, settings: Json) -> None:
    """{used, limit} of all cores, and by family the same: a wish of the world.

    Raises:
        ArmError: 400 for a family that there is not.
    """
    for name, value in settings.items():
        if name in FAMILIES and isinstance(value, dict):
            lab.store.put(KIND, name, value)
        elif name not in {"used", "limit"}:
            raise bad_request("InvalidWorld", f"quota takes used, limit, {', '.join(FAMILIES)}, not {name}")
    total: Json = {name: settings[name] for name in ("used", "limit") if name in settings}
    if total:
        lab.store.put(KIND, TOTAL, total)


def _usage_of(lab: Lab, name: str) -> tuple[int, int]:
    """How many cores are used, and how many there may be."""
    chosen = lab.store.get(KIND, name) or {}
    used = sum(size.cores for size in _sizes_in_use(lab) if name in {TOTAL, size.family})
    return chosen.get("used", used), chosen.get("limit", LIMIT if name == TOTAL else FAMILY_LIMIT)


def _sizes_in_use(lab: Lab) -> list[Size]:
    vms = lab.store.all(virtual_machines.VM.lower())
    return [size for vm in vms if (size := find_size(vm["properties"]["hardwareProfile"]["vmSize"]))]


def _usage_document(name: str, shown: str, used: int, limit: int) -> Json:
    return {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": shown}}
