"""The durable client's service, through the SDK's own client."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from durabletask.client import AsyncTaskHubGrpcClient, EntityQuery, OrchestrationQuery, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.internal import orchestrator_service_pb2 as pb

from lab.clock import ManualClock
from lab.host import sidecar
from tests.engine.backends import lab_engine
from tests.lab.host.engine.driver import Driver


@pytest.fixture
async def drive(tmp_path: Path) -> AsyncIterator[Driver]:
    clock = ManualClock()
    async with lab_engine(tmp_path / "engine.sqlite", clock) as engine:
        yield Driver(engine, clock)


@pytest.fixture
async def client(drive: Driver) -> AsyncIterator[AsyncTaskHubGrpcClient]:
    server, port = await sidecar.start_sidecar(drive.engine)
    async with AsyncTaskHubGrpcClient(host_address=f"127.0.0.1:{port}") as client:
        yield client
    await server.stop(None)


async def test_a_delayed_start_is_on_the_lab_s_clock(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    at = drive.clock.now() + timedelta(hours=1)
    run = await client.schedule_new_orchestration("sequence", input=["a"], start_at=at)
    await drive.end_of(run)
    state = await client.get_orchestration_state(run)
    assert state is not None
    assert state.created_at.replace(tzinfo=UTC) == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert state.last_updated_at.replace(tzinfo=UTC) == at


@pytest.mark.parametrize("run", ["@a", "a/b", "a\tb", "x" * 101])
async def test_an_id_that_azure_would_not_take_is_refused(client: AsyncTaskHubGrpcClient, run: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        await client.schedule_new_orchestration("sequence", input=[], instance_id=run)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_client_waits_no_longer_than_it_says(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("collecting", input=1)
    with pytest.raises(TimeoutError):
        await client.wait_for_orchestration_completion(run, timeout=0.01)


async def test_many_clients_wait_at_once(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("collecting", input=1)
    waiting = [asyncio.create_task(client.wait_for_orchestration_completion(run, timeout=60)) for _ in range(100)]
    await client.wait_for_orchestration_start(run, timeout=60)
    await client.raise_orchestration_event(run, "word", data="a")
    states = await asyncio.gather(*waiting)
    assert {state.runtime_status for state in states if state} == {OrchestrationStatus.COMPLETED}


async def test_a_waiter_is_told_of_a_reset(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    run = await client.schedule_new_orchestration("collecting", input=1)
    waiting = asyncio.create_task(client.wait_for_orchestration_completion(run, timeout=60))
    await client.wait_for_orchestration_start(run, timeout=60)
    await drive.engine.clear()
    assert await waiting is None


async def test_all_pages_of_instances_come(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    for number in range(5):
        drive.start("collecting", 1, id=f"run-{number}")
    found = await client.get_all_orchestration_states(OrchestrationQuery(max_instance_count=2))
    assert [state.instance_id for state in found] == [f"run-{number}" for number in range(5)]


async def test_finished_ids_come_in_the_order_of_their_ends(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    for name, seconds in (("slow", 7200), ("fast", 60)):
        drive.start("waiting", seconds, id=name)
    await drive.end_of("slow")
    first = await client.list_instance_ids(page_size=1)
    second = await client.list_instance_ids(page_size=1, continuation_token=first.continuation_token)
    assert [list(first.items), list(second.items)] == [["fast"], ["slow"]]


async def test_finished_instances_are_purged_by_filter(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    await drive.run("sequence", ["a"], id="done")
    drive.start("collecting", 1, id="running")
    await drive.settle()
    result = await client.purge_orchestrations_by(created_time_from=datetime(2020, 1, 1, tzinfo=UTC))
    assert result.deleted_instance_count == 1
    assert drive.engine.instances.find("running") is not None


async def test_entities_are_found_by_prefix(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    for key in ("a-1", "a-2", "b-1"):
        await client.signal_entity(EntityInstanceId("counter", key), "add", input=3)
    await drive.settle()
    found = await client.get_all_entities(EntityQuery(instance_id_starts_with="@counter@a-", page_size=1))
    assert [(each.id.key, each.get_state(int)) for each in found] == [("a-1", 3), ("a-2", 3)]


async def test_a_history_is_streamed_whole(drive: Driver, client: AsyncTaskHubGrpcClient) -> None:
    assert await drive.run("fan_out", 600, id="wide") == 600 * 599
    history = await client.get_orchestration_history("wide")
    assert len(history) == len(drive.kinds("wide")) > 1200


async def test_a_running_instance_is_replaced_if_the_client_says_so(
    drive: Driver, client: AsyncTaskHubGrpcClient
) -> None:

    drive.start("collecting", 1, id="same")
    await drive.settle()
    policy = pb.OrchestrationIdReusePolicy(replaceableStatus=[pb.ORCHESTRATION_STATUS_RUNNING])
    await client.schedule_new_orchestration("sequence", input=["a"], instance_id="same", reuse_id_policy=policy)
    assert json.loads((await drive.end_of("same")).output or "") == ["A"]
