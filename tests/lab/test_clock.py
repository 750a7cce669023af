"""The shared clock: linear, common to processes, and whole after a kill."""

import math
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lab.clock import LabClock, ManualClock, sleep_until

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Real time under the test's control: its only element."""
    seconds = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: seconds[0])
    return seconds


def test_simulated_time_runs_at_its_speed(tmp_path: Path, real: list[float]) -> None:
    clock = LabClock.open(tmp_path, start=START, speed=60)
    real[0] += 2
    assert clock.now() == START + timedelta(minutes=2)


def test_the_second_to_open_sees_the_clock_of_the_first(tmp_path: Path, real: list[float]) -> None:
    first = LabClock.open(tmp_path, start=START, speed=60)
    second = LabClock.open(tmp_path, start=START + timedelta(days=1), speed=1)
    first.advance(timedelta(hours=3))
    real[0] += 1
    assert second.now() == first.now() == START + timedelta(hours=3, minutes=1)


def test_another_process_reads_the_same_time(tmp_path: Path) -> None:
    LabClock.open(tmp_path, start=START, speed=0)
    script = "import sys, pathlib, lab.clock as c; print(c.LabClock.open(pathlib.Path(sys.argv[1])).now())"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(START)


def test_a_change_of_speed_does_not_move_time(tmp_path: Path, real: list[float]) -> None:
    clock = LabClock.open(tmp_path, start=START, speed=60)
    real[0] += 1
    clock.set_speed(0)
    real[0] += 1000
    assert clock.now() == START + timedelta(minutes=1)
    assert clock.speed == 0


def test_the_generation_tells_of_each_change(tmp_path: Path) -> None:
    clock = LabClock.open(tmp_path)
    before = clock.generation
    clock.set_speed(10)
    clock.advance(timedelta(seconds=1))
    assert clock.generation == before + 2


def test_the_wait_is_in_real_seconds(tmp_path: Path, real: list[float]) -> None:
    clock = LabClock.open(tmp_path, start=START, speed=60)
    assert clock.real_seconds(START + timedelta(minutes=2)) == pytest.approx(2)
    assert clock.real_seconds(START - timedelta(minutes=2)) == 0
    clock.set_speed(0)
    assert clock.real_seconds(START + timedelta(minutes=2)) == math.inf


def test_a_lab_that_was_down_goes_on_where_it_was_last_seen(tmp_path: Path, real: list[float]) -> None:
    clock = LabClock.open(tmp_path, start=START, speed=60)
    real[0] += 60
    clock.touch()
    real[0] += 86_400
    assert LabClock.open(tmp_path, resume=True).now() == START + timedelta(hours=1)


def test_time_goes_on_while_one_process_is_away(tmp_path: Path, real: list[float]) -> None:
    LabClock.open(tmp_path, start=START, speed=60).close()
    real[0] += 60
    assert LabClock.open(tmp_path).now() == START + timedelta(hours=1)


@pytest.mark.parametrize("speed", [-1, math.inf, math.nan])
def test_an_impossible_speed_is_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        LabClock.open(tmp_path).set_speed(speed)


def test_time_does_not_go_back(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="back"):
        LabClock.open(tmp_path).advance(timedelta(seconds=-1))


def test_no_draft_is_left_beside_the_file(tmp_path: Path) -> None:
    LabClock.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["clock"]


async def test_a_sleeper_wakes_when_time_jumps_over_its_instant(tmp_path: Path) -> None:
    clock = LabClock.open(tmp_path, start=START, speed=0)
    clock.advance(timedelta(hours=1))
    await sleep_until(clock, START + timedelta(hours=1))


def test_the_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(START)
    assert clock.real_seconds(START + timedelta(seconds=1)) == math.inf
    clock.advance(timedelta(seconds=1))
    assert clock.real_seconds(START + timedelta(seconds=1)) == 0
    assert clock.now() == START + timedelta(seconds=1)
