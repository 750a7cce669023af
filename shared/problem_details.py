"""Mistakes as RFC 9457 problem documents that name the field, as the caller wrote it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from shared.errors import Refused
from shared.obstacle import Obstacle

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_DURATION, _TIME = "must be an ISO 8601 duration such as PT2H", "must be an ISO 8601 time such as 2027-03-01T09:00:00Z"
_PLAINLY = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "json_invalid": "is not valid JSON",
    "time_delta_parsing": _DURATION,
    "time_delta_type": _DURATION,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
    "datetime_type": _TIME,
    "timezone_aware": f"{_TIME}, with Z or an offset",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
}
"""What pydantic's kinds of errors mean to who wrote the document; other kinds say it themselves."""


class FieldError(NamedTuple):
    """What is wrong with one field.

    Attributes:
        field: Where it stands in what was sent, "items[2].after[0]"; "body" for all of it.
        obstacle: What is in the way, where the field itself is as it has to be.
    """

    field: str
    detail: str
    obstacle: Obstacle | None = None

    def to_json(self) -> dict[str, Any]:
        """The field and what is wrong; with all that is known of an obstacle."""
        about = self.obstacle.to_json() if self.obstacle else {}
        return {"field": self.field, "detail": self.detail, **about}


def problem_document(
    status: int, title: str, detail: str, errors: Sequence[FieldError] = (), **extras: Any
) -> dict[str, Any]:
    """A problem document; `errors` lists the fields, and extras stand beside the standard members."""
    members = {"errors": [error.to_json() for error in errors]} if errors else {}
    standard = {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}
    return standard | {name: value for name, value in extras.items() if name not in standard}


def from_refused(refused: Refused, status: int = 409, title: str = "Refused") -> dict[str, Any]:
    """The problem document of a refusal, with its code for programs."""
    return problem_document(status, title, refused.detail, code=refused.code)


def field_errors(error: ValidationError) -> list[FieldError]:
    """One error for each field, in the order in which they were found."""
    return [FieldError(field_path(line["loc"]), plain_detail(line)) for line in error_lines(error)]


def error_lines(error: ValidationError) -> "Sequence[ErrorDetails]":
    """What pydantic found, without what was given: it may be a secret."""
    return error.errors(include_url=False, include_input=False)


def plain_detail(line: "ErrorDetails") -> str:
    """What is wrong, for who wrote the document; a fault of our own says it in its own words."""
    context = line.get("ctx", {})
    if "detail" in context:
        return str(context["detail"])
    shown = {name: _value_text(value) for name, value in context.items()}
    template = _PLAINLY.get(line["type"])
    return template.format(**shown) if template else line["msg"].removeprefix("Value error, ")


def _value_text(value: object) -> str:
    """As it is written in a document: "P30D", "PT90S", "0.5"."""
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():g}S" if value % timedelta(days=1) or not value else f"P{value.days}D"
    return f"{value:g}" if isinstance(value, float) else str(value)


def field_path(place: Sequence[str | int]) -> str:
    """("items", 2, "after", 0) as "items[2].after[0]"; nothing in particular is the body."""
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "body"
