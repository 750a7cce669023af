"""Networks that are missing and addresses that do not fit are told before anything is done."""

import pytest

from shared.errors import Refused
from shared.plans.azure_checks import VirtualNetwork, find_network_blockers, unread_network_blocker
from tests.shared.samples import PRODUCTION, plan, site

ROOM = VirtualNetwork(found=True, subnets={"apps": ("10.10.1.0/24",)})


def blockers(room: VirtualNetwork, **item: str) -> list[tuple[str, str]]:
    found = find_network_blockers(
        plan(items=[{"vm": "sql-01", **item}]), {"hci-01": site()}, {PRODUCTION.lower(): room}
    )
    return [(blocker.vm, blocker.code) for blocker in found]


@pytest.mark.parametrize("address", ["10.10.2.7", "10.10.1.3", "10.10.1.255"])
def test_an_address_outside_its_subnet_or_kept_by_azure_does_not_fit(address: str) -> None:
    assert blockers(ROOM, address=address) == [("sql-01", "address-outside")]


def test_an_address_in_its_subnet_fits() -> None:
    assert blockers(ROOM, address="10.10.1.7") == []


def test_a_subnet_and_a_network_that_are_not_there_are_told() -> None:
    assert blockers(ROOM, subnet="web") == [("sql-01", "subnet-missing")]
    assert blockers(VirtualNetwork(found=False)) == [("", "network-missing")]


def test_a_network_that_cannot_be_read_is_told_and_blocks_nothing() -> None:
    told = unread_network_blocker("/networks/n1", Refused("AuthorizationFailed", "no rights"))
    assert told.code == "network-unread"
    assert told.detail.startswith("the network /networks/n1 could not be read (")
    assert "no rights" in told.detail
