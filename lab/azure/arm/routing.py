"""Which handler answers which request: routes by provider, each provider with the api-versions that it knows.

    provider = Provider("Microsoft.HybridCompute", {"2026-07-15"})

    @provider.route("GET", MACHINES + "/{machine}")
    def get_machine(lab: Lab, request: ArmRequest) -> Answer: ...

A handler is a plain function: state is read, changed and committed without another request in between. A path is
matched without regard to casing; `request.params` keeps the casing that was sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lab.azure.simulator.answers import Answer, bad_request, not_simulated
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest

type Handler = Callable[[Lab, ArmRequest], Answer]
type Describe = Callable[[Lab, ArmRequest], tuple[str, str]]

ACTION = "POST"


@dataclass(frozen=True)
class Route:
    """A handler with what it needs to be reached."""

    method: str
    template: str
    handler: Handler
    provider: "Provider"
    verb: str


class Provider:
    """A resource provider's routes and the api-versions that it answers to."""

    def __init__(self, namespace: str, versions: set[str] | frozenset[str], describe: Describe | None = None) -> None:
        """`describe` gives (verb, item) for faults and the ledger where the path alone is not enough."""
        self.namespace, self.versions, self.describe = namespace, frozenset(versions), describe
        self.routes: list[Route] = []

    def route(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Register a handler for a method and a path such as ".../machines/{machine}/extensions/{extension}"."""

        def register_route(handler: Handler) -> Handler:
            self.routes.append(Route(method, template, handler, self, _verb_of(method, template)))
            return handler

        return register_route

    def require_version(self, version: str | None, resource_type: str) -> None:
        """Refuse a missing or an unknown api-version.

        Raises:
            ArmError: 400 in ARM's words.
        """
        if not version:
            raise bad_request(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if version not in self.versions:
            supported = ",".join(sorted(self.versions))
            raise bad_request(
                "InvalidResourceType" if not self.versions else "NoRegisteredProviderFound",
                f"No registered resource provider found for location '' and API version '{version}' for type "
                f"'{resource_type}'. The supported api-versions are '{supported}'.",
            )


def _verb_of(method: str, template: str) -> str:
    segments = template.strip("/").split("/")
    if method == ACTION:
        return segments[-1]
    kinds = [segment for segment in segments if not segment.startswith("{")]
    return f"{kinds[-1]}/{ {'DELETE': 'delete', 'GET': 'read', 'HEAD': 'read'}.get(method, 'write') }"


class Router:
    """A tree of path segments; what is spelled out goes before a parameter."""

    def __init__(self, providers: list[Provider]) -> None:
        self._root: dict[str, Any] = {}
        for provider in providers:
            for route in provider.routes:
                self._add_route(route)

    def _add_route(self, route: Route) -> None:
        node = self._root
        for segment in route.template.strip("/").split("/"):
            node = node.setdefault("{}" if segment.startswith("{") else segment.lower(), {})
        methods = node.setdefault("/", {})
        if route.method in methods:
            raise ValueError(f"two handlers for {route.method} {route.template}")
        methods[route.method] = route

    def find_route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route of a request and the values of its parameters.

        Raises:
            ArmError: 501 for a path or a method that the lab does not know.
        """
        segments = path.strip("/").split("/")
        methods = _descend(self._root, [segment.lower() for segment in segments], 0)
        route: Route | None = (methods or {}).get(method)
        if route is None:
            raise not_simulated(f"{method} {path}")
        names = route.template.strip("/").split("/")
        params = {
            name[1:-1]: unquote(value) for name, value in zip(names, segments, strict=True) if name.startswith("{")
        }
        return route, params


def _descend(node: dict[str, Any], segments: list[str], at: int) -> dict[str, Route] | None:
    if at == len(segments):
        return node.get("/")
    for key in (segments[at], "{}"):
        if (below := node.get(key)) is not None and (found := _descend(below, segments, at + 1)):
            return found
    return None
