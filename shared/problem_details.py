"""Mistakes as RFC 9457 problem documents that name the field, as the caller wrote it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from shared.errors import Refused

_PLAINLY = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not valid JSON",
}


class FieldError(NamedTuple):
    """What is wrong with one field.

    Attributes:
        field: Where it stands in what was sent, "items[2].after[0]"; "body" for all of it.
    """

    field: str
    detail: str


def problem_document(
    status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **extras: Any
) -> dict[str, Any]:
    """A problem document; `errors` lists the fields, and extras stand beside the standard members."""
    members = {"errors": [error._asdict() for error in errors]} if errors else {}
    standard = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return standard | {name: value for name, value in extras.items() if name not in standard}


def from_refused(refused: Refused, status: int = 409, title: str = "Refused") -> dict[str, Any]:
    """The problem document of a refusal, with its code for programs."""
    return problem_document(status, title, refused.detail, code=refused.code)


def field_errors(error: ValidationError) -> list[FieldError]:
    """One error for each field, in the order in which they were found."""
    lines = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        FieldError(field_path(line["loc"]), _PLAINLY.get(line["type"]) or line["msg"].removeprefix("Value error, "))
        for line in lines
    ]


def field_path(place: Sequence[str | int]) -> str:
    """("items", 2, "after", 0) as "items[2].after[0]"; nothing in particular is the body."""
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "body"
