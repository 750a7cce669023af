"""Which VMs nothing protects: each that a node or a vault names is protected, told, or left out on purpose."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.replication.coverage import find_unplanned, find_unprotected
from shared.replication.settings import ProtectableItem, ReplicatedItem
from shared.sites.cluster_vms import ClusterVm, ClusterVms, VmRefusal, with_new_reading
from tests.shared.samples import site

NAMES = st.sampled_from(["dc-01", "sql-01", "R&D #1", "WEB-01", "new-01"])
SOME = st.frozensets(NAMES)


def listed(vm: str, item: str = "") -> ProtectableItem:
    return ProtectableItem(vm=vm, guid=vm, id=f"/machines/{vm}", item_id=item)


def copied(vm: str, **more: Any) -> ReplicatedItem:
    return ReplicatedItem.model_validate({"vm": vm, "guid": vm, "id": f"/ITEMS/{vm}", "state": "Protected", **more})


def on(*names: str, node: str = "n1") -> tuple[ClusterVm, ...]:
    return tuple(ClusterVm(name=name, node=node) for name in names)


@given(named=SOME, reported=SOME, protected=SOME, left_out=SOME)
def test_each_vm_is_protected_or_told_or_left_out(
    named: frozenset[str], reported: frozenset[str], protected: frozenset[str], left_out: frozenset[str]
) -> None:
    machines = [listed(vm, f"/items/{vm}" if vm in protected else "") for vm in sorted(reported | protected)]
    items = [copied(vm) for vm in sorted(protected)]
    document = site(withoutVms=[vm.upper() for vm in sorted(left_out)])
    found = {one.vm for one in find_unprotected(document, machines, items, on(*sorted(named)))}
    assert found == (named | reported) - protected - left_out


def test_a_vm_is_told_with_the_node_that_named_it_in_whatever_casing() -> None:
    (one,) = find_unprotected(site(), [listed("New-01")], [], on("NEW-01", node="n3"))
    assert (one.vm, one.node) == ("New-01", "n3")


def test_a_second_vm_of_the_name_of_a_protected_one_is_told() -> None:
    twins = [listed("sql-01", "/items/sql-01"), listed("sql-01")]
    assert [one.vm for one in find_unprotected(site(), twins, [copied("sql-01")])] == ["sql-01"]


@pytest.mark.parametrize(("state", "told"), [("EnablingFailed", ["sql-01"]), ("InitialReplicationInProgress", [])])
def test_an_item_of_which_nothing_was_copied_protects_nothing(state: str, told: list[str]) -> None:
    machines = [listed("sql-01", "/items/sql-01")]
    assert [one.vm for one in find_unprotected(site(), machines, [copied("sql-01", state=state)])] == told


def test_a_protected_vm_that_no_plan_has_is_told_unless_it_is_left_out() -> None:
    items = [copied("web-01"), copied("SQL-01"), copied("dc-01")]
    assert find_unplanned(site(withoutVms=["DC-01"]), items, ["sql-01"]) == ("web-01",)


def test_a_node_that_says_nothing_keeps_what_it_named_but_for_what_runs_elsewhere_now() -> None:
    before = ClusterVms(vms=(*on("a", "b", node="n1"), *on("c", node="n2"), *on("d", node="n3")))
    now = ClusterVms(vms=on("B", node="n2"), unread={"N1.contoso.local": "it is Disconnected"})
    assert [vm.name for vm in with_new_reading(before, now).vms] == ["B", "a"]


def test_a_name_that_two_vms_have_is_refused_for_either() -> None:
    odd = ClusterVm(name="SQL-01", node="n1", refusals=(VmRefusal(code="vm-guest", detail="no"),))
    assert set(ClusterVms(vms=(*on("sql-01"), odd)).refusals_by_vm()) == {"sql-01"}
