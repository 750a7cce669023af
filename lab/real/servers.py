"""The processes of the real engine: storage emulator, simulated Azure at the pace of real time, durable hosts."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from lab.http_calls import Unreachable, call_server
from lab.servers import ROOT, Ports, Server, Servers, find_free_port, lab_settings

AZURITE_FOLDER = Path(__file__).with_name("azurite")
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The one that every storage emulator has; it opens nothing else."""

JOB_SECONDS = "1,2,4"
"""Least, usual and most seconds of each job of the simulated Azure: durable time is real here."""


class Tools(NamedTuple):
    """Programs that are no part of the project.

    Attributes:
        durable_host: The durable host's command.
        azurite: The storage emulator's command.
    """

    durable_host: str
    azurite: str


def find_tools(environment: Mapping[str, str] = os.environ) -> Tools | str:
    """Find what the real engine needs, installing the storage emulator if npm can; else what is missing, in a line."""
    durable_host = environment.get("DURABLE_HOST", "")
    if not durable_host:
        return "left out: DURABLE_HOST names no durable host (the command that runs Microsoft's durable extension)"
    if not os.access(durable_host, os.X_OK):
        return f"left out: DURABLE_HOST is {durable_host}, which cannot be run"
    azurite = environment.get("AZURITE") or _installed_azurite()
    return Tools(durable_host, azurite) if azurite else "left out: neither AZURITE nor npm gives a storage emulator"


def _installed_azurite() -> str:
    program = AZURITE_FOLDER / "node_modules/.bin/azurite"
    if not program.exists() and (npm := shutil.which("npm")):
        sys.stdout.write("Installing the storage emulator with npm (once)\n")
        subprocess.run([npm, "ci", "--silent"], cwd=AZURITE_FOLDER, check=False)  # noqa: S603 - found on the PATH
    return str(program) if program.exists() else ""


class RealServer(Server):
    """A server whose Python process may be killed alone."""

    def kill_python(self) -> None:
        """End its Python process with SIGKILL; the durable host starts another one."""
        for child in self.python_processes():
            os.kill(child, signal.SIGKILL)

    def python_processes(self) -> list[int]:
        """Process ids of its children."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]


class RealPorts(NamedTuple):
    """Where everything listens, on 127.0.0.1."""

    azure: int
    bridges: tuple[int, ...]
    blob: int
    queue: int
    table: int

    @property
    def storage(self) -> str:
        """The connection string of the storage emulator."""
        base = f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={ACCOUNT_KEY};"
        services = (("Blob", self.blob), ("Queue", self.queue), ("Table", self.table))
        return base + "".join(f"{name}Endpoint=http://127.0.0.1:{port}/devstoreaccount1;" for name, port in services)


def free_real_ports(hosts: int) -> RealPorts:
    """Ports that are free now."""
    azure, blob, queue, table, *bridges = (find_free_port() for _ in range(4 + hosts))
    return RealPorts(azure, tuple(bridges), blob, queue, table)


def real_servers(state: Path, ports: RealPorts, tools: Tools, app: Path = ROOT / "function_app.py") -> Servers:
    """All processes of a story on the real engine, with their state in a folder; nothing is started yet."""
    hosts = [durable_host(state, ports, tools, number, app) for number in range(len(ports.bridges))]
    azure = simulated_azure(state, ports.azure, f"http://127.0.0.1:{ports.bridges[0]}")
    return Servers(azure, hosts[0], (storage_emulator(state, ports, tools),), tuple(hosts[1:]))


def storage_emulator(state: Path, ports: RealPorts, tools: Tools) -> Server:
    """What the engine keeps everything in."""
    places = (("blob", ports.blob), ("queue", ports.queue), ("table", ports.table))
    where = [text for name, port in places for text in (f"--{name}Port", str(port), f"--{name}Host", "127.0.0.1")]
    flags = ("--location", str(state / "storage"), "--skipApiVersionCheck", "--disableTelemetry", "--loose", "--silent")
    return StorageEmulator(
        "storage emulator",
        f"http://127.0.0.1:{ports.blob}",
        "/devstoreaccount1?comp=list",
        state / "storage.log",
        ("--", tools.azurite, *where, *flags),
    )


class StorageEmulator(RealServer):
    """Answers whoever asks without a signature with a refusal: that is sign of life enough."""

    def is_healthy(self) -> bool:
        """Whether it answers at all."""
        try:
            return call_server(self.base, "GET", self.health, timeout=5).status < 500
        except Unreachable:
            return False


def simulated_azure(state: Path, port: int, host_url: str) -> Server:
    """The simulated Azure at the pace of real time, for one host."""
    base = f"http://127.0.0.1:{port}"
    command = ("lab.azure", "--port", str(port), "--state", str(state), "--speed", "1", "--host-url", host_url)
    return RealServer(
        "simulated Azure", base, "/lab/clock", state / "azure.log", (*command, "--job-seconds", JOB_SECONDS)
    )


def durable_host(state: Path, ports: RealPorts, tools: Tools, number: int, app: Path) -> RealServer:
    """One host of the task hub, with a Python process of its own for an app."""
    bridge, folder = ports.bridges[number], state / f"host{number + 1}"
    folder.mkdir(parents=True, exist_ok=True)
    base, functions = f"http://127.0.0.1:{bridge}", folder / "functions.json"
    azure_url = f"http://127.0.0.1:{ports.azure}"
    python = [sys.executable, "-m", "lab.real.bridge", "--app", str(app), "--port", str(bridge)]
    python += ["--azure-url", azure_url, "--state", str(state), "--functions", str(functions)]
    command = ["--", tools.durable_host, "--host-json", str(app.parent / "host.json"), "--functions", str(functions)]
    command += ["--bridge", base, "--public-url", base, "--worker", f"host{number + 1}", "--storage", ports.storage]
    return RealServer(
        f"durable host {number + 1}",
        base,
        "/admin/host/status",
        folder / "host.log",
        (*command, "--", *python),
        lab_settings(state, Ports(ports.azure, bridge)) | {"PYTHONPATH": str(ROOT)},
    )
