"""What an orchestrator asks for in a turn, carried out: activities, timers, children, messages, its own end."""

from collections.abc import Iterable

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Agenda
from lab.host.engine.entities import Entities, entity_id
from lab.host.engine.instances import Exists, Instance, Instances
from lab.host.engine.locks import Locks
from lab.host.engine.moments import text_of, to_string_value, to_timestamp
from lab.host.engine.orders import Order, Parent
from lab.host.engine.tasks import Tasks


class Actions:
    """Each action leaves its event in the history: a replay finds there that it need not be asked for again."""

    def __init__(
        self,
        agenda: Agenda,
        instances: Instances,
        tasks: Tasks,
        entities: Entities,
        locks: Locks,
        hears_entities: bool,
    ) -> None:
        """`hears_entities`: whether what orchestrators send to entities arrives."""
        self._agenda = agenda
        self._instances = instances
        self._tasks = tasks
        self._entities = entities
        self._locks = locks
        self._hears_entities = hears_entities

    def apply_actions(
        self, instance: Instance, actions: Iterable[pb.OrchestratorAction]
    ) -> pb.OrchestratorAction | None:
        """Carry out the actions of one turn, in order; the one that ends the run is handed back, if there is one."""
        events: list[pb.HistoryEvent] = []
        last: pb.OrchestratorAction | None = None
        for action in actions:
            kind = action.WhichOneof("orchestratorActionType")
            if kind in {"completeOrchestration", "rewindOrchestration"}:
                last = action
            else:
                events.append(self._apply_action(instance, kind, action))
        self._instances.append_history(instance.id, events)
        return last

    def note_end_of_turn(self, instance: Instance) -> None:
        """The last event of every turn."""
        self._instances.append_history(
            instance.id, [self._new_event(-1, orchestratorCompleted=pb.OrchestratorCompletedEvent())]
        )

    def _apply_action(self, instance: Instance, kind: str, action: pb.OrchestratorAction) -> pb.HistoryEvent:
        match kind:
            case "scheduleTask":
                return self._schedule_activity(instance, action.id, action.scheduleTask)
            case "createTimer":
                return self._set_timer(instance, action.id, action.createTimer)
            case "createSubOrchestration":
                return self._start_child(instance, action.id, action.createSubOrchestration)
            case "sendEvent":
                return self._send_event(action.id, action.sendEvent)
            case "sendEntityMessage":
                return self._send_entity_message(instance, action.id, action.sendEntityMessage)
            case _:
                raise NotImplementedError(f"an orchestrator asked for {kind}")

    def _schedule_activity(self, instance: Instance, task: int, asked: pb.ScheduleTaskAction) -> pb.HistoryEvent:
        self._tasks.schedule_activity(instance, task, asked.name, text_of(asked, "input"))
        scheduled = pb.TaskScheduledEvent(
            name=asked.name,
            version=to_string_value(text_of(asked, "version")),
            input=to_string_value(text_of(asked, "input")),
            tags=asked.tags,
        )
        return self._new_event(task, taskScheduled=scheduled)

    def _set_timer(self, instance: Instance, task: int, asked: pb.CreateTimerAction) -> pb.HistoryEvent:
        self._tasks.set_timer(instance, task, asked.fireAt.ToMicroseconds())
        return self._new_event(task, timerCreated=pb.TimerCreatedEvent(fireAt=asked.fireAt))

    def _start_child(self, instance: Instance, task: int, asked: pb.CreateSubOrchestrationAction) -> pb.HistoryEvent:
        order = Order(
            id=asked.instanceId,
            name=asked.name,
            input=text_of(asked, "input"),
            version=text_of(asked, "version"),
            tags=asked.tags,
            parent=Parent(instance.id, instance.execution, task, instance.name),
            traceparent=asked.parentTraceContext.traceParent,
        )
        try:
            self._instances.start_instance(order)
        except Exists as error:
            self._refuse_child(instance, task, str(error))
        created = pb.SubOrchestrationInstanceCreatedEvent(
            instanceId=order.id,
            name=order.name,
            version=to_string_value(order.version),
            input=to_string_value(order.input),
            tags=order.tags,
        )
        return self._new_event(task, subOrchestrationInstanceCreated=created)

    def _refuse_child(self, instance: Instance, task: int, why: str) -> None:
        failure = pb.TaskFailureDetails(errorType="OrchestrationAlreadyExistsException", errorMessage=why)
        failed = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task, failureDetails=failure)
        self._instances.post_reply(
            instance.id, instance.execution, self._new_event(-1, subOrchestrationInstanceFailed=failed)
        )

    def _send_event(self, task: int, asked: pb.SendEventAction) -> pb.HistoryEvent:
        target, data = asked.instance.instanceId, to_string_value(text_of(asked, "data"))
        found = self._instances.find(target)
        if found is not None and not found.finished:
            raised = self._new_event(-1, eventRaised=pb.EventRaisedEvent(name=asked.name, input=data))
            self._instances.post_event(target, None, raised)
        return self._new_event(task, eventSent=pb.EventSentEvent(instanceId=target, name=asked.name, input=data))

    def _send_entity_message(self, instance: Instance, task: int, asked: pb.SendEntityMessageAction) -> pb.HistoryEvent:
        event = self._new_event(task)
        if asked.HasField("entityOperationSignaled"):
            if self._hears_entities:
                self._entities.queue_signal(asked.entityOperationSignaled, instance.id)
            event.entityOperationSignaled.CopyFrom(asked.entityOperationSignaled)
        elif asked.HasField("entityOperationCalled"):
            if self._hears_entities:
                self._entities.queue_call(asked.entityOperationCalled, instance.id, instance.execution)
            event.entityOperationCalled.CopyFrom(asked.entityOperationCalled)
        elif asked.HasField("entityLockRequested"):
            request = asked.entityLockRequested
            wanted = [entity_id(each) for each in request.lockSet]
            self._locks.request_locks(request.criticalSectionId, instance.id, instance.execution, wanted)
            event.entityLockRequested.CopyFrom(request)
        else:
            unlock = asked.entityUnlockSent
            self._locks.unlock_entity(unlock.criticalSectionId, entity_id(unlock.targetInstanceId.value))
            event.entityUnlockSent.CopyFrom(unlock)
        return event

    def _new_event(self, number: int, **what: object) -> pb.HistoryEvent:
        return pb.HistoryEvent(eventId=number, timestamp=to_timestamp(self._agenda.now()), **what)  # type: ignore[arg-type]
