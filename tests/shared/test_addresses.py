"""An address that a VM asks for in Azure is told when a card has it, and when another VM asks for it as well."""

from typing import Any

import pytest

from shared.plans.addresses import (
    AddressFacts,
    claims_of_items,
    claims_of_plan,
    find_rival_claims,
    networks_with_addresses,
    weigh_address,
    weigh_test_address,
)
from shared.plans.plan import PlanDocument, PlanItem
from shared.site_recovery.views import ItemDetail
from tests.shared.samples import ISOLATED, PRODUCTION, SITE, plan, site, view

ITEM_ID = f"{SITE['vault']}/replicationFabrics/f/replicationProtectionContainers/c/replicationProtectedItems/g"
ADDRESS = "10.10.1.20"
CARDS = {PRODUCTION.lower(): {ADDRESS: "pa-vm-nic"}, ISOLATED.lower(): {"10.20.1.9": "left-nic"}}


def item(vm: str = "sql-01", **changes: Any) -> ItemDetail:
    return ItemDetail.model_validate(view(vm).model_dump() | {"id": ITEM_ID, "network": PRODUCTION.upper(), **changes})


def one_vm(vm: str = "sql-01", **fields: Any) -> PlanDocument:
    return plan(items=[{"vm": vm, **fields}])


def told(wanted: PlanItem, seen: ItemDetail, facts: AddressFacts) -> list[tuple[str, str]]:
    return [(weight, one.code) for weight, one in weigh_address(wanted, seen, site(), facts)]


@pytest.mark.parametrize(
    ("fields", "seen", "expected"),
    [
        ({"address": ADDRESS}, {}, ["concern"]),
        ({"address": ADDRESS, "network": PRODUCTION}, {"network": ""}, ["concern"]),
        ({}, {"address": ADDRESS}, ["concern"]),
        ({"address": ""}, {"address": ADDRESS}, []),  # the plan leaves it to Azure
        ({"address": "10.10.1.21"}, {"address": ADDRESS}, []),
        ({"network": ISOLATED}, {"address": ADDRESS}, []),  # another network has other addresses
        ({}, {}, []),
    ],
)
def test_a_card_that_has_the_address_is_a_concern_whoever_asks_for_it(
    fields: dict[str, Any], seen: dict[str, Any], expected: list[str]
) -> None:
    (wanted,) = one_vm(**fields).items
    assert told(wanted, item(**seen), AddressFacts(CARDS, ())) == [(weight, "address-taken") for weight in expected]


def test_another_vm_that_asks_for_it_is_a_warning_and_the_same_vm_is_none() -> None:
    sites = {"hci-01": site()}
    (wanted,) = one_vm(address=ADDRESS).items
    others = [
        *claims_of_plan("pb", one_vm("web-02", address=ADDRESS), sites),
        *claims_of_items([item("APP-01", address=ADDRESS)]),
    ]
    own = [*claims_of_plan("pc", one_vm("SQL-01", address=ADDRESS), sites), *claims_of_items([item(address=ADDRESS)])]
    found = list(weigh_address(wanted, item(), site(), AddressFacts({}, (*others, *own))))
    assert [(weight, one.vm) for weight, one in found] == [("warning", "sql-01")] * 2
    assert "web-02 of the plan 'pb'" in found[0][1].detail
    assert "the protected item APP-01" in found[1][1].detail


def test_two_plans_with_one_address_are_told_when_the_second_is_declared_unless_their_networks_differ() -> None:
    sites = {"hci-01": site()}
    claims = tuple(claims_of_plan("pa", one_vm("app-02", address=ADDRESS), sites))
    second = one_vm("web-02", address=ADDRESS)
    (rival,) = find_rival_claims("pb", second, sites, AddressFacts({}, claims))
    assert (rival.vm, rival.code) == ("web-02", "address-taken")
    assert "app-02 of the plan 'pa'" in rival.detail
    elsewhere = one_vm("web-02", address=ADDRESS, network=f"{PRODUCTION}-2")
    assert list(find_rival_claims("pb", elsewhere, sites, AddressFacts({}, claims))) == []


def test_the_address_of_a_drill_is_looked_for_in_the_network_of_the_drill() -> None:
    (wanted,) = one_vm().items
    ((weight, found),) = weigh_test_address(wanted, item(test_address="10.20.1.9"), ISOLATED, AddressFacts(CARDS, ()))
    assert (weight, found.code, "left-nic" in found.detail) == ("warning", "address-taken", True)
    assert list(weigh_test_address(wanted, item(test_address=ADDRESS), ISOLATED, AddressFacts(CARDS, ()))) == []


def test_only_networks_in_which_somebody_asks_for_an_address_are_read_with_all_their_cards() -> None:
    document = plan(items=[{"vm": "sql-01", "address": ADDRESS}, {"vm": "web-01"}])
    items = {"sql-01": item(), "web-01": item("web-01")}
    assert networks_with_addresses(document, {"hci-01": site()}, items) == (PRODUCTION.lower(),)
    tested = {**items, "web-01": item("web-01", test_address="10.20.1.9")}
    drilled = plan(items=document.model_dump()["items"], drill={"network": ISOLATED})
    assert networks_with_addresses(drilled, {"hci-01": site()}, tested) == (PRODUCTION.lower(), ISOLATED.lower())
