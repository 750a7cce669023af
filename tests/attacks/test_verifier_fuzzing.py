"""Packs that are mutated, and packs that are hostile: the verifier never stumbles, and takes only the honest one."""

import random
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.evidence import verify
from shared.evidence.canonical import to_canonical_json
from shared.evidence.verify import LOG_ENTRY, MANIFEST, check_pack, read_json, seal_of
from tests.attacks.test_log_of_heads import ENEMY, KEY
from tests.attacks.test_log_of_heads import HONEST as STORE
from tests.deep import run_deep

type Files = dict[str, bytes]
HONEST = {name.removeprefix("drill-2/"): one for name, one in STORE.items() if name.startswith("drill-2/")}
NAMES = sorted(HONEST)
MORE_PLACES = ("records/000003-outcome.json", "records/", "attachments/job-9.json", "x", "")
PLACES = st.sampled_from([*NAMES, *MORE_PLACES])
RAW = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"\x00" * 50,
    b"[" * 5_000,
    b'{"a":' * 5_000,
    b'{"seq":1,"seq":1}',
    b'{"seq":NaN}',
    b'{"seq":1e999}',
    b'{"seq":' + b"9" * 5_000 + b"}",
    b'{"pack":"\\ud800"}',
    b'{"attachments":7,"kind":[],"previous":{}}',
    b'{"records":[[]],"head":{},"pack":[],"log":{"size":1e300,"head":[]}}',
    b'{"kind":"pack","signature":"' + b"A" * 86 + b'"}',
)
HOSTILE = st.sampled_from(RAW)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMED = (
    *("seq", "kind", "at", "previous", "attachments", "body", "pack", "records", "head"),
    *("seal", "log", "manifest", "key", "signature", "unsigned", "state"),
)
MEMBERS = st.sampled_from(NAMED)
KINDS = ("flip", "cut", "insert", "exchange", "hostile", "member", "drop", "reseal", "resign")
EDITS = st.one_of(
    st.tuples(st.just("flip"), PLACES, st.integers(0, 2000), st.integers(1, 255)),
    st.tuples(st.just("cut"), PLACES, st.integers(0, 2000), st.integers(1, 40)),
    st.tuples(st.just("insert"), PLACES, st.integers(0, 2000), st.binary(min_size=1, max_size=6)),
    st.tuples(st.just("exchange"), PLACES, st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("hostile"), PLACES, HOSTILE | st.binary(max_size=30), st.none()),
    st.tuples(st.just("member"), PLACES, MEMBERS, VALUES),
    st.tuples(st.just("drop"), PLACES, st.none(), st.none()),
    st.tuples(st.just("reseal"), st.just(MANIFEST), st.none(), st.none()),
    st.tuples(st.just("resign"), st.just(LOG_ENTRY), st.none(), st.none()),
)


def edit(files: Files, kind: str, name: str, one: Any, other: Any) -> None:
    content = files.get(name, b"")
    at = one % (len(content) + 1) if isinstance(one, int) else 0
    match kind:
        case "flip" if content:
            at %= len(content)
            files[name] = content[:at] + bytes([content[at] ^ other]) + content[at + 1 :]
        case "cut":
            files[name] = content[:at] + content[at + other :]
        case "insert":
            files[name] = content[:at] + other + content[at:]
        case "exchange":
            files[name] = HONEST[one]
        case "hostile":
            files[name] = one
        case "member":
            files[name] = to_canonical_json({**read_json(content), one: other})
        case "drop":
            files.pop(name, None)
        case "reseal":
            manifest = read_json(content)
            files[name] = to_canonical_json({**manifest, "seal": seal_of(manifest)})
        case "resign":
            kept = {key: value for key, value in read_json(content).items() if key not in {"key", "signature"}}
            files[name] = ENEMY.sign(kept) if len(kept) == 8 else content


def require_only_the_honest_one(edits: list[tuple[str, str, Any, Any]]) -> None:
    files = dict(HONEST)
    for each in edits:
        edit(files, *each)
    found = check_pack(files, keys=[KEY.public])
    assert (found == []) == (files == HONEST)
    assert all(isinstance(one.file, str) and isinstance(one.detail, str) for one in found)


@pytest.fixture(autouse=True, scope="module")
def _signatures_are_computed_once() -> Any:
    """It takes milliseconds, and most packs have the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "is_signed_by", lru_cache(100_000)(verify.is_signed_by))
        yield


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(max_examples=300, **QUIET)  # type: ignore[arg-type] # settings of several types
@given(st.lists(EDITS, min_size=1, max_size=4))
def test_nothing_but_the_honest_pack_is_as_it_was_sealed(edits: list[tuple[str, str, Any, Any]]) -> None:
    require_only_the_honest_one(edits)


def drawn_edits(rng: random.Random) -> list[tuple[str, str, Any, Any]]:
    """As `EDITS` draws them, a hundred times as fast."""
    return [_drawn_edit(rng) for _ in range(rng.randint(1, 4))]


def _drawn_edit(rng: random.Random) -> tuple[str, str, Any, Any]:
    kind, place = rng.choice(KINDS), rng.choice([*NAMES, *MORE_PLACES])
    match kind:
        case "flip" | "cut":
            return kind, place, rng.randint(0, 2000), rng.randint(1, 255 if kind == "flip" else 40)
        case "insert":
            return kind, place, rng.randint(0, 2000), rng.randbytes(rng.randint(1, 6))
        case "exchange":
            return kind, place, rng.choice(NAMES), None
        case "hostile":
            return kind, place, rng.choice([*RAW, rng.randbytes(30)]), None
        case "member":
            values: tuple[Any, ...] = (
                None,
                True,
                -1,
                1,
                2**60,
                1e300,
                "",
                "x",
                [],
                {},
                [[]],
                {"size": 0, "head": "x"},
                rng.random(),
            )
            return kind, place, rng.choice(NAMED), rng.choice(values)
    return kind, {"reseal": MANIFEST, "resign": LOG_ENTRY}.get(kind, place), None, None


@run_deep
@settings(max_examples=1000, **QUIET)  # type: ignore[arg-type] # settings of several types
@given(st.integers(0, 2**64))
def test_nor_is_any_of_a_hundred_thousand(seed: int) -> None:
    """A hundred packs of each seed."""
    rng = random.Random(seed)
    for _ in range(100):
        require_only_the_honest_one(drawn_edits(rng))
