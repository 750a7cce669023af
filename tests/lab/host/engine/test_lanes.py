"""Work by key."""

import asyncio
import logging

import pytest

from lab.host.engine.lanes import Lanes


class Work:
    """Serves by hand: each step waits to be let through."""

    def __init__(self, width: int = 8) -> None:
        self.began: list[str] = []
        self.gate = asyncio.Event()
        self.lanes = Lanes(width, self.serve)

    async def serve(self, key: str) -> bool:
        """One step."""
        self.began.append(key)
        await self.gate.wait()
        return False

    async def end(self) -> None:
        """Let everything through."""
        self.gate.set()
        while not self.lanes.idle:
            await asyncio.wait(self.lanes.tasks())


async def soon() -> None:
    """Let every task come to its next wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_key_has_one_worker_at_a_time() -> None:
    work = Work()
    for _ in range(3):
        work.lanes.wake("a")
        await soon()
    assert work.began == ["a"]
    await work.end()
    assert work.began == ["a", "a"]  # once more for both that came meanwhile


async def test_only_so_many_keys_at_once() -> None:
    work = Work(width=2)
    for key in "abc":
        work.lanes.wake(key)
    await soon()
    assert work.began == ["a", "b"]
    await work.end()
    assert work.began == ["a", "b", "c"]


async def test_a_key_that_rests_leaves_its_worker_to_others() -> None:
    served: list[str] = []

    async def serve(key: str) -> bool:
        served.append(key)
        if key == "a":
            lanes.rest_key(key, 3600)
        return False

    lanes = Lanes(1, serve)
    lanes.wake("a")
    await soon()
    lanes.wake("a")
    lanes.wake("b")
    await soon()
    assert served == ["a", "b"]
    await lanes.clear()


async def test_a_failure_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    served: list[str] = []

    async def serve(key: str) -> bool:
        if key == "a":
            raise RuntimeError("broken")
        served.append(key)
        return False

    lanes = Lanes(1, serve)
    lanes.wake("a")
    lanes.wake("b")
    await soon()
    assert served == ["b"]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [(logging.ERROR, "cannot serve a")]


async def test_what_is_cleared_is_cancelled() -> None:
    work = Work(width=1)
    work.lanes.wake("a")
    work.lanes.wake("b")
    await soon()
    await work.lanes.clear()
    assert work.lanes.idle
    assert work.began == ["a"]
