"""The API as an OpenAPI 3.1 document, made from the routes as they are registered and the models of their bodies.

1. Each HTTP function says by its `EndpointRules` what it takes and answers; its docstring says what it does.
2. A route whose last part is one of few words, such as a verb, is described once for each word.
3. It is made when it is first asked for, since a start of the app has to be quick.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from http import HTTPStatus
from inspect import getdoc
from pathlib import Path
from typing import Any, NamedTuple, cast

import azure.durable_functions as df
import azure.functions as func
from azure.functions.decorators.http import HttpTrigger
from pydantic.json_schema import models_json_schema

from shared.messages import Message
from triggers.endpoint_rules import EndpointRules
from triggers.http_endpoint import PREVIEW, handle_for_role, json_response
from triggers.request_checks import IDEMPOTENCY_KEY

bp = df.Blueprint()
PARAMETER = re.compile(r"\{(\w+)\}")
SCHEMA_REFERENCE = "#/components/schemas/{model}"
QUERY_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    PREVIEW: {"type": "boolean", "description": "Say what it would do; start and change nothing. Needs Dr.Read."},
    "settled": {"type": "boolean"},
    "top": {"type": "integer", "minimum": 1, "maximum": 500},
    "since": {"type": "string", "format": "date-time"},
    "until": {"type": "string", "format": "date-time"},
    "before": {"type": "integer", "minimum": 0},
}
"""The query parameters that are no plain text."""
PATH_SCHEMA: Mapping[str, Any] = {"type": "string", "minLength": 1, "pattern": "^[^/\\u0000-\\u001f\\u007f]+$"}
"""Hosts take no slash and no control character within a part of a path."""
PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "description": "A problem document of RFC 9457; some have more members.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}


def read_release() -> str:
    """The release: the version with which the engine begins runs, which is deployed in host.json."""
    host = json.loads((Path(__file__).parents[1] / "host.json").read_text(encoding="utf-8"))
    return str(host["extensions"]["durableTask"]["defaultVersion"])


class Endpoint(NamedTuple):
    """One HTTP function, or one word of its route.

    Attributes:
        roles: Who may do it; more than one where that depends on the request.
        without: The fields of the body that it does not take.
    """

    name: str
    method: str
    path: str
    text: str
    rules: EndpointRules
    roles: tuple[str, ...]
    body: type[Message] | None
    without: frozenset[str] = frozenset()


class ApiDescription:
    """The description of one app, made when it is first asked for."""

    def __init__(self) -> None:
        self.app: df.DFApp | None = None

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI document of the app's routes, this one among them."""
        return describe_api(list(list_endpoints(self.app)) if self.app else [])


DESCRIPTION = ApiDescription()


@bp.function_name("get_openapi")
@bp.route("openapi.json", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_openapi(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """This API as an OpenAPI 3.1 document."""
    return json_response(DESCRIPTION.document)


def list_endpoints(app: df.DFApp) -> Iterator[Endpoint]:
    """All that the app answers over HTTP."""
    for builder in app._function_builders:  # its public list adds the library's own functions at each call
        function = builder._function
        if rules := getattr(function.get_user_function(), "rules", None):
            name, trigger = str(function.get_function_name()), cast(HttpTrigger, function.get_trigger())
            text = getdoc(function.get_user_function()) or ""
            for method in trigger.methods or ():
                yield from _variants_of(name, method.value, f"/{trigger.route}", text, rules)


def _variants_of(name: str, method: str, path: str, text: str, rules: EndpointRules) -> Iterator[Endpoint]:
    if not rules.variants:
        yield Endpoint(name, method, path, text, rules, rules.action_roles or (rules.role,), rules.body)
    for word, variant in rules.variants.items():
        word_path = f"{path.rpartition('/')[0]}/{word}"
        yield Endpoint(f"{name}_{word}", method, word_path, text, rules, (variant.role,), variant.body, variant.without)


def describe_api(endpoints: list[Endpoint]) -> dict[str, Any]:
    """The document."""
    bodies = dict.fromkeys(one.body for one in endpoints if one.body)
    references, definitions = models_json_schema(
        [(body, "validation") for body in bodies], ref_template=SCHEMA_REFERENCE
    )
    schemas = {**definitions["$defs"], "Problem": PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _describe_endpoint(
            one, references[one.body, "validation"] if one.body else {}, schemas
        )
    keys = {
        "key": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
        "entra": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "HCI Site Recovery", "version": read_release()},
        "servers": [{"url": "/api"}],
        "security": [{"key": []}, {"entra": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": keys},
    }


def _describe_endpoint(
    endpoint: Endpoint, body_schema: Mapping[str, Any], schemas: Mapping[str, Any]
) -> dict[str, Any]:
    body = {"requestBody": _describe_body(endpoint.without, body_schema, schemas)} if body_schema else {}
    return {
        "operationId": endpoint.name.replace("-", "_"),
        "summary": endpoint.text.partition("\n")[0],
        "description": endpoint.text,
        "x-roles": list(endpoint.roles),
        "parameters": list(_parameters_of(endpoint)),
        **body,
        "responses": _describe_responses(endpoint.rules),
    }


def _parameters_of(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for name in PARAMETER.findall(endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMA}
    for name in endpoint.rules.parameters:
        yield {"name": name, "in": "query", "schema": QUERY_SCHEMAS.get(name, {"type": "string"})}
    if endpoint.rules.is_conditional:
        yield {"name": "If-Match", "in": "header", "schema": {"type": "string"}}
    if endpoint.method == "POST":
        yield {"name": IDEMPOTENCY_KEY, "in": "header", "schema": {"type": "string"}}


def _describe_body(without: frozenset[str], schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The body; it may be left out where none of its fields is required."""
    model = schemas[schema["$ref"].rpartition("/")[2]]
    if without:
        fields = {name: field for name, field in model["properties"].items() if name not in without}
        schema = {**model, "properties": fields}
    return {"required": bool(model.get("required")), "content": {"application/json": {"schema": schema}}}


def _describe_responses(rules: EndpointRules) -> dict[str, Any]:
    """Answers are open objects: what each has is said in docs/api.md."""
    statuses = {*rules.statuses, *((200,) if PREVIEW in rules.parameters else ())}
    content = {one: {"schema": {} if one == "application/json" else {"type": "string"}} for one in rules.media_types}
    problem = {"application/problem+json": {"schema": {"$ref": SCHEMA_REFERENCE.format(model="Problem")}}}
    good = {str(one): {"description": HTTPStatus(one).phrase, "content": content} for one in sorted(statuses)}
    return {**good, "default": {"description": "What is wrong, or in the way.", "content": problem}}
