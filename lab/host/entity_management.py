"""Entities over HTTP: the other half of the durable management API."""

import json
import uuid
from typing import Any

from aiohttp import web
from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.app import App
from lab.host.engine.engine import Engine
from lab.host.engine.entities import entity_id
from lab.host.engine.moments import from_micros, to_string_value
from lab.host.engine.queries import PAGE, Entity
from lab.host.history import as_json
from lab.host.keys import Keys
from lab.host.management import NEXT_PAGE, PATH, Call, guarded_routes, read_flag


class EntityManagement:
    """Signal, read, list and delete, for whoever has the extension's system key."""

    def __init__(self, app: App, engine: Engine, keys: Keys | None) -> None:
        self._app = app
        self._engine = engine
        self._keys = keys

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        one = f"{PATH}/entities/{{name}}/{{key}}"
        calls: list[Call] = [
            ("POST", one, self.signal_entity),
            ("GET", one, self.read_entity),
            ("DELETE", one, self.delete_entity),
            ("GET", f"{PATH}/entities", self.query_entities),
            ("GET", f"{PATH}/entities/", self.query_entities),
            ("GET", f"{PATH}/entities/{{name}}", self.query_entities),
        ]
        return guarded_routes(self._keys, calls)

    async def signal_entity(self, request: web.Request) -> web.Response:
        """Send an operation, named in `op`; 404 if the app has no such entity."""
        if self._app.by_key("entityTrigger", request.match_info["name"].lower()) is None:
            return web.Response(status=404)
        body = (await request.read()).decode()
        signal = pb.EntityOperationSignaledEvent(
            requestId=uuid.uuid4().hex,
            operation=request.query.get("op", ""),
            input=to_string_value(body or None),
            targetInstanceId=to_string_value(_id_of(request)),
        )
        self._engine.entities.queue_signal(signal)
        return web.Response(status=202)

    async def read_entity(self, request: web.Request) -> web.Response:
        """The state; 404 if there is none."""
        found = self._engine.queries.find_entity(_id_of(request))
        if found is None or found.state is None:
            return web.Response(status=404)
        return web.json_response(as_json(found.state))

    async def delete_entity(self, request: web.Request) -> web.Response:
        """Forget the state."""
        self._engine.entities.delete_entity(_id_of(request))
        return web.Response(status=202)

    async def query_entities(self, request: web.Request) -> web.Response:
        """A page of entities; the token of the next one travels in a header."""
        name = request.match_info.get("name")
        prefix = "" if name is None else f"@{name.lower()}@"
        top, after = int(request.query.get("top") or PAGE), request.headers.get(NEXT_PAGE, "")
        page, following = self._engine.queries.list_entities(prefix, top=top, after=after)
        body = [_entity_json(each, state=read_flag(request, "fetchState")) for each in page]
        return web.json_response(body, headers={NEXT_PAGE: following} if following else {})


def _id_of(request: web.Request) -> str:
    return entity_id(f"@{request.match_info['name']}@{request.match_info['key']}")


def _entity_json(entity: Entity, *, state: bool) -> dict[str, Any]:
    name, _, key = entity.id[1:].partition("@")
    shown: dict[str, Any] = {
        "entityId": {"name": name, "key": key},
        "lastOperationTime": from_micros(entity.modified).isoformat(),
    }
    return shown | ({"state": json.loads(entity.state or "null")} if state else {})
