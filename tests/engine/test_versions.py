"""Which version a run has, and who goes on with it, when an app of another version takes over the task hub."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic

import pytest
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.history import SubOrchestrationInstanceCompletedEvent

from tests.engine.hubs import Hub, running_hub

PATIENCE = 300
"""Real seconds after which what should come has not come."""
OLDER, NEWER = "1.9.0", "1.10.0"
"""As text the older one would be the greater."""


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One host, whose version each test chooses."""
    with running_hub(tmp_path_factory.mktemp("versions") / "state") as running:
        yield running


@pytest.fixture
def key() -> str:
    """A name that no other test uses."""
    return uuid.uuid4().hex


async def until(hub: Hub, look: Callable[[AsyncTaskHubGrpcClient], Awaitable[bool]]) -> None:
    """Look again and again until it is so."""
    end = monotonic() + PATIENCE
    async with hub.client() as client:
        while not await look(client):
            assert monotonic() < end
            await asyncio.sleep(0.1)


async def start_run(hub: Hub, name: str, key: str, given: object = None, version: str | None = None) -> None:
    async with hub.client() as client:
        await client.schedule_new_orchestration(name, input=given, instance_id=key, version=version)


async def start_waiting_run(hub: Hub, key: str) -> None:
    """Start a run that waits twice, and wait until it does so for the first time."""
    await start_run(hub, "keeping_its_version", key, [])

    async def waits(client: AsyncTaskHubGrpcClient) -> bool:
        history = await client.get_orchestration_history(key)
        return any(isinstance(event, SubOrchestrationInstanceCompletedEvent) for event in history)

    await until(hub, waits)


async def send_go(hub: Hub, key: str) -> None:
    async with hub.client() as client:
        await client.raise_orchestration_event(key, "go")


async def send_second_go(hub: Hub, key: str) -> None:
    """To its second generation."""

    async def is_second(client: AsyncTaskHubGrpcClient) -> bool:
        state = await client.get_orchestration_state(key)
        return state is not None and state.get_input() != []

    await until(hub, is_second)
    await send_go(hub, key)


async def state_of(hub: Hub, key: str) -> OrchestrationState:
    async with hub.client() as client:
        state = await client.get_orchestration_state(key)
    assert state is not None
    return state


async def end_of(hub: Hub, key: str) -> OrchestrationState:
    async with hub.client() as client:
        state = await client.wait_for_orchestration_completion(key, timeout=PATIENCE)
    assert state is not None
    return state


async def test_a_run_keeps_the_version_that_it_was_begun_with(deployed: Hub, key: str) -> None:
    """In all its generations. A child that is started without a version has none."""
    deployed.deploy(defaultVersion=OLDER)
    await start_waiting_run(deployed, key)
    deployed.deploy(defaultVersion=NEWER)
    await send_go(deployed, key)
    await send_second_go(deployed, key)
    assert (await end_of(deployed, key)).get_output() == [OLDER, None, OLDER, None]


async def test_a_newer_run_waits_while_an_older_app_is_there(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=NEWER)
    await start_waiting_run(deployed, key)
    deployed.deploy(defaultVersion=OLDER)
    await send_go(deployed, key)
    await start_run(deployed, "sequence", f"{key}-older", ["a"])
    assert (await end_of(deployed, f"{key}-older")).get_output() == ["A"]
    state = await state_of(deployed, key)
    assert (state.runtime_status, state.get_input()) == (OrchestrationStatus.RUNNING, [])
    deployed.deploy(defaultVersion=NEWER)
    await send_second_go(deployed, key)
    assert (await end_of(deployed, key)).get_output() == [NEWER, None, NEWER, None]


async def test_a_newer_run_is_terminated_once_its_app_is_back(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=NEWER)
    await start_waiting_run(deployed, key)
    deployed.deploy(defaultVersion=OLDER)
    async with deployed.client() as client:
        await client.terminate_orchestration(key, output="enough")
    await start_run(deployed, "sequence", f"{key}-older", ["a"])
    assert (await end_of(deployed, f"{key}-older")).get_output() == ["A"]
    assert (await state_of(deployed, key)).runtime_status is OrchestrationStatus.RUNNING
    deployed.deploy(defaultVersion=NEWER)
    state = await end_of(deployed, key)
    assert (state.runtime_status, state.get_output()) == (OrchestrationStatus.TERMINATED, "enough")


async def test_a_run_that_an_entity_starts_has_the_version_of_the_app(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=NEWER)
    async with deployed.client() as client:
        await client.signal_entity(EntityInstanceId("counter", key), "start_versioned", key)

    async def has_ended(client: AsyncTaskHubGrpcClient) -> bool:
        state = await client.get_orchestration_state(key)
        return state is not None and state.runtime_status is OrchestrationStatus.COMPLETED

    await until(deployed, has_ended)
    assert (await state_of(deployed, key)).get_output() == NEWER


async def test_a_newer_run_fails_where_the_app_says_so(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=OLDER, versionFailureStrategy="Fail")
    await start_run(deployed, "versioned", key, version=NEWER)
    state = await end_of(deployed, key)
    mismatch = "VersionMismatch: Orchestration version did not comply with Worker Versioning"
    assert (state.runtime_status, state.serialized_output) == (OrchestrationStatus.FAILED, mismatch)


async def test_an_app_that_matches_strictly_leaves_older_runs_alone(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=NEWER, versionMatchStrategy="Strict", versionFailureStrategy="Fail")
    await start_run(deployed, "versioned", f"{key}-same")
    await start_run(deployed, "versioned", key, version=OLDER)
    assert (await end_of(deployed, f"{key}-same")).get_output() == NEWER
    assert (await end_of(deployed, key)).runtime_status is OrchestrationStatus.FAILED


async def test_an_app_that_matches_nothing_runs_all(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=OLDER, versionMatchStrategy="None")
    await start_run(deployed, "versioned", key, version=NEWER)
    assert (await end_of(deployed, key)).get_output() == NEWER


async def test_an_app_without_a_version_runs_all(deployed: Hub, key: str) -> None:
    deployed.deploy(defaultVersion=None)
    await start_run(deployed, "versioned", key, version=OLDER)
    assert (await end_of(deployed, key)).get_output() == OLDER
