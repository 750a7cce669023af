"""What read-source says of the machines on premises."""

import base64
import gzip
import json
from typing import Any

import pytest

from shared.failback.source_vms import SourceDisk, join_source_parts, read_source_page


def said(*machines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    told = {"machines": list(machines), "room": {"csv-1": 100.5}}
    packed = base64.b64encode(gzip.compress(json.dumps(told).encode())).decode()
    return {"found": packed, "home": ["csv-2", 7.0], "next": None, **changes}


def vm(name: str, state: str = "Off", checkpoints: int = 0) -> dict[str, Any]:
    return {"n": name, "s": state, "k": checkpoints, "d": [[127.0, 30.5, "csv-1"]]}


def test_a_page_tells_state_checkpoints_disks_and_room() -> None:
    page = read_source_page("n1", said(vm("sql-01", "Saved", 2), next=40))
    (machine,) = page.part.vms
    assert (machine.node, machine.state, machine.checkpoints, page.next_start) == ("n1", "Saved", 2, 40)
    assert machine.disks == (SourceDisk(size=127.0, file=30.5, volume="csv-1"),)
    assert (page.part.room, page.part.home) == ({"csv-1": 100.5, "csv-2": 7.0}, "csv-2")


def test_what_could_not_be_read_of_a_machine_has_its_reason() -> None:
    disks = [[127.0, 30.5, "csv-1"], [0, 0, "", "the file is in use"]]
    page = read_source_page("n1", said({**vm("sql-01"), "d": disks, "e": "no checkpoints"}, vm("app-01")))
    assert {one.vm: one.unread_parts for one in page.part.vms} == {
        "sql-01": ("disk 1: the file is in use", "no checkpoints"),
        "app-01": (),
    }


def test_a_node_whose_volume_for_new_machines_is_not_known_says_why() -> None:
    part = read_source_page("n1", said(vm("a"), home=["", 0], homeUnread="no volume D:")).part
    look = join_source_parts([part], {})
    assert (part.room, look.home["n1"], look.home_unread) == ({"csv-1": 100.5}, "", {"n1": "no volume D:"})


def test_a_node_that_is_silent_has_said_nothing() -> None:
    part = read_source_page("n1", said(vm("a"), vm("b", "Running"))).part
    look = join_source_parts([part], {"n2": "it is Disconnected"})
    assert look.running_vms == ("b: Running on n1",)
    assert look.silent_nodes == ("n2: it is Disconnected",)
    assert [one.node for one in look.find_vms("A")] == ["n1"]
    assert look.find_vms("c") == ()


@pytest.mark.parametrize("wrong", [{"found": "?"}, {"found": None}, {"home": None}, said({"n": "x"})])
def test_what_the_script_never_says_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="read-source wrote something else on n1"):
        read_source_page("n1", {**said(), **wrong})
