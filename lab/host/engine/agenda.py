"""What waits for its instant, on the lab's clock."""

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from typing import Literal

from lab.clock import LONGEST_SLEEP, Clock
from lab.host.engine.moments import from_micros, to_micros
from lab.host.engine.transit import Transit

type Kind = Literal["orchestration", "entity", "activity"]
type Wake = Callable[[Kind, str], None]


class Agenda:
    """Calls `wake` for each key when its instant has come; at once if it is past."""

    def __init__(self, clock: Clock, wake: Wake, transit: Transit | None = None) -> None:
        """`transit`: how long what is sent now is on its way."""
        self._clock = clock
        self._wake = wake
        self._transit = transit or Transit()
        self._waiting: list[tuple[int, Kind, str]] = []
        self._known: set[tuple[int, Kind, str]] = set()
        self._sooner = asyncio.Event()

    def now(self) -> int:
        """Simulated microseconds since 1970."""
        return to_micros(self._clock.now())

    def arrival(self, size: int) -> int:
        """When a message of so many bytes arrives that is sent now."""
        return to_micros(self._clock.now() + self._transit.time_of(size))

    def wake_at(self, at: int, kind: Kind, key: str) -> None:
        """Wake the key at an instant."""
        if at <= self.now():
            self._wake(kind, key)
            return
        if (at, kind, key) not in self._known:
            self._known.add((at, kind, key))
            heapq.heappush(self._waiting, (at, kind, key))
            self._sooner.set()

    @property
    def next_due(self) -> int | None:
        """The next instant at which something is due."""
        return self._waiting[0][0] if self._waiting else None

    def __len__(self) -> int:
        return len(self._waiting)

    def release_due(self) -> None:
        """Wake every key whose instant has come."""
        now = self.now()
        while self._waiting and self._waiting[0][0] <= now:
            due = heapq.heappop(self._waiting)
            self._known.discard(due)
            self._wake(*due[1:])

    def clear(self) -> None:
        """Wait for nothing any more."""
        self._waiting.clear()
        self._known.clear()

    async def run_for_ever(self) -> None:
        """Release what is due, for ever; a jump of the clock is noticed within 50 ms."""
        while True:
            self.release_due()
            self._sooner.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._sooner.wait(), self._seconds_to_wait())

    def _seconds_to_wait(self) -> float | None:
        if self.next_due is None:
            return None
        return min(self._clock.real_seconds(from_micros(self.next_due)), LONGEST_SLEEP)
