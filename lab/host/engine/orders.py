"""What an orchestration is started with, and the event that its history begins with."""

from collections.abc import Mapping
from dataclasses import dataclass

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.moments import to_string_value, to_timestamp


@dataclass(frozen=True, slots=True)
class Parent:
    """Who started an orchestration as a sub-orchestration, and as which of its tasks."""

    instance: str
    execution: str
    task: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """An orchestration to be started. `at` is its earliest start in microseconds, None for now.

    `traceparent` names the trace of whoever starts it, in W3C's form.
    """

    id: str
    name: str
    input: str | None = None
    version: str | None = None
    tags: Mapping[str, str] | None = None
    at: int | None = None
    parent: Parent | None = None
    traceparent: str = ""


def started_event(order: Order, execution: str, now: int) -> pb.HistoryEvent:
    """The first event of every execution."""
    started = pb.ExecutionStartedEvent(
        name=order.name,
        version=to_string_value(order.version),
        input=to_string_value(order.input),
        orchestrationInstance=pb.OrchestrationInstance(instanceId=order.id, executionId=to_string_value(execution)),
        parentInstance=None if order.parent is None else parent_info(order.parent),
        scheduledStartTimestamp=to_timestamp(order.at),
        tags=order.tags,
        parentTraceContext=trace_info(order.traceparent),
    )
    return pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(now), executionStarted=started)


def trace_info(traceparent: str) -> pb.TraceContext | None:
    """A trace as messages of the engine carry it."""
    return pb.TraceContext(traceParent=traceparent, spanID=traceparent.split("-")[2]) if traceparent else None


def parent_info(parent: Parent) -> pb.ParentInstanceInfo:
    """What a sub-orchestration gets of its parent."""
    whom = pb.OrchestrationInstance(instanceId=parent.instance, executionId=to_string_value(parent.execution))
    return pb.ParentInstanceInfo(
        taskScheduledId=parent.task, name=to_string_value(parent.name), orchestrationInstance=whom
    )
