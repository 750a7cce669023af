"""Whoever declares a plan hears all that is wrong with it in one answer, each fault by its field."""

import json
from typing import Any

import pytest

from shared.plans.plan import PlanDocument
from tests.shared.samples import site
from triggers.plan_checks import check_plan_document

NETWORK = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
FOLLOWING = {"site": "hci-01", "items": [{"vm": "x"}], "drill": {"network": NETWORK, "follows": "mine"}}


def wrong_with(document: Any) -> dict[str, str]:
    body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
    _, wrong = check_plan_document("mine", body, {"hci-01": site()}, {"other": PlanDocument.model_validate(FOLLOWING)})
    return {error.field: error.detail for error in wrong}


def test_all_that_is_wrong_is_told_at_once() -> None:
    items = [{"vm": "a", "after": ["b"]}, {"vm": "b", "after": ["a"], "site": "nowhere"}, {"vm": "c", "site": "moon"}]
    drill = {"network": NETWORK, "follows": "other"}
    found = wrong_with({"site": "mars", "items": items, "drill": drill, "commit": "sometimes"})
    fields = {"site", "items[1].site", "items[2].site", "items[0].after[0]", "drill.follows", "commit"}
    assert set(found) == fields
    assert "a -> b -> a" in found["items[0].after[0]"]
    assert found["drill.follows"].endswith("mine -> other -> mine")


ODD_HOOK = '{"site": "hci-01", "items": [{"vm": "a"}], "hooks": {"failover": {"before": [{"name": "h", "kind": []}]}}}'


@pytest.mark.parametrize(
    "body",
    [
        "{not json",
        "[]",
        "[" * 100_000,
        ODD_HOOK,
        '{"site": 7, "items": [3, {"vm": "a", "site": 4}], "drill": 1}',
    ],
    ids=["no JSON", "a list", "a deep list", "a hook of an odd kind", "odd fields"],
)
def test_what_cannot_be_read_is_told_as_far_as_it_can(body: str) -> None:
    assert wrong_with(body)


def test_a_plan_that_may_be_declared_is_given_back() -> None:
    good = {"site": "hci-01", "items": [{"vm": "a"}], "drill": {"network": NETWORK, "follows": "other"}}
    followed = PlanDocument.model_validate({**good, "drill": {"network": NETWORK}})
    plan, wrong = check_plan_document("mine", json.dumps(good).encode(), {"hci-01": site()}, {"other": followed})
    assert not wrong
    assert plan is not None
    assert plan.site_names == ("hci-01",)


def test_a_drill_follows_a_plan_that_is_declared_and_is_in_no_network_of_a_failover() -> None:
    production = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/vnet-prod"
    drill = {"network": production.replace("vnet", "VNET"), "follows": "nobody"}
    body = json.dumps({"site": "hci-01", "items": [{"vm": "a"}], "drill": drill}).encode()
    _, errors = check_plan_document("mine", body, {"hci-01": site(network=production)}, {})
    assert [error.field for error in errors] == ["drill.follows", "drill.network"]
