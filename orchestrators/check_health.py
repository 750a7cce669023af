"""The round trip of `/health`: to an orchestrator, from there to entities, and back."""

from typing import Any

from orchestrators.durable.steps import Context, Steps, call_entity, now
from orchestrators.durable.versions import release_of
from shared.operations.durable_names import TIMER_LOOKS
from shared.operations.timer_looks import TimerLooks


def check_health(ctx: Context, _payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Ask an entity for the looks of the timer, and pass its answer on with the time; a first look counts from now.

    With it goes the release: the engine gives that of the app to each new run.
    """
    looks = TimerLooks.model_validate((yield from call_entity(ctx, TIMER_LOOKS, "timer", "read")))
    if looks.last_ended_at is None and looks.expected_since is None:
        yield from call_entity(ctx, TIMER_LOOKS, "timer", "expect", now(ctx).isoformat())
    return {"at": now(ctx).isoformat(), "timer": looks.model_dump(mode="json"), "release": release_of(ctx)}
