"""What a run says of its times at its end: each stage and VM, once, however often its orchestrator is replayed."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrators.verbs.failover import failover
from shared.operations.contract import PublishEvent
from shared.operations.run_timeline import MOST_SPANS, RunTimeline
from shared.recovery.outcome import Outcome
from shared.recovery.run_item import ItemStep, RunItem
from shared.recovery.timeline import bare_timeline, choose_spans, spans_of
from tests.orchestrators.azure.world import FakeAzure
from tests.orchestrators.benches import RepairBench
from tests.orchestrators.test_change import BOB, agree, asked, declared
from tests.orchestrators.test_change import run as run_change
from tests.orchestrators.test_runbooks import BROKEN, Bench

BEGAN, OVER = datetime(2026, 11, 22, 10, 0, tzinfo=UTC), datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
UP = {"verb": "TestFailover", "job": "j", "outcome": "succeeded", "began": BEGAN, "ended": BEGAN}


def timelines(bench: Bench) -> list[RunTimeline]:
    return [event.timeline for event in bench.azure.runs.published if event.timeline]


def test_a_run_says_its_times_once_with_its_end() -> None:
    bench = Bench()
    began = bench.azure.clock.now
    bench.run(failover, "failover")
    (timeline,) = timelines(bench)
    assert (timeline.kind, timeline.state, timeline.states) == ("failover", "succeeded", {"done": 4})
    assert Counter(span.verb for span in timeline.vms) == {"PlannedFailover": 4, "Commit": 4}
    assert began <= timeline.began <= min(span.began for span in timeline.vms)
    assert max(span.ended for span in timeline.vms) <= timeline.ended <= bench.azure.clock.now
    assert [event.timeline is None for event in bench.azure.runs.published] == [True] * (
        len(bench.azure.runs.published) - 1
    ) + [False]


def test_what_failed_says_that_it_did_but_not_why_in_words() -> None:
    bench = Bench()
    bench.azure.jobs.failures[("web", "PlannedFailover")] = BROKEN
    bench.run(failover, "failover")
    (timeline,) = timelines(bench)
    assert [(span.vm, span.verb, span.code) for span in timeline.vms if span.code] == [
        ("web", "PlannedFailover", "539")
    ]
    assert BROKEN.detail not in timeline.model_dump_json()


@pytest.mark.parametrize(
    ("item", "spans"),
    [
        ({"requested_verb": "Commit", "code": "refused", "since": BEGAN}, [("Commit", "refused", BEGAN)]),
        ({"code": "held"}, [("none", "held", OVER)]),
        ({"code": "", "since": OVER + timedelta(hours=1)}, [("none", "job-failed", OVER)]),
        (
            {"requested_verb": "TestFailover", "code": "probe-failed", "steps": [UP]},
            [("TestFailover", "probe-failed", BEGAN)],
        ),
        (
            {"requested_verb": "Commit", "code": "refused", "steps": [UP]},
            [("TestFailover", "", BEGAN), ("Commit", "refused", OVER)],
        ),
    ],
)
def test_a_vm_that_failed_without_a_failed_job_has_a_failed_span_too(
    item: dict[str, Any], spans: list[tuple[str, str, datetime]]
) -> None:
    failed = RunItem.model_validate({"vm": "sql", "id": "i", "state": "failed", **item})
    assert [(span.verb, span.code, span.began) for span in spans_of(failed, OVER)] == spans


def test_a_verb_that_failed_and_is_sent_again_is_of_the_same_stage_and_a_second_commit_is_not() -> None:
    at = FakeAzure().clock.now
    outcomes = (("Commit", "failed"), ("Commit", "succeeded"), ("Failback", "succeeded"), ("Commit", "succeeded"))
    steps = tuple(
        ItemStep.model_validate({"verb": verb, "job": "j", "outcome": outcome, "began": at, "ended": at})
        for verb, outcome in outcomes
    )
    item = RunItem(vm="sql", id="i", steps=(*steps, ItemStep(verb="Commit", job="", outcome="succeeded")))
    assert [(span.verb, span.stage) for span in spans_of(item, OVER)] == [
        ("Commit", 1),
        ("Commit", 1),
        ("Failback", 1),
        ("Commit", 2),
        ("Commit", 3),
    ]


def test_of_a_huge_run_what_failed_is_kept_and_what_is_left_out_is_counted() -> None:
    at = FakeAzure().clock.now
    step = ItemStep(verb="Commit", job="j", outcome="succeeded", began=at, ended=at)
    items = [RunItem(vm=f"vm{number}", id="i", steps=(step,)) for number in range(MOST_SPANS + 500)]
    items[-1] = items[-1].model_copy(update={"steps": (step.model_copy(update={"outcome": "failed"}),)})
    shown, left_out = choose_spans(items, at)
    assert (len(shown), left_out) == (MOST_SPANS, 500)
    assert [span.vm for span in shown if span.code] == [items[-1].vm]


def test_an_event_that_is_tried_later_carries_no_times_and_counts_nothing() -> None:
    bench = Bench()
    bench.azure.runs.is_topic_away = True
    bench.run(failover, "failover")
    later = [PublishEvent.model_validate(run.payload) for run in bench.azure.runs.started]
    assert [event.type for event in later][-1] == "HciSiteRecovery.Operation.Finished"
    assert {(event.timeline, event.is_counted) for event in later} == {(None, True)}


def test_a_repair_says_its_phases_one_after_the_other() -> None:
    bench = RepairBench()
    bench.repair()
    (timeline,) = [event.timeline for event in bench.azure.runs.published if event.timeline]
    assert (timeline.kind, timeline.subject, timeline.state) == ("repair", "nodes/n2", "succeeded")
    assert len(timeline.phases) > 3
    assert timeline.phases[-1].ended == timeline.ended
    assert [before.ended for before in timeline.phases[:-1]] == [after.began for after in timeline.phases[1:]]


def test_a_run_that_makes_a_change_says_when_it_began_and_ended() -> None:
    bench = Bench()
    one = asked(declared(bench))
    agree(bench, one, 10, BOB)
    run_change(bench, one)
    (timeline,) = timelines(bench)
    assert (timeline.kind, timeline.subject, timeline.state) == ("change", "plans/payroll", "succeeded")
    assert timeline.ended - timeline.began >= timedelta(minutes=10)
    assert (timeline.vms, timeline.phases, timeline.states) == ((), (), {})


def test_of_an_outcome_without_times_nothing_is_said() -> None:
    assert bare_timeline("r", "sites/hci-01", Outcome(state="refused", kind="prepare")) is None
