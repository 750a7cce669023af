"""Drills of a fleet on the real engine: how its plans are cut, and what a look must never show."""

from collections.abc import Iterable
from typing import Any

import pytest

from lab.real import fleet
from lab.real.fleet import RunFollower, split_plan
from lab.story.clients import NotProven, Product

PROGRESS = {"total": 4, "currentStage": 1, "stageCount": 1}


class ScriptedProduct(Product):
    """Answers one view after the other."""

    def __init__(self, views: Iterable[dict[str, Any]]) -> None:
        super().__init__("http://127.0.0.1:1", lambda: None)
        self._views = iter(views)

    def read_json(self, path: str, **query: str) -> Any:  # noqa: ARG002 - what is asked does not matter
        return next(self._views)


def view(done: int, state: str = "running", phase: str = "TestFailover") -> dict[str, Any]:
    return {"id": "drill-fleet-1", "state": state, "phase": phase, "progress": PROGRESS | {"completed": done}}


def follow(monkeypatch: pytest.MonkeyPatch, *views: dict[str, Any]) -> None:
    monkeypatch.setattr(fleet, "LOOK_EVERY", 0.0)
    RunFollower(ScriptedProduct(views), lambda _line: None, lambda: None).follow(["drill-fleet-1"])


def test_each_vm_is_in_one_part() -> None:
    items = [{"vm": f"vm-{number}", "site": "hci-01", "after": ["vm-0"]} for number in range(5)]
    parts = split_plan({"site": "hci-01", "drill": {}, "commit": "manual", "items": items}, 2)
    assert [[item["vm"] for item in part["items"]] for part in parts] == [["vm-0", "vm-2", "vm-4"], ["vm-1", "vm-3"]]
    assert not any("after" in item for part in parts for item in part["items"])


def test_a_run_that_only_goes_on_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    follow(monkeypatch, view(0, phase=""), view(2), view(2), view(4, "succeeded", "Finished"))


@pytest.mark.parametrize("worse", [view(1), view(2, phase="")])
def test_a_look_that_shows_less_is_no_proof(monkeypatch: pytest.MonkeyPatch, worse: dict[str, Any]) -> None:
    with pytest.raises(NotProven):
        follow(monkeypatch, view(2), worse)
