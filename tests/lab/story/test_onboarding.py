"""What the story of a bare cluster takes for a proof."""

from typing import Any

import pytest

from lab.story.onboarding import all_protected, made_once, proof_of


def put(path: str, method: str = "PUT") -> dict[str, Any]:
    return {"method": method, "path": path}


def test_every_vm_is_protected_and_none_is_missing() -> None:
    assert all_protected({"a": "Protected", "b": "Protected"}, 2) == []
    assert all_protected({"a": "Protected", "b": "InitialReplicationInProgress"}, 2) == [
        "b is InitialReplicationInProgress"
    ]
    assert all_protected({"a": "Protected"}, 2) == ["the vault has 1 items of 2"]


def test_what_is_asked_for_twice_is_found_in_whatever_casing() -> None:
    assert made_once([put("/vaults/a"), put("/vaults/b"), put("/vaults/a", "POST"), put("/vaults/a", "POST")]) == []
    assert made_once([put("/vaults/a"), put("/VAULTS/A")]) == ["/vaults/a was asked for 2 times"]


@pytest.mark.parametrize(
    ("view", "says"),
    [
        ({"kind": "preflight", "counts": {"pass": 34}}, "34 checks passed, none failed"),
        ({"kind": "prepare", "nodes": [{}, {}]}, "2 nodes registered, one after the other"),
        ({"kind": "replication", "progress": {"completed": 6, "total": 6}}, "6 of 6 Protected with all their disks"),
        ({"kind": "verify"}, "as declared"),
    ],
)
def test_each_part_has_its_line(view: dict[str, Any], says: str) -> None:
    assert proof_of(view) == says
