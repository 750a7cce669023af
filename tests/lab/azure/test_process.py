"""The simulator as a process: killed at any moment, it goes on with the state that it told of."""

import asyncio
import json
import signal
import sys
import urllib.request
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

from lab.azure.arm import tokens
from tests.lab.azure.cloud import EXTENSION, HYBRID, N2

TOKEN = tokens.issue_token("tester", "https://management.azure.com")["token"]


async def start(state: Path, *more: str) -> tuple[Process, str]:
    """Start the simulator on a port of the system's choice; gives the process and its base URL."""
    command = ["-m", "lab.azure", "--port", "0", "--state", str(state), *more]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    return process, line.removeprefix("listening on ").strip()


async def stop(process: Process, how: signal.Signals) -> int:
    process.send_signal(how)
    await process.communicate()
    assert process.returncode is not None
    return process.returncode


def fetch(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": f"Bearer {TOKEN}"}, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - 127.0.0.1
        text = answer.read()
    return json.loads(text) if text else None


async def test_a_killed_process_goes_on_and_ends_what_was_under_way(tmp_path: Path) -> None:
    process, base = await start(tmp_path, "--speed", "1")
    await asyncio.to_thread(fetch, "DELETE", f"{base}{N2}/extensions/{EXTENSION}?api-version={HYBRID}")
    assert await stop(process, signal.SIGKILL) == -signal.SIGKILL
    process, base = await start(tmp_path)
    ledger = await asyncio.to_thread(fetch, "GET", f"{base}/lab/ledger")
    assert [entry["verb"] for entry in ledger] == ["extensions/delete"]
    await asyncio.to_thread(fetch, "POST", f"{base}/lab/clock", {"advance": "PT3M"})
    left = await asyncio.to_thread(fetch, "GET", f"{base}{N2}/extensions?api-version={HYBRID}")
    assert left["value"] == []
    assert await stop(process, signal.SIGTERM) == 0


async def test_the_speed_of_the_clock_is_what_was_asked_for(tmp_path: Path) -> None:
    process, base = await start(tmp_path, "--speed", "120", "--scenario", "bare")
    state = await asyncio.to_thread(fetch, "GET", f"{base}/lab/state")
    assert (state["clock"]["speed"], state["scenario"]["name"]) == (120, "bare")
    changed = await asyncio.to_thread(fetch, "POST", f"{base}/lab/clock", {"speed": 0})
    assert changed["speed"] == 0
    assert await stop(process, signal.SIGINT) == 0
