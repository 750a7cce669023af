"""Recovery points against the simulated Azure: who has none that is fit, and the lists that are kept as evidence."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from activities.recovery_points import check_points, keep_points
from shared.recovery.contract import CheckPoints, KeepPoints, PointCheck
from shared.site_recovery.request_budget import Calls
from tests.activities.lab import Lab
from tests.activities.test_in_the_lab import VAULT, items

DAY = timedelta(days=1)


async def wanted(**rules: str) -> tuple[PointCheck, ...]:
    found = {view.vm: view.id for view in await items()}
    named = {vm.replace("_", "-"): rule for vm, rule in rules.items()}
    return tuple(PointCheck(vm=vm, item_id=found[vm], rule=rule) for vm, rule in named.items())


async def test_each_machine_without_a_fit_point_is_told_with_the_newest_that_it_has(lab: Lab) -> None:
    asked = await wanted(dc_01="latest", sql_01="5b2d", web_01="latestAppConsistent")
    seen = await check_points(CheckPoints(vault=VAULT, items=asked, max_age=DAY))
    assert [(one.vm, one.code) for one in seen.obstacles] == [("sql-01", "no-recovery-point")]
    assert "the newest of" in seen.obstacles[0].detail
    assert seen.calls == Calls(reads=3)
    lab.advance(timedelta(minutes=1))
    old = await check_points(CheckPoints(vault=VAULT, items=asked[:1], max_age=timedelta(milliseconds=1)))
    assert [(one.vm, one.code) for one in old.obstacles] == [("dc-01", "recovery-point-too-old")]
    assert "Consistent), 0:0" in old.obstacles[0].detail


async def test_lists_are_kept_once_and_without_a_store_nothing_is_read(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = KeepPoints(
        vault=VAULT, items=await wanted(dc_01="latest", sql_01="latest"), evidence_file="run-1/attachments/p.json"
    )
    monkeypatch.delenv("EVIDENCE_STORE", raising=False)
    assert (await keep_points(ask)).calls == Calls()
    monkeypatch.setenv("EVIDENCE_STORE", f"folder:{tmp_path}")
    counts = (await keep_points(ask)).counts
    text = (tmp_path / ask.evidence_file).read_text()
    assert {one["vm"]: len(one["points"]) for one in json.loads(text)} == counts
    assert all(counts.values())
    assert {"at", "kind", "name"} <= set(json.loads(text)[0]["points"][0])
    lab.advance(timedelta(hours=2))
    await keep_points(ask)
    assert (tmp_path / ask.evidence_file).read_text() == text
