"""Which VM is meant, which of its disks, with what settings; and how well it replicates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.errors import Refused
from shared.replication.health import health_level, list_disk_states, list_vm_health
from shared.replication.settings import (
    Disk,
    ProtectableItem,
    ReplicatedItem,
    ReplicationRequest,
    VmSettings,
    find_protectable_item,
    pick_disks,
    requested_vms,
    require_protectable,
    settings_of_vm,
)
from tests.orchestrators.azure_bench import site

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)


def machine(
    vm: str = "sql-01", disks: tuple[str, ...] = ("sql-01", "sql-01-1", "sql-01-2"), **more: Any
) -> ProtectableItem:
    made = tuple(Disk(name=name, id=f"vhd-{name}") for name in disks)
    return ProtectableItem(vm=vm, guid=f"guid-{vm}", id=f"/machines/{vm}", disks=made, **more)


def request(**said: Any) -> ReplicationRequest:
    return ReplicationRequest.model_validate(said)


def copied(**more: Any) -> ReplicatedItem:
    facts = {"vm": "sql-01", "guid": "g", "id": "/items/sql-01", "state": "Protected", "vm_state": "Protected"}
    return ReplicatedItem.model_validate({**facts, "rpo": timedelta(seconds=60), "rpo_at": NOW, **more})


@pytest.mark.parametrize("name", ["sql-01", "SQL-01", "guid-sql-01", "GUID-SQL-01"])
def test_a_vm_is_meant_by_its_name_or_its_id_in_any_casing(name: str) -> None:
    asked = request(vms=[name])
    assert find_protectable_item(asked.vms[0], [machine("dc-01"), machine()]).vm == "sql-01"


def test_a_name_that_two_vms_have_is_refused_with_their_ids() -> None:
    twins = [machine(), machine().model_copy(update={"guid": "other"})]
    with pytest.raises(Refused, match=r"name-not-unique.*guid-sql-01, other"):
        find_protectable_item(request(vms=["sql-01"]).vms[0], twins)


def test_without_names_the_site_s_vms_are_meant_and_without_those_all_that_are_found() -> None:
    there = [machine("dc-01"), machine("sql-01")]
    assert [wish.vm for wish in requested_vms(request(), site(vms=["sql-01"]), there)] == ["sql-01"]
    assert [wish.vm for wish in requested_vms(request(), site(), there)] == ["dc-01", "sql-01"]
    assert [wish.vm for wish in requested_vms(request(vms=["WEB-01"]), site(), there)] == ["WEB-01"]


@pytest.mark.parametrize(
    ("disks", "settings", "picked"),
    [
        (("anything",), {}, ["anything"]),
        (("data", "sql-01", "log"), {}, ["sql-01", "data", "log"]),
        (("data", "SQL-01.vhdx"), {}, ["SQL-01.vhdx", "data"]),
        (("c", "d", "e"), {"osDisk": "d"}, ["d", "c", "e"]),
        (("c", "d", "e"), {"osDisk": "d.vhdx", "disks": ["E"]}, ["d", "e"]),
        (("sql-01", "d"), {"disks": []}, ["sql-01"]),
    ],
)
def test_the_os_disk_is_picked_and_comes_first(disks: tuple[str, ...], settings: Any, picked: list[str]) -> None:
    chosen = pick_disks(machine(disks=disks), VmSettings.model_validate(settings))
    assert [disk.name for disk in chosen.disks] == picked
    assert [disk.is_os for disk in chosen.disks] == [True] + [False] * (len(picked) - 1)


def test_a_disk_that_azure_marks_is_the_os_disk_whatever_it_is_called() -> None:
    marked = machine(disks=("sql-01", "c")).disks[1].model_copy(update={"is_os": True})
    both = machine(disks=("sql-01",))
    chosen = pick_disks(both.model_copy(update={"disks": (*both.disks, marked)}), VmSettings())
    assert chosen.disks[0].name == "c"


@pytest.mark.parametrize(
    ("disks", "settings", "code"),
    [
        (("c", "d"), {}, "os-disk-unknown"),
        (("c", "d"), {"osDisk": "e"}, "os-disk-unknown"),
        (("c", "d"), {"osDisk": "c", "disks": ["e"]}, "disk-not-found"),
        ((), {}, "no-disks"),
    ],
)
def test_disks_that_nobody_can_tell_are_asked_for(disks: tuple[str, ...], settings: Any, code: str) -> None:
    with pytest.raises(Refused) as no:
        pick_disks(machine(disks=disks), VmSettings.model_validate(settings))
    assert no.value.code == code


def test_a_vm_s_own_word_goes_before_the_request_s_and_that_before_the_site_s() -> None:
    asked = request(
        vms=[{"vm": "sql-01", "size": "Standard_E4s_v5"}], settings={"size": "Standard_D2s_v5", "subnet": "x"}
    )
    settings = settings_of_vm(asked.vms[0], asked, site(naming={"azureVm": "az-{vm}"}))
    assert (settings.size, settings.subnet, settings.azure_vm) == ("Standard_E4s_v5", "x", "az-sql-01")
    assert settings.network == site().network


def test_an_update_says_only_what_was_said() -> None:
    asked = request(action="update", vms=[{"vm": "sql-01", "size": "Standard_E4s_v5"}])
    said = settings_of_vm(asked.vms[0], asked, site()).model_dump(exclude_none=True)
    assert said == {"size": "Standard_E4s_v5"}


@pytest.mark.parametrize(
    ("more", "settings", "code"),
    [
        ({"obstacles": ("it has a physical disk",)}, {}, "not-ready"),
        ({"generation": "2"}, {"osType": "Linux"}, "vm-guest"),
        ({"generation": "2", "os_type": "Linux"}, {}, "vm-guest"),
    ],
)
def test_what_site_recovery_does_not_take_is_refused_before_it_is_asked(more: Any, settings: Any, code: str) -> None:
    with pytest.raises(Refused) as no:
        require_protectable(machine(**more), VmSettings.model_validate(settings))
    assert no.value.code == code


@pytest.mark.parametrize(
    "said",
    [
        {"vms": [{"vm": "a", "address": "10.0.0.256"}]},
        {"vms": [{"vm": ""}]},
        {"settings": {"network": "vnet"}},
        {"initialCopies": 501},
        {"patience": "P60D"},
        {"vms": [{"vm": "a", "colour": "red"}]},
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(said: Any) -> None:
    with pytest.raises(ValidationError):
        request(**said)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, "ok"),
        ({"rpo": timedelta(minutes=10)}, "ok"),
        ({"rpo": timedelta(minutes=10, seconds=1)}, "warning"),
        ({"rpo": timedelta(minutes=15, seconds=1)}, "critical"),
        ({"rpo_at": NOW - timedelta(minutes=10)}, "warning"),
        ({"rpo_at": NOW - timedelta(minutes=15)}, "critical"),
        ({"health": "Warning"}, "warning"),
        ({"health": "Critical"}, "critical"),
        ({"rpo": None}, "unknown"),
        ({"state": "InitialReplicationInProgress"}, "unknown"),
    ],
)
def test_how_far_behind_a_replica_is_counts_the_age_of_the_figure(more: Any, found: str) -> None:
    assert health_level(copied(**more), INTERVAL, NOW) == found


def test_a_vm_without_replication_is_told_with_what_stands_in_its_way() -> None:
    there = [machine(item_id="/items/SQL-01"), machine("dc-01", obstacles=("it has a shared virtual disk",))]
    sql, dc = list_vm_health(there, [copied()], INTERVAL, NOW + timedelta(seconds=30))
    assert (sql["state"], sql["behindSeconds"], sql["percent"]) == ("Protected", 90, 100)
    assert (dc["state"], dc["level"], dc["obstacles"]) == ("Unprotected", "unknown", ["it has a shared virtual disk"])


def test_each_disk_is_shown_with_its_state() -> None:
    one = machine(disks=("os", "data", "Swap"))
    marked = one.model_copy(update={"disks": (one.disks[0].model_copy(update={"is_os": True}), *one.disks[1:])})
    item = copied(disk_sizes={"VHD-os": 1024, "vhd-data": 1024})
    shown = list_disk_states(marked, item, site(withoutDisks={"SQL-01": ["swap"]}))
    assert [(disk["name"], disk["isOsDisk"], disk["state"]) for disk in shown] == [
        ("os", True, "Protected"),
        ("data", False, "Protected"),
        ("Swap", False, "LeftOut"),
    ]
    assert list_disk_states(one, item)[2] == {"name": "Swap", "isOsDisk": None, "state": "NotReplicated"}
    copying = item.model_copy(update={"state": "InitialReplicationInProgress"})
    assert list_disk_states(one, copying)[0]["state"] == "InitialReplicationInProgress"
    grown = one.model_copy(update={"disks": (one.disks[0].model_copy(update={"mb": 2048}),)})
    assert list_disk_states(grown, item)[0]["state"] == "NotAllReplicated"
