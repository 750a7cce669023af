"""What the script on a node says, as it is packed."""

import base64
import gzip
import json
from typing import Any

import pytest

from shared.onboarding.preflight.facts import DiskFacts
from shared.onboarding.preflight.node_answers import join_node_pages, read_node_page


def said(machines: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    packed = base64.b64encode(gzip.compress(json.dumps(machines).encode())).decode()
    usual = {"hyperV": True, "osVersion": "10.0.20349.2582", "applicationControl": "Audit", "registration": None}
    return {**usual, "endpoints": {}, "machines": packed, "next": None, **changes}


def vm(name: str) -> dict[str, Any]:
    disks = [[127.0, "VHDX"], [4.5, "Shared"]]
    return {"n": name, "i": "guid", "g": 1, "o": None, "h": False, "c": 8, "m": 4096, "f": True, "d": disks}


def test_a_page_tells_the_node_and_its_machines() -> None:
    page = read_node_page("n1", said([vm("sql-01")], next=60))
    assert (page.next_start, page.part.application_control, page.part.hyper_v) == (60, "Audit", True)
    [machine] = page.part.machines
    assert (machine.name, machine.node, machine.generation, machine.guest) == ("sql-01", "n1", 1, "")
    assert (machine.highly_available, machine.fibre_channel, machine.cpus) == (False, True, 8)
    assert machine.disks == (DiskFacts(size_gb=127), DiskFacts(size_gb=4.5, kind="Shared"))
    assert machine.size_gb == 131.5


def test_what_could_not_be_read_of_a_machine_has_its_reason() -> None:
    disks = [[127.0, "VHDX"], [0, "", "the file is in use"]]
    [machine] = read_node_page("n1", said([{**vm("sql-01"), "d": disks, "e": "no adapters"}])).part.machines
    assert machine.unread_parts == ("disk 1: the file is in use", "no adapters")
    assert machine.size_gb == 127


def test_pages_are_one_node() -> None:
    pages = [
        read_node_page("n1", said([vm(name)], endpoints=seen)).part
        for name, seen in (("a", {"https://x": True}), ("b", {}))
    ]
    whole = join_node_pages(pages)
    assert [machine.name for machine in whole.machines] == ["a", "b"]
    assert whole.reached == {"https://x": True}


@pytest.mark.parametrize(
    "wrong", [{"machines": "not base64"}, {"machines": ""}, {"machines": None}, said([{"n": "x"}]), {}]
)
def test_what_the_script_never_says_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="read-node wrote something else on n1"):
        read_node_page("n1", wrong if not wrong or "hyperV" in wrong else {**said([]), **wrong})
