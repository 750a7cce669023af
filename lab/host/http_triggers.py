"""The web server: HTTP triggers by route, method and key, and what the host itself answers."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import azure.functions as func
from aiohttp import web
from aiohttp.typedefs import Middleware

from lab.host.app import App, Function
from lab.host.keys import Keys
from lab.host.routes import Route
from lab.host.sign_in import SIGNED_IN
from lab.host.trace_context import traceparent_of

_log = logging.getLogger(__name__)

PRINCIPAL = "x-ms-client-principal"
"""Headers that begin so are App Service authentication's to set; nobody else may."""

LARGEST_BODY = 100 * 1024 * 1024
"""Bytes; the limit of Azure Functions."""

ANY_METHOD = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Endpoint:
    """A function that HTTP calls."""

    function: Function
    route: Route
    methods: frozenset[str]
    level: str


class HttpTriggers:
    """Finds the function of a request and calls it.

    The first that takes its path and its method, in the order of the functions' names, whatever is more definite.
    Source: FunctionMetadataManager and WebJobsRouteBuilder of the Functions host.
    """

    def __init__(self, app: App, prefix: str, *, keys: Keys | None, trust_principal: bool) -> None:
        self._app = app
        self._keys = keys
        self._trust_principal = trust_principal
        self._endpoints = sorted(
            (_endpoint_of(function, prefix) for function in app.of_kind("httpTrigger")),
            key=lambda endpoint: endpoint.function.name.lower(),
        )

    async def handle_request(self, request: web.Request) -> web.Response:
        """Answer a request as the function does; 404, 401 and 500 as the host does. A wrong method is no route: 404."""
        for endpoint in self._endpoints:
            if request.method not in endpoint.methods:
                continue
            if (values := endpoint.route.match_path(request.rel_url.raw_path)) is not None:
                return await self._call_function(endpoint, values, request)
        return web.Response(status=404)

    async def _call_function(self, endpoint: Endpoint, values: dict[str, str], request: web.Request) -> web.Response:
        if not self._is_allowed(endpoint, request):
            return web.Response(status=401)
        asked = func.HttpRequest(
            method=request.method,
            url=str(request.url),
            headers=self._read_headers(request),
            params=dict(request.query),
            route_params=values,
            body=await request.read(),
        )
        try:
            answer = await self._app.invoke(endpoint.function, asked, traceparent_of(asked.headers))
            return _to_response(answer)
        except Exception:  # noqa: BLE001 - it is logged, and the caller gets 500
            _log.exception("function %s failed", endpoint.function.name)
            return web.Response(status=500)

    def _is_allowed(self, endpoint: Endpoint, request: web.Request) -> bool:
        if self._keys is None or endpoint.level == "anonymous":
            return True
        given = key_of(request)
        if endpoint.level == "admin":
            return self._keys.allows_admin(given)
        return self._keys.allows_function(given, endpoint.function.name)

    def _read_headers(self, request: web.Request) -> dict[str, str]:
        headers: dict[str, str] = {}
        for name, value in request.headers.items():
            if self._trust_principal or not name.lower().startswith(PRINCIPAL):
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        signed_in: dict[str, str] = request.get(SIGNED_IN, {})
        return headers | signed_in


def key_of(request: web.Request) -> str:
    """The key that came with a request, empty if none did."""
    return request.headers.get("x-functions-key") or request.query.get("code", "")


def build_server(
    own: Iterable[web.RouteDef], fallback: Callable[[web.Request], Any], middlewares: Iterable[Middleware] = ()
) -> web.Application:
    """The server: the host's own paths, and everything else to the HTTP triggers; the middlewares stand before all."""
    server = web.Application(client_max_size=LARGEST_BODY, middlewares=tuple(middlewares))
    server.add_routes(own)
    server.router.add_route("*", r"/{path:[\s\S]*}", fallback)  # a dot would leave line feeds out
    return server


def _endpoint_of(function: Function, prefix: str) -> Endpoint:
    trigger = function.trigger
    route = trigger.get("route") or function.name
    methods = trigger.get("methods") or ANY_METHOD
    return Endpoint(
        function=function,
        route=Route(f"{prefix}/{route}" if prefix else route),
        methods=frozenset(getattr(method, "value", method).upper() for method in methods),
        level=str(trigger.get("authLevel") or "FUNCTION").lower(),
    )


def _to_response(answer: Any) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, str):
        return web.Response(text=answer)
    if not isinstance(answer, func.HttpResponse):
        raise TypeError(f"an HTTP function answered {type(answer).__name__}, not HttpResponse or str")
    response = web.Response(status=answer.status_code, body=answer.get_body())
    for name, value in answer.headers.items():
        response.headers.add(name, value)
    if "Content-Type" not in answer.headers:
        text_type = answer.mimetype.startswith("text/")
        response.headers["Content-Type"] = answer.mimetype + (f"; charset={answer.charset}" if text_type else "")
    return response
