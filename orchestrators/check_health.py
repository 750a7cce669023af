"""The round trip of `/health`: to an orchestrator, from there to an entity, and back."""

from typing import Any

from orchestrators.durable.steps import Context, Steps, call_entity
from shared.operations.durable_names import EVENT_COUNTS


def check_health(ctx: Context, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Ask an entity, and pass its answer on: the events received, by what became of them."""
    return {"events": (yield from call_entity(ctx, EVENT_COUNTS, "events", "read"))}
