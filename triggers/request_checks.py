"""What a request may carry: parameters that its route knows, headers that are meant, a body of some size.

All of it is checked for every route before anything is read or begun: a request that is misspelt does nothing.
"""

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from shared.problem_details import FieldError

PLATFORM_PARAMETERS = frozenset({"code", "clientid", "subscription-key"})
"""What the Functions host and API Management take from the query for themselves, in lower case."""
OTHER_WORDS = {"dryrun": "preview", "whatif": "preview", "validateonly": "preview", "limit": "top"}
"""What other APIs call a parameter of ours, in lower case and without dashes."""
IDEMPOTENCY_KEY, IF_MATCH = "Idempotency-Key", "If-Match"
OUR_HEADERS = {name.lower(): name for name in (IDEMPOTENCY_KEY, IF_MATCH)}
OUR_PREFIX = "x-hci-"
OTHER_CONDITIONS = frozenset({"if-none-match", "if-modified-since", "if-unmodified-since"})
"""Conditions that no write looks at; of a read a cache may send them."""
LIKENESS = 0.85
LONGEST_KEY = 200
LARGEST_BODY = 1_000_000
YES_OR_NO = frozenset({"preview", "settled"})


def find_request_errors(
    req: func.HttpRequest, parameters: Collection[str], *, is_conditional: bool
) -> list[FieldError]:
    """All that is wrong with a request apart from what its body says.

    Args:
        req: The request.
        parameters: Those that its route knows.
        is_conditional: Whether the route looks at If-Match.
    """
    return [
        *_parameter_errors(req, parameters),
        *_header_errors(req, is_conditional=is_conditional),
        *_body_errors(req),
    ]


def wants_preview(req: func.HttpRequest) -> bool:
    """Whether the request only asks what would happen."""
    return bool(req.params.get("preview", "").lower() == "true")


def _query_of(req: func.HttpRequest) -> list[tuple[str, str]]:
    """The query as it was sent: the host hands on no parameter without a value, and of two of a name only one."""
    sent = parse_qsl(urlsplit(req.url).query, keep_blank_values=True)
    names = {name for name, _ in sent}
    return [*sent, *((name, value) for name, value in req.params.items() if name not in names)]


def _parameter_errors(req: func.HttpRequest, parameters: Collection[str]) -> Iterator[FieldError]:
    query = [(name, value) for name, value in _query_of(req) if name.lower() not in PLATFORM_PARAMETERS]
    names = [name for name, _ in query]
    for name, value in query:
        if name not in parameters:
            yield FieldError(name, _unknown_parameter_detail(name, sorted(parameters)))
        elif not value:
            yield FieldError(name, "must have a value")
        elif name in YES_OR_NO and value.lower() not in {"true", "false"}:
            yield FieldError(name, f"must be true or false, not {value!r}")
    yield from (FieldError(name, "is given more than once") for name in dict.fromkeys(names) if names.count(name) > 1)


def _unknown_parameter_detail(name: str, parameters: Sequence[str]) -> str:
    if not parameters:
        return "is not known here: this request takes no parameters"
    plain_name = name.lower().replace("-", "").replace("_", "")
    if meant := get_close_matches(OTHER_WORDS.get(plain_name, plain_name), parameters, 1):
        return f"is not known here. Did you mean {meant[0]}?"
    return f"is not known here: this request takes {', '.join(parameters)}"


def _header_errors(req: func.HttpRequest, *, is_conditional: bool) -> Iterator[FieldError]:
    for name, value in req.headers.items():
        known = OUR_HEADERS.get(name.lower())
        if known == IDEMPOTENCY_KEY and (detail := _key_flaw(value)):
            yield FieldError(known, detail)
        elif known == IF_MATCH and not is_conditional:
            yield FieldError(known, "is not looked at here: send the request without it")
        elif known == IF_MATCH and not value.strip():
            yield FieldError(known, "must be the ETag of a version")
        elif name.lower() in OTHER_CONDITIONS and req.method != "GET":
            yield FieldError(name, "is not looked at here: send the request without it")
        elif known is None and (detail := _foreign_header_detail(name.lower())):
            yield FieldError(name, detail)


def _key_flaw(key: str) -> str:
    if not key.strip():
        return "must not be empty"
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        return f"must have at most {LONGEST_KEY} characters of printable ASCII"
    return ""


def _foreign_header_detail(name: str) -> str:
    """Why a header that reads like one of ours is none; empty for all others, which are no concern of the app."""
    if meant := get_close_matches(name, OUR_HEADERS, 1, LIKENESS):
        return f"is not known here. Did you mean {OUR_HEADERS[meant[0]]}?"
    return "is not known here" if name.startswith(OUR_PREFIX) else ""


def _body_errors(req: func.HttpRequest) -> Iterator[FieldError]:
    """A declaration may be larger: the plan of thousands of VMs is."""
    if req.method == "POST" and len(req.get_body()) > LARGEST_BODY:
        yield FieldError("body", f"must have at most {LARGEST_BODY:,} bytes")
