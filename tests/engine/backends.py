"""The two engines that the behaviour suite runs on, behind the SDK's own client."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.testing import InMemoryOrchestrationBackend
from durabletask.worker import TaskHubGrpcWorker

from lab.clock import Clock, LabClock
from lab.host import sidecar
from lab.host.app import App, index_functions
from lab.host.durable import DurableFunctions
from lab.host.engine.disorder import MessageOrder
from lab.host.engine.engine import Engine, EngineSettings
from tests.engine import runbooks

SETTINGS = EngineSettings(entity_window=0, visibility_timeout=timedelta(minutes=1))
"""As the product has them."""


def runbook_app() -> App:
    """The runbooks as the host has them."""
    module = ModuleType("runbook_app")
    vars(module)["app"] = runbooks.function_app()
    return App(index_functions(module), Path.cwd())


@contextlib.asynccontextmanager
async def lab_engine(
    path: Path, clock: Clock, order: MessageOrder | None = None, *, settings: EngineSettings = SETTINGS
) -> AsyncIterator[Engine]:
    """The lab's engine on a file, with nothing that lets time pass."""
    app = runbook_app()
    async with engine_of(app, path, clock, order, settings=settings) as engine:
        yield engine
    app.close()


@contextlib.asynccontextmanager
async def engine_of(
    app: App,
    path: Path,
    clock: Clock,
    order: MessageOrder | None = None,
    *,
    dies: bool = False,
    settings: EngineSettings = SETTINGS,
) -> AsyncIterator[Engine]:
    """The same for an app that outlives it; what it was doing is cut off, and hidden for a while if it dies."""
    engine = Engine(path, clock, DurableFunctions(app), settings, order)
    engine.resume_waiting()
    yield engine
    await (engine.die() if dies else engine.close())


@contextlib.asynccontextmanager
async def lab_client(folder: Path) -> AsyncIterator[AsyncTaskHubGrpcClient]:
    """A client of the lab's engine, in real time."""
    async with lab_engine(folder / "engine.sqlite", LabClock.open(folder)) as engine:
        server, port = await sidecar.start_sidecar(engine)
        passing = asyncio.create_task(engine.run_for_ever())
        async with AsyncTaskHubGrpcClient(host_address=f"127.0.0.1:{port}") as client:
            yield client
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)
        await server.stop(None)


@contextlib.contextmanager
def memory_backend() -> Iterator[str]:
    """The SDK's in-memory backend with the SDK's worker; answers its address."""
    address = f"127.0.0.1:{_free_port()}"
    backend = InMemoryOrchestrationBackend(port=int(address.rpartition(":")[2]))
    backend.start()
    worker = TaskHubGrpcWorker(host_address=address)
    for orchestrator in runbooks.ORCHESTRATORS:
        worker.add_orchestrator(orchestrator)
    for activity in runbooks.ACTIVITIES:
        worker.add_activity(activity)
    worker.add_entity(runbooks.Tally)
    worker.start()  # type: ignore[no-untyped-call]
    yield address
    worker.stop()  # type: ignore[no-untyped-call]
    backend.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
