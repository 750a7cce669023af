"""The local Functions host, put together: one app, one engine, one web server, one event loop."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from lab.clock import Clock, LabClock
from lab.host import sidecar
from lab.host.admin import Admin
from lab.host.app import App, load_app
from lab.host.durable import DurableFunctions
from lab.host.engine.disorder import MessageDisorder, MessageOrder
from lab.host.engine.engine import Engine
from lab.host.engine.lock import FolderLock
from lab.host.engine.transit import Transit
from lab.host.entity_management import EntityManagement
from lab.host.eventgrid import EventGridWebhook
from lab.host.http_triggers import HttpTriggers, build_server
from lab.host.keys import DURABLE_TASK, Keys
from lab.host.management import PATH, Management, management_urls
from lab.host.settings import HostFile, Options, evidence_of, give_app_settings, read_host_file
from lab.host.sign_in import SignIn, UnauthenticatedAction
from lab.host.timers import Timers

DATABASE = "host.sqlite"


class Host:
    """A host that runs; made by `running_host`."""

    def __init__(self, app: App, engine: Engine, timers: Timers, port: int) -> None:
        self.app = app
        self.engine = engine
        self.timers = timers
        self.port = port

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    async def run_for_ever(self) -> None:
        """Let time pass: timers of orchestrations and of the app, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run_for_ever())
            group.create_task(self.timers.run_for_ever())


@contextlib.asynccontextmanager
async def running_host(options: Options, clock: Clock | None = None) -> AsyncIterator[Host]:
    """Load the app, open the state, serve; time passes only in `Host.keep`.

    Raises:
        FolderInUse: another host has the state folder.
        BadApp: there is no app to run.
    """
    options = replace(options, app=options.app.resolve(), state=options.state.resolve())  # loading changes the folder
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(FolderLock(options.state, options.worker).release)
        clock = clock or LabClock.open(options.state)
        give_app_settings(options.app.parent, options.azure_url, options.state, pace_of(clock), options.door)
        app = load_app(options.app)
        stack.callback(app.close)
        transit = Transit(timedelta(seconds=options.hop_seconds), options.blob_bytes_per_second)
        settings = replace(read_host_file(options.app.parent).engine, transit=transit)
        engine = Engine(options.state / DATABASE, clock, DurableFunctions(app), settings, _order_of(options))
        stack.push_async_callback(engine.close)
        timers = Timers(app, engine.store, clock, engine.holds)
        yield await _serve_host(options, Host(app, engine, timers, options.port), stack)


def _order_of(options: Options) -> MessageOrder:
    seed = options.disorder_entity_messages
    return MessageOrder() if seed is None else MessageDisorder(seed)


async def _serve_host(options: Options, host: Host, stack: contextlib.AsyncExitStack) -> Host:
    hosted = read_host_file(options.app.parent)
    keys = Keys(options.state / "keys.json", host.app.functions)
    asked = keys if options.auth else None
    trusted = options.trust_principal and options.sign_in is None
    triggers = HttpTriggers(host.app, hosted.route_prefix, keys=asked, trust_principal=trusted)
    before = (SignIn(options.sign_in or UnauthenticatedAction.ALLOW).check_token,) if options.sign_in or trusted else ()
    grpc_server, grpc_port = await sidecar.start_sidecar(host.engine)
    stack.push_async_callback(grpc_server.stop, None)
    query = f"taskHub={hosted.task_hub}&connection=Storage&code={keys.system_key(DURABLE_TASK)}"
    own = [
        *Admin(host.app, host.engine, host.timers, asked, evidence_of(options.state)).routes(),
        *EventGridWebhook(host.app, asked).routes(),
        *Management(host.app, host.engine, asked, query).routes(),
        *EntityManagement(host.app, host.engine, asked).routes(),
    ]
    runner = web.AppRunner(build_server(own, triggers.handle_request, before), access_log=None, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", options.port)
    await site.start()
    host.port = _port_of(runner)
    host.app.client_config = client_config(hosted, host.url, grpc_port, query)
    host.engine.resume_waiting()
    return host


def pace_of(clock: Clock) -> float:
    """How fast the simulated Azure's limits are refilled; where time stands still nobody can wait for that."""
    speed = clock.speed if isinstance(clock, LabClock) else 0
    return speed or 1e6


def client_config(hosted: HostFile, url: str, grpc_port: int, query: str) -> str:
    """What a durable client binding is given, as the Durable Task extension gives it."""
    base = f"{url}{PATH}"
    config: dict[str, Any] = {
        "taskHubName": hosted.task_hub,
        "connectionName": "Storage",
        "baseUrl": base,
        "httpBaseUrl": base,
        "rpcBaseUrl": f"http://127.0.0.1:{grpc_port}",
        "requiredQueryStringParameters": query,
        "maxGrpcMessageSizeInBytes": hosted.engine.max_message_bytes,
        "managementUrls": management_urls(base, "INSTANCEID", query),
    }
    return json.dumps(config)


def _port_of(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])
