"""Task hubs as processes: the local host's, and Microsoft's engine on a storage emulator; of one host or of more."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import azure.durable_functions as df

from lab.clock import LabClock
from lab.http_calls import call_server
from lab.real.servers import RealServer, durable_host, find_tools, free_real_ports, storage_emulator
from lab.servers import ROOT, LabFailed, Server, find_free_port

APP = Path(__file__).parent / "app"
IS_REAL = os.environ.get("ENGINE") == "real"
"""`make real` runs this suite with ENGINE=real; `make test` on the local host."""


class Hub:
    """Hosts that share a task hub, and the folder that its activities leave their notes in."""

    def __init__(self, servers: list[Server], hosts: list[Server], app: Path, notes: Path) -> None:
        """`servers` are all processes, in the order in which they are started."""
        self._servers, self.hosts, self._app, self.notes = servers, hosts, app, notes

    def start(self) -> None:
        """Start all, and wait until they answer."""
        for server in self._servers:
            server.start()
            server.await_healthy()

    def stop(self) -> None:
        """Stop all, the hosts first."""
        for server in reversed(self._servers):
            server.stop()

    def deploy(self, **durable_task: object) -> None:
        """Stop the hosts, and start them under other settings of host.json."""
        for host in self.hosts:
            host.stop()
        _write_settings(self._app.parent, durable_task)
        for host in self.hosts:
            host.start()
            host.await_healthy()

    def client(self, host: int = 0) -> df.DurableFunctionsClient:
        """A durable client of one of the hosts, as its binding gives it; to be made on the loop that uses it."""
        reply = call_server(self.hosts[host].base, "GET", "/api/client", timeout=10)
        return df.DurableFunctionsClient(json.dumps(reply.body))

    def kill_worker(self, host: int = 0) -> None:
        """End the process that runs the app; on the local host that is the host itself, which is started again."""
        server = self.hosts[host]
        if isinstance(server, RealServer):
            server.kill_python()
        else:
            server.kill()
            server.start()

    def kill_host(self, host: int = 0) -> None:
        """End a whole host with SIGKILL."""
        self.hosts[host].kill()


@contextlib.contextmanager
def running_hub(folder: Path, hosts: int = 1, speed: float = 1, **durable_task: object) -> Iterator[Hub]:
    """A task hub with nothing in it, on the engine that the suite is run on.

    Args:
        speed: Of the local host's clock; Microsoft's engine knows real time alone.
        durable_task: Settings of host.json that are not the product's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    app, notes = _write_app(folder / "app", durable_task), folder / "notes"
    notes.mkdir()
    hub = _build_real_hub(folder, app, hosts, notes) if IS_REAL else _build_local_hub(folder, app, hosts, notes, speed)
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


def _write_app(folder: Path, durable_task: dict[str, object]) -> Path:
    """The app of the suite in a folder of its own, under the product's host.json."""
    folder.mkdir()
    _write_settings(folder, durable_task)
    (folder / "function_app.py").write_text((APP / "function_app.py").read_text())
    return folder / "function_app.py"


def _write_settings(folder: Path, durable_task: dict[str, object]) -> None:
    settings = json.loads((ROOT / "host.json").read_text())
    settings["extensions"]["durableTask"] |= durable_task
    (folder / "host.json").write_text(json.dumps(settings))


def _build_real_hub(folder: Path, app: Path, hosts: int, notes: Path) -> Hub:
    tools, ports = find_tools(), free_real_ports(hosts)
    if isinstance(tools, str):
        raise LabFailed(tools)
    servers: list[Server] = [durable_host(folder, ports, tools, number, app) for number in range(hosts)]
    for server in servers:
        server.settings |= {"ENGINE_NOTES": str(notes)}
    return Hub([storage_emulator(folder, ports, tools), *servers], servers, app, notes)


def _build_local_hub(folder: Path, app: Path, hosts: int, notes: Path, speed: float) -> Hub:
    LabClock.open(folder, speed=speed).close()
    servers = [_local_host(folder, app, number, notes) for number in range(hosts)]
    return Hub(servers, servers, app, notes)


def _local_host(folder: Path, app: Path, number: int, notes: Path) -> Server:
    port = find_free_port()
    command = ("lab.host", "--port", str(port), "--state", str(folder), "--app", str(app), "--worker", f"host{number}")
    return Server(
        f"local host {number}",
        f"http://127.0.0.1:{port}",
        "/admin/host/status",
        folder / f"host{number}.log",
        command,
        {"ENGINE_NOTES": str(notes), "PYTHONPATH": str(ROOT)},
    )
