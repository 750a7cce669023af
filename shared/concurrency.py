"""Doing the same to many at once, but not to all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

AT_ONCE = 10


async def each[A, B](many: Iterable[A], do: Callable[[A], Awaitable[B]], at_once: int = AT_ONCE) -> list[B]:
    """Await `do` for each, never more than so many at a time: answers in the order of the asks."""
    slots = asyncio.Semaphore(at_once)

    async def one(ask: A) -> B:
        async with slots:
            return await do(ask)

    return await asyncio.gather(*(one(ask) for ask in many))
