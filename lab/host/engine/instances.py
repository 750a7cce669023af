"""Orchestration instances: their rows, their histories, and what becomes of them at the end."""

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Agenda
from lab.host.engine.moments import to_string_value, to_timestamp
from lab.host.engine.orders import Order, started_event
from lab.host.engine.store import Store
from lab.host.engine.versions import Versions

PENDING = pb.ORCHESTRATION_STATUS_PENDING
RUNNING = pb.ORCHESTRATION_STATUS_RUNNING
SUSPENDED = pb.ORCHESTRATION_STATUS_SUSPENDED
COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
FAILED = pb.ORCHESTRATION_STATUS_FAILED
TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
CONTINUED = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
FINISHED = frozenset({COMPLETED, FAILED, TERMINATED, pb.ORCHESTRATION_STATUS_CANCELED})


class Exists(RuntimeError):
    """An orchestration of this id runs, or may not be replaced."""


class Missing(LookupError):
    """There is no such orchestration."""


class Unfit(RuntimeError):
    """The orchestration is not in a state that allows this."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An orchestration as its row holds it; instants are microseconds since 1970, `failure` serialized details."""

    id: str
    execution: str
    name: str
    version: str | None
    status: int
    input: str | None
    output: str | None
    custom: str | None
    failure: bytes | None
    tags: str | None
    starts: int
    created: int
    updated: int
    completed: int | None
    parent: str | None
    parent_execution: str | None
    parent_task: int | None

    @property
    def finished(self) -> bool:
        """Whether it has reached an end."""
        return self.status in FINISHED

    @property
    def failure_details(self) -> pb.TaskFailureDetails | None:
        """Why it failed."""
        return None if self.failure is None else pb.TaskFailureDetails.FromString(self.failure)

    @property
    def tag_map(self) -> dict[str, str]:
        """Its tags."""
        return dict(json.loads(self.tags)) if self.tags else {}


COLUMNS = ", ".join(field.name for field in fields(Instance))


@dataclass(frozen=True, slots=True)
class End:
    """How an orchestration ended: one of `FINISHED`, with its output or why it failed."""

    status: int
    output: str | None = None
    failure: pb.TaskFailureDetails | None = None


class Instances:
    """The rows of `instances`, `history` and `inbox`, and those who wait for an instance to change."""

    def __init__(self, store: Store, agenda: Agenda, versions: Versions) -> None:
        self._store = store
        self._agenda = agenda
        self._versions = versions
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self.on_end: Callable[[str], None] = lambda _id: None

    def find(self, instance_id: str) -> Instance | None:
        """The instance, or None."""
        row = self._store.row(f"SELECT {COLUMNS} FROM instances WHERE id = ?", instance_id)  # noqa: S608 - our columns
        return None if row is None else Instance(*row)

    def get(self, instance_id: str) -> Instance:
        """The instance.

        Raises:
            Missing: there is none.
        """
        found = self.find(instance_id)
        if found is None:
            raise Missing(f"no instance with ID '{instance_id}' was found")
        return found

    def start_instance(self, order: Order, replaceable: Sequence[int] = ()) -> str:
        """Put an instance to its start and answer its execution id.

        Args:
            order: What to start.
            replaceable: Statuses of an instance of the same id that may be overwritten; none said means any end.

        Raises:
            Exists: an instance of this id is in another status.
        """
        if order.parent is None:
            order = replace(order, version=order.version or self._versions.default)
        with self._store.transaction():
            former = self.find(order.id)
            if former is not None and former.status not in (replaceable or FINISHED):
                raise Exists(f"An Orchestration instance with the status {_status_name(former.status)} already exists.")
            self.forget_instance(order.id)
            execution, now = uuid.uuid4().hex, self._agenda.now()
            self._insert_instance(order, execution, now)
            started = started_event(order, execution, now)
            begins = max(order.at or now, self._agenda.arrival(started.ByteSize()))
            self.post_event(order.id, execution, started, at=begins)
        return execution

    def post_event(
        self, instance_id: str, execution: str | None, event: pb.HistoryEvent, *, at: int | None = None
    ) -> None:
        """Leave a message for an instance; `execution` None is for whichever run there is, else for that one alone."""
        due = self._agenda.arrival(event.ByteSize()) if at is None else at
        kind = event.WhichOneof("eventType")
        self._store.insert(
            "INSERT INTO inbox (id, execution, at, kind, event) VALUES (?, ?, ?, ?, ?)",
            *(instance_id, execution, due, kind, event.SerializeToString()),
        )
        self._store.after_commit(lambda: self._agenda.wake_at(due, "orchestration", instance_id))

    def post_reply(self, instance_id: str, execution: str | None, event: pb.HistoryEvent) -> None:
        """Answer a task of an orchestration; nobody reads it if that run is over."""
        found = self._store.row("SELECT status FROM instances WHERE id = ? AND execution = ?", instance_id, execution)
        if found is not None and found["status"] not in FINISHED:
            self.post_event(instance_id, execution, event)

    def read_history(self, instance_id: str) -> list[bytes]:
        """The serialized events, oldest first."""
        return [
            row["event"] for row in self._store.rows("SELECT event FROM history WHERE id = ? ORDER BY seq", instance_id)
        ]

    def read_traceparent(self, instance_id: str) -> str:
        """The trace that the run under way was started in, empty where it was in none: its history begins with it."""
        query = "SELECT event FROM history WHERE id = ? ORDER BY seq LIMIT 3"
        for row in self._store.rows(query, instance_id):
            event = pb.HistoryEvent.FromString(row["event"])
            if event.HasField("executionStarted"):
                return str(event.executionStarted.parentTraceContext.traceParent)
        return ""

    def append_history(self, instance_id: str, events: Sequence[pb.HistoryEvent]) -> None:
        """Add to the history."""
        last = self._store.value("SELECT MAX(seq) FROM history WHERE id = ?", instance_id) or 0
        self._store.run_many(
            "INSERT INTO history (id, seq, event) VALUES (?, ?, ?)",
            [(instance_id, last + n, event.SerializeToString()) for n, event in enumerate(events, start=1)],
        )

    def update_columns(self, instance_id: str, **values: Any) -> None:
        """Set columns, and notify those who wait for the instance."""
        values["updated"] = self._agenda.now()
        setting = ", ".join(f"{column} = ?" for column in values)
        self._store.run(f"UPDATE instances SET {setting} WHERE id = ?", *values.values(), instance_id)  # noqa: S608
        self._store.after_commit(lambda: self._notify_watchers(instance_id))

    def finish_instance(self, instance: Instance, end: End) -> None:
        """End the instance, free what it holds, and answer its parent."""
        now = self._agenda.now()
        completed = pb.ExecutionCompletedEvent(
            orchestrationStatus=pb.OrchestrationStatus.Name(end.status),
            result=to_string_value(end.output),
            failureDetails=end.failure,
        )
        self.append_history(
            instance.id, [pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(now), executionCompleted=completed)]
        )
        details = None if end.failure is None else end.failure.SerializeToString()
        output = f"{end.failure.errorType}: {end.failure.errorMessage}" if end.failure else end.output
        self.update_columns(instance.id, status=end.status, output=output, failure=details, completed=now)
        self._store.run("DELETE FROM inbox WHERE id = ?", instance.id)
        self.on_end(instance.id)
        if instance.parent is not None:
            self._answer_parent(instance.parent, instance, end)

    def forget_instance(self, instance_id: str) -> bool:
        """Delete every trace of an instance; answers whether there was one."""
        for table in ("history", "inbox", "activities"):
            self._store.run(f"DELETE FROM {table} WHERE id = ?", instance_id)  # noqa: S608 - our own names
        found = self._store.run("DELETE FROM instances WHERE id = ?", instance_id) > 0
        if found:
            self.on_end(instance_id)
            self._store.after_commit(lambda: self._notify_watchers(instance_id))
        return found

    def list_children(self, instance_id: str) -> list[Instance]:
        """The sub-orchestrations that an instance has started, finished ones too."""
        rows = self._store.rows(f"SELECT {COLUMNS} FROM instances WHERE parent = ?", instance_id)  # noqa: S608
        return [Instance(*row) for row in rows]

    async def wait_until(self, instance_id: str, until: Callable[[Instance], bool]) -> Instance | None:
        """Wait for the instance to be as asked; None if it does not exist, or no longer."""
        changed = asyncio.Event()
        self._watchers.setdefault(instance_id, set()).add(changed)
        try:
            while (found := self.find(instance_id)) is not None and not until(found):
                await changed.wait()
                changed.clear()
            return found
        finally:
            self._watchers[instance_id].discard(changed)
            if not self._watchers[instance_id]:
                del self._watchers[instance_id]

    def tell_all(self) -> None:
        """Everything has changed."""
        for instance_id in tuple(self._watchers):
            self._notify_watchers(instance_id)

    def _notify_watchers(self, instance_id: str) -> None:
        for changed in self._watchers.get(instance_id, ()):
            changed.set()

    def _insert_instance(self, order: Order, execution: str, now: int) -> None:
        parent = order.parent
        row = Instance(
            id=order.id,
            execution=execution,
            name=order.name,
            version=order.version,
            status=PENDING,
            input=order.input,
            output=None,
            custom=None,
            failure=None,
            tags=json.dumps(dict(order.tags)) if order.tags else None,
            starts=max(order.at or now, now),
            created=now,
            updated=now,
            completed=None,
            parent=parent.instance if parent else None,
            parent_execution=parent.execution if parent else None,
            parent_task=parent.task if parent else None,
        )
        values = tuple(getattr(row, field.name) for field in fields(Instance))
        marks = ", ".join("?" * len(values))
        self._store.run(f"INSERT INTO instances ({COLUMNS}) VALUES ({marks})", *values)  # noqa: S608 - our columns

    def _answer_parent(self, parent: str, child: Instance, end: End) -> None:
        task = child.parent_task or 0
        answer = pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()))
        if end.status == COMPLETED:
            done = pb.SubOrchestrationInstanceCompletedEvent(taskScheduledId=task, result=to_string_value(end.output))
            answer.subOrchestrationInstanceCompleted.CopyFrom(done)
        else:
            details = end.failure or _end_as_failure(end)
            failed = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task, failureDetails=details)
            answer.subOrchestrationInstanceFailed.CopyFrom(failed)
        self.post_reply(parent, child.parent_execution, answer)


def _end_as_failure(end: End) -> pb.TaskFailureDetails:
    """What a parent gets of a child that did not complete and left no details: it was terminated."""
    return pb.TaskFailureDetails(
        errorType=f"Orchestration{_status_name(end.status)}",
        errorMessage=f"{_status_name(end.status)}: {end.output or ''}",
        isNonRetriable=True,
    )


def _status_name(status: int) -> str:
    return str(pb.OrchestrationStatus.Name(status)).removeprefix("ORCHESTRATION_STATUS_").title()
