"""Runs that were recorded go on as they began: a deployment finds runs of its predecessors under way."""

from pathlib import Path
from typing import Any

import pytest

from orchestrators.registry import ORCHESTRATORS
from orchestrators.verbs.failover import failover
from tests.deep import cases
from tests.histories.keeping import PREPARED, differences, load, runbook_of
from tests.histories.released import RECORDS, changes_since_release, mark_as_released, releases_in
from tests.histories.tales import TALES
from tests.release import RELEASE

AGAIN = (
    "a run of this release would ask for something else now: have the runbook ask for it only in runs that were not "
    f"begun before {RELEASE} (orchestrators/durable/versions.py), or, if the release is not out yet, record anew: "
    "python -m tools.record_histories"
)
RECORDED = sorted(str(path.relative_to(RECORDS)) for path in RECORDS.glob("*/*.jsonl"))
"""Of all releases."""
LONGEST = {name for name in RECORDED if name.endswith(("/roundtrip.jsonl", "/roundtrip-by-recovery-plans.jsonl"))}


def test_every_runbook_has_a_recorded_run() -> None:
    assert {tale.runbook for tale in TALES.values()} == set(ORCHESTRATORS.values())
    assert {path.stem for path in PREPARED.glob("*.jsonl")} == set(TALES)


@pytest.mark.parametrize("name", cases(RECORDED, {*RECORDED} - LONGEST))
def test_a_recorded_run_asks_for_the_same_today(name: str) -> None:
    instance, run = load(RECORDS / name)
    assert list(differences(ORCHESTRATORS[runbook_of(run)], instance, run)) == [], AGAIN


def test_a_recorded_run_has_the_version_of_its_release() -> None:
    for name in RECORDED:
        _, run = load(RECORDS / name)
        started = [event.executionStarted for one in run for event in one.new if event.HasField("executionStarted")]
        assert {each.version.value for each in started} == {name.partition("/")[0]}


def test_a_changed_runbook_is_noticed() -> None:
    """Here one that leaves the commit out, which every record of a failover shows."""
    instance, run = load(PREPARED / "failover.jsonl")

    def shorter(ctx: Any, payload: dict[str, Any]) -> Any:
        return (yield from failover(ctx, {**payload, "document": {**payload["document"], "commit": "manual"}}))

    assert list(differences(failover, instance, run)) == []
    assert list(differences(shorter, instance, run))


def test_what_releases_have_recorded_is_as_it_was() -> None:
    assert list(changes_since_release()) == []


def test_every_folder_of_records_is_of_a_release_that_is_out_or_being_prepared() -> None:
    assert {path.name for path in RECORDS.iterdir() if list(path.glob("*.jsonl"))} == {*releases_in(), RELEASE}


def test_a_record_of_a_release_that_is_changed_removed_or_added_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "1.0.0").mkdir()
    for name in ("changed", "removed", "kept"):
        (tmp_path / f"1.0.0/{name}.jsonl").write_text(name)
    assert mark_as_released("1.0.0", tmp_path) == 3
    assert list(changes_since_release(tmp_path)) == []
    (tmp_path / "1.0.0/changed.jsonl").write_text("other")
    (tmp_path / "1.0.0/removed.jsonl").unlink()
    (tmp_path / "1.0.0/added.jsonl").write_text("")
    found = ["1.0.0/changed.jsonl was changed", "1.0.0/removed.jsonl is gone", "1.0.0/added.jsonl was added"]
    assert list(changes_since_release(tmp_path)) == found
    for release in ("0.9.0", "0.10.0"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.jsonl").write_text("")
        assert mark_as_released(release, tmp_path) == 1
    assert releases_in(tmp_path) == ["0.9.0", "0.10.0", "1.0.0"]
    with pytest.raises(ValueError, match="is out already"):
        mark_as_released("1.0.0", tmp_path)
