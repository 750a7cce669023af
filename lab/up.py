"""`make lab`: both servers up until told otherwise, on a state that outlives them."""

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
from typing import IO, NamedTuple, NoReturn

from lab.clock import LabClock
from lab.servers import (
    POLL,
    Keeper,
    LabFailed,
    Ports,
    Server,
    Servers,
    require_free,
    reset,
    stopped_at_the_end,
    wait_until,
)

MORNING = time_of_day(8, tzinfo=UTC)


class Wish(NamedTuple):
    """What the environment asks for.

    Attributes:
        speed: Simulated seconds a real second.
    """

    ports: Ports
    state: Path
    scenario: str
    speed: float

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Wish":
        """Read LAB_AZURE_PORT, LAB_HOST_PORT, LAB_STATE, LAB_SCENARIO and LAB_SPEED.

        Raises:
            LabFailed: a number is none.
        """
        ports = Ports(_number(environment, "LAB_AZURE_PORT", 7080), _number(environment, "LAB_HOST_PORT", 7071))
        state = Path(environment.get("LAB_STATE") or ".lab/up").absolute()
        speed = float(_number(environment, "LAB_SPEED", 60))
        return cls(ports, state, environment.get("LAB_SCENARIO") or "default", speed)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal():
        raise LabFailed(f"{name} must be a whole number: {text!r}")
    return int(text)


def say(line: str) -> None:
    """Tell the person at the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def up(environment: Mapping[str, str] = os.environ) -> int:
    """Keep the lab up until SIGINT or SIGTERM; the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        wish = Wish.read(environment)
        wish.state.mkdir(parents=True, exist_ok=True)
        with (wish.state / "up.lock").open("a+") as lock:
            if not _owned(lock):
                return _join(wish, lock)
            _serve(wish)
    except KeyboardInterrupt:
        say("stopped")
    except LabFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


def _owned(lock: IO[str]) -> bool:
    """Take the state folder for this process; the lock goes with it, however it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _join(wish: Wish, lock: IO[str]) -> int:
    """Another process keeps this state up: wait beside it, and leave it alone.

    Raises:
        LabFailed: it is on other ports, or does not answer.
    """
    servers = Servers.of(wish.state, wish.ports, wish.speed)
    if not wait_until(lambda: all(server.healthy() for server in servers) and _filled(wish.state) is not None):
        raise LabFailed(f"a lab already runs on {wish.state}, but it does not answer on {_places(wish.ports)}")
    say(f"this lab already runs: {_places(wish.ports)}")
    say("ready")
    fcntl.flock(lock, fcntl.LOCK_EX)  # until it has gone
    say("it has stopped")
    return 0


def _places(ports: Ports) -> str:
    return f"Azure {ports.azure_url}, host {ports.host_url}"


def _serve(wish: Wish) -> None:
    require_free(wish.ports)
    servers = Servers.of(wish.state, wish.ports, wish.speed)
    with stopped_at_the_end(servers):
        _wind(wish.state)
        servers.start()
        _fill(wish, servers.azure)
        say(f"Azure  {wish.ports.azure_url}/lab/state")
        say(f"Host   {wish.ports.host_url}/api")
        say(f"State  {wish.state} (logs: azure.log, host.log)")
        say("ready")
        _watch(servers)


def _wind(state: Path) -> None:
    """Let simulated time go on from where the clock was last touched; a new lab begins in the morning.

    The scheduled drill of the default scenario, at six, is then most of a day away: nobody's first failover meets it.
    """
    if (state / "clock").exists():
        LabClock.open(state, resume=True).close()
    else:
        LabClock.open(state, start=datetime.combine(datetime.now(UTC), MORNING)).close()


def _filled(state: Path) -> str | None:
    """The scenario that a state folder holds, None while it holds none to its end."""
    note = state / "up.json"
    return str(json.loads(note.read_text())["scenario"]) if note.exists() else None


def _fill(wish: Wish, azure: Server) -> None:
    """Set up the scenario in a fresh state; go on from one that is there."""
    if (scenario := _filled(wish.state)) is not None:
        say(f"going on with the scenario {scenario} in {wish.state}")
        return
    reset(azure, wish.scenario)
    draft = wish.state / "up.json.new"
    draft.write_text(json.dumps({"scenario": wish.scenario}))
    draft.rename(wish.state / "up.json")


def _watch(servers: Servers) -> NoReturn:
    keeper = Keeper(servers, say)
    while True:
        keeper.look()
        time.sleep(POLL)
