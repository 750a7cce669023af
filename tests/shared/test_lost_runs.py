"""What people are told of a run that did not come to its own end."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from shared.operations.kinds import OPERATION_KINDS, Kind
from shared.operations.lost_runs import ENDING_SENTENCES, describe_lost_run
from shared.operations.pacing import STILL_WRITES_FOR

HOST_FILE = Path(__file__).parents[2] / "host.json"


@pytest.mark.parametrize("kind", OPERATION_KINDS)
def test_it_says_what_is_so_and_what_to_do_next(kind: Kind) -> None:
    for ending, sentence in ENDING_SENTENCES.items():
        first, *words = describe_lost_run(kind, ending, "KeyError: 'x'", ("reprotect", "commit"))
        assert first.code == "run-lost"
        assert sentence in first.detail
        assert f" {kind} " in first.detail or "timer" in first.detail
        assert "commit, reprotect" in first.detail
        assert [one.detail for one in words] == ["KeyError: 'x'"]


def test_without_words_of_the_engine_and_without_debts_there_is_one_sentence_less() -> None:
    (only,) = describe_lost_run("failover", "gone", "")
    assert "Still owed" not in only.detail


def test_no_activity_is_at_work_any_more_when_the_evidence_is_sealed() -> None:
    hours, minutes, seconds = map(int, json.loads(HOST_FILE.read_text())["functionTimeout"].split(":"))
    assert timedelta(hours=hours, minutes=minutes, seconds=seconds) <= STILL_WRITES_FOR
