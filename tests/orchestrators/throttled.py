"""A run by hand: steps are played to their end, with answers that are given beforehand and timers that fire at once."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from durabletask import task

from orchestrators.durable.steps import Context, Steps


class Waiting:
    """Something a run waits for, with what it will be given."""

    def __init__(self, kind: str, value: Any) -> None:
        self.kind, self.value = kind, value


class ThrottledRun:
    """Answers activities in the order in which they are asked, and notes what the run does."""

    def __init__(self, answers: Mapping[str, list[Any]]) -> None:
        self._answers = {name: list(given) for name, given in answers.items()}
        self.current_utc_datetime = datetime(2026, 11, 26, 10)  # noqa: DTZ001 - the engine's own is naive
        self.sleeps: list[timedelta] = []
        self.entity_calls: list[tuple[str, str, str, Any]] = []
        self.order: list[str] = []
        self.activities = 0
        self.instance_id = "run-1"

    def play[T](self, steps: Callable[[Context], Steps[T]]) -> T:
        """Play the steps; what they end with."""
        playing, sent = steps(cast("Context", self)), None
        while True:
            try:
                waiting = cast("Any", playing.send(sent))
            except StopIteration as ended:
                return cast("T", ended.value)
            self.order.append(waiting.kind)
            sent = waiting.value

    def call_activity(self, name: str, **_how: Any) -> task.Task[Any]:
        """The next answer that was given beforehand."""
        self.activities += 1
        return cast("task.Task[Any]", Waiting("activity", self._answers[name].pop(0)))

    def call_entity(self, entity: Any, operation: str, given: Any, **_how: Any) -> task.Task[Any]:
        """Note it."""
        self.entity_calls.append((entity.entity, entity.key, operation, given["request"]))
        return cast("task.Task[Any]", Waiting("entity", None))

    def create_timer(self, span: timedelta) -> task.Task[Any]:
        """Fire at once."""
        self.sleeps.append(span)
        self.current_utc_datetime += span
        return cast("task.Task[Any]", Waiting("sleep", None))
