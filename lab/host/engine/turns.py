"""Turns of an orchestration: the messages that have come, handed to its function, and what it answers kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.actions import Actions
from lab.host.engine.agenda import Agenda
from lab.host.engine.instances import (
    CONTINUED,
    FAILED,
    PENDING,
    RUNNING,
    SUSPENDED,
    TERMINATED,
    End,
    Instance,
    Instances,
)
from lab.host.engine.moments import text_of, to_string_value, to_timestamp
from lab.host.engine.renewal import Renewal
from lab.host.engine.store import Store
from lab.host.engine.versions import Versions

NO_STATUS = "null"
"""Of a turn that sets no custom status, whatever the one before has set. Source: AzureTableTrackingStore."""

MISMATCH = "Orchestration version did not comply with Worker Versioning"
"""Why a run fails whose version is not the app's. Source: TaskOrchestrationDispatcher."""


class TakenByAnother(RuntimeError):
    """Another host has done this turn meanwhile: nothing of this one is kept."""


@dataclass(frozen=True)
class Turn:
    """One call of an orchestrator: `fresh` events are those that its history does not hold yet."""

    instance: Instance
    consumed: tuple[int, ...]
    fresh: tuple[pb.HistoryEvent, ...]
    request: pb.OrchestratorRequest


class Turns:
    """Takes the next turn of an instance, and keeps its outcome in one transaction."""

    def __init__(
        self,
        store: Store,
        agenda: Agenda,
        instances: Instances,
        actions: Actions,
        renewal: Renewal,
        versions: Versions,
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._instances = instances
        self._actions = actions
        self._renewal = renewal
        self._versions = versions

    def take_turn(self, instance_id: str) -> Turn | None:
        """The next turn, or None when the instance has nothing to do now."""
        instance = self._instances.find(instance_id)
        if instance is None or instance.finished or instance.starts > self._agenda.now():
            return None
        if not self._versions.is_ours(instance.version):
            self._refuse_version(instance)
            return None
        with self._store.transaction():
            rows = self._ready_messages(instance)
            if self._was_terminated(instance, rows):
                return None
        return self._build_turn(instance, rows) if rows else None

    def complete_turn(self, turn: Turn, response: pb.OrchestratorResponse) -> None:
        """Keep what the orchestrator answered; nothing of it if that run is over meanwhile."""
        with self._store.transaction():
            current = self._instances.find(turn.instance.id)
            if current is None or current.finished or current.execution != turn.instance.execution:
                return
            if self._consume_messages(turn.consumed) < len(turn.consumed):
                raise TakenByAnother(current.id)
            self._instances.append_history(current.id, turn.fresh)
            status = RUNNING if current.status == PENDING else current.status
            custom = text_of(response, "customStatus") if response.HasField("customStatus") else NO_STATUS
            self._instances.update_columns(current.id, status=status, custom=custom)
            last = self._actions.apply_actions(current, response.actions)
            if last is None or not self._end_turn(current, last):
                self._actions.note_end_of_turn(current)

    def fail_turn(self, turn: Turn, failure: pb.TaskFailureDetails) -> None:
        """The orchestrator itself could not be called: the instance ends here."""
        with self._store.transaction():
            current = self._instances.find(turn.instance.id)
            if current is None or current.finished or current.execution != turn.instance.execution:
                return
            self._instances.append_history(current.id, turn.fresh)
            self._instances.finish_instance(current, End(FAILED, failure=failure))

    def _was_terminated(self, instance: Instance, rows: Sequence[Row]) -> bool:
        """Whether somebody has terminated the run while another app was there that left it alone: it ends here."""
        row = next((row for row in rows if row["kind"] == "executionTerminated"), None)
        if row is not None:
            event = pb.HistoryEvent.FromString(row["event"])
            self._instances.append_history(instance.id, [event])
            output = text_of(event.executionTerminated, "input")
            self._instances.finish_instance(instance, End(TERMINATED, output))
        return row is not None

    def _refuse_version(self, instance: Instance) -> None:
        """Leave the run and its messages to an app that goes on with it, or have it fail."""
        if self._versions.failure == "Fail":
            failure = pb.TaskFailureDetails(errorType="VersionMismatch", errorMessage=MISMATCH, isNonRetriable=True)
            with self._store.transaction():
                self._instances.finish_instance(instance, End(FAILED, failure=failure))

    def _end_turn(self, instance: Instance, last: pb.OrchestratorAction) -> bool:
        """End the run, or begin it anew: whether it has another history now."""
        if last.HasField("rewindOrchestration"):
            self._renewal.take_rewound(instance, list(last.rewindOrchestration.newHistory))
            return True
        asked = last.completeOrchestration
        if asked.orchestrationStatus == CONTINUED:
            self._renewal.continue_as_new(instance, asked)
            return True
        failure = asked.failureDetails if asked.HasField("failureDetails") else None
        self._instances.finish_instance(instance, End(asked.orchestrationStatus, text_of(asked, "result"), failure))
        return False

    def _build_turn(self, instance: Instance, rows: Sequence[Row]) -> Turn:
        opened = pb.HistoryEvent(
            eventId=-1, timestamp=to_timestamp(self._agenda.now()), orchestratorStarted=pb.OrchestratorStartedEvent()
        )
        fresh = (opened, *(pb.HistoryEvent.FromString(row["event"]) for row in rows))
        request = pb.OrchestratorRequest(
            instanceId=instance.id, executionId=to_string_value(instance.execution), newEvents=fresh
        )
        for event in self._instances.read_history(instance.id):
            request.pastEvents.add().MergeFromString(event)
        return Turn(instance, tuple(row["seq"] for row in rows), fresh, request)

    def _ready_messages(self, instance: Instance) -> list[Row]:
        """The messages of the next turn; suspensions and resumptions that come first are applied here.

        A rewind is a turn of its own, and the worker never sees a suspension among other messages: it would hold
        back events that its history already answers.
        """
        status = instance.status
        rows = self._due_timers(instance)
        while rows:
            kinds = [row["kind"] for row in rows]
            if status == SUSPENDED:
                if "executionResumed" not in kinds:
                    return []
                self._apply_control(instance.id, rows.pop(kinds.index("executionResumed")), RUNNING)
                status = RUNNING
            elif kinds[0] == "executionSuspended":
                self._apply_control(instance.id, rows.pop(0), SUSPENDED)
                status = SUSPENDED
            elif kinds[0] == "executionResumed":  # of one that is not suspended
                self._consume_messages((rows.pop(0)["seq"],))
            else:
                return rows[: _turn_length(kinds)]
        return []

    def _due_timers(self, instance: Instance) -> list[Row]:
        return self._store.rows(
            "SELECT seq, kind, event FROM inbox"
            " WHERE id = ? AND at <= ? AND (execution IS NULL OR execution = ?)"
            " ORDER BY kind = 'executionStarted' DESC, at, seq",
            *(instance.id, self._agenda.now(), instance.execution),
        )

    def _apply_control(self, instance_id: str, row: Row, status: int) -> None:
        self._consume_messages((row["seq"],))
        self._instances.append_history(instance_id, [pb.HistoryEvent.FromString(row["event"])])
        self._instances.update_columns(instance_id, status=status)

    def _consume_messages(self, rows: Sequence[int]) -> int:
        """How many of them were still there."""
        return self._store.run_many("DELETE FROM inbox WHERE seq = ?", [(seq,) for seq in rows])


def _turn_length(kinds: Sequence[str]) -> int:
    """How many of the messages make up one turn."""
    if kinds[0] == "executionRewound":
        return 1
    for length, kind in enumerate(kinds):
        if kind in {"executionSuspended", "executionResumed", "executionRewound"}:
            return length
    return len(kinds)
