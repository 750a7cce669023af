"""What VMs need of the cores of a region, in all and by family, against what is left of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.plans.quota_checks import PlacedQuota, places_of, sizes_in_place, weigh_quotas
from shared.sites.quota import RegionQuota, Usage, VmSize, find_demands
from tests.shared.samples import plan, site
from tests.shared.test_addresses import item

SIZES = {
    "standard_b2s": VmSize(cores=2, family="standardBSFamily"),
    "standard_d4s_v5": VmSize(cores=4, family="standardDSv5Family"),
}


def quota(cores: int = 2500, bs: int = 30, dsv5: int = 30) -> RegionQuota:
    limits = {"cores": cores, "standardBSFamily": bs, "standardDSv5Family": dsv5}
    usages = {name: Usage(used=10, limit=limit, shown=f"the {name}") for name, limit in limits.items()}
    return RegionQuota(region="westeurope", usages=usages, sizes=SIZES)


def placed(found: RegionQuota, **sizes: str) -> PlacedQuota:
    return PlacedQuota(("s", "westeurope"), found, {vm.replace("_", "-"): size for vm, size in sizes.items()})


@given(st.lists(st.sampled_from(["Standard_B2s", "STANDARD_D4S_V5", "Standard_Unknown"]), max_size=20))
def test_each_vm_counts_once_in_all_and_once_in_its_family(sizes: list[str]) -> None:
    demands = {
        one.name: one.cores for one in find_demands(quota(), {f"vm-{at}": size for at, size in enumerate(sizes)})
    }
    known = [SIZES[size.lower()] for size in sizes if size.lower() in SIZES]
    assert demands.get("cores", 0) == sum(size.cores for size in known)
    assert sum(cores for name, cores in demands.items() if name != "cores") == demands.get("cores", 0)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (quota(), []),
        (quota(bs=13), ["the standardBSFamily"]),
        (quota(bs=0, dsv5=13), ["the standardBSFamily", "the standardDSv5Family"]),
        (quota(cores=17), ["8 cores are needed"]),
    ],
)
def test_what_is_too_much_is_told_by_its_quota_summed_over_the_plan(found: RegionQuota, told: list[str]) -> None:
    seen = placed(found, a="Standard_B2s", b="Standard_B2s", c="Standard_D4s_v5")
    weighted = list(weigh_quotas([seen], ["a", "b", "c"], fails_over=True))
    assert [(weight, one.code) for weight, one in weighted] == [("concern", "quota-exceeded")] * len(told)
    assert all(words in one.detail for (_, one), words in zip(weighted, told, strict=True))
    assert {weight for weight, _ in weigh_quotas([seen], ["a", "b", "c"], fails_over=False)} <= {"warning"}


def test_vms_that_are_there_already_need_nothing_more() -> None:
    assert list(weigh_quotas([placed(quota(bs=13), a="Standard_B2s", b="Standard_B2s")], ["b"], fails_over=True)) == []


def test_the_size_is_the_plan_s_or_that_of_the_protected_item() -> None:
    document = plan(items=[{"vm": "sql-01", "size": "Standard_E4s_v5"}, {"vm": "web-01"}, {"vm": "new-01"}])
    (place,) = places_of(document, {"hci-01": site()})
    items = {name: item(name, size="Standard_B2s") for name in ("sql-01", "web-01")}
    sizes = sizes_in_place(place, document, {"hci-01": site()}, items)
    assert sizes == {"sql-01": "Standard_E4s_v5", "web-01": "Standard_B2s"}
