"""A history as the management API shows it: answers with what they answer, and no bookkeeping."""

import json
from collections.abc import Iterable
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.moments import from_micros, text_of

ANSWERS = {
    "taskCompleted": "TaskCompleted",
    "taskFailed": "TaskFailed",
    "subOrchestrationInstanceCompleted": "SubOrchestrationInstanceCompleted",
    "subOrchestrationInstanceFailed": "SubOrchestrationInstanceFailed",
}
NOTES = {
    "eventRaised": "EventRaised",
    "executionSuspended": "ExecutionSuspended",
    "executionResumed": "ExecutionResumed",
    "executionTerminated": "ExecutionTerminated",
    "executionRewound": "ExecutionRewound",
}


def history_json(events: Iterable[bytes], *, inputs: bool, outputs: bool) -> list[dict[str, Any]]:
    """The events, oldest first; what a task was given and gave back only if asked for."""
    asked: dict[int, pb.HistoryEvent] = {}
    shown: list[dict[str, Any]] = []
    for blob in events:
        event = pb.HistoryEvent.FromString(blob)
        asked[event.eventId] = event
        entry = _entry_json(event, asked, inputs=inputs, outputs=outputs)
        if entry:
            shown.append(entry)
    return shown


def as_json(written: str | None) -> Any:
    """What a payload says; as text if it is not JSON."""
    if written is None:
        return None
    try:
        return json.loads(written)
    except ValueError:
        return written


def _entry_json(
    event: pb.HistoryEvent, asked: dict[int, pb.HistoryEvent], *, inputs: bool, outputs: bool
) -> dict[str, Any]:
    kind = event.WhichOneof("eventType")
    what = getattr(event, kind)
    entry: dict[str, Any]
    if kind == "executionStarted":
        entry = {"EventType": "ExecutionStarted", "FunctionName": what.name}
        if inputs:
            entry["Input"] = as_json(text_of(what, "input"))
    elif kind == "executionCompleted":
        entry = {"EventType": "ExecutionCompleted", "OrchestrationStatus": _status_name(what.orchestrationStatus)}
        if outputs:
            entry["Result"] = as_json(text_of(what, "result"))
    elif kind in ANSWERS:
        entry = {"EventType": ANSWERS[kind], **_answer_of(what, asked, outputs=outputs)}
    elif kind == "timerFired":
        entry = {"EventType": "TimerFired", "FireAt": from_micros(what.fireAt.ToMicroseconds()).isoformat()}
    elif kind in NOTES:
        entry = {"EventType": NOTES[kind], **({"Name": what.name} if kind == "eventRaised" else {})}
    else:
        return {}
    return entry | {"Timestamp": from_micros(event.timestamp.ToMicroseconds()).isoformat()}


def _answer_of(what: Any, asked: dict[int, pb.HistoryEvent], *, outputs: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    question = asked.get(what.taskScheduledId)
    if question is not None:
        entry["FunctionName"] = getattr(question, question.WhichOneof("eventType")).name
        entry["ScheduledTime"] = from_micros(question.timestamp.ToMicroseconds()).isoformat()
    if hasattr(what, "failureDetails"):
        entry["Reason"] = what.failureDetails.errorMessage
    elif outputs:
        entry["Result"] = as_json(text_of(what, "result"))
    return entry


def _status_name(status: int) -> str:
    return str(pb.OrchestrationStatus.Name(status)).removeprefix("ORCHESTRATION_STATUS_").title()
