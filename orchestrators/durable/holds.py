"""Holds as the engine keeps them: ending those that are over, and publishing what begins, changes and ends."""

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from shared.operations.contract import START_RUN, PublishEvent
from shared.operations.durable_names import HOLDS
from shared.operations.holds import HOLDS_KEY, Hold, PastHoldsEnded


def end_past_holds(ctx: Context) -> Steps[tuple[Hold, ...]]:
    """End each hold whose time has come; gives those that are left."""
    answer = yield from call_entity(ctx, HOLDS, HOLDS_KEY, "end_past", now(ctx).isoformat())
    past = PastHoldsEnded.model_validate(answer)
    for hold in past.ended:
        yield from publish_hold(ctx, hold, "Ended", "")
    return past.holds


def publish_hold(ctx: Context, hold: Hold, what: str, by: str) -> Steps[None]:
    """Publish that a hold has begun, changed or ended; `by` says who did it, empty for its time."""
    event = PublishEvent(
        id=f"hold:{hold.key}:{hold.id}:{what.lower()}",
        type=f"HciSiteRecovery.Hold.{what}",
        subject=f"sites/{hold.site}" if hold.site else "holds/everywhere",
        at=now(ctx),
        data={**hold.to_view(), "changedBy": by or None},
    )
    yield from call(ctx, START_RUN, delivery_run_of(event))
