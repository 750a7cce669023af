"""Timer triggers: due, missed, fired by hand, and over a restart."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from lab.host.timers import Timer
from tests.lab.host.conftest import Hosted, Serve

NAME = "every_five_minutes"


def timer_of(hosted: Hosted) -> Timer:
    return hosted.host.timers.all[NAME]


async def test_it_runs_when_it_is_due_and_is_told_for_when(hosted: Hosted) -> None:
    timer = timer_of(hosted)
    assert timer.due.isoformat() == "2026-01-05T08:05:00+00:00"
    assert not await timer.run_due()
    hosted.clock.advance(timedelta(minutes=5))
    assert await timer.run_due()
    assert hosted.notes == ["timer 2026-01-05T08:05:00+00:00 past_due=False"]
    assert timer.due.isoformat() == "2026-01-05T08:10:00+00:00"


async def test_what_was_missed_is_caught_up_once(hosted: Hosted) -> None:
    timer = timer_of(hosted)
    assert timer.due < hosted.clock.now() + timedelta(minutes=6)
    hosted.clock.advance(timedelta(hours=2, minutes=1))
    assert await timer.run_due()
    assert not await timer.run_due()
    assert hosted.notes == ["timer 2026-01-05T08:05:00+00:00 past_due=True"]


async def test_what_was_missed_while_the_host_was_away_is_caught_up(serve: Serve) -> None:
    async with serve() as hosted:
        before = timer_of(hosted).due
        hosted.clock.advance(timedelta(hours=1))
    async with serve() as hosted:
        assert timer_of(hosted).due == before
        assert await timer_of(hosted).run_due()
        assert len(hosted.notes) == 1


async def test_a_failure_is_logged_and_the_timer_goes_on(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DEMO_NOTES")
    timer = timer_of(hosted)
    assert timer.due > hosted.clock.now()
    hosted.clock.advance(timedelta(minutes=5))
    assert await timer.run_due()
    assert timer.due > hosted.clock.now()
    assert [record.getMessage() for record in caplog.records] == [f"timer {NAME} failed"]


async def test_it_is_fired_by_hand_and_stays_due(hosted: Hosted) -> None:
    due = timer_of(hosted).due
    assert (await hosted.call("POST", f"/admin/functions/{NAME}", json={"input": ""}))[0] == 202
    assert len(hosted.notes) == 1
    assert timer_of(hosted).due == due


@asynccontextmanager
async def time_passing(hosted: Hosted) -> AsyncIterator[None]:
    passing = asyncio.create_task(hosted.host.run_for_ever())
    yield
    passing.cancel()
    await asyncio.gather(passing, return_exceptions=True)


async def test_the_host_runs_it_by_itself(hosted: Hosted) -> None:
    timer = timer_of(hosted)
    due = timer.due
    async with time_passing(hosted), asyncio.timeout(30):
        hosted.clock.advance(timedelta(minutes=5))
        while timer.due == due:  # noqa: ASYNC110 - nobody says that a timer has run
            await asyncio.sleep(0)
    assert len(hosted.notes) == 1
