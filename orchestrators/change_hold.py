"""Setting, lifting and ending holds: through an orchestration, because only that has the engine's time and answers.

1. End each hold whose time has come, and publish that.
2. Set or lift the hold that the change is about; an `until` that cannot be changes nothing.
3. Publish what has begun, changed or ended, and have it written down.
"""

from collections.abc import Mapping
from typing import Any

from orchestrators.durable.administration import record_act
from orchestrators.durable.holds import end_past_holds, publish_hold
from orchestrators.durable.steps import Context, Steps, call_entity, now
from shared.evidence.administration import Act, ActKind
from shared.operations.durable_names import HOLDS
from shared.operations.holds import (
    HOLDS_KEY,
    Hold,
    HoldChange,
    HoldLift,
    HoldOutcome,
    check_until,
)

ACT_BY_OUTCOME: Mapping[str, ActKind] = {"begun": "hold-set", "changed": "hold-changed", "ended": "hold-lifted"}


def change_hold(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Change what is held; answers what became of it, and all that is held now."""
    change = HoldChange.model_validate(payload)
    holds = yield from end_past_holds(ctx)
    if trouble := check_until(change.until, now(ctx)) if change.action == "set" else "":
        outcome = HoldOutcome(outcome="invalid", detail=trouble, holds=holds)
    elif change.action == "expire":
        outcome = HoldOutcome(outcome="read", holds=holds)
    else:
        outcome = yield from _change_entity(ctx, change)
        if outcome.hold and outcome.outcome != "unchanged":
            yield from publish_hold(ctx, outcome.hold, outcome.outcome.capitalize(), change.by)
            if outcome.outcome in ACT_BY_OUTCOME:
                yield from record_act(ctx, _act_of(ctx, change, outcome.hold, ACT_BY_OUTCOME[outcome.outcome]))
    return outcome.model_dump(mode="json")


def _act_of(ctx: Context, change: HoldChange, hold: Hold, act: ActKind) -> Act:
    until = hold.until.isoformat() if hold.until else None
    facts = {"hold": hold.id, "reason": hold.reason, "until": until}
    subject = f"sites/{change.site}/hold" if change.site else "hold"
    return Act(act=act, subject=subject, at=now(ctx), by=change.by, by_id=change.by_id, facts=facts)


def _change_entity(ctx: Context, change: HoldChange) -> Steps[HoldOutcome]:
    if change.action == "lift":
        request: Hold | HoldLift = HoldLift(site=change.site)
    else:
        request = Hold(
            id=change.id,
            site=change.site,
            reason=change.reason,
            by=change.by,
            by_id=change.by_id,
            since=now(ctx),
            until=change.until,
        )
    answer = yield from call_entity(ctx, HOLDS, HOLDS_KEY, change.action, request.model_dump(mode="json"))
    return HoldOutcome.model_validate(answer)
