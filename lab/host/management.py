"""The durable management API: what the Durable Task extension answers under /runtime/webhooks/durabletask.

Source: HttpApiHandler of the extension, for the paths and the status codes.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aiohttp import web
from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.app import App
from lab.host.engine.engine import Engine
from lab.host.engine.instances import COMPLETED, FAILED, TERMINATED, Exists, Instance, Missing, Unfit
from lab.host.engine.moments import from_micros, to_micros
from lab.host.engine.orders import Order
from lab.host.engine.queries import PAGE, BadToken, Filter
from lab.host.history import as_json, history_json
from lab.host.http_triggers import key_of
from lab.host.keys import DURABLE_TASK, Keys

PATH = "/runtime/webhooks/durabletask"
NEXT_PAGE = "x-ms-continuation-token"

STATUSES = {
    name.removeprefix("ORCHESTRATION_STATUS_").title().replace("_", ""): value
    for name, value in pb.OrchestrationStatus.items()
}
NAMES = {value: name for name, value in STATUSES.items()}

type Handler = Callable[[web.Request], Awaitable[web.Response]]
type Call = tuple[str, str, Handler]


class Management:
    """Instances over HTTP, for whoever has the extension's system key."""

    def __init__(self, app: App, engine: Engine, keys: Keys | None, links_query: str) -> None:
        self._app = app
        self._engine = engine
        self._keys = keys
        self._links_query = links_query

    def routes(self) -> list[web.RouteDef]:
        """Where it answers."""
        one, start = f"{PATH}/instances/{{id}}", f"{PATH}/orchestrators/{{name}}"
        calls: list[Call] = [
            ("POST", start, self.start_instance),
            ("POST", f"{start}/{{id}}", self.start_instance),
            ("GET", f"{PATH}/instances", self.query_instances),
            ("GET", f"{PATH}/instances/", self.query_instances),
            ("DELETE", f"{PATH}/instances", self.purge_many),
            ("DELETE", f"{PATH}/instances/", self.purge_many),
            ("GET", one, self.read_instance),
            ("DELETE", one, self.purge_instance),
            ("POST", f"{one}/raiseEvent/{{event}}", self.raise_event),
            ("POST", f"{one}/terminate", self.terminate_instance),
            ("POST", f"{one}/suspend", self.suspend_instance),
            ("POST", f"{one}/resume", self.resume_instance),
            ("POST", f"{one}/rewind", self.rewind_instance),
            ("POST", f"{one}/restart", self.restart_instance),
        ]
        return guarded_routes(self._keys, calls)

    async def start_instance(self, request: web.Request) -> web.Response:
        """Start an orchestration: 202 with its links, 400 for an unknown function, 409 if the id is taken."""
        name = request.match_info["name"]
        if self._app.by_key("orchestrationTrigger", name) is None:
            return error_answer(
                400, f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function."
            )
        order = Order(id=request.match_info.get("id", ""), name=name, input=await json_body(request))
        instance_id = self._engine.control.start(order)
        return self._accepted_answer(request, instance_id)

    async def read_instance(self, request: web.Request) -> web.Response:
        """The status: 202 while it runs, 200 at its end, 500 if it failed and the caller asked for that."""
        found = self._engine.instances.get(request.match_info["id"])
        body = status_of(found, inputs=read_flag(request, "showInput", default=True))
        if read_flag(request, "showHistory"):
            events, outputs = self._engine.instances.read_history(found.id), read_flag(request, "showHistoryOutput")
            body["historyEvents"] = history_json(events, inputs=read_flag(request, "showInput"), outputs=outputs)
        if found.status == FAILED and read_flag(request, "returnInternalServerErrorOnFailure"):
            return web.json_response(body, status=500)
        if found.status in {COMPLETED, FAILED, TERMINATED}:
            return web.json_response(body)
        links = {"Location": self._management_links(request, found.id)["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response(body, status=202, headers=links)

    async def query_instances(self, request: web.Request) -> web.Response:
        """A page of instances; the token of the next one travels in a header."""
        top = int(request.query.get("top") or PAGE)
        token = request.headers.get(NEXT_PAGE, "")
        page, following = self._engine.queries.list_instances(_read_filter(request.query), top, token)
        body = [status_of(each, inputs=read_flag(request, "showInput", default=True)) for each in page]
        return web.json_response(body, headers={NEXT_PAGE: following} if following else {})

    async def raise_event(self, request: web.Request) -> web.Response:
        """Send an event; 400 unless its body is JSON and says so."""
        instance_id = self._engine.control.require_unfinished(request.match_info["id"]).id
        if request.content_type != "application/json":
            return error_answer(400, "Only application/json request content is supported")
        self._engine.control.raise_event(instance_id, request.match_info["event"], await json_body(request))
        return web.Response(status=202)

    async def terminate_instance(self, request: web.Request) -> web.Response:
        """End an instance; as in Azure its sub-orchestrations go on."""
        reason = request.query.get("reason")
        output = None if reason is None else json.dumps(reason)
        self._engine.control.terminate(request.match_info["id"], output, recursive=False)
        return web.Response(status=202)

    async def suspend_instance(self, request: web.Request) -> web.Response:
        """Suspend an instance."""
        self._engine.control.suspend(request.match_info["id"], request.query.get("reason"))
        return web.Response(status=202)

    async def resume_instance(self, request: web.Request) -> web.Response:
        """Resume an instance."""
        self._engine.control.resume(request.match_info["id"], request.query.get("reason"))
        return web.Response(status=202)

    async def rewind_instance(self, request: web.Request) -> web.Response:
        """Let a failed instance try again."""
        self._engine.control.rewind(request.match_info["id"], request.query.get("reason"))
        return web.Response(status=202)

    async def restart_instance(self, request: web.Request) -> web.Response:
        """Start an instance once more, under a new id unless the caller wants the old one."""
        new_id = read_flag(request, "restartWithNewInstanceId", default=True)
        return self._accepted_answer(request, self._engine.control.restart(request.match_info["id"], new_id=new_id))

    async def purge_instance(self, request: web.Request) -> web.Response:
        """Delete a finished instance."""
        instance_id = request.match_info["id"]
        self._engine.instances.get(instance_id)
        count = self._engine.control.purge([instance_id])
        return web.json_response({"instancesDeleted": count}, status=200 if count else 404)

    async def purge_many(self, request: web.Request) -> web.Response:
        """Delete the finished instances that match."""
        wanted = _read_filter(request.query)
        if wanted.created_from is None:
            return error_answer(400, "createdTimeFrom is required")
        count = self._engine.control.purge(self._engine.queries.matching_ids(wanted))
        return web.json_response({"instancesDeleted": count}, status=200 if count else 404)

    def _accepted_answer(self, request: web.Request, instance_id: str) -> web.Response:
        links = self._management_links(request, instance_id)
        headers = {"Location": links["statusQueryGetUri"], "Retry-After": "10"}
        return web.json_response({"id": instance_id, **links}, status=202, headers=headers)

    def _management_links(self, request: web.Request, instance_id: str) -> dict[str, str]:
        return management_urls(f"{request.scheme}://{request.host}{PATH}", instance_id, self._links_query)


def guarded_routes(keys: Keys | None, calls: Iterable[Call]) -> list[web.RouteDef]:
    """Routes behind the extension's system key."""
    return [web.route(method, path, guard_handler(keys, handler)) for method, path, handler in calls]


def guard_handler(keys: Keys | None, handler: Handler) -> Handler:
    """Ask for the system key, and answer what the engine refuses with the status that the extension has for it."""

    async def guard_request(request: web.Request) -> web.Response:
        if keys is not None and not keys.allows_system(key_of(request), DURABLE_TASK):
            return web.Response(status=401)
        try:
            return await handler(request)
        except Missing as error:
            return error_answer(404, str(error))
        except Unfit as error:
            return error_answer(410, str(error))
        except Exists as error:
            return error_answer(409, str(error))
        except (BadToken, ValueError) as error:
            return error_answer(400, str(error))

    return guard_request


async def json_body(request: web.Request) -> str | None:
    """The body, which is JSON, or None if there is none.

    Raises:
        ValueError: it is not JSON.
    """
    body = (await request.read()).decode()
    if body:
        json.loads(body)
    return body or None


def error_answer(status: int, message: str) -> web.Response:
    """An error as the extension words it."""
    return web.json_response({"Message": message}, status=status)


def read_flag(request: web.Request, name: str, *, default: bool = False) -> bool:
    """A query parameter that says true or false."""
    return request.query.get(name, str(default)).lower() == "true"


def status_of(instance: Instance, *, inputs: bool = True) -> dict[str, Any]:
    """An instance as the status query answers it."""
    failure = instance.failure_details
    output = as_json(instance.output) if failure is None else failure.errorMessage
    return {
        "name": instance.name,
        "instanceId": instance.id,
        "runtimeStatus": NAMES[instance.status],
        "input": as_json(instance.input) if inputs else None,
        "customStatus": as_json(instance.custom),
        "output": output,
        "createdTime": _format_moment(instance.created),
        "lastUpdatedTime": _format_moment(instance.updated),
    }


def management_urls(base: str, instance_id: str, query: str) -> dict[str, str]:
    """The links of an instance; who has them may do all of it."""
    one = f"{base}/instances/{quote(instance_id, safe='')}"
    return {
        "statusQueryGetUri": f"{one}?{query}",
        "sendEventPostUri": f"{one}/raiseEvent/{{eventName}}?{query}",
        "terminatePostUri": f"{one}/terminate?reason={{text}}&{query}",
        "rewindPostUri": f"{one}/rewind?reason={{text}}&{query}",
        "purgeHistoryDeleteUri": f"{one}?{query}",
        "restartPostUri": f"{one}/restart?{query}",
        "suspendPostUri": f"{one}/suspend?reason={{text}}&{query}",
        "resumePostUri": f"{one}/resume?reason={{text}}&{query}",
    }


def _read_filter(query: Mapping[str, str]) -> Filter:
    names = [name for name in query.get("runtimeStatus", "").split(",") if name]
    statuses = {status.lower(): value for status, value in STATUSES.items()}
    unknown = [name for name in names if name.lower() not in statuses]
    if unknown:
        raise ValueError(f"unknown runtimeStatus: {', '.join(unknown)}")
    return Filter(
        statuses=tuple(statuses[name.lower()] for name in names),
        created_from=_read_moment(query.get("createdTimeFrom")),
        created_to=_read_moment(query.get("createdTimeTo")),
        prefix=query.get("instanceIdPrefix", ""),
    )


def _read_moment(written: str | None) -> int | None:
    if not written:
        return None
    parsed = datetime.fromisoformat(written)
    return to_micros(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def _format_moment(at: int) -> str:
    return from_micros(at).strftime("%Y-%m-%dT%H:%M:%SZ")
