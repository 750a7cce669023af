"""Two clusters may each have a DC01, and a vault may protect both: which one a plan means, and how each is leased."""

import pytest

from shared.messages import VaultRef
from shared.plans.machines import (
    is_leased_under,
    item_lease_keys,
    lease_key,
    lease_keys,
    leased_vm_of,
    match_machines,
    site_lease_keys,
    unambiguous_items,
)
from shared.site_recovery.views import ItemView
from tests.shared.samples import plan, site, view

VAULT = site().vault
KEY = VaultRef.from_id(VAULT).key
NORTH, SOUTH = site(hyperVSite="north"), site(hyperVSite="south")
SITES = {"north": NORTH, "south": SOUTH}


def item(vm: str, fabric: str, named: str = "", number: int = 1) -> ItemView:
    place = f"{VAULT}/replicationFabrics/{fabric}/replicationProtectionContainers/c"
    return view(vm, id=f"{place}/replicationProtectedItems/{vm}-{number}", hyper_v_site=named)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", ["north", "south"])
def test_of_two_machines_of_one_name_each_site_has_its_own_wherever_it_is_listed(name: str, turned: bool) -> None:
    listed = [item("DC01", "north"), item("dc01", "South")]
    found = match_machines(
        plan(site=name, items=[{"vm": "dc01"}], drill=None), SITES, {KEY: listed[::-1] if turned else listed}
    )
    assert found.found["dc01"].hyper_v_sites[0].lower() == name
    assert found.missing == {}


def test_a_site_may_call_its_hyper_v_site_by_its_friendly_name() -> None:
    listed = [item("dc01", "6adf94", "North"), item("dc01", "77aa01", "South")]
    assert match_machines(plan(site="south", items=[{"vm": "DC01"}], drill=None), SITES, {KEY: listed}).found == {
        "dc01": listed[1]
    }


def test_a_name_that_two_machines_of_one_hyper_v_site_have_is_refused_with_both_their_items() -> None:
    twins = [item("dc01", "north", number=1), item("dc01", "north", number=2)]
    told = match_machines(plan(site="north", items=[{"vm": "dc01"}], drill=None), SITES, {KEY: twins})
    assert (told.found, told.missing["dc01"].code) == ({}, "ambiguous-vm")
    assert all(one.id in told.missing["dc01"].detail for one in twins)
    assert unambiguous_items(NORTH, [*twins, item("web", "north"), item("sql", "south")]) == [item("web", "north")]


def test_a_machine_of_another_hyper_v_site_is_not_the_plans() -> None:
    elsewhere = {KEY: [item("dc01", "south")], f"{KEY}-2": [item("web-01", "north")]}
    told = match_machines(plan(site="north", items=[{"vm": "dc01"}, {"vm": "web-01"}], drill=None), SITES, elsewhere)
    assert {vm: why.code for vm, why in told.missing.items()} == {
        "dc01": "other-hyper-v-site",
        "web-01": "not-protected",
    }
    assert told.missing["dc01"].detail == "dc01 is protected from south, and its site says north"


def test_where_the_vault_does_not_say_from_which_hyper_v_site_an_item_is_its_name_counts() -> None:
    assert match_machines(plan(site="north", items=[{"vm": "dc01"}], drill=None), SITES, {KEY: [view("dc01")]}).found


def test_two_machines_of_one_name_do_not_block_each_other_and_one_is_leased_alike_however_it_is_found() -> None:
    north = lease_keys(plan(site="north", items=[{"vm": "DC01"}], drill=None), SITES)
    south = lease_keys(plan(site="south", items=[{"vm": "DC01"}], drill=None), SITES)
    assert not set(north[KEY]) & set(south[KEY])
    seen = item("dc01", "North")
    assert (
        north
        == {KEY: (lease_key("NORTH", "Dc01"),)}
        == {KEY: site_lease_keys(NORTH, [seen])}
        == item_lease_keys([seen])
    )
    assert site_lease_keys(NORTH, [view("dc01")]) == north[KEY]
    assert leased_vm_of(north[KEY][0]) == "dc01"
    assert leased_vm_of("repair") == "repair"


def test_an_item_is_among_those_that_are_leased_by_either_name_of_its_hyper_v_site() -> None:
    assert is_leased_under({lease_key("north", "dc01")}, item("dc01", "6adf94", "North"))
    assert not is_leased_under({lease_key("south", "dc01")}, item("dc01", "6adf94", "North"))
