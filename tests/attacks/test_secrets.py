"""Secrets in the shapes that people and programs give them: none is kept, whichever way it came in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.redaction import redact_json, redact_text
from tests.attacks.secret_shapes import HARMLESS, JSONS, TEXTS, Shape

SHAPES = (*TEXTS, *JSONS)
every_text = pytest.mark.parametrize("shape", TEXTS, ids=lambda shape: str(shape.given)[:40])
every_json = pytest.mark.parametrize("shape", JSONS, ids=lambda shape: json.dumps(shape.given)[:40])


def text_of(shape: Shape) -> str:
    return shape.given if isinstance(shape.given, str) else json.dumps(shape.given)


def test_there_are_many_shapes() -> None:
    assert len({text_of(shape) for shape in TEXTS}) >= 60
    assert len({text_of(shape) for shape in JSONS}) >= 30
    assert all(shape.secret in text_of(shape) for shape in SHAPES)


@every_text
@pytest.mark.parametrize("frame", ["{}", "before {} after", "line\n{}\nline", "x: 1, {}"])
def test_a_secret_is_taken_out_of_text(shape: Shape, frame: str) -> None:
    clean = redact_text(frame.format(shape.given))
    assert shape.secret not in clean
    assert redact_text(clean) == clean


@every_json
def test_a_secret_is_taken_out_of_json(shape: Shape) -> None:
    clean = redact_json(shape.given)
    assert shape.secret not in json.dumps(clean)
    assert redact_json(clean) == clean


@every_json
@pytest.mark.parametrize("indent", [None, 2])
def test_a_secret_is_taken_out_of_json_that_is_text(shape: Shape, indent: int | None) -> None:
    text = json.dumps(shape.given, indent=indent)
    assert shape.secret not in json.dumps(redact_json({"body": text}))
    assert shape.secret not in redact_text(f"the answer was {text}")


@every_text
def test_a_secret_is_taken_out_of_text_in_json(shape: Shape) -> None:
    assert shape.secret not in json.dumps(redact_json({"detail": [shape.given]}))
    assert shape.secret not in json.dumps(redact_json({"body": json.dumps({"detail": shape.given})}))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_people_need_stays(text: str) -> None:
    assert redact_text(text) == text
    assert redact_json({"detail": text}) == {"detail": text}


NAMES = st.sampled_from(
    ["password", "Password", "adminPassword", "ADMIN_PASSWORD", "client_secret", "x-api-key", "accessToken", "pwd"]
)
VALUES = st.from_regex(r"[A-Za-z0-9!#*+._~]{3,20}[0-9][a-z]{3}", fullmatch=True)
WRITTEN = st.sampled_from(
    [
        "{name}={value}",
        "{name}: {value}",
        "{name} = '{value}'",
        '{name} : "{value}"',
        '"{name}":"{value}"',
        '\\"{name}\\": \\"{value}\\"',
        "--{name} {value}",
        "--{name}={value}",
        "<{name}>{value}</{name}>",
        '<add name="{name}" value="{value}"/>',
        '{{"name": "{name}", "value": "{value}"}}',
        "https://h.example/p?{name}={value}",
        "${name} = '{value}'",
        "{name} => '{value}'",
    ]
)
AROUND = st.sampled_from(["", "failed: ", "a=1; ", "[info] ", '{"x": 1} ', "line\n", "user=u, ", "\t"])


@given(NAMES, VALUES, WRITTEN, AROUND, AROUND)
def test_no_way_of_writing_keeps_a_secret(name: str, value: str, written: str, before: str, after: str) -> None:
    text = f"{before}{written.format(name=name, value=value)} {after}"
    assert value not in redact_text(text)
    assert value not in json.dumps(redact_json({"detail": text}))


@given(
    NAMES,
    VALUES,
    st.recursive(st.just("x"), lambda inner: st.lists(inner, max_size=3) | st.fixed_dictionaries({"a": inner})),
)
def test_no_depth_of_json_keeps_a_secret(name: str, value: str, beside: Any) -> None:
    document = {"list": [beside, {"deep": {name: value, "text": json.dumps({name: [value]})}}], "beside": beside}
    for _ in range(3):
        assert value not in json.dumps(redact_json(document))
        document = {"body": json.dumps(document)}


@given(st.text())
def test_any_text_can_be_read_and_twice_changes_nothing(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once
