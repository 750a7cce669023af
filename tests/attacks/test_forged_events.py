"""Somebody with the key of the durable webhooks says what persons say: no run believes it, and each run tells of it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.verbs.drill import drill
from orchestrators.verbs.failover import failover
from shared.operations.seals import SEAL, with_seal
from tests.orchestrators.test_runbooks import BROKEN, Bench, plan, said, word
from tests.seals import SEAL_KEY, Forged

RUN = "run-1"
MINUTES = timedelta(minutes=1)
GUARDED = plan(approvals={"count": 2, "expires": "PT4H"})
FORGERIES: Mapping[str, Callable[[str, dict[str, Any]], Any]] = {
    "no seal": lambda _name, data: Forged(data),
    "of nothing": lambda _name, data: Forged(data | {SEAL: ""}),
    "guessed": lambda _name, data: Forged(data | {SEAL: "0" * 64}),
    "another key": lambda name, data: Forged(with_seal(b"x" * 32, RUN, name, data)),
    "no key": lambda name, data: Forged(with_seal(b"", RUN, name, data)),
    "another run": lambda name, data: Forged(with_seal(SEAL_KEY, "run-2", name, data)),
    "a run in other letters": lambda name, data: Forged(with_seal(SEAL_KEY, RUN.upper(), name, data)),
    "another event": lambda _name, data: Forged(with_seal(SEAL_KEY, RUN, "other", data)),
    "changed": lambda name, data: Forged(with_seal(SEAL_KEY, RUN, name, data) | {"by": "somebody else"}),
    "more than was sealed": lambda name, data: Forged(with_seal(SEAL_KEY, RUN, name, data) | {"comment": "x"}),
    "sealed inside": lambda name, data: Forged(data | {"data": with_seal(SEAL_KEY, RUN, name, data)}),
    "no object": lambda _name, data: [data],
    "text": lambda _name, _data: "approve",
    "nothing": lambda _name, _data: None,
}
each_forgery = pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
type Forge = Callable[[str, dict[str, Any]], Any]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def tells(findings: list[str], count: int) -> bool:
    return any(f"{count} decisions or approvals came that this app has not sent" in one for one in findings)


@each_forgery
def test_two_invented_persons_approve_nothing(bench: Bench, forge: Forge) -> None:
    for minutes, person in ((10, "bob"), (20, "eve")):
        bench.driver.say(minutes * MINUTES, "approve", forge("approve", word(person, GUARDED)))
    result = bench.run(failover, "failover", document=GUARDED)
    assert [one["code"] for one in result.output["problems"]] == ["approval-expired"]
    assert (bench.azure.jobs.sent, bench.held()) == ([], {})
    assert tells(result.output["findings"], 2)


@each_forgery
def test_what_is_forged_between_true_approvals_neither_counts_nor_ends_the_wait(bench: Bench, forge: Forge) -> None:
    bench.driver.say(5 * MINUTES, "approve", word("bob", GUARDED))
    bench.driver.say(10 * MINUTES, "approve", forge("approve", word("mallory", GUARDED)))
    bench.driver.say(15 * MINUTES, "approve", forge("approve", word("mallory", GUARDED, approved=False)))
    bench.driver.say(20 * MINUTES, "decide", forge("decide", said("abort")))
    bench.driver.say(30 * MINUTES, "approve", word("eve", GUARDED))
    result = bench.run(failover, "failover", document=GUARDED)
    assert result.output["state"] == "succeeded"
    assert [one["person"] for one in result.output["approvals"]] == ["bob", "eve"]
    assert tells(result.output["findings"], 3)


def test_a_true_approval_that_is_sent_again_is_still_of_one_person(bench: Bench) -> None:
    once = with_seal(SEAL_KEY, RUN, "approve", word("bob", GUARDED))
    for minutes in (10, 20, 30):
        bench.driver.say(minutes * MINUTES, "approve", Forged(once))
    result = bench.run(failover, "failover", document=GUARDED)
    assert [one["code"] for one in result.output["problems"]] == ["approval-expired"]
    assert bench.azure.jobs.sent == []


@each_forgery
@pytest.mark.parametrize("verdict", ["abort", "skip", "retry", "resume"])
def test_no_forged_decision_changes_how_a_run_goes_on(bench: Bench, forge: Forge, verdict: str) -> None:
    """Here a machine fails and waits, until a person says in earnest to go on without it."""
    document = plan(onFailure="ask")
    bench.azure.jobs.failures[("sql", "PlannedFailover")] = BROKEN
    for minutes in (1, 90, 120):
        bench.driver.say(minutes * MINUTES, "decide", forge("decide", said(verdict)))
    bench.driver.say(200 * MINUTES, "decide", said("skip"))
    result = bench.run(failover, "failover", document=document)
    assert [(one["verdict"], one["by"]) for one in result.output["decisions"]] == [("skip", "ann")]
    assert sum(int(one.split()[0]) for one in result.output["findings"] if "has not sent" in one) == 3


@each_forgery
def test_a_drill_is_not_aborted_by_what_is_forged(bench: Bench, forge: Forge) -> None:
    bench.driver.say(15 * MINUTES, "decide", forge("decide", said("abort")))
    result = bench.run(drill, "drill")
    assert result.output["state"] == "succeeded"
    assert tells(result.output["findings"], 1)
