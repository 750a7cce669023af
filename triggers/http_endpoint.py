"""What all HTTP functions share: who calls, how an answer looks, and how a mistake is told."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import ValidationError

from shared.errors import Refused, Transient
from shared.principals import Forbidden, MalformedPrincipal, Principal, identify_caller, require_role
from shared.problem_details import FieldError, field_errors, problem_document
from shared.settings import Settings

type Handler = Callable[[func.HttpRequest, df.DurableFunctionsClient], Awaitable[func.HttpResponse]]


class HttpProblem(Exception):
    """An answer other than success, raised from wherever it is found out."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **extras: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors, self.extras = status, title, detail, errors, extras


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """JSON, never cached: it tells how things are now."""
    text = json.dumps(body)
    return func.HttpResponse(
        text, status_code=status, mimetype="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


def problem_response(http_problem: HttpProblem) -> func.HttpResponse:
    """A problem document of RFC 9457."""
    body = problem_document(
        http_problem.status, http_problem.title, http_problem.detail, http_problem.errors, **http_problem.extras
    )
    return func.HttpResponse(json.dumps(body), status_code=http_problem.status, mimetype="application/problem+json")


def handle_for_role(role: str) -> Callable[[Handler], Handler]:
    """Let only callers in who have the role, and turn what goes wrong into a problem document."""

    def guard_handler(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded_handler(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
            try:
                require_role(caller_of(req), role)
                return await handler(req, client)
            except Exception as error:
                if http_problem := _http_problem_of(error):
                    return problem_response(http_problem)
                raise

        return guarded_handler

    return guard_handler


def _http_problem_of(error: Exception) -> HttpProblem | None:
    match error:
        case HttpProblem():
            return error
        case MalformedPrincipal():
            return HttpProblem(
                400, "Malformed principal", str(error), [FieldError(field=error.field, detail=str(error))]
            )
        case Forbidden():
            return HttpProblem(403, "Role missing", str(error), [FieldError(field=error.field, detail=str(error))])
        case ValidationError():
            return HttpProblem(400, "Invalid request", "The request has fields that are wrong.", field_errors(error))
        case Refused():
            return HttpProblem(409, "Refused", error.detail, code=error.code)
        case Transient():
            return HttpProblem(503, "Azure did not answer", str(error))
    return None


def caller_of(req: func.HttpRequest) -> Principal:
    """Who calls: from the platform's principal header, or the holder of a function key."""
    app_settings = read_settings()
    return identify_caller(req.headers, app_settings.key_roles, trusted=app_settings.authenticated)


def read_settings() -> Settings:
    """The app's settings, from its environment."""
    return Settings.from_environment(os.environ)


def body_of(req: func.HttpRequest) -> bytes:
    """The body; an empty one reads as an empty object."""
    return req.get_body().strip() or b"{}"


def not_found(noun: str, name: str) -> HttpProblem:
    """There is no such thing."""
    detail = f"There is no {noun} {name!r}."
    return HttpProblem(404, f"Unknown {noun}", detail, [FieldError(field=noun, detail=detail)])


def is_true(req: func.HttpRequest, name: str) -> bool:
    """A query parameter that is true or absent.

    Raises:
        Problem: it is something else.
    """
    value: str = req.params.get(name, "false").lower()
    if value not in {"true", "false"}:
        detail = f"{name} is true or false, not {value!r}."
        raise HttpProblem(400, "Invalid request", detail, [FieldError(field=name, detail=detail)])
    return value == "true"
