"""Declaring a node lost, or withdrawing that: through an orchestration, because only that gets the entity's answer."""

from typing import Any

from orchestrators.durable.administration import record_act
from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from shared.evidence.administration import Act
from shared.operations.contract import START_RUN, PublishEvent
from shared.operations.durable_names import LOST_NODES
from shared.sites.lost_nodes import LostNode, LostNodeChange, LostNodeOutcome, NodeWithdrawal

EVENT_NAMES = {"declared": "Lost", "withdrawn": "LostWithdrawn"}


def change_lost_node(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Make the change, publish it and have it written down; answers what became of it."""
    change = LostNodeChange.model_validate(payload)
    answer = yield from call_entity(ctx, LOST_NODES, change.site, change.action, _request_of(ctx, change))
    outcome = LostNodeOutcome.model_validate(answer)
    if outcome.lost and outcome.outcome in EVENT_NAMES:
        event = _event_of(ctx, change, outcome.lost, EVENT_NAMES[outcome.outcome])
        yield from call(ctx, START_RUN, delivery_run_of(event))
        yield from record_act(ctx, _act_of(ctx, change, outcome.lost))
    return outcome.model_dump(mode="json")


def _act_of(ctx: Context, change: LostNodeChange, lost: LostNode) -> Act:
    return Act(
        act="node-declared-lost" if change.action == "declare" else "lost-node-withdrawn",
        subject=f"sites/{change.site}/nodes/{lost.node}",
        at=now(ctx),
        by=change.by,
        by_id=change.by_id,
        facts={"reason": lost.reason, "confirmed": lost.confirmed},
    )


def _request_of(ctx: Context, change: LostNodeChange) -> dict[str, Any]:
    if change.action == "withdraw":
        return NodeWithdrawal(node=change.node).model_dump(mode="json")
    lost = LostNode(**change.model_dump(exclude={"action"}), at=now(ctx))
    return lost.model_dump(mode="json")


def _event_of(ctx: Context, change: LostNodeChange, lost: LostNode, name: str) -> PublishEvent:
    return PublishEvent(
        id=f"{change.id}:{name}",
        type=f"HciSiteRecovery.Node.{name}",
        subject=f"nodes/{lost.node}",
        at=now(ctx),
        data={**lost.model_dump(mode="json", by_alias=True, exclude={"id"}), "changedBy": change.by},
    )
