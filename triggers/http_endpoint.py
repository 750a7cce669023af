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
from shared.principals import Forbidden, MalformedPrincipal, Principal, require, who
from shared.problem_details import FieldError, field_errors, problem
from shared.settings import Settings

type Handler = Callable[[func.HttpRequest, df.DurableFunctionsClient], Awaitable[func.HttpResponse]]


class Problem(Exception):
    """An answer other than success, raised from wherever it is found out."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **extras: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors, self.extras = status, title, detail, errors, extras


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """JSON, never cached: it tells how things are now."""
    text = json.dumps(body)
    return func.HttpResponse(
        text, status_code=status, mimetype="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


def refuse(wrong: Problem) -> func.HttpResponse:
    """A problem document of RFC 9457."""
    body = problem(wrong.status, wrong.title, wrong.detail, wrong.errors, **wrong.extras)
    return func.HttpResponse(json.dumps(body), status_code=wrong.status, mimetype="application/problem+json")


def handled(role: str) -> Callable[[Handler], Handler]:
    """Let only callers in who have the role, and turn what goes wrong into a problem document."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
            try:
                require(caller(req), role)
                return await handler(req, client)
            except Exception as error:
                if wrong := _as_problem(error):
                    return refuse(wrong)
                raise

        return guarded

    return decorate


def _as_problem(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case MalformedPrincipal():
            return Problem(400, "Malformed principal", str(error), [FieldError(field=error.field, detail=str(error))])
        case Forbidden():
            return Problem(403, "Role missing", str(error), [FieldError(field=error.field, detail=str(error))])
        case ValidationError():
            return Problem(400, "Invalid request", "The request has fields that are wrong.", field_errors(error))
        case Refused():
            return Problem(409, "Refused", error.detail, code=error.code)
        case Transient():
            return Problem(503, "Azure did not answer", str(error))
    return None


def caller(req: func.HttpRequest) -> Principal:
    """Who calls: from the platform's principal header, or the holder of a function key."""
    known = settings()
    return who(req.headers, known.key_roles, trusted=known.authenticated)


def settings() -> Settings:
    """The app's settings, from its environment."""
    return Settings.from_environment(os.environ)


def body_of(req: func.HttpRequest) -> bytes:
    """The body; an empty one reads as an empty object."""
    return req.get_body().strip() or b"{}"


def missing(what: str, name: str) -> Problem:
    """There is no such thing."""
    detail = f"There is no {what} {name!r}."
    return Problem(404, f"Unknown {what}", detail, [FieldError(field=what, detail=detail)])


def is_true(req: func.HttpRequest, name: str) -> bool:
    """A query parameter that is true or absent.

    Raises:
        Problem: it is something else.
    """
    value: str = req.params.get(name, "false").lower()
    if value not in {"true", "false"}:
        detail = f"{name} is true or false, not {value!r}."
        raise Problem(400, "Invalid request", detail, [FieldError(field=name, detail=detail)])
    return value == "true"
