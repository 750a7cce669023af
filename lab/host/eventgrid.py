"""The Event Grid webhook: the validation handshake, and events one by one to their function."""

import json
import logging
from typing import Any

from aiohttp import web

from lab.host.app import App, Function, decode_trigger
from lab.host.http_triggers import key_of
from lab.host.keys import EVENT_GRID, Keys

_log = logging.getLogger(__name__)

PATH = "/runtime/webhooks/eventgrid"


class EventGridWebhook:
    """Answers as the Event Grid extension of the Functions host does: 202 when every event was taken."""

    def __init__(self, app: App, keys: Keys | None) -> None:
        self._functions = {function.name.lower(): function for function in app.of_kind("eventGridTrigger")}
        self._app = app
        self._keys = keys

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        return [web.post(PATH, self.handle_request), web.options(PATH, self.shake_hands)]

    async def shake_hands(self, request: web.Request) -> web.Response:
        """The handshake of the CloudEvents schema."""
        origin = request.headers.get("WebHook-Request-Origin", "*")
        return web.Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})

    async def handle_request(self, request: web.Request) -> web.Response:
        """A POST of Event Grid: validation, notification or the end of a subscription."""
        if self._keys is not None and not self._keys.allows_system(key_of(request), EVENT_GRID):
            return web.Response(status=401)
        name = request.query.get("functionName", "")
        function = self._functions.get(name.lower())
        if function is None:
            return web.Response(status=404, text=f"cannot find function: '{name}'")
        try:
            body = json.loads(await request.read())
        except ValueError as error:
            return web.Response(status=400, text=f"the body is not JSON: {error}")
        return await self._take_events(function, request.headers.get("aeg-event-type", "").lower(), body)

    async def _take_events(self, function: Function, kind: str, body: Any) -> web.Response:
        events = body if isinstance(body, list) else [body]
        if not all(isinstance(event, dict) for event in events):
            return web.Response(status=400, text="an event is a JSON object")
        match kind:
            case "subscriptionvalidation":
                return _validation_answer(events)
            case "notification":
                return await self._deliver_event(function, events)
            case "unsubscribe":
                return web.Response(status=202)
            case _:
                return web.Response(status=400, text=f"unknown aeg-event-type: '{kind}'")

    async def _deliver_event(self, function: Function, events: list[dict[str, Any]]) -> web.Response:
        try:
            decoded = [decode_trigger(function.kind, json.dumps(event), "json") for event in events]
        except (ValueError, TypeError, AttributeError) as error:
            return web.Response(status=400, text=f"not an event: {error}")
        for event, given in zip(events, decoded, strict=True):
            try:
                await self._app.invoke(function, given)
            except Exception:  # noqa: BLE001 - it is logged, and Event Grid sends again
                _log.exception("function %s failed for event %s", function.name, event.get("id"))
                return web.Response(status=500)
        return web.Response(status=202)


def _validation_answer(events: list[dict[str, Any]]) -> web.Response:
    code = events[0].get("data", {}).get("validationCode") if events else None
    if code is None:
        return web.Response(status=400, text="a validation event carries data.validationCode")
    return web.json_response({"validationResponse": code})
