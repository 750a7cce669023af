"""Spans: whose children they are, how they fail, and what is never in them."""

from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry import context
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.telemetry.spans import (
    LONGEST_VALUE,
    PastSpan,
    is_recording,
    note_started_run,
    record_past_span,
    start_activity_span,
    start_span,
)
from tests.telemetry import Recorded, parent_of

BEGAN = datetime(2026, 11, 22, 10, 0, 0, 250_000, UTC)
RUN = PastSpan("drill-payroll-1", "run drill", BEGAN, BEGAN + timedelta(hours=1), {"hci.run": "drill-payroll-1"})


def test_what_a_block_raises_makes_a_failed_span_that_names_its_type_alone(recorded: Recorded) -> None:
    with pytest.raises(ValueError, match="hunter2"), start_span("read_items"):
        raise ValueError("password=hunter2")
    (span,) = recorded.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert (dict(span.attributes or {}), list(span.events)) == ({"error.type": "ValueError"}, [])
    assert "hunter2" not in recorded.text()


def test_attributes_are_short_and_without_secrets(recorded: Recorded) -> None:
    with start_span("x", {"a": "token=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "b": "y" * 9000, "c": ""}):
        pass
    attributes = dict(recorded.spans[0].attributes or {})
    assert "eyJzdWIiOiIxIn0" not in str(attributes)
    assert len(str(attributes["b"])) == LONGEST_VALUE
    assert "c" not in attributes


def test_a_run_that_is_started_is_noted_where_it_was_started(recorded: Recorded) -> None:
    with start_span("POST start_verb"):
        note_started_run("drill-payroll-1")
    assert dict(recorded.spans[0].attributes or {}) == {"hci.started_run": "drill-payroll-1"}


def test_a_past_span_has_the_times_that_it_is_given_and_the_same_ids_each_time(recorded: Recorded) -> None:
    record_past_span(RUN)
    record_past_span(RUN)
    first, second = recorded.spans
    assert (first.start_time, first.end_time) == (1795341600250000000, 1795345200250000000)
    assert first.context == second.context
    record_past_span(RUN._replace(key="drill-payroll-2"))
    assert recorded.spans[2].context.span_id != first.context.span_id


def test_a_past_span_belongs_to_whoever_called_the_activity_not_to_the_activity(recorded: Recorded) -> None:
    with start_span("POST start_verb") as request, start_activity_span("publish_event", {}):
        record_past_span(RUN)
    (run,) = recorded.named("run drill")
    assert parent_of(run) == request.get_span_context().span_id
    assert run.context.trace_id == request.get_span_context().trace_id


def test_children_of_past_spans_are_their_children(recorded: Recorded) -> None:
    run = record_past_span(RUN)
    record_past_span(RUN._replace(key="stage", name="stage Commit", failed="job-failed"), run)
    first, stage = recorded.spans
    assert parent_of(stage) == first.context.span_id
    assert stage.status.description == "job-failed"


def test_an_end_before_the_begin_is_no_negative_time(recorded: Recorded) -> None:
    record_past_span(RUN._replace(ended=BEGAN - timedelta(minutes=1)))
    assert recorded.spans[0].start_time == recorded.spans[0].end_time


def test_without_a_provider_nothing_is_recorded_and_nothing_fails() -> None:
    with start_span("read_items", {"hci.run": "r"}):
        assert not is_recording()
        record_past_span(RUN)


def test_what_a_caller_marks_as_not_sampled_is_recorded_all_the_same(recorded: Recorded) -> None:
    """Source: the trace that Microsoft's extension 3.19.0 keeps with an orchestration ends with 00."""
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-8e0896cb8ef0449b-00"
    token = context.attach(TraceContextTextMapPropagator().extract({"traceparent": traceparent}))
    try:
        with start_activity_span("publish_event", {}):
            record_past_span(RUN)
    finally:
        context.detach(token)
    assert {f"{span.context.trace_id:032x}" for span in recorded.spans} == {"0af7651916cd43dd8448eb211c80319c"}
    assert {parent_of(span) for span in recorded.spans} == {0x8E0896CB8EF0449B}
