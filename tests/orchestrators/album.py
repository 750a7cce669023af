"""Runs as people read them while they go on: each look that the API could take at a run of a bench."""

from collections.abc import Callable, Iterator
from typing import Any

from durabletask.client import OrchestrationState, OrchestrationStatus

from tests.driver import Driver, Result
from tests.triggers.engine_states import state_of
from triggers.operation_views import full_view


class Album:
    """The states of the runs of a driver, as the engine would show them after each dispatch that changed one.

    Attributes:
        looks: Oldest first.
    """

    def __init__(self, driver: Driver) -> None:
        self.looks: list[OrchestrationState] = []
        driver.on_dispatch = self._take

    def _take(self, name: str, run: str, given: Any, custom_status: Any) -> None:
        look = state_of(run, name, given=given, custom_status=custom_status)
        if not self.looks or look != self.looks[-1]:
            self.looks.append(look)

    def close(self, result: Result) -> OrchestrationState:
        """The last run as it ended, which is now its last look."""
        last = self.looks[-1]
        ended = state_of(last.instance_id, last.name, OrchestrationStatus.COMPLETED, output=result.output)
        ended.serialized_input, ended.serialized_custom_status = last.serialized_input, last.serialized_custom_status
        self.looks.append(ended)
        return ended

    def views(self) -> Iterator[dict[str, Any]]:
        """Each look as `GET /operations/{id}` shows it."""
        return (full_view(look) for look in self.looks)

    def first(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first view that fits."""
        return next(view for view in self.views() if fits(view))
