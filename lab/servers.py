"""The lab's two servers as child processes: started, asked whether they answer, stopped, killed."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab.evidence_key import make_evidence_key
from lab.host.keys import MASTER, keep_mac_key, read_key
from lab.host.sign_in import ENTRA, KEYS
from lab.http_calls import Unreachable, call_server

ROOT = Path(__file__).parents[1]
POLL = 0.1
"""Real seconds between two looks at something that is awaited."""

PATIENCE = 60.0
"""Real seconds within which a server must answer, or have stopped."""


class LabFailed(Exception):
    """The lab cannot go on; the message is one for a person."""


class Ports(NamedTuple):
    """Where the two servers listen, on 127.0.0.1."""

    azure: int
    host: int

    @property
    def azure_url(self) -> str:
        """Base URL of the simulated Azure."""
        return f"http://127.0.0.1:{self.azure}"

    @property
    def host_url(self) -> str:
        """Base URL of the local host."""
        return f"http://127.0.0.1:{self.host}"


PORTS = range(20_000, 30_000)
"""Below those that the system, or the durable engine for itself, takes by chance: one would be gone while its server is
down."""


def find_free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that no connection is given by chance.

    Raises:
        LabFailed: none was found.
    """
    for port in random.sample(PORTS, 200):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise LabFailed("no port of 127.0.0.1 is free")


def free_ports() -> Ports:
    """Two ports that are free now."""
    return Ports(find_free_port(), find_free_port())


def require_free(ports: Ports) -> None:
    """Make sure that the ports are free.

    Raises:
        LabFailed: somebody does.
    """
    for port, variable in ((ports.azure, "LAB_AZURE_PORT"), (ports.host, "LAB_HOST_PORT")):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as taken:
            reason = os.strerror(taken.errno or 0)
            message = f"port {port} is in use by something else ({reason}); choose another with {variable}"
            raise LabFailed(message) from taken


def lab_settings(state: Path, ports: Ports, door: Mapping[str, str] = ENTRA) -> dict[str, str]:
    """The app's settings in the lab. They are given, not left to the surroundings: those may be of a real Azure."""
    return {
        "AZURE_RESOURCE_MANAGER_URL": ports.azure_url,
        "IDENTITY_ENDPOINT": f"{ports.azure_url}/msi/token",
        "IDENTITY_HEADER": "lab-identity",
        "AZURE_CLIENT_ID": "",
        "APP_URL": ports.host_url,
        "EVENTGRID_TOPIC_ENDPOINT": f"{ports.azure_url}/eventgrid/topics/hci-site-recovery/api/events",
        "EVENTGRID_TOPIC_KEY": "",
        "EVIDENCE_STORE": f"folder:{state / 'evidence'}",
        **door,
        "EVIDENCE_KEY": f"file:{make_evidence_key(state)}",
        "MAC_KEY": keep_mac_key(state),
        "RECONCILE_SCHEDULE": "0 */5 * * * *",
        "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING": "1",
    }


class Server:
    """One of the two servers: a module run as a child that dies with this process."""

    def __init__(
        self,
        name: str,
        base: str,
        health: str,
        log: Path,
        command: tuple[str, ...],
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`health` is the path that answers 200 once the server is up.

        `command` is the module and its arguments, or "--" and another program with its own.
        """
        self.name, self.base, self.health, self.log, self.command = name, base, health, log, command
        self.settings = dict(settings or {})
        self.killed = False
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its output goes to the end of its log."""
        self.killed = False
        arguments = [sys.executable, "-m", "lab.tether", str(os.getpid()), *self.command]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules
                arguments,
                cwd=ROOT,
                env=os.environ | self.settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Process id, None before it was started."""
        return self._process.pid if self._process else None

    @property
    def exit_status(self) -> int | None:
        """What it ended with, None while it runs."""
        return self._process.poll() if self._process else None

    def is_healthy(self) -> bool:
        """Whether it answers."""
        try:
            return call_server(self.base, "GET", self.health, timeout=5).status == 200
        except Unreachable:
            return False

    def await_healthy(self) -> None:
        """Wait until it answers.

        Raises:
            LabFailed: it ended, or did not answer in time; the message holds the end of its log.
        """
        if not wait_until(lambda: self.exit_status is not None or self.is_healthy()):
            raise LabFailed(f"{self.name} did not answer within {PATIENCE:.0f} s\n{self.read_tail()}")
        if self.exit_status is not None:
            raise LabFailed(f"{self.name} ended with status {self.exit_status}\n{self.read_tail()}")

    def stop(self) -> None:
        """Ask it to end, and wait for that; kill it when it does not."""
        if not self._process:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        self.killed = True
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def read_tail(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


@dataclass(frozen=True)
class Servers:
    """The servers of a lab. Azure comes first: it makes the clock that the host reads.

    Attributes:
        before: What has to be up before them, in this order.
        more_hosts: Further hosts of the same task hub.
    """

    azure: Server
    host: Server
    before: tuple[Server, ...] = ()
    more_hosts: tuple[Server, ...] = ()

    def __iter__(self) -> Iterator[Server]:
        """All of them, in the order in which they are started."""
        return iter((*self.before, self.azure, self.host, *self.more_hosts))

    @property
    def hosts(self) -> tuple[Server, ...]:
        """All hosts."""
        return (self.host, *self.more_hosts)

    @classmethod
    def of(
        cls, state: Path, ports: Ports, speed: float, *host_options: str, hosts: int = 1, app: Path | None = None
    ) -> "Servers":
        """The servers of a state folder; nothing is started yet. The local hosts, which share it, take more options.

        `app` is the file of another app than that of this folder.
        """
        folder, asks = str(state), "--auth" in host_options
        host_options = (*host_options, "--app", str(app)) if app else host_options
        azure: tuple[str, ...] = ("lab.azure", "--port", str(ports.azure), "--state", folder, "--speed", str(speed))
        azure = (*azure, "--host-keys", str(state / "keys.json")) if asks else azure
        first = _local_host("local host", state, ports, host_options)
        others = (ports._replace(host=find_free_port()) for _ in range(1, hosts))
        more = (
            _local_host(f"local host {number}", state, other, (*host_options, "--worker", f"host{number}"))
            for number, other in enumerate(others, 2)
        )
        return cls(
            Server(
                "simulated Azure",
                ports.azure_url,
                "/lab/clock",
                state / "azure.log",
                (*azure, "--host-url", ports.host_url),
            ),
            first,
            more_hosts=tuple(more),
        )

    def start(self) -> None:
        """Start them, and wait until they answer.

        Raises:
            LabFailed: one of them does not come up.
        """
        for server in self:
            server.start()
            server.await_healthy()

    def stop(self) -> None:
        """Stop them, the host first: it goes on with what it is doing until then."""
        for server in reversed(tuple(self)):
            server.stop()


def _local_host(name: str, state: Path, ports: Ports, options: tuple[str, ...]) -> Server:
    command = ("lab.host", "--port", str(ports.host), "--state", str(state), "--azure-url", ports.azure_url)
    options = options if {"--auth", "--sign-in"} & set(options) else ("--trust-principal", *options)
    query = f"?code={read_key(state / 'keys.json', 'host', MASTER)}" if "--auth" in options else ""
    return Server(
        name,
        ports.host_url,
        f"/admin/host/status{query}",
        state / f"{name.replace('local ', '').replace(' ', '')}.log",
        (*command, *options),
        lab_settings(state, ports, KEYS if "--auth" in options and "--sign-in" not in options else ENTRA),
    )


@contextlib.contextmanager
def stopped_at_the_end(servers: Servers) -> Iterator[None]:
    """Stop both servers, however the block ends."""
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping takes a moment: a second Ctrl-C would orphan a child
        servers.stop()


class Keeper:
    """Starts a server again when it has died, as Azure's platform does, and gives up on one that keeps dying."""

    def __init__(self, servers: Servers, say: Callable[[str], None]) -> None:
        """`say` gets one line for each restart; `away` names those that are not to be started again yet."""
        self._servers, self._say = servers, say
        self.away: Callable[[], Collection[str]] = frozenset
        self._loops = {server.name: CrashLoop() for server in servers}

    def check_servers(self) -> None:
        """Look at both once.

        Raises:
            LabFailed: one keeps dying; the message holds the end of its log.
        """
        for server in self._servers:
            if server.name not in self.away() and (status := server.exit_status) is not None:
                if not server.killed and self._loops[server.name].note_crash(time.monotonic()):
                    raise LabFailed(f"the {server.name} keeps ending (status {status}); its log:\n{server.read_tail()}")
                self._say(f"the {server.name} ended with status {status}: starting it again")
                server.start()


class CrashLoop:
    """Tells a crash from a crash loop: `limit` of them within `window` real seconds."""

    def __init__(self, limit: int = 5, window: float = 60) -> None:
        self._window = window
        self._times: deque[float] = deque(maxlen=limit)

    def note_crash(self, now: float) -> bool:
        """Note a crash; whether it was one too many."""
        self._times.append(now)
        return len(self._times) == self._times.maxlen and now - self._times[0] < self._window


def wait_until(true: Callable[[], bool], patience: float = PATIENCE) -> bool:
    """Look again and again until it is true; false when that took too many real seconds."""
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(POLL)
    return True


def reset_lab(azure: Server, scenario: str, patience: float = PATIENCE, **sizes: int) -> None:
    """Fill the lab with a scenario, of these sizes where it has any, and have its documents declared to the product.

    Raises:
        LabFailed: the lab refused.
    """
    try:
        reply = call_server(azure.base, "POST", "/lab/reset", {"scenario": scenario, **sizes}, timeout=patience)
    except Unreachable as failure:
        raise LabFailed(f"the scenario {scenario} could not be set up: {failure}") from failure
    if reply.status >= 300:
        raise LabFailed(f"the scenario {scenario} could not be set up: {reply.status} {reply.body}")
