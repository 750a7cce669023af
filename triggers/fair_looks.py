"""Requests that only look: of one caller a few are served at once, so that no reader keeps others from reading."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from shared.principals import Principal

AT_ONCE = 8
"""Requests of one caller that are served at the same time; the others wait for their turn."""
MOST_WAITING = 100
"""Of one caller; whoever comes after them is told to come again."""


class TooManyRequests(Exception):
    """One caller asks faster than is answered; nothing was done."""


class Line:
    """Those of one caller that are served, and those that wait."""

    def __init__(self) -> None:
        self.places, self.present = asyncio.Semaphore(AT_ONCE), 0


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Line]] = WeakKeyDictionary()


@asynccontextmanager
async def turn_of(caller: Principal) -> AsyncIterator[None]:
    """Wait until it is this caller's turn; holders of function keys are one caller.

    Raises:
        TooManyRequests: too many of theirs wait already.
    """
    lines, name = _lines.setdefault(asyncio.get_running_loop(), {}), caller.id or "key"
    line = lines.setdefault(name, Line())
    if line.present >= AT_ONCE + MOST_WAITING:
        raise TooManyRequests
    line.present += 1
    try:
        async with line.places:
            yield
    finally:
        line.present -= 1
        if line.present == 0:
            lines.pop(name, None)
