"""Workers and hosts that die in every phase of a run, on one hub with two hosts: nothing is lost, and nothing stops."""

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Callable, Iterator

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

from lab.http_calls import Unreachable
from lab.servers import LabFailed
from tests.engine.hubs import IS_REAL, Hub, running_hub

STEPS = 6
UNDER_WAY = (OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING, OrchestrationStatus.CONTINUED_AS_NEW)
PATIENCE = 400
"""Real seconds: what a dead host held is hidden for a minute, once for each death at the worst."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Two hosts of one hub."""
    with running_hub(tmp_path_factory.mktemp("pair") / "state", hosts=2, speed=20) as running:
        yield running


@pytest.fixture
def key() -> str:
    """A name that no other test uses."""
    return uuid.uuid4().hex


async def read_run(hub: Hub, run: str) -> OrchestrationState | None:
    """The run by whichever host answers; None while none does."""
    for host in range(len(hub.hosts)):
        with contextlib.suppress(Unreachable, grpc.RpcError, LabFailed, ValueError, AttributeError, KeyError):
            async with hub.client(host) as client:
                return await client.get_orchestration_state(run)
    return None


async def end_of(hub: Hub, run: str, between: Callable[[], None] = lambda: None) -> OrchestrationState:
    """Look at the run until it has ended; `between` is called after each look."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        state = await read_run(hub, run)
        if state is not None and state.runtime_status is OrchestrationStatus.COMPLETED:
            return state
        assert state is None or state.runtime_status in UNDER_WAY, (state.serialized_output, state.failure_details)
        between()
        await asyncio.sleep(0.2)
    raise AssertionError(f"{run} did not end")


async def start_climb(hub: Hub, key: str, steps: int = STEPS) -> None:
    async with hub.client() as client:
        await client.schedule_new_orchestration(
            "climbing", input={"key": key, "step": 1, "steps": steps}, instance_id=key
        )


async def require_whole(hub: Hub, key: str, state: OrchestrationState, steps: int = STEPS) -> None:
    """Each step was begun before it was ended and in order; an effect may have come twice, and never not at all.

    Microsoft's provider sends what an entity answers before it writes what the entity keeps. When the host dies in
    between, the message comes again, a minute later: until then a further answer counts one too few.
    """
    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert IS_REAL or state.get_output() == steps
    await require_all_kept(hub, key, steps)
    lines = (hub.notes / key).read_text().split("\n")[:-1]
    assert list(dict.fromkeys(lines)) == [f"{what} {n}" for n in range(1, steps + 1) for what in ("begun", "ended")]


async def require_all_kept(hub: Hub, key: str, steps: int) -> None:
    """The entity has all steps, or will have them once what was hidden comes again."""
    climbers, end = EntityInstanceId("climbers", key), time.monotonic() + PATIENCE
    reached: list[int] = []
    while time.monotonic() < end:
        async with hub.client() as client:
            found = await client.get_entity(climbers)
        reached = (found.get_typed_state(list) if found else None) or []
        if reached == list(range(1, steps + 1)):
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"{key} keeps {reached} of {steps} steps")


class Deaths:
    """Ends something now and then, and brings it back."""

    def __init__(self, hub: Hub, seed: int, count: int, kinds: tuple[str, ...]) -> None:
        self._hub, self._random, self._left, self._kinds = hub, random.Random(seed), count, kinds
        self._next = time.monotonic() + 1
        self._back: dict[int, float] = {}

    def look(self) -> None:
        """End something, or bring it back, if it is time."""
        for host, at in list(self._back.items()):
            if time.monotonic() >= at:
                self._hub.hosts[host].start()
                self._hub.hosts[host].await_healthy()
                del self._back[host]
        if self._left and not self._back and time.monotonic() >= self._next:
            self._left -= 1
            self._next = time.monotonic() + self._random.uniform(1, 3)
            self._end(self._random.choice(self._kinds))

    def _end(self, kind: str) -> None:
        host = self._random.randrange(len(self._hub.hosts))
        match kind:
            case "worker":
                self._hub.kill_worker(host)
            case "host":
                self._hub.kill_host(host)
                self._back[host] = time.monotonic() + 1
            case _:
                for each in range(len(self._hub.hosts)):
                    self._hub.kill_host(each)
                    self._back[each] = time.monotonic() + 1

    def bring_all_back(self) -> None:
        """Nothing is away any more."""
        for host in self._back:
            self._hub.hosts[host].start()
            self._hub.hosts[host].await_healthy()


@pytest.mark.parametrize(("kind", "seed"), [("worker", 1), ("host", 2), ("both", 3)])
async def test_a_run_survives_deaths(pair: Hub, key: str, kind: str, seed: int) -> None:
    deaths = Deaths(pair, seed, 3, (kind,))
    await start_climb(pair, key)
    state = await end_of(pair, key, deaths.look)
    deaths.bring_all_back()
    await require_whole(pair, key, state)


async def test_the_other_host_goes_on_with_what_a_dead_one_held(pair: Hub, key: str) -> None:
    await start_climb(pair, key)
    await asyncio.sleep(1)
    pair.kill_host(0)
    state = await end_of(pair, key)
    pair.hosts[0].start()
    pair.hosts[0].await_healthy()
    await require_whole(pair, key, state)


async def test_many_runs_share_two_hosts(pair: Hub, key: str) -> None:
    runs = [f"{key}-{number}" for number in range(8)]
    await asyncio.gather(*(start_climb(pair, run, 2) for run in runs))
    for run in runs:
        await require_whole(pair, run, await end_of(pair, run), 2)
