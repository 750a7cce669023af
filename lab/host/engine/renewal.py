"""New runs of an instance that exists: continued as new, or rewound to before its failure."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Agenda
from lab.host.engine.instances import FAILED, PENDING, RUNNING, Instance, Instances
from lab.host.engine.moments import text_of, to_string_value, to_timestamp
from lab.host.engine.orders import Order, Parent, started_event
from lab.host.engine.store import Store
from lab.host.engine.tasks import Tasks


class Renewal:
    """Gives an instance a new execution, and asks again for what the old one was still waiting for."""

    def __init__(self, store: Store, agenda: Agenda, instances: Instances, tasks: Tasks) -> None:
        self._store = store
        self._agenda = agenda
        self._instances = instances
        self._tasks = tasks

    def continue_as_new(self, instance: Instance, asked: pb.CompleteOrchestrationAction) -> None:
        """Begin anew: what was sent to the old run is dropped, but events that nobody took go on to the new one."""
        traceparent = self._instances.read_traceparent(instance.id)
        late = self._store.rows(
            "SELECT event FROM inbox WHERE id = ? AND execution IS NULL ORDER BY at, seq", instance.id
        )
        self._store.run("DELETE FROM inbox WHERE id = ?", instance.id)
        self._store.run("DELETE FROM history WHERE id = ?", instance.id)
        execution, now = uuid.uuid4().hex, self._agenda.now()
        order = self._order_of(instance, text_of(asked, "result"), text_of(asked, "newVersion"))
        order = replace(order, traceparent=traceparent)
        self._instances.update_columns(
            instance.id,
            execution=execution,
            status=PENDING,
            input=order.input,
            version=order.version,
            created=now,  # of a run that continues as new the engine knows the last generation alone
            custom=None,
        )
        self._instances.post_event(instance.id, execution, started_event(order, execution, now))
        for event in asked.carryoverEvents:
            self._instances.post_event(instance.id, None, event)
        for row in late:
            self._instances.post_event(instance.id, None, pb.HistoryEvent.FromString(row["event"]))

    def rewind_instance(self, instance: Instance, reason: str | None, parent_execution: str | None = None) -> None:
        """Let a failed instance go on: its worker will answer with the history that is left without the failures."""
        marker = pb.ExecutionRewoundEvent(
            reason=to_string_value(reason), parentExecutionId=to_string_value(parent_execution)
        )
        event = pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()), executionRewound=marker)
        changes = {"status": RUNNING, "output": None, "failure": None, "completed": None}
        self._instances.update_columns(instance.id, **changes)
        if parent_execution is not None:
            self._instances.update_columns(instance.id, parent_execution=parent_execution)
        self._instances.post_event(instance.id, instance.execution, event)

    def take_rewound(self, instance: Instance, history: Sequence[pb.HistoryEvent]) -> None:
        """Take the cleaned history, and ask again for whatever in it has no answer."""
        execution = _execution_of(history)
        self._store.run("DELETE FROM history WHERE id = ?", instance.id)
        self._store.run("DELETE FROM inbox WHERE id = ? AND execution IS NOT NULL", instance.id)
        self._instances.append_history(instance.id, history)
        self._instances.update_columns(instance.id, execution=execution)
        renewed = replace(instance, execution=execution)
        for event in open_tasks(history).values():
            self._ask_again(renewed, event, _reason_of(history))
        marker = pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()), genericEvent=pb.GenericEvent())
        self._instances.post_event(
            instance.id, execution, marker
        )  # the replay that asks for the failed activities again

    def _ask_again(self, instance: Instance, event: pb.HistoryEvent, reason: str | None) -> None:
        match event.WhichOneof("eventType"):
            case "taskScheduled":
                asked = event.taskScheduled
                self._tasks.schedule_activity(instance, event.eventId, asked.name, text_of(asked, "input"))
            case "timerCreated":
                self._tasks.set_timer(instance, event.eventId, event.timerCreated.fireAt.ToMicroseconds())
            case _:
                self._revive_child(instance, event, reason)

    def _revive_child(self, instance: Instance, event: pb.HistoryEvent, reason: str | None) -> None:
        asked = event.subOrchestrationInstanceCreated
        child = self._instances.find(asked.instanceId)
        if child is None:  # it was purged
            self._instances.start_instance(
                Order(
                    id=asked.instanceId,
                    name=asked.name,
                    input=text_of(asked, "input"),
                    version=text_of(asked, "version"),
                    tags=asked.tags,
                    parent=Parent(instance.id, instance.execution, event.eventId, instance.name),
                )
            )
        elif child.status == FAILED:
            self.rewind_instance(child, reason, instance.execution)
        else:  # it goes on, and answers the new run of its parent
            self._instances.update_columns(child.id, parent_execution=instance.execution)

    def _order_of(self, instance: Instance, argument: str | None, version: str | None) -> Order:
        parent = None
        if instance.parent is not None:
            parent = Parent(instance.parent, instance.parent_execution or "", instance.parent_task or 0)
        return Order(
            id=instance.id,
            name=instance.name,
            input=argument,
            version=version or instance.version,
            tags=instance.tag_map,
            parent=parent,
        )


def open_tasks(history: Sequence[pb.HistoryEvent]) -> dict[int, pb.HistoryEvent]:
    """Activities, timers and children that a history asks for and holds no answer to, by task id."""
    asked: dict[int, pb.HistoryEvent] = {}
    for event in history:
        match event.WhichOneof("eventType"):
            case "taskScheduled" | "timerCreated" | "subOrchestrationInstanceCreated":
                asked[event.eventId] = event
            case "taskCompleted":
                asked.pop(event.taskCompleted.taskScheduledId, None)
            case "timerFired":
                asked.pop(event.timerFired.timerId, None)
            case "subOrchestrationInstanceCompleted":
                asked.pop(event.subOrchestrationInstanceCompleted.taskScheduledId, None)
    return asked


def _execution_of(history: Sequence[pb.HistoryEvent]) -> str:
    started = next(event for event in history if event.HasField("executionStarted"))
    return str(started.executionStarted.orchestrationInstance.executionId.value)


def _reason_of(history: Sequence[pb.HistoryEvent]) -> str | None:
    markers = [event.executionRewound for event in history if event.HasField("executionRewound")]
    return text_of(markers[-1], "reason") if markers else None
