"""Has the engine forget what is over: operations after a setting's time, the app's own errands and entities sooner."""

import os
from datetime import UTC, datetime, timedelta

import azure.durable_functions as df
from durabletask.client import OrchestrationQuery, OrchestrationState

from activities.durable_state import ENDED, LISTED_AT_ONCE
from activities.entity_retention import forget_entities
from shared.concurrency import map_concurrently
from shared.operations.contract import PurgeEndedRuns, RunsPurged
from shared.operations.kinds import OPERATION_KINDS
from shared.settings import AzureSettings

ERRANDS_KEPT = timedelta(days=2)
"""How long runs are kept that are no operations: declarations, events, looks of the timer."""
MOST_AT_A_TIME = 200
"""How many are forgotten in one go: an activity has ten minutes."""


async def purge_ended_runs(client: df.DurableFunctionsClient, request: PurgeEndedRuns) -> RunsPurged:
    """Forget the oldest of what has ended long enough ago; one that is forgotten already is no error.

    Entities come after the runs: what they remember must not be gone before the runs that it is of.
    """
    operations_kept = timedelta(days=AzureSettings.from_environment(os.environ).run_retention_days)
    query = OrchestrationQuery(
        created_time_to=request.now - min(ERRANDS_KEPT, operations_kept),
        runtime_status=list(ENDED),
        max_instance_count=LISTED_AT_ONCE,
    )

    def is_due(run: OrchestrationState) -> bool:
        kept = operations_kept if run.name in OPERATION_KINDS else ERRANDS_KEPT
        return run.instance_id not in request.keep and _ended_at(run) < request.now - kept

    due = sorted(filter(is_due, await client.get_all_orchestration_states(query)), key=_ended_at)[:MOST_AT_A_TIME]
    purged = await map_concurrently(due, lambda run: client.purge_orchestration(run.instance_id))
    entities = await forget_entities(client, request.now, operations_kept, request.keep)
    return RunsPurged(count=sum(one.deleted_instance_count > 0 for one in purged), entities=entities)


def _ended_at(run: OrchestrationState) -> datetime:
    """The engine's own times are naive UTC."""
    return run.last_updated_at.replace(tzinfo=UTC)
