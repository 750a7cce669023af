"""A run that has ended: counted once, and recorded as spans with its own times, equal however often."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from activities.cloud_events import publish_event
from activities.run_spans import ENDS, record_run
from shared.errors import Transient
from shared.operations.contract import PublishEvent
from shared.operations.run_timeline import PhaseSpan, RunTimeline, VmSpan
from shared.telemetry import metrics
from shared.telemetry.spans import start_activity_span, start_span
from tests.shared.azure.fake import FakeArm, Reply
from tests.telemetry import Recorded, parent_of, recording

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def minutes(number: int) -> datetime:
    return AT + timedelta(minutes=number)


TIMELINE = RunTimeline(
    run="failover-payroll-1",
    kind="failover",
    subject="plans/payroll",
    state="failed",
    began=AT,
    ended=minutes(30),
    states={"done": 1, "failed": 1},
    vms=(
        VmSpan(vm="sql", verb="PlannedFailover", began=minutes(1), ended=minutes(9), job="j1"),
        VmSpan(vm="web", verb="PlannedFailover", began=minutes(10), ended=minutes(20), job="j2", code="job-failed"),
        VmSpan(vm="sql", verb="Commit", began=minutes(21), ended=minutes(22), job="j3"),
    ),
)
EVENT = PublishEvent(
    id="failover-payroll-1:finished",
    type="HciSiteRecovery.Operation.Finished",
    subject="plans/payroll",
    at=minutes(30),
    data={"operation": "failover-payroll-1", "kind": "failover", "state": "failed"},
    timeline=TIMELINE,
)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    with recording(monkeypatch) as recorded:
        yield recorded


def test_stages_hang_on_the_run_and_vms_on_their_stage_with_their_own_times(recorded: Recorded) -> None:
    with start_span("POST start_verb") as request, start_activity_span("publish_event", {}):
        record_run(TIMELINE)
    (run,) = recorded.named("run failover")
    failover, commit = recorded.named("stage PlannedFailover") + recorded.named("stage Commit")
    sql, web = recorded.named("vm PlannedFailover")
    assert parent_of(run) == request.get_span_context().span_id
    assert {parent_of(failover), parent_of(commit)} == {run.context.span_id}
    assert {parent_of(sql), parent_of(web)} == {failover.context.span_id}
    assert (failover.start_time, failover.end_time) == (sql.start_time, web.end_time)
    assert sql.start_time == round(minutes(1).timestamp()) * 10**9
    assert [span.status.description for span in (run, failover, commit, sql, web)] == [
        "failed",
        "job-failed",
        None,
        None,
        "job-failed",
    ]
    assert dict(web.attributes or {}) == {
        "hci.run": "failover-payroll-1",
        "hci.verb": "PlannedFailover",
        "hci.vm": "web",
        "hci.job": "j2",
        "error.type": "job-failed",
    }


def test_who_records_a_run_twice_records_the_same_spans(recorded: Recorded) -> None:
    record_run(TIMELINE)
    once = [span.context for span in recorded.spans]
    record_run(TIMELINE)
    assert [span.context for span in recorded.spans] == once * 2
    assert len({span.span_id for span in once}) == len(once) == 6


async def test_an_activity_that_runs_twice_counts_its_run_once(arm: FakeArm, recorded: Recorded) -> None:
    for _ in range(2):
        with start_activity_span("publish_event", {}):
            await publish_event(EVENT)
    assert recorded.metric("hci.runs.ended") == {(("kind", "failover"), ("state", "failed")): 1}
    assert recorded.metric("hci.vms.ended") == {
        (("kind", "failover"), ("state", "done")): 1,
        (("kind", "failover"), ("state", "failed")): 1,
    }
    assert len(recorded.named("run failover")) == 1


async def test_an_event_that_is_not_taken_is_counted_by_its_first_sender_alone(
    arm: FakeArm, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its delivery is another run, perhaps in another process."""
    monkeypatch.setenv("EVENTGRID_TOPIC_ENDPOINT", f"{arm.base}/eventgrid/topics/t/api/events")
    arm.says("POST", "/api/events", Reply(503), Reply(200))
    with pytest.raises(Transient):
        await publish_event(EVENT)
    metrics._counted.clear()  # another process
    await publish_event(EVENT.model_copy(update={"timeline": None, "is_counted": True}))
    assert sum(recorded.metric("hci.runs.ended").values()) == 1


@pytest.mark.parametrize("end", ENDS)
async def test_each_way_to_end_counts(end: str, arm: FakeArm, recorded: Recorded) -> None:
    data = {"operation": "r", "state": "succeeded"}
    await publish_event(EVENT.model_copy(update={"type": end, "data": data, "timeline": None}))
    assert recorded.metric("hci.runs.ended") == {(("kind", "repair"), ("state", "succeeded")): 1}


async def test_what_is_no_end_counts_nothing(arm: FakeArm, recorded: Recorded) -> None:
    await publish_event(EVENT.model_copy(update={"type": "HciSiteRecovery.Operation.Phase", "timeline": None}))
    assert recorded.metrics() == {}


def test_the_phases_of_a_repair_hang_on_it_also_where_one_comes_twice(recorded: Recorded) -> None:
    phases = tuple(
        PhaseSpan(name=name, began=minutes(at), ended=minutes(at + 1))
        for at, name in enumerate(("Look", "Cure", "Look"))
    )
    record_run(
        RunTimeline(
            run="repair-1",
            kind="repair",
            subject="nodes/n2",
            state="succeeded",
            began=AT,
            ended=minutes(3),
            phases=phases,
        )
    )
    (run,) = recorded.named("run repair")
    looks = recorded.named("phase Look")
    assert {parent_of(look) for look in looks} == {run.context.span_id}
    assert len({look.context.span_id for look in looks}) == 2
    assert [look.start_time for look in looks] == [round(minutes(at).timestamp()) * 10**9 for at in (0, 2)]
