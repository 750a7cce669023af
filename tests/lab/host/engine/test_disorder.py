"""The option that delivers messages to entities as Microsoft's engine may."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from lab.clock import ManualClock
from lab.host.engine.disorder import LATEST, MessageDisorder
from tests.engine.backends import lab_engine
from tests.lab.host.engine.driver import Driver


@pytest.fixture
async def drive(tmp_path: Path) -> AsyncIterator[Driver]:
    clock = ManualClock()
    async with lab_engine(tmp_path / "engine.sqlite", clock, MessageDisorder(seed=1)) as engine:
        yield Driver(engine, clock)


async def test_a_message_arrives_twice(drive: Driver) -> None:
    drive.signal("twice", "add", 1)
    await drive.settle()
    await drive.pass_time(timedelta(microseconds=LATEST))
    assert drive.state("twice") == 2


async def test_an_earlier_message_arrives_once_more_after_a_later_one(drive: Driver) -> None:
    for number in range(10):
        drive.signal("late", "set", number)
    await drive.settle()
    await drive.pass_time(timedelta(microseconds=LATEST))
    assert drive.state("late") != 9


async def test_a_caller_has_one_answer(drive: Driver) -> None:
    assert await drive.run("adding", "called") in {0, 2, 3, 4, 5, 6, 7, 8, 10}


def test_the_same_seed_gives_the_same_disorder() -> None:
    one, other = (MessageDisorder(seed=3) for _ in range(2))
    assert [one.plan_deliveries(0) for _ in range(9)] == [other.plan_deliveries(0) for _ in range(9)]
    assert one.sort_waiting(list(range(9))) == other.sort_waiting(list(range(9)))
