"""Runs that were recorded go on as they began: a deployment finds runs of its predecessor under way."""

from typing import Any

import pytest

from orchestrators.registry import ORCHESTRATORS
from orchestrators.verbs.failover import failover
from tests.histories.keeping import FOLDER, differences, load
from tests.histories.tales import TALES

AGAIN = "a released runbook is never changed but takes a new name; else record anew: python -m tools.record_histories"


def test_every_runbook_has_a_recorded_run() -> None:
    assert {tale.runbook for tale in TALES.values()} == set(ORCHESTRATORS.values())
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(TALES)


@pytest.mark.parametrize("name", TALES)
def test_a_recorded_run_asks_for_the_same_today(name: str) -> None:
    instance, run = load(FOLDER / f"{name}.jsonl")
    assert list(differences(TALES[name].runbook, instance, run)) == [], AGAIN


def test_a_changed_runbook_is_noticed() -> None:
    """Here one that leaves the commit out, which every record of a failover shows."""
    instance, run = load(FOLDER / "failover.jsonl")

    def shorter(ctx: Any, payload: dict[str, Any]) -> Any:
        return (yield from failover(ctx, {**payload, "document": {**payload["document"], "commit": "manual"}}))

    assert list(differences(failover, instance, run)) == []
    assert list(differences(shorter, instance, run))
