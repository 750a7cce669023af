"""The local host's engine beside the SDK's in-memory backend, in one run: the same orchestrations, the same client."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.durable_functions as df
from durabletask import task
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.testing import InMemoryOrchestrationBackend
from durabletask.worker import TaskHubGrpcWorker

from bench.figures import Figure
from lab.clock import LabClock
from lab.host import sidecar
from lab.host.app import App, index_functions
from lab.host.durable import DurableFunctions
from lab.host.engine.engine import Engine, EngineSettings

PATIENCE = 300
"""Seconds after which a run has hung."""

type Steps = Generator[task.Task[Any], Any, Any]
type Client = AsyncTaskHubGrpcClient


def sequence(ctx: task.OrchestrationContext, count: int) -> Steps:
    done = 0
    for _ in range(count):
        done += yield ctx.call_activity("one", input=1)
    return done


def fan_out(ctx: task.OrchestrationContext, count: int) -> Steps:
    results = yield task.when_all([ctx.call_activity("one", input=1) for _ in range(count)])
    return sum(results)


def batches(ctx: task.OrchestrationContext, shape: list[int]) -> Steps:
    many, each = shape
    results = yield task.when_all([ctx.call_sub_orchestrator("fan_out", input=each) for _ in range(many)])
    return sum(results)


def one(_ctx: task.ActivityContext, number: int) -> int:
    return number


CASES: tuple[tuple[str, str, Any, int, int], ...] = (
    ("200 orchestrations of 1 activity", "sequence", 1, 200, 1),
    ("100 orchestrations of 5 activities in sequence", "sequence", 5, 100, 5),
    ("1 orchestration of 200 activities in sequence", "sequence", 200, 1, 200),
    ("1 orchestration of 400 activities in sequence", "sequence", 400, 1, 400),
    ("fan-out of 1,000", "fan_out", 1000, 1, 1000),
    ("fan-out of 2,000", "fan_out", 2000, 1, 2000),
    ("fan-out of 5,000", "fan_out", 5000, 1, 5000),
    ("1,000 as 20 children of 50", "batches", [20, 50], 1, 1000),
    ("5,000 as 50 children of 100", "batches", [50, 100], 1, 5000),
)


def figures() -> list[Figure]:
    """Activities a second by case on both engines, and the host's cold start."""
    os.environ.setdefault("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")
    ours, theirs = asyncio.run(_all(lab_engine)), asyncio.run(_all(in_memory))
    measured = [
        Figure(f"{case[0]}, {engine}", rate, "activities/s")
        for case, *rates in zip(CASES, ours, theirs, strict=True)
        for engine, rate in zip(("lab engine", "in-memory backend"), rates, strict=True)
    ]
    return [
        *measured,
        Figure("host process to ready, demo app", cold_start(), "s", "< 1", "of an idle machine", firm=False),
    ]


def cold_start() -> float:
    """Real seconds from the start of the process until it is ready, at the second start."""
    demo = Path(__file__).parents[1] / "tests" / "lab" / "host" / "apps" / "demo" / "function_app.py"
    settings = {**os.environ, "DEMO_SCHEDULE": "0 0 0 * * *", "DEMO_NOTES": os.devnull}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lab.host", "--app", str(demo), "--state", folder, "--port", "0"]
        return min(_until_ready(command, settings) for _ in range(2))


def _until_ready(command: list[str], settings: dict[str, str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        process.stdout.readline()
        took = time.perf_counter() - began
        process.terminate()
    return took


async def _all(engine: Callable[[], contextlib.AbstractAsyncContextManager[Client]]) -> list[float]:
    rates = []
    for _, name, given, runs, activities in CASES:
        async with engine() as client:
            began = time.perf_counter()
            await _run(client, name, given, runs)
            rates.append(runs * activities / (time.perf_counter() - began))
    return rates


async def _run(client: Client, name: str, given: Any, runs: int) -> None:
    started = [await client.schedule_new_orchestration(name, input=given) for _ in range(runs)]
    for run in started:
        state = await client.wait_for_orchestration_completion(run, timeout=PATIENCE)
        if state is None or state.runtime_status is not OrchestrationStatus.COMPLETED:
            raise RuntimeError(f"{name} ended as {state}")


@contextlib.asynccontextmanager
async def lab_engine() -> AsyncIterator[Client]:
    """The lab's engine on a new file."""
    module = ModuleType("bench_app")
    vars(module)["app"] = _function_app()
    with tempfile.TemporaryDirectory() as folder:
        app = App(index_functions(module), Path(folder))
        engine = Engine(
            Path(folder) / "engine.sqlite",
            LabClock.open(Path(folder)),
            DurableFunctions(app),
            EngineSettings(entity_window=0),
        )
        server, port = await sidecar.start_sidecar(engine)
        passing = asyncio.create_task(engine.run_for_ever())
        async with AsyncTaskHubGrpcClient(host_address=f"127.0.0.1:{port}") as client:
            yield client
        passing.cancel()
        await server.stop(None)
        await engine.close()
        app.close()


@contextlib.asynccontextmanager
async def in_memory() -> AsyncIterator[Client]:
    """The SDK's backend and worker; its history may grow as long as it must."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    backend = InMemoryOrchestrationBackend(max_history_size=1_000_000, port=int(address.rpartition(":")[2]))
    backend.start()
    worker = TaskHubGrpcWorker(host_address=address)
    for orchestrator in (sequence, fan_out, batches):
        worker.add_orchestrator(orchestrator)
    worker.add_activity(one)
    worker.start()  # type: ignore[no-untyped-call]
    async with AsyncTaskHubGrpcClient(host_address=address) as client:
        yield client
    await asyncio.to_thread(worker.stop)
    await asyncio.to_thread(backend.stop)


def _function_app() -> df.DFApp:
    app = df.DFApp()
    for orchestrator in (sequence, fan_out, batches):
        app.orchestration_trigger(context_name="context")(orchestrator)
    app.activity_trigger(input_name="number")(one)
    return app
