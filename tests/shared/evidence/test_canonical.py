"""One value is written in one way, by RFC 8785: by the app's library, and by the verifier that needs none."""

import json
import math
import struct
from datetime import UTC, datetime
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.evidence.canonical import to_canonical_json
from shared.evidence.chain import EvidenceEntry, build_record
from shared.evidence.verify import canonical_json, check_pack, read_json
from tests.shared.evidence.test_chain import pack

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["\ue000", "\U00010000", "\x7f\x1f\u2028", '"\\/\b\f\n\r\t', "é", "e\u0301"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
ANY_INTEGERS = st.integers(-(2**80), 2**80)
ODD = st.recursive(
    VALUES | ANY_INTEGERS | st.floats() | st.text(st.characters(), max_size=4) | st.datetimes() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | ANY_INTEGERS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=500)
@given(VALUES)
def test_the_verifier_writes_what_the_library_writes(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value) == to_canonical_json(value)


@settings(max_examples=1000)
@given(st.binary(min_size=8, max_size=8))
def test_the_verifier_writes_each_double_as_the_library_does(raw: bytes) -> None:
    (number,) = struct.unpack(">d", raw)
    if math.isfinite(number):
        assert canonical_json(number) == rfc8785.dumps(number)


@given(st.integers(-(2**1000), 2**1000))
def test_an_integer_is_the_double_that_others_read(number: int) -> None:
    if abs(number) >= 2**53:
        assert canonical_json(number) == canonical_json(float(number))


EXAMPLES = {  # RFC 8785, appendix B
    0x0000000000000000: "0",
    0x8000000000000000: "0",
    0x0000000000000001: "5e-324",
    0x8000000000000001: "-5e-324",
    0x7FEFFFFFFFFFFFFF: "1.7976931348623157e+308",
    0x4340000000000000: "9007199254740992",
    0x4430000000000000: "295147905179352830000",
    0x44B52D02C7E14AF5: "9.999999999999997e+22",
    0x44B52D02C7E14AF6: "1e+23",
    0x44B52D02C7E14AF7: "1.0000000000000001e+23",
    0x444B1AE4D6E2EF4E: "999999999999999700000",
    0x444B1AE4D6E2EF4F: "999999999999999900000",
    0x444B1AE4D6E2EF50: "1e+21",
    0x3EB0C6F7A0B5ED8C: "9.999999999999997e-7",
    0x3EB0C6F7A0B5ED8D: "0.000001",
    0x41B3DE4355555553: "333333333.3333332",
    0xBECBF647612F3696: "-0.0000033333333333333333",
    0x43143FF3C1CB0959: "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), EXAMPLES.items())
def test_numbers_are_written_as_the_standard_shows(bits: int, text: str) -> None:
    assert canonical_json(struct.unpack(">d", bits.to_bytes(8, "big"))[0]) == text.encode()


def test_members_are_sorted_as_the_standard_shows() -> None:
    """RFC 8785, 3.2.3: by UTF-16, where the emoji comes before the ligature."""
    names = ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]
    assert list(json.loads(canonical_json(dict.fromkeys(reversed(names), 0)))) == names


@pytest.mark.parametrize("value", [10**309, float("nan"), float("inf"), "\ud800", {1: 2}, {"\udc00": 1}, b"x"])
def test_what_is_not_the_same_everywhere_is_refused_by_the_verifier(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json(value)


@settings(max_examples=500)
@given(ODD)
@example({"n": 2**64, "t": datetime(2027, 3, 1, tzinfo=UTC), "half": "\ud800", "nan": float("nan")})
def test_whatever_an_entry_holds_becomes_a_record_that_the_verifier_reads(value: Any) -> None:
    content = to_canonical_json({"body": value})
    assert canonical_json(read_json(content)) == content


def test_a_number_that_others_read_otherwise_is_kept_as_text() -> None:
    assert to_canonical_json({"size": 2**63, "small": 1.0}) == b'{"size":"9223372036854775808","small":1}'


OTHERWISE = {
    "blanks": lambda text: text.replace(b",", b", ", 1),
    "another order": lambda text: json.dumps(dict(reversed(json.loads(text).items())), separators=(",", ":")).encode(),
    "an escape": lambda text: text.replace(b"vm-", b"\\u0076m-", 1),
    "another number": lambda text: text.replace(b'"seq":1', b'"seq":1.0', 1),
    "a newline at the end": lambda text: text + b"\n",
}


@pytest.mark.parametrize("rewrite", OTHERWISE.values(), ids=OTHERWISE)
def test_a_record_that_is_written_otherwise_is_found_although_all_of_it_is_the_same(rewrite: Any) -> None:
    files = pack(1)
    name = "records/000001-job.json"
    changed = rewrite(files[name])
    assert json.loads(changed) == json.loads(files[name])
    assert any("RFC 8785" in flaw.detail for flaw in check_pack({**files, name: changed}) if flaw.file == name)


def test_a_record_is_canonical() -> None:
    entry = EvidenceEntry.of("job", datetime(2027, 3, 1, tzinfo=UTC), {"z": 1e21, "a": ["\U0001f600"]})
    content = build_record(1, "0" * 64, entry, {})
    assert content == canonical_json(json.loads(content))
