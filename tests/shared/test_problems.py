"""Problem documents name the field as its sender wrote it."""

import pytest
from pydantic import BaseModel, Field, ValidationError

from shared.errors import Refused
from shared.obstacle import Obstacle
from shared.problem_details import FieldError, field_errors, field_path, from_refused, problem_document


class Wish(BaseModel, extra="forbid"):
    how_many: int = Field(alias="howMany", ge=1)
    names: tuple[str, ...] = ()


def errors(sent: str) -> list[FieldError]:
    with pytest.raises(ValidationError) as caught:
        Wish.model_validate_json(sent)
    return field_errors(caught.value)


def test_a_problem_has_the_members_of_its_standard_and_the_fields() -> None:
    told = problem_document(
        400, "Invalid request", "It is wrong.", [FieldError("items[0].vm", "is required")], operation="op-1"
    )
    assert told == {
        "type": "about:blank",
        "title": "Invalid request",
        "status": 400,
        "detail": "It is wrong.",
        "errors": [{"field": "items[0].vm", "detail": "is required"}],
        "operation": "op-1",
    }


def test_an_error_about_something_in_the_way_has_the_shape_of_an_obstacle() -> None:
    busy = Obstacle(vm="sql-01", code="held", detail="held by drill-x", holder="drill-x")
    shown = problem_document(409, "Not ready", "no", [FieldError("items[sql-01]", busy.detail, busy)])["errors"]
    assert shown == [{"field": "items[sql-01]", **busy.to_json()}]


def test_an_extra_never_hides_the_status() -> None:
    assert problem_document(404, "Unknown", "no", type="x")["type"] == "about:blank"
    assert "errors" not in problem_document(404, "Unknown", "no")


def test_a_refusal_keeps_its_code_for_programs() -> None:
    told = from_refused(Refused("commit-not-allowed", "sql-01 is Protected"))
    assert (told["status"], told["code"], told["detail"]) == (409, "commit-not-allowed", "sql-01 is Protected")


def test_fields_are_named_as_they_were_sent() -> None:
    assert errors('{"howMany": 0, "names": ["a", 3], "else": 1}') == [
        FieldError("howMany", "must be at least 1"),
        FieldError("names[1]", "must be a text"),
        FieldError("else", "is not known here"),
    ]
    assert errors("{}") == [FieldError("howMany", "is required")]


def test_a_body_that_is_no_json_is_told_as_the_whole() -> None:
    assert errors("{howMany") == [FieldError("body", "is not valid JSON")]


def test_a_path_reads_as_in_the_document() -> None:
    assert field_path(("items", 2, "after", 0)) == "items[2].after[0]"
    assert field_path((0, "vm")) == "[0].vm"
    assert field_path(()) == "body"
