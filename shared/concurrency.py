"""Doing the same to many at once, but not to all at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

AT_ONCE = 10


async def map_concurrently[A, B](
    items: Iterable[A], do: Callable[[A], Awaitable[B]], at_once: int = AT_ONCE
) -> list[B]:
    """Await `do` for each, never more than so many at a time: answers in the order of the items."""
    slots = asyncio.Semaphore(at_once)

    async def run_in_slot(item: A) -> B:
        async with slots:
            return await do(item)

    return await asyncio.gather(*(run_in_slot(ask) for ask in items))
