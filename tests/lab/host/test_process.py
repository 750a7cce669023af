"""The host as a process: started, killed without warning at any moment, and started again."""

import json
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.clock import LabClock
from tests.lab.host.conftest import DEMO

STEPS = 8
PATIENCE = 60
"""Real seconds after which something that should have come has not."""


class Process:
    """A host on one state folder, time running a hundredfold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        LabClock.open(folder, speed=300).close()
        self._running: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self, *arguments: str) -> None:
        """Start it, and wait until it is ready."""
        self._running = self.spawn(*arguments)
        assert self._running.stdout is not None
        line = self._running.stdout.readline()
        assert "ready on " in line, line
        self.url = line.split("ready on ")[1].strip()

    def spawn(self, *arguments: str, app: Path = DEMO) -> subprocess.Popen[str]:
        """Start one more on the same folder."""
        command = [sys.executable, "-m", "lab.host", "--app", str(app), "--state", str(self.folder), "--port", "0"]
        settings = {"DEMO_NOTES": str(self.notes), "DEMO_SCHEDULE": "1.00:00:00", "PYTHONPATH": str(Path.cwd())}
        return subprocess.Popen(
            [*command, *arguments],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def kill(self) -> None:
        """SIGKILL: nothing is tidied up."""
        if self._running is not None:
            self._running.kill()
            self._running.communicate()
            self._running = None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer."""
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method=method)  # noqa: S310 - ours
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - ours
            return json.loads(answer.read())

    def until(self, what: Callable[[], bool]) -> None:
        """Wait for another process."""
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.01)

    def status(self, run: str) -> Any:
        """What the management API says of a run."""
        return self.call("GET", f"/runtime/webhooks/durabletask/instances/{run}")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.kill()


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_it_still_comes_to_the_end(process: Process, seed: int) -> None:
    """No result is lost: a step may run twice, and it is followed by the next one all the same."""
    random.seed(seed)
    process.start()
    process.call("POST", "/api/start/steps?id=run", STEPS)
    for done in sorted(random.sample(range(1, STEPS), 3)):
        process.until(lambda done=done: len(_said(process)) >= done)  # type: ignore[misc]
        process.kill()
        process.start()
    process.until(lambda: process.status("run")["runtimeStatus"] == "Completed")
    assert process.status("run")["output"] == [f"step {number}" for number in range(STEPS)]
    assert all(count <= 1 + 3 for count in _said(process).values())
    assert list(_said(process)) == list(range(STEPS))


def test_a_second_host_on_the_same_folder_says_so_in_one_line(process: Process) -> None:
    process.start()
    second = process.spawn()
    _, output = second.communicate()
    assert second.returncode == 2
    assert output.count("\n") == 1
    assert "in use by another host" in output


def test_an_app_that_is_not_there_is_said_in_one_line(process: Process) -> None:
    spawned = process.spawn(app=process.folder / "nothing.py")
    _, output = spawned.communicate()
    assert (spawned.returncode, output.count("\n")) == (2, 1)
    assert "nothing.py" in output


def test_a_port_in_use_is_said_in_one_line(process: Process, tmp_path: Path) -> None:
    process.start()
    other = Process(tmp_path / "other")
    spawned = other.spawn("--port", process.url.rpartition(":")[2])
    _, output = spawned.communicate()
    assert (spawned.returncode, output.count("\n")) == (2, 1)
    assert "address already in use" in output


def test_asked_to_stop_it_ends_well(process: Process) -> None:
    running = process.spawn()
    assert running.stdout is not None
    assert "ready" in running.stdout.readline()
    running.terminate()
    running.communicate()
    assert running.returncode == 0


def _said(process: Process) -> Counter[int]:
    """How often each step ran, in the order in which they first did."""
    lines = process.notes.read_text().splitlines() if process.notes.exists() else []
    return Counter(json.loads(line.removeprefix("say "))["step"] for line in lines if line.startswith("say "))
