"""The engine lost at random moments, again and again: everything happens, and no effect of the engine happens twice."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from lab.clock import ManualClock
from lab.host.engine.engine import Engine
from tests.engine.backends import engine_of, runbook_app
from tests.lab.host.engine.driver import Driver

RUNS = ("a", "b", "c")


class Witness:
    """Sends each run the events that it waits for, once each, as a client would."""

    def __init__(self) -> None:
        self._sent: set[tuple[str, str]] = set()

    def look(self, drive: Driver) -> None:
        """Answer what is newly asked."""
        for run in RUNS:
            asked = drive.read(run).custom
            if asked not in {None, "null"} and (run, asked) not in self._sent:
                self._sent.add((run, asked))
                drive.raise_event(run, "word", asked)


async def live(drive: Driver, witness: Witness, steps: int) -> bool:
    """Let so many things happen; answers whether all has ended before."""
    for _ in range(steps):
        witness.look(drive)
        running = [task for lanes in drive.engine.runner.lanes.values() for task in lanes.tasks()]
        if running:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        elif all(drive.read(run).finished for run in RUNS):
            return True
        else:
            await drive.to_next()
    return False


def begin(engine: Engine, clock: ManualClock) -> None:
    for run in RUNS:
        Driver(engine, clock).start("everything", {"key": "shared", "rounds": []}, id=run)


@pytest.mark.parametrize("seed", range(12))
async def test_lost_at_random_moments_all_comes_to_its_end(tmp_path: Path, seed: int) -> None:
    """Three runs share one locked entity: its state tells whether a step was lost or done twice."""
    chance, clock, witness, path = random.Random(seed), ManualClock(), Witness(), tmp_path / "engine.sqlite"
    app = runbook_app()
    async with engine_of(app, path, clock) as engine:
        begin(engine, clock)
    ended, lost = False, 0
    while not ended:
        async with engine_of(app, path, clock, dies=True) as engine:
            ended = await live(Driver(engine, clock), witness, chance.randrange(2, 16))
        lost += 1
    assert lost > 3
    async with engine_of(app, path, clock) as engine:
        drive = Driver(engine, clock)
        rounds = [json.loads(drive.read(run).output or "null") for run in RUNS]
        assert [[each[:3] for each in run] for run in rounds] == [[[20, 3, f'"round {n}"'] for n in range(3)]] * 3
        assert sorted(each[3] for run in rounds for each in run) == list(range(9))
        assert (drive.state("shared"), drive.state("shared-signals")) == (9, 9)
    app.close()
