"""What a release has written is read by the ones after it: inputs, activities, entities, outcomes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field, TypeAdapter

from orchestrators.registry import ORCHESTRATORS
from shared.messages import Document, Message
from shared.operations.payloads import split_carried
from tests.histories.keeping import load, runbook_of
from tests.histories.messages import INPUTS, MESSAGES, breaks_between, describe_messages
from tests.histories.released import RECORDS
from tests.release import RELEASE

DESCRIBED = sorted(str(path.relative_to(RECORDS)) for path in RECORDS.glob(f"*/{MESSAGES}"))


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_a_release_has_written_is_read_today(name: str) -> None:
    then = json.loads((RECORDS / name).read_text())
    assert list(breaks_between(then, describe_messages())) == []


def test_messages_are_described_as_they_are_now() -> None:
    """Else record them: python -m tools.record_histories."""
    assert json.loads((RECORDS / RELEASE / MESSAGES).read_text()) == describe_messages()


def test_each_runbook_s_input_is_described() -> None:
    assert set(INPUTS) == set(ORCHESTRATORS)


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*/*.jsonl")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_a_recorded_run_carries_is_its_input(path: Path) -> None:
    """What it started from, and what each further generation was handed."""
    _, run = load(path)
    inputs = [
        event.executionStarted.input.value for one in run for event in one.new if event.HasField("executionStarted")
    ]
    model = INPUTS[runbook_of(run)]
    for text in inputs:
        document, _ = split_carried(json.loads(text))
        if model is not None:
            model.model_validate(document)


def described(**fields: Any) -> Mapping[str, Any]:
    """A message of these fields, as it would be recorded."""
    model = type(
        "Sample",
        (Message,),
        {"__annotations__": {n: f[0] for n, f in fields.items()}} | {n: f[1] for n, f in fields.items() if len(f) > 1},
    )
    schema = TypeAdapter(model).json_schema()
    return {"messages": {"sample": schema}, "types": schema.pop("$defs", {})}


class Part(Message):
    name: str


class LongerPart(Message):
    name: str
    size: int = 0


class NeedyPart(Message):
    name: str
    size: int


class OtherPart(Document):
    title: str


@pytest.mark.parametrize(
    ("then", "now"),
    [
        ({"a": (int,)}, {"a": (int,), "b": (int, 0)}),
        ({"a": (int,)}, {"a": (int, 3)}),
        ({"a": (int,)}, {"a": (int | None,)}),
        ({"a": (Literal["x"], "x")}, {"a": (Literal["x", "y"], "x")}),
        ({"a": (tuple[Part, ...], ())}, {"a": (tuple[LongerPart, ...], ())}),
        ({"a": (dict[str, Part],)}, {"a": (dict[str, LongerPart | str],)}),
        ({"a": (int, Field(ge=2))}, {"a": (int, Field(ge=1))}),
        ({"a": (int,)}, {"a": (Any,)}),
    ],
    ids=["new field", "new default", "optional", "new value", "longer part", "wider part", "looser", "anything"],
)
def test_what_later_releases_may_do(then: dict[str, Any], now: dict[str, Any]) -> None:
    assert list(breaks_between(described(**then), described(**now))) == []


@pytest.mark.parametrize(
    ("then", "now", "found"),
    [
        ({"a": (int,), "b": (int,)}, {"a": (int,)}, "sample.b is no more"),
        ({"a": (int,)}, {"a": (int,), "b": (int,)}, "sample.b is asked for, and was not written"),
        ({"a": (int, 1)}, {"a": (int,)}, "sample.a is asked for, and was not written"),
        ({"a": (int, 1)}, {"a": (int, 2)}, "sample.a has another default"),
        ({"a": (int,)}, {"a": (str,)}, "sample.a has another type"),
        ({"a": (int | None,)}, {"a": (int,)}, "sample.a has another type"),
        ({"a": (Literal["x", "y"],)}, {"a": (Literal["x"],)}, "sample.a does not take every value any more"),
        ({"a": (str,)}, {"a": (Literal["x"],)}, "sample.a does not take every value any more"),
        (
            {"a": (tuple[Part, ...],)},
            {"a": (tuple[NeedyPart, ...],)},
            "sample.a[].size is asked for, and was not written",
        ),
        ({"a": (dict[str, Part],)}, {"a": (dict[str, OtherPart],)}, "sample.a[].name is no more"),
        ({"a": (int, Field(ge=1))}, {"a": (int, Field(ge=2))}, "sample.a has a tighter minimum"),
        ({"a": (str,)}, {"a": (str, Field(max_length=9))}, "sample.a has a tighter maxLength"),
    ],
    ids=[
        "gone",
        "asked",
        "no default",
        "default",
        "type",
        "no null",
        "values",
        "free",
        "part",
        "in map",
        "above",
        "below",
    ],
)
def test_what_later_releases_may_not_do(then: dict[str, Any], now: dict[str, Any], found: str) -> None:
    assert found in list(breaks_between(described(**then), described(**now)))


def test_a_message_that_is_dropped_is_noticed() -> None:
    assert list(breaks_between(described(a=(int,)), {"messages": {}, "types": {}})) == ["sample is no more"]
