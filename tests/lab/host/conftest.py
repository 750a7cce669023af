"""What every test of the host stands on."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lab.clock import ManualClock
from lab.host.host import Host, running_host
from lab.host.settings import Options

DEMO = Path(__file__).parent / "apps" / "demo" / "function_app.py"


@pytest.fixture(autouse=True)
def _strict_typing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only plain JSON crosses a durable boundary, in the tests as in the product."""
    monkeypatch.setenv("AZURE_FUNCTIONS_DURABLE_STRICT_TYPING", "1")


@dataclass
class Hosted:
    """The demo app on a host, and somebody who calls it."""

    host: Host
    clock: ManualClock
    session: aiohttp.ClientSession
    notes_file: Path

    async def call(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        """The status and the body of an answer: what its JSON says, else text."""
        async with self.session.request(method, self.host.url + path, **how) as answer:
            if answer.content_type == "application/json":
                return answer.status, await answer.json()
            return answer.status, await answer.text()

    async def start(self, name: str, given: Any = None, run: str = "run") -> str:
        """Start an orchestration under an id, and let it come as far as it can."""
        status, body = await self.call("POST", f"/api/start/{name}?id={run}", json=given)
        assert status == 202, body
        await self.host.engine.runner.wait_until_idle()
        return run

    async def pass_time(self, by: timedelta) -> None:
        """Jump ahead and let happen what is due by then."""
        self.clock.advance(by)
        self.host.engine.agenda.release_due()
        await self.host.engine.runner.wait_until_idle()

    @property
    def notes(self) -> list[str]:
        """What the app has left."""
        return self.notes_file.read_text().splitlines() if self.notes_file.exists() else []


type Serve = Callable[..., AbstractAsyncContextManager[Hosted]]


@pytest.fixture
def untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loading an app changes the process as it does in Functions; put all of it back."""
    environment, modules = dict(os.environ), set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(environment)
    for name in {"function_app", "beside"} & (set(sys.modules) - modules):
        del sys.modules[name]


@pytest.fixture
def serve(untouched: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Starts the demo app on a host whose time the test drives; call it again to restart."""
    monkeypatch.setenv("DEMO_SCHEDULE", "0 */5 * * * *")
    monkeypatch.setenv("DEMO_NOTES", str(tmp_path / "notes"))
    clock = ManualClock()

    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Hosted]:
        given = Options(app=DEMO, state=tmp_path / "state", port=0, **options)
        async with running_host(given, clock) as host, aiohttp.ClientSession() as session:
            yield Hosted(host, clock, session, tmp_path / "notes")

    return start


@pytest.fixture
async def hosted(serve: Serve) -> AsyncIterator[Hosted]:
    """The demo app on a host that asks for no keys."""
    async with serve() as hosted:
        yield hosted
