"""`make lab`: both servers run until they are stopped; their state stays."""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import IO, Literal, NamedTuple, NoReturn

from lab.clock import LabClock
from lab.host.keys import HOST, read_key, write_lab_keys
from lab.host.sign_in import PEOPLE, UnauthenticatedAction
from lab.host.sign_in_page import CHOICE, LOGIN
from lab.host.trace_context import SETTING
from lab.servers import (
    POLL,
    Keeper,
    LabFailed,
    Ports,
    Server,
    Servers,
    require_free,
    reset_lab,
    stopped_at_the_end,
    wait_until,
)
from lab.trace import FILE, describe_trace

type Door = Literal["entra", "keys"]
MORNING = time_of_day(8, tzinfo=UTC)


class LabSettings(NamedTuple):
    """What the environment asks for.

    Attributes:
        speed: Simulated seconds a real second.
        door: Who lets callers in: "entra", the lab's sign-in, or "keys".
        telemetry: Where the app sends spans and metrics, as its setting TELEMETRY says it.
    """

    ports: Ports
    state: Path
    scenario: str
    speed: float
    door: Door = "entra"
    telemetry: str = "none"

    @property
    def app_settings(self) -> dict[str, str]:
        """Of the app's settings those that are not alike in each lab."""
        return {"TELEMETRY": self.telemetry, SETTING: "true"}

    @property
    def host_options(self) -> tuple[str, ...]:
        """How the local host is started: keys are asked for where Azure asks for them whoever is signed in."""
        return ("--auth",) if self.door == "keys" else ("--auth", "--sign-in", UnauthenticatedAction.REQUIRE)

    @classmethod
    def read_environment(cls, environment: Mapping[str, str]) -> "LabSettings":
        """Read LAB_AZURE_PORT, LAB_HOST_PORT, LAB_STATE, LAB_SCENARIO, LAB_SPEED, LAB_DOOR and TELEMETRY.

        Raises:
            LabFailed: a number is none, or a word is none of those that it may be.
        """
        ports = Ports(
            _read_number(environment, "LAB_AZURE_PORT", 7080), _read_number(environment, "LAB_HOST_PORT", 7071)
        )
        state = Path(environment.get("LAB_STATE") or ".lab/up").absolute()
        speed = float(_read_number(environment, "LAB_SPEED", 60))
        scenario = environment.get("LAB_SCENARIO") or "default"
        telemetry = environment.get("TELEMETRY") or f"file:{state / FILE}"
        return cls(ports, state, scenario, speed, _read_door(environment), telemetry)


def print_trace(operation: str, environment: Mapping[str, str] = os.environ) -> int:
    """Print what one run of the lab did; the exit status."""
    try:
        lines = describe_trace(LabSettings.read_environment(environment).state, operation)
    except LabFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    for line in lines:
        print_line(line)
    return 0


def _read_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal():
        raise LabFailed(f"{name} must be a whole number: {text!r}")
    return int(text)


def _read_door(environment: Mapping[str, str]) -> Door:
    match environment.get("LAB_DOOR") or "entra":
        case "entra" | "keys" as door:
            return door
        case other:
            raise LabFailed(f"LAB_DOOR must be entra or keys: {other!r}")


def print_line(line: str) -> None:
    """Print a line for the person at the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def keep_lab_up(environment: Mapping[str, str] = os.environ) -> int:
    """Keep the lab up until SIGINT or SIGTERM; the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = LabSettings.read_environment(environment)
        settings.state.mkdir(parents=True, exist_ok=True)
        with (settings.state / "up.lock").open("a+") as lock:
            if not _take_folder(lock):
                return _wait_beside(settings, lock)
            _serve_lab(settings)
    except KeyboardInterrupt:
        print_line("stopped")
    except LabFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _take_folder(lock: IO[str]) -> bool:
    """Take the state folder for this process; the lock goes with it, however it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_beside(settings: LabSettings, lock: IO[str]) -> int:
    """Another process keeps this state up: wait beside it, and leave it alone.

    Raises:
        LabFailed: it is on other ports, or does not answer.
    """
    servers = Servers.of(settings.state, settings.ports, settings.speed, *settings.host_options)
    if not wait_until(
        lambda: all(server.is_healthy() for server in servers) and _find_scenario(settings.state) is not None
    ):
        raise LabFailed(
            f"a lab already runs on {settings.state}, but it does not answer on {_describe_places(settings.ports)}"
        )
    print_line(f"this lab already runs: {_describe_places(settings.ports)}")
    print_line("ready")
    fcntl.flock(lock, fcntl.LOCK_EX)  # until it has gone
    print_line("it has stopped")
    return 0


def _describe_places(ports: Ports) -> str:
    return f"Azure {ports.azure_url}, host {ports.host_url}"


def _serve_lab(settings: LabSettings) -> None:
    require_free(settings.ports)
    write_lab_keys(settings.state / "keys.json")
    servers = Servers.of(settings.state, settings.ports, settings.speed, *settings.host_options)
    servers.host.settings |= settings.app_settings
    with stopped_at_the_end(servers):
        _wind_clock(settings.state)
        servers.start()
        _fill_lab(settings, servers.azure)
        print_line(f"Azure  {settings.ports.azure_url}/lab/state")
        print_line(f"Host   {settings.ports.host_url}/api")
        print_line(f"Page   {settings.ports.host_url}/api/ui")
        print_line(f"Inbox  {settings.ports.azure_url}/lab/inbox.html, where notifications arrive")
        print_line(f"State  {settings.state} (logs: azure.log, host.log)")
        print_line(f"Trace  .venv/bin/python -m lab trace OPERATION; spans and metrics: {settings.telemetry}")
        _print_door(settings)
        print_line("ready")
        _watch_servers(servers)


def _print_door(settings: LabSettings) -> None:
    """Say what opens the app: which key, or with which token each of the lab's persons signs in."""
    if settings.door == "keys":
        key = read_key(settings.state / "keys.json", "host", HOST)
        print_line(f"Key    {key}, in the header x-functions-key or as ?code=")
        return
    for person in PEOPLE:
        print_line(f"Token  {person.token}: {person.name}, {', '.join(person.roles) or 'no role'}")
    sign_in = f"{settings.ports.host_url}{LOGIN}?post_login_redirect_uri=/api/ui&{CHOICE}="
    for person in PEOPLE:
        print_line(f"Page   {sign_in}{person.token}")


def _wind_clock(state: Path) -> None:
    """Let simulated time go on from where the clock was last touched; a new lab begins in the morning.

    The scheduled drill of the default scenario, at six, is then most of a day away: nobody's first failover meets it.
    """
    if (state / "clock").exists():
        LabClock.open(state, resume=True).close()
    else:
        LabClock.open(state, start=datetime.combine(datetime.now(UTC), MORNING)).close()


def _find_scenario(state: Path) -> str | None:
    """The scenario that a state folder holds, None while it holds none to its end."""
    note = state / "up.json"
    return str(json.loads(note.read_text())["scenario"]) if note.exists() else None


def _fill_lab(settings: LabSettings, azure: Server) -> None:
    """Set up the scenario in a fresh state; go on from one that is there."""
    if (scenario := _find_scenario(settings.state)) is not None:
        print_line(f"going on with the scenario {scenario} in {settings.state}")
        return
    reset_lab(azure, settings.scenario)
    draft = settings.state / "up.json.new"
    draft.write_text(json.dumps({"scenario": settings.scenario}))
    draft.rename(settings.state / "up.json")


def _watch_servers(servers: Servers) -> NoReturn:
    keeper = Keeper(servers, print_line)
    while True:
        keeper.check_servers()
        time.sleep(POLL)
