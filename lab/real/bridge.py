"""The Python side of the durable host: the app's functions behind loopback calls, and its HTTP triggers beside them.

`POST /call` {kind, name, value} runs an orchestrator, an entity or an activity as Azure's Python worker would, and
answers {value}, or {error} in the text that the extension takes apart. `POST /client` brings what the durable client
binding gives: it is another one each time the durable host starts, and until then nothing can be asked of the engine.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from lab.host.app import App, Function, decode_trigger, encode_answer, load_app
from lab.host.eventgrid import EventGridWebhook
from lab.host.http_triggers import HttpTriggers, build_server
from lab.host.settings import give_app_settings, read_host_file
from lab.host.sign_in import SignIn, UnauthenticatedAction
from lab.tether import watch_parent

DURABLE_KINDS = ("orchestrationTrigger", "entityTrigger", "activityTrigger")


class Bridge:
    """What the durable host and the lab ask of the app."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._is_connected = False

    def routes(self) -> list[web.RouteDef]:
        """Where it answers; all else goes to the app's HTTP triggers."""
        return [
            web.get("/bridge", self.confirm),
            web.post("/call", self.call_function),
            web.post("/client", self.keep_client),
            web.get("/admin/host/status", self.get_status),
            web.post("/admin/functions/{name}", self.fire_timer),
            web.post("/admin/lab/reset", self.confirm),
        ]

    async def confirm(self, _request: web.Request) -> web.Response:
        """It can be called. The engine's state cannot be reset: a new story takes a new task hub."""
        return web.Response(status=204)

    async def get_status(self, _request: web.Request) -> web.Response:
        """Up, once the durable host has given its client."""
        return web.json_response({"state": "Running"}, status=200 if self._is_connected else 503)

    async def keep_client(self, request: web.Request) -> web.Response:
        """Give every durable client binding this configuration from now on."""
        self._app.client_config = await request.text()
        self._is_connected = True
        return web.Response(status=204)

    async def call_function(self, request: web.Request) -> web.Response:
        """Run one function; what it raises is an answer too."""
        call = await request.json()
        try:
            return web.json_response({"value": await self._run_function(call["kind"], call["name"], call["value"])})
        except Exception as failure:  # noqa: BLE001 - the worker answers with it, and the extension takes it apart
            stack = "".join(traceback.format_tb(failure.__traceback__))
            text = f"Result: Failure\nException: {type(failure).__name__}: {failure}\nStack: {stack}"
            return web.json_response({"error": text})

    async def _run_function(self, kind: str, name: str, value: str | None) -> object:
        function = self._app.by_key(kind, name)
        if function is None:
            raise LookupError(f"there is no {kind} {name}")
        datum_type = "json" if kind == "activityTrigger" else "string"
        argument = decode_trigger(kind, "null" if value is None else value, datum_type)
        return encode_answer(kind, await self._app.invoke(function, argument))

    async def fire_timer(self, request: web.Request) -> web.Response:
        """Run a timer's function now, as its schedule would."""
        function = self._app.functions.get(request.match_info["name"])
        if function is None or function.kind != "timerTrigger":
            return web.Response(status=404)
        moment = datetime.now(UTC).isoformat()
        status = {"Last": moment, "LastUpdated": moment, "Next": moment}
        timer = json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False})
        await self._app.invoke(function, decode_trigger(function.kind, timer, "json"))
        return web.Response(status=202)


def durable_functions(app: App) -> list[dict[str, str]]:
    """The functions that the durable host has to know, as its list wants them."""
    return [_listed(function) for kind in DURABLE_KINDS for function in app.of_kind(kind)]


def _listed(function: Function) -> dict[str, str]:
    return {"kind": function.kind, "key": function.key, "name": function.name}


async def run_bridge(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    options.state.mkdir(parents=True, exist_ok=True)
    state, functions = options.state.resolve(), options.functions.resolve()
    give_app_settings(options.app.resolve().parent, options.azure_url, state)
    app = load_app(options.app)
    prefix = read_host_file(Path.cwd()).route_prefix
    http = HttpTriggers(app, prefix, keys=None, trust_principal=True)
    sign_in = SignIn(UnauthenticatedAction.ALLOW).check_token
    server = build_server(
        [*Bridge(app).routes(), *EventGridWebhook(app, None).routes()], http.handle_request, (sign_in,)
    )
    functions.write_text(json.dumps(durable_functions(app)))
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port).start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()
    app.close()


def main(arguments: list[str] | None = None) -> None:
    """Start; the durable host that started it ends it by ending."""
    parser = argparse.ArgumentParser(prog="lab.real.bridge", description=__doc__)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--azure-url", required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder for the app's evidence")
    parser.add_argument("--functions", type=Path, required=True, help="file for the list of durable functions")
    logging.basicConfig(stream=sys.stderr, level=os.environ.get("BRIDGE_LOG", "WARNING"))
    watch_parent(os.getppid())
    asyncio.run(run_bridge(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
