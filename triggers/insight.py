"""What a run achieved, and what past runs let one expect: the part of an operation that is computed when it is read."""

from typing import Any

import azure.durable_functions as df
from durabletask.client import OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId

from shared.achievement import achieved
from shared.operations import PLAN_KINDS, Operation, Outcome
from shared.track import Track, forecast


async def insight(client: df.DurableFunctionsClient, state: OrchestrationState) -> dict[str, Any]:
    """{achieved, forecast} of a run on a plan; empty for other runs, and without what is not known yet."""
    if state.name not in PLAN_KINDS:
        return {}
    operation = Operation.carried(state.get_input())
    seen = _achieved(operation, state)
    found = await client.get_entity(EntityInstanceId("track", operation.plan))
    known = (found.get_typed_state(dict) if found else None) or {}
    began = operation.run.began if operation.run else None
    expected = forecast(Track.model_validate(known), operation.kind, began)
    told = {"achieved": seen, "forecast": expected}
    return {name: value for name, value in told.items() if value is not None}


def _achieved(operation: Operation, state: OrchestrationState) -> dict[str, Any] | None:
    """From the outcome of a run that has ended, else from what it carried along last."""
    items, began = (operation.run.items, operation.run.began) if operation.run else ((), None)
    if state.runtime_status == OrchestrationStatus.COMPLETED:
        outcome = Outcome.model_validate(state.get_output())
        items, began = outcome.items, outcome.began
    seen = achieved(items, began, operation.document.targets) if began else None
    return seen.model_dump(mode="json", by_alias=True) if seen else None
