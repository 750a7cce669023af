"""The list of operations in pages: the engine's list holds no inputs and outputs, and only shown runs are read whole.

1. `find_runs`: the runs that the question may mean, by what the engine lists of each.
2. `list_page`: those after the last page, read in blocks until the page is full.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self

import azure.durable_functions as df
from durabletask.client import OrchestrationQuery, OrchestrationState, OrchestrationStatus

from activities.durable_state import ENDED, LISTED_AT_ONCE, LIVING
from shared.concurrency import AT_ONCE, map_concurrently
from shared.request_ids import run_id_prefix
from triggers.operation_views import brief_view

ENGINE_STATUSES = {
    "pending": frozenset({OrchestrationStatus.PENDING}),
    "running": frozenset({OrchestrationStatus.RUNNING}),
    "waiting": LIVING,
    "succeeded": frozenset({OrchestrationStatus.COMPLETED}),
    "failed": ENDED,
    "aborted": ENDED,
}
"""Which runs may be in a state, by what the engine knows of them."""


class Place(NamedTuple):
    """Where a run stands in the list, newest first: by when its generation began, then by its id."""

    began: datetime
    id: str

    @classmethod
    def of(cls, run: OrchestrationState) -> Self:
        """The place of a run."""
        return cls(run.created_at, run.instance_id)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: it is something else.
        """
        moment, _, run = text.partition("_")
        return cls(datetime.strptime(moment, "%Y%m%dT%H%M%S.%f"), run)  # noqa: DTZ007 - the engine's times are naive

    def __str__(self) -> str:
        """As it stands in a link."""
        return f"{self.began:%Y%m%dT%H%M%S.%f}_{self.id}"


class Question(NamedTuple):
    """Which operations are asked for; None and empty for all."""

    kinds: Sequence[str]
    plan: str | None
    state: str | None
    top: int
    after: Place | None

    def is_met_by(self, view: dict[str, Any]) -> bool:
        """Whether the operation is one of them."""
        return self.state in {None, view["state"]} and self.plan in {None, view.get("plan")}


async def list_page(client: df.DurableFunctionsClient, question: Question) -> tuple[list[dict[str, Any]], Place | None]:
    """One page, newest first, and after which place the next one begins; None after the last page."""
    statuses = ENGINE_STATUSES[question.state] if question.state else None
    found = await find_runs(client, question.kinds, question.plan, statuses)
    runs = [run for run in found if not question.after or Place.of(run) < question.after]
    views: list[dict[str, Any]] = []
    for block in range(0, len(runs), AT_ONCE):
        states = await map_concurrently(
            runs[block : block + AT_ONCE], lambda run: client.get_orchestration_state(run.instance_id)
        )
        for run, state in zip(runs[block:], states, strict=False):
            if state and question.is_met_by(view := brief_view(state)):
                views.append(view)
            if len(views) == question.top:
                return _newest_first(views), Place.of(run) if run is not runs[-1] else None
    return _newest_first(views), None


def _newest_first(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(views, key=lambda view: str(view["createdAt"]), reverse=True)


async def find_runs(
    client: df.DurableFunctionsClient,
    kinds: Sequence[str],
    plan: str | None = None,
    statuses: Collection[OrchestrationStatus] | None = None,
) -> list[OrchestrationState]:
    """What the engine lists of the runs that may be meant, newest first; some of them may be of another plan."""

    async def list_kind(kind: str) -> list[OrchestrationState]:
        query = OrchestrationQuery(
            instance_id_prefix=run_id_prefix(kind, plan or ""),
            runtime_status=list(statuses) if statuses else None,
            max_instance_count=LISTED_AT_ONCE,
        )
        return [run for run in await client.get_all_orchestration_states(query) if run.name == kind]

    found = await map_concurrently(kinds, list_kind)
    return sorted((run for runs in found for run in runs), key=Place.of, reverse=True)
