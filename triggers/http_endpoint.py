"""What all HTTP functions share: who calls, what the request says, and how answers and mistakes look."""

import json
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import wraps
from typing import Any, NamedTuple, Unpack

import azure.durable_functions as df
import azure.functions as func
from pydantic import ValidationError

from shared.azure.looking import ONLY_LOOKS
from shared.documents import is_name
from shared.errors import Refused, Transient
from shared.messages import Document
from shared.operations.kinds import kinds_on_subject_of
from shared.principals import (
    Forbidden,
    MalformedPrincipal,
    NobodyKnown,
    NotSignedIn,
    Principal,
    identify_caller,
    key_holder,
    require_role,
)
from shared.problem_details import FieldError, field_errors, problem_document
from shared.request_ids import request_digest, run_id
from shared.settings import Settings, WrongSettings
from triggers.endpoint_rules import EndpointRules, MoreRules
from triggers.engine_client import bound_client
from triggers.failures import Outage, find_outage, is_too_large, log_unexpected, require_outage
from triggers.fair_looks import TooManyRequests, turn_of
from triggers.gathered_acts import GATHERER, AnsweredRequest
from triggers.pacing import ASK_AGAIN_AFTER
from triggers.request_checks import IDEMPOTENCY_KEY, find_request_errors, wants_preview
from triggers.request_span import request_span

_log = logging.getLogger(__name__)
PREVIEW = "preview"
"""The parameter of a request that only asks what would happen."""
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DECLARED = frozenset({"site", "plan"})
type Handler = Callable[[func.HttpRequest, df.DurableFunctionsClient], Awaitable[func.HttpResponse]]


class HttpProblem(Exception):
    """An answer other than success, raised wherever it is found."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **extras: Any) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.errors, self.extras = status, title, detail, errors, extras

    @property
    def headers(self) -> dict[str, str]:
        """With 429 and 503, when to ask again: `retryAfter`, in seconds, where it is known."""
        wait: int = self.extras.get("retryAfter", ASK_AGAIN_AFTER // timedelta(seconds=1))
        return {"Retry-After": str(wait)} if self.status in {429, 503} else {}


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """JSON, never cached: it says how things are now."""
    text = json.dumps(body)
    return func.HttpResponse(
        text, status_code=status, mimetype="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


def problem_response(http_problem: HttpProblem) -> func.HttpResponse:
    """A problem document of RFC 9457."""
    body = problem_document(
        http_problem.status, http_problem.title, http_problem.detail, http_problem.errors, **http_problem.extras
    )
    return func.HttpResponse(
        json.dumps(body),
        status_code=http_problem.status,
        mimetype="application/problem+json",
        headers={"Cache-Control": "no-store", **http_problem.headers},
    )


def handle_for_role(role: str, *parameters: str, **more: Unpack[MoreRules]) -> Callable[[Handler], Handler]:
    """Let only callers in who have the role, and turn whatever goes wrong into a problem document.

    A request that carries anything which the route does not know is refused before the handler sees it.

    Args:
        role: The role; a preview needs no more than "Dr.Read".
        parameters: The query parameters that the route knows.
        more: The other rules of the route, as in `EndpointRules`.
    """
    rules = EndpointRules(role, parameters, **more)

    def guard_handler(handler: Handler) -> Handler:
        @wraps(handler)
        async def guarded_handler(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
            is_preview = PREVIEW in parameters and wants_preview(req)
            only_looks = is_preview or req.method == "GET"
            looks = ONLY_LOOKS.set(only_looks)
            caller, code = None, ""
            with request_span(req, handler.__name__) as note_answer:
                try:
                    _require_own_page(req)
                    caller = caller_of(req)
                    require_role(caller, "Dr.Read" if is_preview else role)
                    _require_known_request(req, parameters, is_conditional=rules.is_conditional)
                    _require_possible_names(req)
                    async with turn_of(caller) if only_looks else nullcontext():
                        response = await handler(req, bound_client(client))
                except Exception as error:  # noqa: BLE001 - an empty 500 tells nobody anything
                    problem = _http_problem_of(error, req)
                    response, code = problem_response(problem), str(problem.extras.get("code", problem.title))
                finally:
                    ONLY_LOOKS.reset(looks)
                note_answer(response.status_code)
            names = tuple(req.route_params.values())
            answered = AnsweredRequest(handler.__name__, rules, names, caller, response.status_code, code)
            GATHERER.note(client, answered)
            return _with_safe_headers(response)

        guarded_handler.__dict__["rules"] = rules  # wrappers take it over, as functools.wraps does
        return guarded_handler

    return guard_handler


def _with_safe_headers(response: func.HttpResponse) -> func.HttpResponse:
    """As a browser should take it: as what it is, for nobody else, and with nothing in it that runs."""
    for name, value in SAFE_HEADERS.items():
        response.headers[name] = value
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def _require_own_page(req: func.HttpRequest) -> None:
    """See that no page of another site sends this: a browser adds the cookie of whoever is signed in to that as well.

    Source: Fetch Metadata Request Headers, W3C: every browser of today says where a request comes from.
    """
    origin = req.headers.get("Sec-Fetch-Site", "none").lower()
    if req.method != "GET" and origin not in {"same-origin", "none"}:
        detail = "a page of another site sent this request; only pages of this app may"
        error = FieldError(field="Sec-Fetch-Site", detail=detail)
        raise HttpProblem(403, "Request of another site", f"{detail}.", [error], code="cross-site-request")


def _require_known_request(req: func.HttpRequest, parameters: Sequence[str], *, is_conditional: bool) -> None:
    if errors := find_request_errors(req, parameters, is_conditional=is_conditional):
        raise invalid_request(*errors)


def _require_possible_names(req: func.HttpRequest) -> None:
    """See that the path names no document that nobody could have declared: the engine takes such a key for an error."""
    for noun in DECLARED & req.route_params.keys() if req.method != "PUT" else ():
        if not is_name(req.route_params[noun]):
            raise not_found(noun, req.route_params[noun])


def _http_problem_of(error: Exception, req: func.HttpRequest) -> HttpProblem:
    match error:
        case HttpProblem():
            return error
        case MalformedPrincipal() | NotSignedIn() | Forbidden() | NobodyKnown() | TooManyRequests():
            return _caller_problem(error)
        case ValidationError():
            return invalid_request(*field_errors(error))
        case Refused():
            return HttpProblem(409, "Refused", error.detail, code=error.code)
        case WrongSettings():
            return HttpProblem(500, "Wrong settings", f"This app lets nobody in: {error}.", code="wrong-settings")
        case Transient():
            wait = {"retryAfter": error.retry_after} if error.retry_after else {}
            return HttpProblem(503, "Azure did not answer", str(error), (), **wait)
    if find_outage(error):
        return outage_problem(require_outage(error), MAY_BE_DONE if _changes_something(req) else "")
    return _unexpected_problem(error)


def _caller_problem(error: MalformedPrincipal | NotSignedIn | Forbidden | NobodyKnown | TooManyRequests) -> HttpProblem:
    match error:
        case TooManyRequests():
            detail = "Others of your requests are waiting to be served. Ask less often, or fewer at once."
            return HttpProblem(429, "Too many requests", detail, code="too-many-requests")
        case MalformedPrincipal():
            status, title = 400, "Malformed principal"
        case NotSignedIn():
            status, title = 401, "Not signed in"
        case Forbidden() | NobodyKnown():
            status, title = 403, error.title
    return HttpProblem(status, title, str(error), [FieldError(field=error.field, detail=str(error))], code=error.code)


def _changes_something(req: func.HttpRequest) -> bool:
    return req.method != "GET" and not wants_preview(req)


MAY_BE_DONE = (
    "It may have happened after the request had taken effect: look before you send it again. With the same "
    "Idempotency-Key no second run is started, and a declaration may be sent again as it is."
)


def outage_problem(outage: Outage, hint: str = "", **extras: Any) -> HttpProblem:
    """503: a part of the app is away; the hint says what became of the request."""
    detail = " ".join(filter(None, (outage.detail, hint, "Try again in a moment.")))
    return HttpProblem(503, "App not available", detail, code=outage.code, **extras)


def _unexpected_problem(error: Exception) -> HttpProblem:
    """500 with a reference to the log, and nothing of what the error says."""
    reference = log_unexpected(error)
    if is_too_large(error):
        detail = "An answer of the engine is larger than host.json allows: raise `maxGrpcMessageSizeInBytes` there."
        return HttpProblem(500, "Unexpected error", detail, code="answer-too-large", reference=reference)
    detail = f"Something went wrong inside the app. Its log has it under {reference}: see there before you try again."
    return HttpProblem(500, "Unexpected error", detail, code="unexpected", reference=reference)


def caller_of(req: func.HttpRequest) -> Principal:
    """Who calls: whom App Service authentication names, or the holder of a function key; DOOR says which of the two."""
    app_settings = read_settings()
    if app_settings.door == "keys":
        return key_holder(app_settings.key_roles)  # anybody could have written the header here
    return identify_caller(req.headers, app_settings.tenant, app_settings.audience)


def authorization_level() -> func.AuthLevel:
    """What the host asks of callers: a function key, or nothing where App Service authentication stands before it.

    It does not satisfy the level `function`: a signed-in person would need the key that all others have, too.
    With settings that cannot be used the host goes on asking, and the app lets nobody in.
    """
    try:
        return func.AuthLevel.ANONYMOUS if read_settings().door == "entra" else func.AuthLevel.FUNCTION
    except WrongSettings as wrong:
        _log.critical("wrong settings, this app lets nobody in: %s", wrong)
        return func.AuthLevel.FUNCTION


def read_settings() -> Settings:
    """The app's settings, from its environment."""
    return Settings.from_environment(os.environ)


class EmptyRequest(Document):
    """The body of a request that has no options."""


def body_of(req: func.HttpRequest) -> bytes:
    """The body; an empty one reads as an empty object."""
    return req.get_body().strip() or b"{}"


def read_body[Body: Document](req: func.HttpRequest, model: type[Body]) -> Body:
    """The body as what it has to be.

    Raises:
        ValidationError: it is something else.
    """
    return model.model_validate_json(body_of(req))


def json_object_of(body: bytes) -> Mapping[str, Any]:
    """The body as far as it is a JSON object; empty when it is something else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def run_id_of(req: func.HttpRequest, kind: str, name: str) -> str:
    """The id of the run that a request asks for: equal for equal Idempotency-Keys, else a new one."""
    return run_id(kind, name, req.headers.get(IDEMPOTENCY_KEY) or uuid.uuid4().hex)


class RequestKey(NamedTuple):
    """What an Idempotency-Key stands for; empty without one.

    Attributes:
        digest: What another request with the key has to be equal to.
        other_runs: The runs of other kinds that the key would have started on the same subject.
    """

    digest: str = ""
    other_runs: tuple[str, ...] = ()


def request_key_of(req: func.HttpRequest, kind: str, name: str) -> RequestKey:
    """What the request's Idempotency-Key stands for: this request on this plan, site or node."""
    key = req.headers.get(IDEMPOTENCY_KEY)
    if key is None:
        return RequestKey()
    person = caller_of(req)
    digest = request_digest(kind, name, (person.id, person.name), json.loads(body_of(req)))
    others = (other for other in kinds_on_subject_of(kind) if other != kind)
    return RequestKey(digest, tuple(run_id(other, name, key) for other in others))


def invalid_request(*errors: FieldError) -> HttpProblem:
    """400 with everything that is wrong; the detail says the first of it."""
    more_text = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return HttpProblem(400, "Invalid request", f"{errors[0].field}: {errors[0].detail}{more_text}", errors)


def not_found(noun: str, name: str) -> HttpProblem:
    """404 for something that does not exist."""
    detail = f"There is no {noun} {name!r}."
    return HttpProblem(404, f"Unknown {noun}", detail, [FieldError(field=noun, detail=detail)])


def read_choice(req: func.HttpRequest, name: str, choices: Sequence[str]) -> str | None:
    """A query parameter that is one of some words, None when it is absent.

    Raises:
        HttpProblem: it is something else (400).
    """
    value: str | None = req.params.get(name)
    if value is not None and value not in choices:
        raise invalid_request(FieldError(field=name, detail=f"must be one of {', '.join(choices)}, not {value!r}"))
    return value


def require_confirmation(given: str | None, sentence: str) -> None:
    """See that what cannot be undone is confirmed by repeating its sentence.

    Raises:
        HttpProblem: it is not; the problem says which sentence (400).
    """
    if sentence and given != sentence:
        raise invalid_request(FieldError(field="confirm", detail=f"repeat this sentence exactly: {sentence}"))
