"""What goes wrong between a run and its activities: calls that do not arrive, answers that are lost, termination."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.activity import Activity
from shared.errors import Refused


class Terminated(BaseException):
    """The run is terminated in the middle of an activity."""


@dataclass
class Faults:
    """Stands between the durable engine and the fake: nothing goes wrong unless a test asks for it.

    Attributes:
        crashes: By activity, how many of its next calls never arrive.
        lost_answers: By activity, how many of its next answers are lost after the work was done.
        rate: How likely any call is to be lost, half of them before the work and half of them after it.
        terminate_at: The number of the call in which the run is terminated; 0 is never.
        is_time_to_terminate: Asked before each call; true terminates the run in it.
        calls: How many calls there were.
    """

    crashes: dict[str, int] = field(default_factory=dict)
    lost_answers: dict[str, int] = field(default_factory=dict)
    rate: float = 0
    terminate_at: int = 0
    is_time_to_terminate: Callable[[], bool] = lambda: False
    calls: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def serve(
        self, activity: Activity[Any, Any], answer: Callable[[Any], Any]
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """The activity as the engine calls it: plain JSON in and out, and a refusal as an answer."""

        def serve_call(payload: dict[str, Any]) -> dict[str, Any]:
            self.calls += 1
            if self.calls == self.terminate_at or self.is_time_to_terminate():
                raise Terminated
            is_lost = self.chance.random() < self.rate
            if _count_down(self.crashes, activity.name) or (is_lost and self.chance.random() < 0.5):
                raise ConnectionError("no answer")
            try:
                body: dict[str, Any] = answer(activity.request.model_validate(payload)).model_dump(mode="json")
            except Refused as refusal:
                return {"refused": {"code": refusal.code, "detail": refusal.detail}}
            if is_lost or _count_down(self.lost_answers, activity.name):
                raise ConnectionError("the answer was lost after the work was done")
            return body

        return serve_call


def _count_down(left: dict[str, int], name: str) -> bool:
    """Whether this call is one of those, which is then one fewer."""
    if left.get(name, 0) <= 0:
        return False
    left[name] -= 1
    return True
