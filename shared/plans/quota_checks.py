"""Whether the region that a plan's VMs go to has cores enough for them, in all and by family of sizes. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from shared.arm_ids import subscription_of
from shared.obstacle import Obstacle
from shared.plans.plan import PlanDocument
from shared.plans.readiness_checks import Weight, WeightedObstacle
from shared.site_recovery.views import ItemDetail
from shared.sites.quota import RegionQuota, find_demands
from shared.sites.site import SiteDocument

QUOTA_EXCEEDED = "quota-exceeded"


class PlacedQuota(NamedTuple):
    """The quota of a region.

    Attributes:
        place: Subscription and region.
        sizes: The sizes of the VMs that go there, by VM.
    """

    place: tuple[str, str]
    quota: RegionQuota
    sizes: Mapping[str, str]


def places_of(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> list[tuple[str, str]]:
    """The subscriptions and regions that the plan's VMs go to, each once."""
    return sorted({_place_of(sites[name]) for name in plan.site_names})


def _place_of(site: SiteDocument) -> tuple[str, str]:
    return subscription_of(site.target_resource_group).lower(), site.region.lower()


def sizes_in_place(
    place: tuple[str, str], plan: PlanDocument, sites: Mapping[str, SiteDocument], items: Mapping[str, ItemDetail]
) -> dict[str, str]:
    """The size of each VM that goes there: the plan's, or that of its protected item.

    Args:
        items: The protected items by VM name in lower case.
    """
    views = (
        (item, items.get(item.vm.lower())) for item in plan.items if _place_of(sites[plan.site_name_of(item)]) == place
    )
    sizes = {item.vm: item.size or (view.size if view else "") for item, view in views}
    return {vm: size for vm, size in sizes.items() if size}


def weigh_quotas(quotas: Iterable[PlacedQuota], vms: Iterable[str], *, fails_over: bool) -> Iterator[WeightedObstacle]:
    """What the VMs need more than is free; what Azure counts changes by the minute, so that it is no blocker.

    Args:
        vms: Those that are still to be brought over.
    """
    moved = set(vms)
    weight: Weight = "concern" if fails_over else "warning"
    for _, quota, sizes in quotas:
        for demand in find_demands(quota, {vm: size for vm, size in sizes.items() if vm in moved}):
            if demand.is_too_much:
                yield weight, Obstacle(code=QUOTA_EXCEEDED, detail=demand.describe(quota.region))
