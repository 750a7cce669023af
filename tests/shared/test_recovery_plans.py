"""A plan as recovery plans: limits, order, names, and both ways over the wire."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph import waves_of
from shared.plans.plan import PlanDocument
from shared.recovery_plans.parts import (
    MOST_GROUPS,
    MOST_MACHINES,
    PlacedAction,
    PlanGroup,
    PlanPart,
    manual_action,
    part_name,
    parts_of,
    read_part,
    runbook_action,
)
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument
from tests.shared.samples import plan, site, view

VAULT = site().vault
SITES = {
    "hci-01": site(),
    "hci-02": site(hyperVSite="hci-02-site"),
    "hci-03": site(hyperVSite="west", vault=f"{VAULT}-west"),
}
FABRICS = {"hci-01": "hci-01-site", "hci-02": "hci-02-site", "hci-03": "west"}


def protected(document: PlanDocument, sites: dict[str, SiteDocument] = SITES) -> dict[str, ItemView]:
    found = {}
    for item in document.items:
        at = document.site_name_of(item)
        fabric = f"{sites[at].vault}/replicationFabrics/{FABRICS[at]}"
        item_id = f"{fabric}/replicationProtectionContainers/c/replicationProtectedItems/{item.vm}"
        found[item.vm.lower()] = view(item.vm, id=item_id, machine=f"guid-{item.vm}")
    return found


def parts(document: PlanDocument, *actions: PlacedAction) -> tuple[PlanPart, ...]:
    return parts_of("payroll", document, SITES, protected(document), actions)


def groups(part: PlanPart) -> list[list[str]]:
    return [[member.vm for member in group.members] for group in part.boot_groups]


def document(*items: dict[str, Any]) -> PlanDocument:
    return plan(items=list(items), drill=None)


@st.composite
def plans(draw: st.DrawFn) -> PlanDocument:
    """Any plan over three places, some of them long and wide enough to need several parts."""
    count = draw(st.integers(1, 40))
    width = draw(st.sampled_from([1, 3, 40]))
    items: list[dict[str, Any]] = []
    for n in range(count):
        earlier = range(max(0, n - width), n)
        after = draw(st.sets(st.sampled_from(earlier), max_size=3)) if n else set()
        place = draw(st.sampled_from(["hci-01", "hci-01", "hci-02", "hci-03"]))
        items.append({"vm": f"vm-{n}", "after": [f"vm-{one}" for one in sorted(after)], "site": place})
    return document(*items)


def test_the_groups_are_the_levels_of_the_graph() -> None:
    (part,) = parts(plan())
    assert groups(part) == [list(wave) for wave in waves_of(plan().edges)]
    assert (part.name, part.id) == ("payroll", f"{VAULT}/replicationRecoveryPlans/payroll")
    assert part.fabric_id == f"{VAULT}/replicationFabrics/hci-01-site"


@given(plans())
def test_every_machine_is_in_one_part_after_all_that_it_waits_for_and_no_limit_is_passed(wish: PlanDocument) -> None:
    made = parts(wish)
    place = {
        vm: (number, wave)
        for number, part in enumerate(made)
        for wave, group in enumerate(groups(part))
        for vm in group
    }
    named = [vm for part in made for group in groups(part) for vm in group]
    assert sorted(named) == sorted(item.vm for item in wish.items)
    assert all(place[before] < place[item.vm] for item in wish.items for before in item.after)
    assert all(1 <= len(part.boot_groups) <= MOST_GROUPS and len(part.members) <= MOST_MACHINES for part in made)
    for part in made:
        assert all(member.id.startswith(f"{part.fabric_id}/") for member in part.members)
        assert part.fabric_id.startswith(part.vault.arm_id)
    assert [part.name for part in made] == [part_name("payroll", n, len(made)) for n in range(1, len(made) + 1)]


def test_a_chain_of_eight_and_a_crowd_of_a_hundred_and_one_need_two_parts() -> None:
    chain = document(*({"vm": f"vm-{n}", "after": [f"vm-{n - 1}"] if n else []} for n in range(8)))
    assert [len(part.boot_groups) for part in parts(chain)] == [7, 1]
    crowd = document(*({"vm": f"vm-{n}"} for n in range(101)))
    assert [(part.name, len(part.members)) for part in parts(crowd)] == [("payroll-1-of-2", 100), ("payroll-2-of-2", 1)]


def test_places_that_do_not_wait_for_each_other_have_one_part_each() -> None:
    made = parts(
        document(
            {"vm": "a1"},
            {"vm": "b1", "site": "hci-02"},
            {"vm": "b2", "site": "hci-02", "after": ["b1"]},
            {"vm": "a2", "after": ["a1"]},
        )
    )
    assert [groups(part) for part in made] == [[["a1"], ["a2"]], [["b1"], ["b2"]]]


def test_a_machine_that_is_not_protected_still_orders_those_around_it() -> None:
    wish = document({"vm": "a"}, {"vm": "b", "after": ["a"]}, {"vm": "c", "after": ["b"]})
    seen = {vm: item for vm, item in protected(wish).items() if vm != "b"}
    (part,) = parts_of("payroll", wish, SITES, seen)
    assert groups(part) == [["a"], ["c"]]
    assert parts_of("payroll", wish, SITES, {}) == ()


def test_actions_stand_at_their_machines_group_or_around_the_whole() -> None:
    word = PlacedAction(action=manual_action("tell the bank", "call them"), moment="before")
    dns = PlacedAction(action=runbook_action("dns", "/runbooks/dns", timeout="PT5M"), moment="after", vm="SQL-01")
    done = PlacedAction(action=manual_action("open the doors", "say so"), moment="after")
    lost = PlacedAction(action=manual_action("nowhere", ""), moment="after", vm="no-such-vm")
    (part,) = parts(plan(), word, dns, done, lost)
    assert [action.name for action in part.groups[1].before] == ["tell the bank"]
    assert [[action.name for action in group.after] for group in part.boot_groups] == [
        [],
        ["dns"],
        [],
        ["open the doors"],
    ]
    assert [group.after[0].kind for group in part.boot_groups if group.after] == ["runbook", "manual"]
    assert parts_of("payroll", plan(), SITES, {}, (word, done)) == ()


def test_what_is_sent_is_what_the_service_was_seen_to_take() -> None:
    (part,) = parts(document({"vm": "dc-01"}))
    item = protected(document({"vm": "dc-01"}))["dc-01"].id
    assert part.to_create_body() == {
        "properties": {
            "primaryFabricId": f"{VAULT}/replicationFabrics/hci-01-site",
            "recoveryFabricId": "Microsoft Azure",
            "failoverDeploymentModel": "ResourceManager",
            "groups": [
                {
                    "groupType": "Boot",
                    "replicationProtectedItems": [{"id": item, "virtualMachineId": "guid-dc-01"}],
                    "startGroupActions": [],
                    "endGroupActions": [],
                }
            ],
        }
    }
    replaced = part.to_update_body()["properties"]["groups"]
    assert [group["groupType"] for group in replaced] == ["Shutdown", "Failover", "Boot"]


def test_what_is_shown_is_read_back_as_it_was_sent() -> None:
    """The service leaves names of machines out, and writes what it does not say as null."""
    (part,) = parts(plan(), PlacedAction(action=manual_action("call", "call the office"), moment="after", vm="dc-01"))
    shown: dict[str, Any] = {"id": part.id.upper().replace("PAYROLL", "payroll"), "name": "payroll"}
    shown |= {"properties": {"primaryFabricId": part.fabric_id, **part.to_update_body()["properties"]}}
    shown["properties"]["groups"][2]["endGroupActions"][0]["customDetails"]["timeout"] = None
    read = read_part(shown)
    assert read.vault.key == part.vault.key
    assert [g.model_dump() for g in read.groups] == [_nameless(g).model_dump() for g in part.groups]
    assert read_part({"id": part.id, "name": "x", "properties": {"groups": None}}).groups == ()
    with pytest.raises(ValueError, match="vault"):
        read_part({"id": "/nothing", "name": "x"})


def _nameless(group: PlanGroup) -> PlanGroup:
    return group.model_copy(update={"members": tuple(m.model_copy(update={"vm": ""}) for m in group.members)})


def test_a_name_begins_with_a_letter() -> None:
    assert [part_name("payroll", 1, 1), part_name("1st", 2, 3)] == ["payroll", "plan-1st-2-of-3"]
