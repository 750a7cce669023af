"""The list of operations in pages: the engine's list holds no inputs and outputs, and only shown runs are read whole.

1. `_find_windows`: since when runs are looked for: some days, then some weeks, then all. A first page needs the newest.
2. `find_runs`: the runs of a window that the question may mean, by what the engine lists of each.
3. `list_page`: those after the last page, read in blocks until the page is full.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

import azure.durable_functions as df
from durabletask.client import OrchestrationQuery, OrchestrationState, OrchestrationStatus

from activities.durable_state import ENDED, LISTED_AT_ONCE, LIVING
from activities.owed import read_all_owed
from shared.concurrency import AT_ONCE, map_concurrently
from shared.operations.durable_names import RECONCILE
from shared.operations.obligations import Obligation
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


WINDOWS = (timedelta(days=2), timedelta(days=14))
"""Before the last page, or the last look of the timer for the first one. What was found in vain is listed again."""

ROUNDING = timedelta(seconds=1)
"""The storage keeps no microseconds: the run that a page begins after may count as later than it says."""


async def list_page(client: df.DurableFunctionsClient, question: Question) -> tuple[list[dict[str, Any]], Place | None]:
    """One page, newest first, and after which place the next one begins; None after the last page."""
    views, last = list[dict[str, Any]](), question.after
    owed = await read_all_owed(client)
    statuses = ENGINE_STATUSES[question.state] if question.state else None
    until = question.after.began.replace(tzinfo=UTC) + ROUNDING if question.after else None
    for since in await _find_windows(client, question):
        found = await find_runs(client, question.kinds, question.plan, statuses, (since, until))
        runs = [run for run in found if last is None or Place.of(run) < last]
        async for run, view in _read_views(client, question, runs, owed):
            views.append(view)
            if len(views) == question.top:
                is_end = since is None and run is runs[-1]
                return _newest_first(views), None if is_end else Place.of(run)
        last = Place.of(runs[-1]) if runs else last
    return _newest_first(views), None


async def _find_windows(client: df.DurableFunctionsClient, question: Question) -> list[datetime | None]:
    """Since when runs are looked for, one after the other; None for ever."""
    if question.after:
        return [*(question.after.began - window for window in WINDOWS), None]
    look = await client.get_orchestration_state(RECONCILE, fetch_payloads=False)
    return [*(look.created_at - window for window in WINDOWS), None] if look else [None]


async def _read_views(
    client: df.DurableFunctionsClient,
    question: Question,
    runs: Sequence[OrchestrationState],
    owed: Sequence[Obligation],
) -> AsyncIterator[tuple[OrchestrationState, dict[str, Any]]]:
    """Each of these runs that is meant, with its view; they are read in blocks."""
    for block in range(0, len(runs), AT_ONCE):
        states = await map_concurrently(
            runs[block : block + AT_ONCE], lambda run: client.get_orchestration_state(run.instance_id)
        )
        for run, state in zip(runs[block:], states, strict=False):
            if state and question.is_met_by(view := brief_view(state, owed)):
                yield run, view


def _newest_first(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(views, key=lambda view: str(view["createdAt"]), reverse=True)


async def find_runs(
    client: df.DurableFunctionsClient,
    kinds: Sequence[str],
    plan: str | None = None,
    statuses: Collection[OrchestrationStatus] | None = None,
    window: tuple[datetime | None, datetime | None] = (None, None),
) -> list[OrchestrationState]:
    """What the engine lists of the runs that may be meant, newest first; some of them may be of another plan.

    Args:
        client: The durable client.
        kinds: Of these kinds.
        plan: Of this plan; None for all.
        statuses: In these statuses; None for any.
        window: Since when and until when they began; None for ever.
    """
    since, until = window

    async def list_kind(kind: str) -> list[OrchestrationState]:
        query = OrchestrationQuery(
            created_time_from=since.replace(tzinfo=UTC) if since else None,
            created_time_to=until,
            instance_id_prefix=run_id_prefix(kind, plan or ""),
            runtime_status=list(statuses) if statuses else None,
            max_instance_count=LISTED_AT_ONCE,
        )
        return [run for run in await client.get_all_orchestration_states(query) if run.name == kind]

    found = await map_concurrently(kinds, list_kind)
    return sorted((run for runs in found for run in runs), key=Place.of, reverse=True)
