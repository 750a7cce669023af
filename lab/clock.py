"""The lab's clock: simulated time as a linear function of real time, shared by processes through one mapped file."""

import asyncio
import contextlib
import math
import mmap
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, Self

LONGEST_SLEEP = 0.05
"""Real seconds after which a sleeper looks at the generation again, so that a jump is noticed at once."""

_SIZE = 4096
_GENERATION = 0  # the word that says how often the line was redrawn; its parity picks the slot that holds
_LAST_TOUCHED = 1  # simulated seconds since 1970 when somebody last touched the clock
_SLOTS = (2, 5)  # each: real origin, simulated origin (both in seconds since 1970), speed


class Clock(Protocol):
    """What sleepers need of a clock."""

    @property
    def generation(self) -> int:
        """Changes whenever time jumped or its speed changed."""

    def now(self) -> datetime:
        """Simulated time, aware UTC."""

    def real_seconds(self, until: datetime) -> float:
        """How long to really wait until the simulated instant: 0 if it is past, infinite if time stands still."""


class LabClock:
    """A clock that every process of the lab sees alike; opened with `LabClock.open`.

    The file survives its processes, and so does the line from real to simulated time: time goes on while one is away.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._words = memoryview(memory).cast("Q")  # one word is written at once: a reader never sees half of it
        self._reals = memoryview(memory).cast("d")

    @classmethod
    def open(cls, folder: Path, *, start: datetime | None = None, speed: float = 1.0, resume: bool = False) -> Self:
        """Attach to the folder's clock, or create it at `start` (now, if not said) and `speed`.

        Args:
            folder: Where the file `clock` is or will be.
            start: Simulated time of a clock that is created; an existing one keeps its own.
            speed: Simulated seconds a real second, of a clock that is created.
            resume: Go on from the last touched instant: the whole lab was down, and time with it.
        """
        path = folder / "clock"
        if not path.exists():
            _create_file(path, start or datetime.now(UTC), speed)
        with path.open("r+b") as file:
            clock = cls(mmap.mmap(file.fileno(), _SIZE))
        if resume:
            clock._write_line(time.time(), clock._reals[_LAST_TOUCHED], clock.speed)
        return clock

    @property
    def generation(self) -> int:
        """Changes whenever time jumped or its speed changed."""
        return self._words[_GENERATION]

    @property
    def speed(self) -> float:
        """Simulated seconds a real second."""
        return self._read_line()[2]

    def now(self) -> datetime:
        """Simulated time, aware UTC."""
        return datetime.fromtimestamp(self._simulated_at(time.time()), UTC)

    def real_seconds(self, until: datetime) -> float:
        """How long to really wait until the simulated instant: 0 if it is past, infinite if time stands still."""
        ahead = until.timestamp() - self._simulated_at(time.time())
        return _real_seconds(ahead, self.speed)

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed; 0 stands still.

        Raises:
            ValueError: the speed is negative or not a finite number.
        """
        if not (math.isfinite(speed) and speed >= 0):
            raise ValueError(f"speed must be a finite number, 0 or more: {speed}")
        now = time.time()
        self._write_line(now, self._simulated_at(now), speed)

    def advance(self, by: timedelta) -> None:
        """Jump ahead.

        Raises:
            ValueError: the jump is backwards.
        """
        if by < timedelta():
            raise ValueError(f"time cannot go back by {-by}")
        now = time.time()
        self._write_line(now, self._simulated_at(now) + by.total_seconds(), self.speed)

    def touch(self) -> None:
        """Note that the lab is up at this instant; `open(resume=True)` goes on from here."""
        self._reals[_LAST_TOUCHED] = self._simulated_at(time.time())

    def close(self) -> None:
        """Close the file."""
        self._words.release()
        self._reals.release()
        self._memory.close()

    def _simulated_at(self, now: float) -> float:
        """Simulated seconds since 1970 at a real instant."""
        real, simulated, speed = self._read_line()
        return simulated + (now - real) * speed

    def _read_line(self) -> tuple[float, float, float]:
        while True:
            generation = self.generation
            slot = _SLOTS[generation % 2]
            line = self._reals[slot], self._reals[slot + 1], self._reals[slot + 2]
            if generation == self.generation:  # else it was redrawn meanwhile
                return line

    def _write_line(self, real: float, simulated: float, speed: float) -> None:
        """Fill the slot that nobody reads, then switch to it: a process that is killed here leaves a whole line."""
        following = self.generation + 1
        _write_line(self._reals, _SLOTS[following % 2], (real, simulated, speed))
        self._words[_GENERATION] = following
        self.touch()


class ManualClock:
    """A clock for tests: time moves only by `advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._generation = 0

    @property
    def generation(self) -> int:
        """Counts the jumps."""
        return self._generation

    def now(self) -> datetime:
        """Simulated time, aware UTC."""
        return self._now

    def real_seconds(self, until: datetime) -> float:
        """0 if the instant is past, else infinite: waiting alone will not bring it."""
        return _real_seconds((until - self._now).total_seconds(), 0)

    def advance(self, by: timedelta) -> None:
        """Jump ahead."""
        self._now += by
        self._generation += 1


async def sleep_until(clock: Clock, until: datetime) -> None:
    """Sleep to a simulated instant, however often the clock is changed meanwhile."""
    while (left := clock.real_seconds(until)) > 0:  # noqa: ASYNC110 - no event tells of another process redrawing the line
        await asyncio.sleep(min(left, LONGEST_SLEEP))


def _real_seconds(ahead: float, speed: float) -> float:
    if ahead <= 0:
        return 0.0
    return ahead / speed if speed else math.inf


def _create_file(path: Path, start: datetime, speed: float) -> None:
    """Make the file whole under another name and link it: of two processes that do so, one wins and both attach."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = memoryview(bytearray(_SIZE)).cast("d")
    _write_line(buffer, _SLOTS[0], (time.time(), start.timestamp(), speed))
    buffer[_LAST_TOUCHED] = start.timestamp()
    draft = path.with_name(f"clock.{os.getpid()}")
    draft.write_bytes(buffer.cast("B"))
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


def _write_line(reals: "memoryview[float]", slot: int, line: tuple[float, float, float]) -> None:
    reals[slot], reals[slot + 1], reals[slot + 2] = line
