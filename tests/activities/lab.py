"""The simulated Azure as a process of its own, met over HTTP only."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from activities.hooks import read_hook_work
from shared.operations.hook_work import HookWork
from shared.recovery.contract import HookAnswer

ROOT = Path(__file__).parents[2]


class Lab:
    """A running simulated Azure and its controls."""

    def __init__(self, base: str) -> None:
        self.base = base

    def reset(self, scenario: str = "default", **sizes: int) -> None:
        self._call("POST", "/lab/reset", {"scenario": scenario, **sizes})

    def now(self) -> datetime:
        return datetime.fromisoformat(self._call("GET", "/lab/clock")["now"])

    def advance(self, by: timedelta) -> None:
        self._call("POST", "/lab/clock", {"advance": f"PT{int(by.total_seconds())}S"})

    def freeze(self) -> None:
        """From now on time passes only as far as it is advanced."""
        self._call("POST", "/lab/clock", {"speed": 0})

    def state(self) -> Any:
        return self._call("GET", "/lab/state")

    def node(self, name: str, **facts: Any) -> None:
        """Change what a node is like."""
        self._call("PUT", f"/lab/nodes/{name}", facts)

    def world(self, **parts: Any) -> None:
        """Change the world outside Azure: nodes, sources and others, by name."""
        self._call("PUT", "/lab/world", parts)

    def identity(self, **held: list[str]) -> None:
        """Which roles the product's identity holds, and without which actions."""
        self._call("PUT", "/lab/identity", held)

    def mutations(self) -> list[tuple[str, str]]:
        """Verb and item of each mutating call that was accepted, in order."""
        return [(one["verb"], one["item"]) for one in self._call("GET", "/lab/ledger") if one["status"] < 300]

    def entries(self) -> Any:
        """The ledger as it is: every mutating call that was accepted."""
        return self._call("GET", "/lab/ledger")

    def calls(self) -> list[str]:
        """Method and path of each mutating call that was accepted, in order."""
        ledger = self._call("GET", "/lab/ledger")
        return [f"{one['method']} {one['path']}" for one in ledger if one["status"] < 300]

    def faults(self, *rules: dict[str, Any]) -> None:
        self._call("PUT", "/lab/faults", list(rules))

    def inbox(self) -> list[dict[str, Any]]:
        """The notifications that have arrived, oldest first."""
        return list(self._call("GET", "/lab/inbox"))

    def emit(self, what: str, node: str) -> str:
        """Let something happen to a node's extension; gives the correlation id."""
        return str(self._call("POST", "/lab/events", {"emit": what, "node": node})["correlationId"])

    def ledger(self, verb: str) -> list[str]:
        """Items (or names) that a verb was accepted for, in order."""
        entries = self._call("GET", "/lab/ledger")
        return [entry["item"] for entry in entries if entry["verb"] == verb and entry["status"] < 300]

    async def until[T](self, look: Callable[[], Awaitable[T | None]], step: timedelta = timedelta(minutes=1)) -> T:
        """Let simulated time go by until there is something to see."""
        for _ in range(120):
            if (seen := await look()) is not None:
                return seen
            self.advance(step)
        raise AssertionError("nothing to see after 120 steps")

    async def work_ended(self, work: HookWork) -> HookAnswer:
        """What the work of a hook comes to."""

        async def look() -> HookAnswer | None:
            answer = await read_hook_work(work)
            return None if answer.may_change else answer

        return await self.until(look)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.base + path, data, headers, method=method)  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


@contextmanager
def running(state: Path) -> Iterator[Lab]:
    """A simulated Azure on a free port, until the end."""
    command = [sys.executable, "-m", "lab.azure", "--port", "0", "--state", str(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Lab(process.stdout.readline().removeprefix("listening on ").strip())
        finally:
            process.terminate()
