"""The host's own paths: status, firing a function by hand, and the lab's reset and state."""

import asyncio
import json
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.app import App, Function, decode_trigger
from lab.host.engine.engine import Engine
from lab.host.engine.moments import from_micros
from lab.host.http_triggers import key_of
from lab.host.keys import Keys
from lab.host.timers import Timers

_log = logging.getLogger(__name__)

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """`/admin/...`, for the master key."""

    def __init__(self, app: App, engine: Engine, timers: Timers, keys: Keys | None, evidence: Path) -> None:
        """`evidence` is the folder that the host gave the app for its evidence."""
        self._app = app
        self._engine = engine
        self._timers = timers
        self._keys = keys
        self._evidence = evidence

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [
            web.get("/admin/host/status", self._guard_handler(self.get_status)),
            web.get("/admin/host/ping", self._guard_handler(self.get_status)),
            web.get("/admin/functions", self._guard_handler(self.list_functions)),
            web.post("/admin/functions/{name}", self._guard_handler(self.fire_function)),
            web.post("/admin/lab/reset", self._guard_handler(self.reset_host)),
            web.get("/admin/lab/state", self._guard_handler(self.get_state)),
        ]

    async def get_status(self, _request: web.Request) -> web.Response:
        """The host runs."""
        return web.json_response({"id": "lab-host", "state": "Running", "version": "4.0"})

    async def list_functions(self, _request: web.Request) -> web.Response:
        """Every function and its bindings."""
        listed = [
            {"name": function.name, "config": {"bindings": function.bindings}}
            for function in self._app.functions.values()
        ]
        return web.json_response(listed)

    async def fire_function(self, request: web.Request) -> web.Response:
        """Run a function that HTTP does not call; 202 at once in Azure, here when it has run, so that one can wait."""
        function = self._app.functions.get(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        try:
            given = json.loads(await request.read() or b"{}").get("input")
        except (ValueError, AttributeError):
            return web.Response(status=400, text='the body is not {"input": ...}')
        return web.Response(status=202 if await self._run_function(function, given) else 500)

    async def reset_host(self, _request: web.Request) -> web.Response:
        """Drop all state of the engine and all evidence, as if nothing had ever been started."""
        await self._engine.clear()
        await asyncio.to_thread(shutil.rmtree, self._evidence, ignore_errors=True)
        return web.Response(status=204)

    async def get_state(self, _request: web.Request) -> web.Response:
        """Counts, to see at a glance what the host is busy with."""
        engine, store = self._engine, self._engine.store
        due = self._timers.following
        body = {
            "now": from_micros(engine.agenda.now()).isoformat(),
            "instances": {
                pb.OrchestrationStatus.Name(status).removeprefix("ORCHESTRATION_STATUS_").title(): count
                for status, count in engine.queries.count_by_status().items()
            },
            "entities": store.value("SELECT COUNT(*) FROM entities"),
            "activities": store.value("SELECT COUNT(*) FROM activities"),
            "pendingTimers": store.value("SELECT COUNT(*) FROM inbox WHERE kind = 'timerFired'"),
            "nextTimer": None if engine.agenda.next_due is None else from_micros(engine.agenda.next_due).isoformat(),
            "nextSchedule": None if due is None else due.isoformat(),
            "running": {kind: len(lanes) for kind, lanes in engine.runner.lanes.items()},
            "idle": engine.runner.idle,
        }
        return web.json_response(body)

    async def _run_function(self, function: Function, given: Any) -> bool:
        timer = self._timers.all.get(function.name)
        if timer is not None:
            return await timer.fire_now(past_due=False)
        try:
            await self._app.invoke(function, decode_trigger(function.kind, _as_text(given), "json"))
        except Exception:  # noqa: BLE001 - it is logged, and the caller gets 500
            _log.exception("function %s failed", function.name)
            return False
        return True

    def _guard_handler(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if self._keys is not None and not self._keys.allows_admin(key_of(request)):
                return web.Response(status=401)
            return await handler(request)

        return guarded


def _as_text(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)
