"""What the product has been bitten by: how the engine shows, refuses, repeats and limits."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationQuery, OrchestrationState, OrchestrationStatus

from lab.http_calls import call_server
from tests.engine.hubs import IS_REAL, Hub, running_hub

PATIENCE = 300
"""Real seconds after which what should come has not come."""


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[AsyncTaskHubGrpcClient]:
    async with hub.client() as client:
        yield client


@pytest.fixture
def key() -> str:
    """A name that no other test uses."""
    return uuid.uuid4().hex


async def read_until(
    client: AsyncTaskHubGrpcClient, run: str, until: Callable[[OrchestrationState], bool]
) -> list[OrchestrationState]:
    """Each look at a run until one is as asked."""
    looks: list[OrchestrationState] = []
    end = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < end:
        state = await client.get_orchestration_state(run)
        if state is not None:
            looks.append(state)
            if until(state):
                return looks
        await asyncio.sleep(0.05)
    raise AssertionError(f"{run} never came so far: {looks[-1:]}")


async def end_of(client: AsyncTaskHubGrpcClient, run: str) -> OrchestrationState:
    state = await client.wait_for_orchestration_completion(run, timeout=PATIENCE)
    assert state is not None
    return state


async def code_of(call: Awaitable[object]) -> str:
    """The status with which the engine refuses a call; empty when it does not."""
    try:
        await call
    except grpc.RpcError as refused:
        return str(refused.code().name)
    return ""


async def test_a_generation_begins_without_the_status_of_the_last_one(client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("renewing", input=2)
    looks = await read_until(client, run, lambda state: state.get_input() == 0)
    assert "first" in [look.get_custom_status() for look in looks]
    await asyncio.sleep(1)
    state = await client.get_orchestration_state(run)
    assert state is not None
    assert (state.runtime_status, state.get_custom_status()) == (OrchestrationStatus.RUNNING, None)
    await client.raise_orchestration_event(run, "go")
    assert (await end_of(client, run)).get_custom_status() == "last"


async def test_a_generation_is_created_when_it_begins(client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("renewing", input=2)
    first = (await read_until(client, run, lambda _state: True))[0]
    await read_until(client, run, lambda state: state.get_input() == 0)
    state = await client.get_orchestration_state(run)
    await client.raise_orchestration_event(run, "go")
    assert state is not None
    assert state.created_at > first.created_at
    assert (await end_of(client, run)).created_at == state.created_at


async def test_of_starts_of_one_id_at_once_one_runs(client: AsyncTaskHubGrpcClient, hub: Hub, key: str) -> None:
    starts = [client.schedule_new_orchestration("noting", input=key, instance_id=key) for _ in range(4)]
    codes = await asyncio.gather(*map(code_of, starts))
    assert (await end_of(client, key)).runtime_status is OrchestrationStatus.COMPLETED
    assert set(codes) <= {"", "ALREADY_EXISTS"}
    assert (hub.notes / key).read_text().count("noted") >= 1


async def test_a_living_id_is_taken_and_an_ended_one_is_free(client: AsyncTaskHubGrpcClient, key: str) -> None:
    await client.schedule_new_orchestration("collecting", input=1, instance_id=key)
    assert (
        await code_of(client.schedule_new_orchestration("sequence", input=["a"], instance_id=key)) == "ALREADY_EXISTS"
    )
    await client.raise_orchestration_event(key, "word", data="a")
    await end_of(client, key)
    assert await code_of(client.schedule_new_orchestration("sequence", input=["a"], instance_id=key)) == ""
    assert (await end_of(client, key)).get_output() == ["A"]


async def test_an_ended_run_takes_no_event_and_no_end(client: AsyncTaskHubGrpcClient, key: str) -> None:
    await client.schedule_new_orchestration("sequence", input=["a"], instance_id=key)
    await end_of(client, key)
    codes = [
        await code_of(client.raise_orchestration_event(key, "word")),
        await code_of(client.terminate_orchestration(key)),
        await code_of(client.suspend_orchestration(key)),
    ]
    assert codes == ["FAILED_PRECONDITION"] * 3


async def test_an_unknown_run_takes_no_event_and_no_end(client: AsyncTaskHubGrpcClient, key: str) -> None:
    codes = [
        await code_of(client.raise_orchestration_event(key, "word")),
        await code_of(client.terminate_orchestration(key)),
        await code_of(client.suspend_orchestration(key)),
        await code_of(client.purge_orchestration(key)),
    ]
    assert codes == ["NOT_FOUND"] * 3 + [""]


async def test_what_nobody_catches_fails_the_run_and_is_its_output(client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("failing", input="no luck")
    state = await end_of(client, run)
    assert (state.runtime_status, state.failure_details) == (OrchestrationStatus.FAILED, None)
    assert state.serialized_output == "builtins.ValueError: no luck"


async def test_a_run_that_goes_on_is_not_purged(client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("collecting", input=1)
    assert await code_of(client.purge_orchestration(run)) == "FAILED_PRECONDITION"
    await client.terminate_orchestration(run)
    await end_of(client, run)
    assert (await client.purge_orchestration(run)).deleted_instance_count == 1


async def test_a_history_begins_with_the_start_and_ends_with_the_turn(client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("sequence", input=["a"])
    await end_of(client, run)
    kinds = [type(event).__name__ for event in await client.get_orchestration_history(run)]
    assert kinds[:2] == ["OrchestratorStartedEvent", "ExecutionStartedEvent"]
    assert kinds[-2:] == ["ExecutionCompletedEvent", "OrchestratorCompletedEvent"]


async def test_without_payloads_there_is_no_custom_status(client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("talking")
    await read_until(client, run, lambda state: state.get_custom_status() == "half way")
    state = await client.get_orchestration_state(run, fetch_payloads=False)
    assert state is not None
    assert state.serialized_custom_status is None
    await client.raise_orchestration_event(run, "go")


async def test_no_event_is_lost_between_generations(client: AsyncTaskHubGrpcClient, key: str) -> None:
    await client.schedule_new_orchestration("passing_on", input=[], instance_id=key)
    for number in range(30):
        await client.raise_orchestration_event(key, "word", data=number)
    assert sorted((await end_of(client, key)).get_output()) == list(range(30))


async def test_a_megabyte_goes_in_and_comes_out(client: AsyncTaskHubGrpcClient) -> None:
    text = "x" * 1_000_000
    run = await client.schedule_new_orchestration("echoing", input=text)
    state = await end_of(client, run)
    assert (len(state.get_input()), len(state.get_output())) == (1_000_000, 1_000_000)


async def test_a_page_has_as_many_as_asked_and_all_are_found(client: AsyncTaskHubGrpcClient, key: str) -> None:
    runs = [f"{key}-{number:02}" for number in range(25)]
    await asyncio.gather(*(client.schedule_new_orchestration("sequence", input=["a"], instance_id=run) for run in runs))
    for run in runs:
        await end_of(client, run)
    found = await client.get_all_orchestration_states(OrchestrationQuery(instance_id_prefix=key, max_instance_count=10))
    assert sorted(state.instance_id for state in found) == runs
    assert {state.serialized_input for state in found} == {None}


async def test_an_entity_keeps_what_is_called_at_once(client: AsyncTaskHubGrpcClient, key: str) -> None:
    runs = [await client.schedule_new_orchestration("bumping", input=key) for _ in range(10)]
    outputs = [(await end_of(client, run)).get_output() for run in runs]
    assert sorted(outputs) == list(range(1, 11))


async def test_functions_that_are_no_coroutines_run_beside_the_engine(hub: Hub) -> None:
    reply = await asyncio.to_thread(
        call_server, hub.hosts[0].base, "POST", "/api/waits-for-a-run", {}, timeout=PATIENCE
    )
    assert (reply.status, reply.body) == (200, "BLOCKING")


async def test_what_is_larger_than_a_message_is_not_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_hub(tmp_path_factory.mktemp("small") / "state", maxGrpcMessageSizeInBytes=4194304) as small:
        async with small.client() as client:
            run = await client.schedule_new_orchestration("growing", input=6_000_000)
            await read_until_quiet(client, run)
            assert await code_of(client.get_orchestration_state(run)) == "RESOURCE_EXHAUSTED"


async def read_until_quiet(client: AsyncTaskHubGrpcClient, run: str) -> None:
    """Wait for the end of a run whose payloads cannot be read."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while asyncio.get_running_loop().time() < end:
        state = await client.get_orchestration_state(run, fetch_payloads=False)
        if state is not None and state.runtime_status is OrchestrationStatus.COMPLETED:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{run} did not end")


async def test_with_a_window_for_entity_messages_no_call_arrives(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_hub(tmp_path_factory.mktemp("window") / "state", entityMessageReorderWindowInMinutes=30) as windowed:
        async with windowed.client() as client:
            run = await client.schedule_new_orchestration("bumping", input="x")
            fine = await client.schedule_new_orchestration("sequence", input=["a"])
            assert (await end_of(client, fine)).get_output() == ["A"]
            await asyncio.sleep(5)
            state = await client.get_orchestration_state(run)
            assert state is not None
            assert state.runtime_status is OrchestrationStatus.RUNNING


@pytest.mark.skipif(IS_REAL, reason="the storage emulator gives fewer rows instead of refusing")
async def test_a_page_of_more_than_a_thousand_is_refused(client: AsyncTaskHubGrpcClient) -> None:
    assert await code_of(client.get_all_orchestration_states(OrchestrationQuery(max_instance_count=1001))) == "UNKNOWN"
