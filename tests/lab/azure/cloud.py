"""The simulated Azure with a scenario in it, and a stand-in for the product's host; time moves when a test says so."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport, RequestsTransport

from lab.azure import scenario_loader
from lab.azure.arm import tokens
from lab.azure.server import Server
from lab.azure.simulator.lab import SUBSCRIPTION, Lab
from lab.clock import ManualClock
from tests.lab.azure.site_recovery.contract import exchange_complaints

type Json = dict[str, Any]

SUB = f"/subscriptions/{SUBSCRIPTION}"
MACHINES = f"{SUB}/resourceGroups/rg-hci-arc/providers/Microsoft.HybridCompute/machines"
N1, N2, N3 = (f"{MACHINES}/hci-01-n{number}" for number in (1, 2, 3))
EXTENSION = "AzureSiteRecovery"
HYBRID = "2026-07-15"


class Token:
    """Hands every client the same token."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        """As azure.core asks for it."""
        return AccessToken("unused", 0)


class Bearer(SansIOHTTPPolicy[Any, Any]):
    """Azure's own policy sends no token over plain HTTP."""

    def __init__(self, token: str) -> None:
        self._token = token

    def on_request(self, request: Any) -> None:
        request.http_request.headers["Authorization"] = f"Bearer {self._token}"


class Waiting(AioHttpTransport):  # type: ignore[misc]  # azure.core names it lazily
    """A poller that waits moves the clock instead."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    async def sleep(self, duration: float) -> None:
        self._clock.advance(timedelta(seconds=duration))


class SyncWaiting(RequestsTransport):  # type: ignore[misc]  # as above
    """As `Waiting`, for the clients without asyncio."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def sleep(self, duration: float) -> None:
        self._clock.advance(timedelta(seconds=duration))


class Cloud:
    """The simulator and its clients; use it as a context."""

    def __init__(self, folder: Path | None = None, scenario: str | None = "default", host: str | None = None) -> None:
        self.clock = ManualClock()
        self.lab = Lab(self.clock, folder, host)
        self.server = Server(self.lab)
        self.token = tokens.issue_token("tester", "https://management.azure.com")["token"]
        self.base = ""
        self._scenario = scenario
        self._clients: list[Any] = []

    async def __aenter__(self) -> Self:
        if self._scenario:
            scenario_loader.load_scenario(self.lab, self._scenario)
        self.base = await self.server.start()
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True)
        )  # else it sends again by itself
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.close()
        await self.http.close()
        await self.server.stop()

    def client(self, make: Callable[..., Any]) -> Any:
        """An SDK client with asyncio; polling it moves the clock."""
        client = make(Token(), SUBSCRIPTION, transport=Waiting(self.clock), **self._settings())
        self._clients.append(client)
        return client

    def sync_client(self, make: Callable[..., Any]) -> Any:
        """An SDK client without asyncio; use it in a thread."""
        return make(Token(), SUBSCRIPTION, transport=SyncWaiting(self.clock), **self._settings())

    def _settings(self) -> Json:
        return {"base_url": self.base, "authentication_policy": Bearer(self.token), "retry_total": 0}

    def pass_time(self, **how_long: float) -> None:
        """Let simulated time pass, and all that is due in it happen."""
        self.clock.advance(timedelta(**how_long))
        self.lab.run_due()

    async def call(
        self, method: str, path: str, body: Any = None, *, version: str | None = HYBRID, **headers: str
    ) -> tuple[int, Any, Any]:
        """A raw call: status, body, headers; a path or a whole URL."""
        url = path if path.startswith("http") else self.base + path
        if version and "api-version=" not in url:
            url += f"{'&' if '?' in url else '?'}api-version={version}"
        sent = {"Authorization": f"Bearer {self.token}"} | {
            key.replace("_", "-"): each for key, each in headers.items()
        }
        async with self.http.request(method, url, json=body, headers=sent) as answer:
            text = await answer.text()
            parsed = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text or None
        if answer.status < 400:
            complaints = exchange_complaints(method, answer.url.path, body, answer.status, parsed)
            assert not complaints, complaints
        return answer.status, parsed, answer.headers

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call to /lab that must go well; gives its answer."""
        async with self.http.request(method, f"{self.base}/lab/{path}", json=body) as answer:
            response_body = await answer.json()
            assert answer.status < 300, response_body
            return response_body

    async def extension(self, machine: str = N2) -> Json | None:
        """The properties of the Site Recovery extension of a machine, or None."""
        status, body, _ = await self.call("GET", f"{machine}/extensions/{EXTENSION}")
        return dict(body["properties"]) if status == 200 else None

    async def run_script(self, name: str, machine: str = N1, called: str = "look", text: str = "") -> Json:
        """Run a script to its end; gives the instance view."""
        await self.call("PUT", f"{machine}/runCommands/{called}", script(name, text))
        self.pass_time(seconds=60)
        _, body, _ = await self.call("GET", f"{machine}/runCommands/{called}")
        return dict(body["properties"]["instanceView"])


def script(name: str, text: str = "") -> Json:
    """The body of a run command."""
    source = {"script": f"# hci-site-recovery: {name} v1\n{text}"}
    return {"location": "westeurope", "properties": {"source": source, "timeoutInSeconds": 600}}


class Host:
    """A stand-in for the product's host: notes what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Any]] = []
        self.events: list[Json] = []
        self.statuses: list[int] = []
        self.base = ""

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        body: Any = json.loads(raw) if raw else None
        self.requests.append((request.method, request.path, body))
        if not request.path.startswith("/runtime/webhooks/eventgrid"):
            return web.json_response({}, status=200)
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            return web.json_response({"validationResponse": body[0]["data"]["validationCode"]})
        status = self.statuses.pop(0) if self.statuses else 200
        if status < 300:
            self.events += body
        return web.Response(status=status)
