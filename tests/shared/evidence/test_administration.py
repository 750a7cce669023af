"""An act of administration is bounded and has nothing secret in it, whatever somebody made it say."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.evidence.administration import (
    ACT_KINDS,
    LONGEST_TEXT,
    MOST_ACTS,
    MOST_VALUES,
    Act,
    ActQuestion,
    AdministrationRecord,
    LoggedActs,
)
from shared.evidence.canonical import to_canonical_json
from shared.evidence.log_of_heads import LogEnd
from shared.evidence.verify import ACT_NAME, find_log_flaws, read_administration, read_json
from tests.attacks.secret_shapes import TEXTS

AT = datetime(2027, 3, 1, 3, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


def act(**changes: Any) -> Act:
    return Act.model_validate({"act": "changed", "subject": "plans/payroll", "at": AT, "by": "Ada", **changes})


def entry_of(*acts: Act, left_out: int = 0) -> bytes:
    logged = LoggedActs.of(AdministrationRecord(id="administration-x-1", acts=acts, left_out=left_out), "t")
    return to_canonical_json({**logged.to_statement(LogEnd(), AT), "unsigned": "no key"})


def test_each_kind_of_act_is_one_that_the_verifier_takes() -> None:
    assert all(ACT_NAME.fullmatch(kind) for kind in ACT_KINDS)
    entry = entry_of(*(act(act=kind) for kind in ACT_KINDS))
    assert find_log_flaws({"heads/00000001.json": entry}) == []


@given(
    st.text(max_size=3000), st.text(max_size=3000), st.dictionaries(st.text(max_size=9), VALUES), st.integers(0, 10**30)
)
def test_whatever_an_act_says_makes_a_bounded_entry_that_is_known_again(
    subject: str, by: str, facts: dict[str, Any], left_out: int
) -> None:
    record = AdministrationRecord(
        id="administration-x-1", acts=(act(subject=subject, by=by, facts=facts),) * 60, left_out=left_out % 2**50
    )
    logged = LoggedActs.of(record, "t")
    content = to_canonical_json({**logged.to_statement(LogEnd(), AT), "unsigned": "no key"})
    assert logged.is_in(content)
    assert find_log_flaws({"heads/00000001.json": content}) == []
    kept = read_administration(content)["acts"]
    assert len(kept) == MOST_ACTS
    assert max(len(kept[0]["subject"]), len(kept[0]["by"])) <= LONGEST_TEXT
    assert len(kept[0]["facts"]) <= MOST_VALUES


def test_long_facts_are_cut() -> None:
    facts = {"reason": "x" * 10_000, "names": ["y" * 10_000] * 1000, **{f"f{number}": "z" for number in range(99)}}
    kept = act(facts=facts).to_json()["facts"]
    assert (len(kept["reason"]), len(kept["names"]), len(kept["names"][0])) == (LONGEST_TEXT, MOST_VALUES, LONGEST_TEXT)
    assert len(json.dumps(kept)) < 60_000


@pytest.mark.parametrize("shape", TEXTS, ids=lambda shape: str(shape.given)[:40])
def test_no_secret_of_a_reason_is_kept(shape: Any) -> None:
    kept = act(facts={"reason": shape.given, "names": [shape.given]}, subject=shape.given, by=shape.given).to_json()
    assert shape.secret not in json.dumps(kept, ensure_ascii=False)


QUESTIONS = [
    (ActQuestion(), True),
    (ActQuestion(act="changed"), True),
    (ActQuestion(act="declared"), False),
    (ActQuestion(person="ADA"), True),
    (ActQuestion(person="bob"), False),
    (ActQuestion(since=AT), True),
    (ActQuestion(since=AT + timedelta(seconds=1)), False),
    (ActQuestion(until=AT), True),
    (ActQuestion(until=AT - timedelta(seconds=1)), False),
    (ActQuestion(act="changed", person="ada", since=AT, until=AT), True),
]


@pytest.mark.parametrize(("question", "is_met"), QUESTIONS)
def test_a_question_narrows_by_kind_person_and_time(question: ActQuestion, is_met: bool) -> None:
    assert question.is_met_by(act().to_json()) == is_met


@pytest.mark.parametrize("time", ["", "yesterday", "2027-03-01T03:00:00", "9" * 300])
def test_a_time_that_is_none_is_within_no_span(time: str) -> None:
    kept = {**act().to_json(), "at": time, "until": time}
    assert not ActQuestion(since=AT).is_met_by(kept)
    assert not ActQuestion(until=AT).is_met_by(kept)
    assert ActQuestion().is_met_by(kept)


def test_an_act_says_what_the_page_says() -> None:
    entry = read_json(entry_of(act(), left_out=3))
    assert entry.keys() == {"seq", "previous", "kind", "at", "id", "tenant", "acts", "leftOut", "unsigned"}
    assert entry["acts"][0].keys() == {"act", "subject", "at", "until", "count", "by", "byId", "facts"}
