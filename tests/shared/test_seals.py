"""A seal is good for one payload, one run and one name; whatever is changed of these breaks it."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.operations.seals import SEAL, compute_seal, has_seal, with_seal

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SAFE = 2**53 - 1
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(st.text(), VALUES, max_size=5)


@given(PAYLOADS, st.text(), st.text())
def test_what_is_sealed_has_its_seal_however_its_fields_are_ordered(
    payload: dict[str, Any], run: str, name: str
) -> None:
    sealed = with_seal(KEY, run, name, payload)
    assert has_seal([KEY], run, name, dict(reversed(sealed.items())))


@given(PAYLOADS, PAYLOADS, st.text(), st.text(), st.text(), st.text())
def test_a_seal_is_good_for_nothing_else(
    payload: dict[str, Any], other: dict[str, Any], run: str, other_run: str, name: str, other_name: str
) -> None:
    """The length of run and name is not to be moved between the two either."""
    assume(payload != other)
    sealed = with_seal(KEY, run, name, payload)
    seal = sealed[SEAL]
    assert has_seal([KEY], other_run, name, sealed) is (other_run == run)
    assert has_seal([KEY], run, other_name, sealed) is (other_name == name)
    assert has_seal([KEY], run + name, "", sealed) is (name == "")
    assert not has_seal([OTHER_KEY], run, name, sealed)
    changed = {field: value for field, value in other.items() if field != SEAL}
    assert has_seal([KEY], run, name, {**changed, SEAL: seal}) is (compute_seal(KEY, run, name, changed) == seal)


@pytest.mark.parametrize("seal", [None, "", 0, True, [], {}, "ä" * 64, "0" * 64, "x", b"x".hex() * 32])
def test_what_is_no_seal_is_none(seal: Any) -> None:
    payload = {"approved": True, "person": "p"}
    assert not has_seal([KEY], "run-1", "approve", payload)
    assert not has_seal([KEY], "run-1", "approve", {**payload, SEAL: seal})


@pytest.mark.parametrize("change", [("person", "q"), ("approved", False), ("approved", 1), ("more", None), ("by", "")])
def test_each_change_of_a_field_breaks_it(change: tuple[str, Any]) -> None:
    sealed = with_seal(KEY, "run-1", "approve", {"approved": True, "person": "p", "by": "p"})
    assert not has_seal([KEY], "run-1", "approve", {**sealed, change[0]: change[1]})
    assert not has_seal([KEY], "run-1", "approve", {field: value for field, value in sealed.items() if field != "by"})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, "\ud800", {1: 2}], ids=repr)
def test_what_json_cannot_say_is_not_the_app_s(value: Any) -> None:
    assert not has_seal([KEY], "run-1", "approve", {"value": value, SEAL: "0" * 64})


def test_what_is_nested_without_end_is_not_the_app_s() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert not has_seal([KEY], "run-1", "approve", {"value": deep, SEAL: "0" * 64})
