"""Entities: their states, the operations that wait for them, and the answers to those who called."""

import uuid
from dataclasses import dataclass
from functools import partial

from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal.helpers import convert_to_entity_batch_request

from lab.host.engine.agenda import Agenda
from lab.host.engine.disorder import MessageOrder
from lab.host.engine.instances import Exists, Instances
from lab.host.engine.locks import Locks
from lab.host.engine.moments import moment_of, text_of, to_string_value, to_timestamp
from lab.host.engine.orders import Order
from lab.host.engine.store import Store


@dataclass(frozen=True)
class Batch:
    """Operations of one entity, to be run one after the other on one state."""

    entity: str
    rows: tuple[int, ...]
    request: pb.EntityBatchRequest
    callers: tuple[tuple[str | None, str | None], ...]  # instance and execution, in the order of the operations
    request_ids: tuple[str, ...]


class Entities:
    """The rows of `entities` and `operations`."""

    def __init__(self, store: Store, agenda: Agenda, instances: Instances, locks: Locks, order: MessageOrder) -> None:
        self._store = store
        self._agenda = agenda
        self._instances = instances
        self._locks = locks
        self._order = order

    def queue_signal(self, request: pb.EntityOperationSignaledEvent, caller: str | None = None) -> None:
        """Queue an operation that nobody waits for; in time, if it is scheduled."""
        entity = entity_id(request.targetInstanceId.value)
        event = pb.HistoryEvent(eventId=-1, entityOperationSignaled=request)
        self._queue_operation(entity, moment_of(request, "scheduledTime"), (caller, None), event)

    def queue_call(self, request: pb.EntityOperationCalledEvent, caller: str, execution: str) -> None:
        """Queue an operation whose answer the caller waits for."""
        event = pb.HistoryEvent(eventId=-1, entityOperationCalled=request)
        self._queue_operation(entity_id(request.targetInstanceId.value), None, (caller, execution), event)

    def take_batch(self, entity: str) -> Batch | None:
        """The next operations of the entity: all that are due, or only its holder's while it is locked."""
        row = self._store.row("SELECT state, holder FROM entities WHERE id = ?", entity)
        holder = row["holder"] if row else None
        found_rows = self._store.rows(
            "SELECT * FROM operations WHERE id = ? AND at <= ? AND (? IS NULL OR caller = ?) ORDER BY at, seq",
            *(entity, self._agenda.now(), holder, holder),
        )
        waiting = self._order.sort_waiting(found_rows)
        if not waiting:
            return None
        events = [pb.HistoryEvent.FromString(found["event"]) for found in waiting]
        asked = pb.EntityRequest(
            instanceId=entity, entityState=to_string_value(row["state"] if row else None), operationRequests=events
        )
        request, _ = convert_to_entity_batch_request(asked)
        return Batch(
            entity=entity,
            rows=tuple(found["seq"] for found in waiting),
            request=request,
            callers=tuple((found["caller"], found["execution"]) for found in waiting),
            request_ids=tuple(operation.requestId for operation in request.operations),
        )

    def complete_batch(self, batch: Batch, result: pb.EntityBatchResult) -> None:
        """Keep the new state, answer the callers and send what the operations sent; unless it was all dropped since."""
        with self._store.transaction():
            marks = ", ".join("?" * len(batch.rows))
            gone = self._store.run(f"DELETE FROM operations WHERE seq IN ({marks})", *batch.rows)  # noqa: S608
            if gone < len(batch.rows):
                return
            self._keep_state(batch.entity, text_of(result, "entityState"))
            for (caller, execution), request_id, outcome in zip(
                batch.callers, batch.request_ids, result.results, strict=True
            ):
                if caller is not None and execution is not None:
                    self._instances.post_reply(caller, execution, self._answer_caller(request_id, outcome))
            for action in result.actions:
                self._apply_action(batch.entity, action)
            self._locks.grant_waiting()

    def delete_entity(self, entity: str) -> bool:
        """Forget an entity's state; answers whether there was one."""
        return self._store.run("DELETE FROM entities WHERE id = ?", entity) > 0

    def _queue_operation(
        self, entity: str, at: int | None, caller: tuple[str | None, str | None], event: pb.HistoryEvent
    ) -> None:
        due = self._agenda.arrival(event.ByteSize()) if at is None else at
        for delivery in self._order.plan_deliveries(due):
            told = caller if delivery.answered else (None, None)
            self._store.insert(
                "INSERT INTO operations (id, at, caller, execution, event) VALUES (?, ?, ?, ?, ?)",
                *(entity, delivery.at, *told, event.SerializeToString()),
            )
            self._store.after_commit(partial(self._agenda.wake_at, delivery.at, "entity", entity))

    def _keep_state(self, entity: str, state: str | None) -> None:
        now = self._agenda.now()
        kept = (
            "INSERT INTO entities (id, state, modified) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, modified = excluded.modified"
        )
        self._store.run(kept, entity, state, now)
        if state is None:  # an entity without a state does not exist, unless somebody holds it
            self._store.run("DELETE FROM entities WHERE id = ? AND holder IS NULL", entity)

    def _answer_caller(self, request_id: str, outcome: pb.OperationResult) -> pb.HistoryEvent:
        answer = pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()))
        if outcome.HasField("failure"):
            answer.entityOperationFailed.CopyFrom(
                pb.EntityOperationFailedEvent(requestId=request_id, failureDetails=outcome.failure.failureDetails)
            )
        else:
            answer.entityOperationCompleted.CopyFrom(
                pb.EntityOperationCompletedEvent(
                    requestId=request_id, output=to_string_value(outcome.success.result.value)
                )
            )
        return answer

    def _apply_action(self, entity: str, action: pb.OperationAction) -> None:
        if action.HasField("sendSignal"):
            sent = action.sendSignal
            self.queue_signal(
                pb.EntityOperationSignaledEvent(
                    requestId=uuid.uuid4().hex,
                    operation=sent.name,
                    input=to_string_value(text_of(sent, "input")),
                    scheduledTime=to_timestamp(moment_of(sent, "scheduledTime")),
                    targetInstanceId=to_string_value(sent.instanceId),
                ),
                caller=entity,
            )
        elif action.HasField("startNewOrchestration"):
            self._start_orchestration(action.startNewOrchestration)

    def _start_orchestration(self, asked: pb.StartNewOrchestrationAction) -> None:
        order = Order(
            id=asked.instanceId or uuid.uuid4().hex,
            name=asked.name,
            input=text_of(asked, "input"),
            version=text_of(asked, "version"),
            at=moment_of(asked, "scheduledTime"),
        )
        try:
            self._instances.start_instance(order)
        except Exists:
            return  # an entity learns nothing of what it started: the one that runs stays


def entity_id(text_id: str) -> str:
    """The id as it is kept: names of entities are the same in any casing, keys are not."""
    if not text_id.startswith("@"):
        return text_id
    name, _, key = text_id[1:].partition("@")
    return f"@{name.lower()}@{key}"
