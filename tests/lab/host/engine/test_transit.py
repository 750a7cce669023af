"""What is larger than a queue message takes the time of a blob, on a clock that the tests drive."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lab.clock import ManualClock
from lab.host.engine.transit import LARGEST_INLINE, Transit
from tests.engine.backends import SETTINGS, lab_engine
from tests.lab.host.engine.driver import Driver

RATE = 1_000_000
LARGE = 500_000


@pytest.fixture
async def drive(tmp_path: Path) -> AsyncIterator[Driver]:
    clock = ManualClock()
    settings = replace(SETTINGS, transit=Transit(blob_bytes_per_second=RATE))
    async with lab_engine(tmp_path / "engine.sqlite", clock, settings=settings) as engine:
        yield Driver(engine, clock)


async def _time_of(drive: Driver, name: str, given: object) -> float:
    began = drive.clock.now()
    await drive.run(name, given)
    return (drive.clock.now() - began).total_seconds()


@pytest.mark.parametrize("size", [1, 1_000, 40_000])
async def test_what_a_message_holds_takes_no_time(drive: Driver, size: int) -> None:
    assert await _time_of(drive, "sequence", ["x" * size]) == 0


async def test_a_large_input_passes_as_start_as_activity_and_as_result(drive: Driver) -> None:
    assert await _time_of(drive, "sequence", ["x" * LARGE]) == pytest.approx(3 * LARGE / RATE, rel=0.01)


async def test_a_child_costs_its_input_and_its_output(drive: Driver) -> None:
    alone = await _time_of(drive, "sequence", ["x" * LARGE])
    of_parent = await _time_of(drive, "parent", [["x" * LARGE]])
    assert of_parent - alone == pytest.approx(2 * LARGE / RATE, rel=0.01)


async def test_a_large_event_arrives_later(drive: Driver) -> None:
    run = drive.start("collecting", 1)
    await drive.settle()
    began = drive.clock.now()
    drive.raise_event(run, "word", "x" * LARGE)
    await drive.settle()
    assert not drive.read(run).finished
    await drive.end_of(run)
    assert (drive.clock.now() - began).total_seconds() == pytest.approx(LARGE / RATE, rel=0.01)


@pytest.mark.parametrize("rate", [0, RATE])
@pytest.mark.parametrize("hop", [timedelta(0), timedelta(seconds=10)])
def test_a_message_that_fits_takes_its_hop_alone(rate: float, hop: timedelta) -> None:
    assert Transit(hop, rate).time_of(LARGEST_INLINE) == hop
    assert Transit(hop, 0).time_of(LARGE) == hop


@pytest.mark.parametrize("size", [LARGEST_INLINE + 1, LARGE, 100 * LARGE])
def test_twice_the_rate_takes_half_the_time(size: int) -> None:
    assert Transit(blob_bytes_per_second=RATE).time_of(size) == pytest.approx(
        2 * Transit(blob_bytes_per_second=2 * RATE).time_of(size), abs=timedelta(microseconds=2)
    )
