"""Work by key: one worker a key at a time, and only so many keys at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

_log = logging.getLogger(__name__)


class Lanes:
    """Serves each woken key until it has no more to do.

    `serve` does one step of a key and answers whether it did anything; a key woken meanwhile is served again.
    """

    def __init__(self, width: int, serve: Callable[[str], Awaitable[bool]]) -> None:
        self._width = width
        self._serve = serve
        self._waiting: dict[str, None] = {}  # an ordered set
        self._again: set[str] = set()
        self._rests: dict[str, float] = {}
        self._busy: dict[str, asyncio.Task[bool]] = {}

    def wake(self, key: str) -> None:
        """There may be something to do for the key."""
        if key in self._busy:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._fill_lanes()

    def rest_key(self, key: str, seconds: float) -> None:
        """Serve a key that is being served not again before so many real seconds: meanwhile more of it gathers."""
        self._rests[key] = seconds

    @property
    def idle(self) -> bool:
        """Whether nothing is being served or waits to be."""
        return not self._busy and not self._waiting

    def __len__(self) -> int:
        return len(self._busy) + len(self._waiting)

    def tasks(self) -> list[asyncio.Task[bool]]:
        """What is being served now."""
        return list(self._busy.values())

    async def clear(self) -> None:
        """Drop what waits and cancel what runs."""
        while not self.idle:  # one that was just ending may have woken others
            self._waiting.clear()
            self._again.clear()
            for task in self.tasks():
                task.cancel()
            if self._busy:
                await asyncio.wait(self.tasks())

    def _fill_lanes(self) -> None:
        while self._waiting and len(self._busy) < self._width:
            key = next(iter(self._waiting))
            del self._waiting[key]
            task = asyncio.create_task(self._serve_key(key))
            self._busy[key] = task
            task.add_done_callback(partial(self._end_task, key))  # a task cancelled before it began runs no `finally`

    async def _serve_key(self, key: str) -> bool:
        try:
            more = await self._serve(key)
            await self._pause_key(self._rests.pop(key, 0))
        except Exception:  # noqa: BLE001 - it is logged, and the work of other keys goes on
            _log.exception("cannot serve %s", key)
            return False
        return more

    def _end_task(self, key: str, task: asyncio.Task[bool]) -> None:
        del self._busy[key]
        if key in self._again or (not task.cancelled() and task.result()):
            self._again.discard(key)
            self._waiting[key] = None
        self._fill_lanes()

    async def _pause_key(self, seconds: float) -> None:
        """A key that rests leaves its worker to others."""
        if seconds:
            self._width += 1
            self._fill_lanes()
            try:
                await asyncio.sleep(seconds)
            finally:
                self._width -= 1
