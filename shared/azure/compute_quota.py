"""The quota of cores of a region, by family of sizes."""

from collections.abc import Collection

from shared.azure.api_versions import COMPUTE_API, COMPUTE_SKUS_API
from shared.azure.arm import list_all
from shared.azure.json_fields import Json, object_at, text_of
from shared.sites.quota import RegionQuota, Usage, VmSize


async def read_region_quota(subscription: str, region: str, sizes: Collection[str]) -> RegionQuota:
    """What a region gives to the subscription, and what these sizes take of it.

    Raises:
        SiteRecoveryError: Azure does not show it.

    Source: Microsoft.Compute usages (2024-07-01) and skus (2021-07-01): a SKU of the type virtualMachines has the
    family, which is the name of its quota, and the capability vCPUs.
    """
    base = f"/subscriptions/{subscription}/providers/Microsoft.Compute"
    usages = await list_all(f"{base}/locations/{region}/usages", COMPUTE_API)
    skus: list[Json] = []
    if sizes:
        skus = await list_all(f"{base}/skus", COMPUTE_SKUS_API, {"$filter": f"location eq '{region}'"})
    wanted = {size.lower() for size in sizes}
    return RegionQuota(
        region=region,
        usages={text_of(object_at(one, "name").get("value")): _usage_of(one) for one in usages},
        sizes={
            text_of(sku.get("name")).lower(): VmSize(cores=_cores_of(sku), family=text_of(sku.get("family")))
            for sku in skus
            if sku.get("resourceType") == "virtualMachines" and text_of(sku.get("name")).lower() in wanted
        },
    )


def _usage_of(usage: Json) -> Usage:
    shown = text_of(object_at(usage, "name").get("localizedValue"))
    return Usage(used=int(usage["currentValue"]), limit=int(usage["limit"]), shown=shown)


def _cores_of(sku: Json) -> int:
    values = (one.get("value") for one in sku.get("capabilities") or () if one.get("name") == "vCPUs")
    return int(next(values, None) or 0)
