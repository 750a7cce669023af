"""Activities and timers of orchestrations: queued, run at least once, answered."""

from dataclasses import dataclass

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Agenda
from lab.host.engine.instances import Instance, Instances
from lab.host.engine.moments import to_string_value, to_timestamp
from lab.host.engine.store import Store


@dataclass(frozen=True)
class Activity:
    """An activity to be run, as its row holds it; `input` is JSON."""

    seq: int
    id: str
    execution: str
    task: int
    name: str
    input: str | None


class Tasks:
    """The rows of `activities`, and the messages that answer them and the timers."""

    def __init__(self, store: Store, agenda: Agenda, instances: Instances) -> None:
        self._store = store
        self._agenda = agenda
        self._instances = instances

    def schedule_activity(self, instance: Instance, task: int, name: str, argument: str | None) -> None:
        """Queue an activity."""
        seq = self._store.insert(
            "INSERT INTO activities (id, execution, task, name, input) VALUES (?, ?, ?, ?, ?)",
            *(instance.id, instance.execution, task, name, argument),
        )
        due = self._agenda.arrival(len((argument or "").encode()))
        self._store.after_commit(lambda: self._agenda.wake_at(due, "activity", str(seq)))

    def set_timer(self, instance: Instance, task: int, at: int) -> None:
        """Send the run a message at an instant, in microseconds."""
        fired = pb.TimerFiredEvent(fireAt=to_timestamp(at), timerId=task)
        event = pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(at), timerFired=fired)
        self._instances.post_event(instance.id, instance.execution, event, at=at)

    def find_activity(self, seq: int) -> Activity | None:
        """The activity, or None if it is done or was dropped."""
        row = self._store.row("SELECT seq, id, execution, task, name, input FROM activities WHERE seq = ?", seq)
        return None if row is None else Activity(*row)

    def trace_of(self, activity: Activity) -> str:
        """The trace that its orchestration was started in, empty where it was in none."""
        return self._instances.read_traceparent(activity.id)

    def count_open(self, instance_id: str) -> int:
        """How many activities of an instance are still to answer."""
        return int(self._store.value("SELECT COUNT(*) FROM activities WHERE id = ?", instance_id))

    def complete_activity(self, activity: Activity, result: str | None) -> None:
        """Keep the result, in JSON, and pass it to the orchestration."""
        done = pb.TaskCompletedEvent(taskScheduledId=activity.task, result=to_string_value(result))
        self._post_answer(
            activity, pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()), taskCompleted=done)
        )

    def fail_activity(self, activity: Activity, failure: pb.TaskFailureDetails) -> None:
        """Keep the failure and pass it to the orchestration."""
        failed = pb.TaskFailedEvent(taskScheduledId=activity.task, failureDetails=failure)
        self._post_answer(
            activity, pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(self._agenda.now()), taskFailed=failed)
        )

    def _post_answer(self, activity: Activity, event: pb.HistoryEvent) -> None:
        with self._store.transaction():
            if self._store.run("DELETE FROM activities WHERE seq = ?", activity.seq):
                self._instances.post_reply(activity.id, activity.execution, event)
