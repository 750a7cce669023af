"""Settling an obligation by a person's word: through an orchestration, because only that gets the entity's answer."""

from typing import Any

from orchestrators.durable.administration import record_act
from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from shared.evidence.administration import Act
from shared.operations.contract import START_RUN, PublishEvent
from shared.operations.durable_names import OBLIGATIONS
from shared.operations.obligation_table import PersonSettlement
from shared.operations.obligations import Obligation, SettlementOrder, SettlementOutcome


def settle_obligation(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Settle it, publish that and have it written down; answers what was settled, nothing when it is not owed."""
    order = SettlementOrder.model_validate(payload)
    request = PersonSettlement(id=order.id, word=order.word_at(now(ctx)), vms=order.vms)
    answer = yield from call_entity(ctx, OBLIGATIONS, order.table, "settle_by_person", request.model_dump(mode="json"))
    settled = Obligation.model_validate(answer) if answer else None
    if settled:
        yield from call(ctx, START_RUN, delivery_run_of(_event_of(ctx.instance_id, settled, order.id)))
        yield from record_act(ctx, _act_of(ctx, settled, order))
    return SettlementOutcome(settled=settled).model_dump(mode="json")


def _act_of(ctx: Context, settled: Obligation, order: SettlementOrder) -> Act:
    return Act(
        act="obligation-settled",
        subject=f"obligations/{order.id}",
        at=now(ctx),
        by=order.by,
        by_id=order.person_id,
        facts={"kind": settled.kind, "plan": settled.plan, "vms": list(settled.vms), "reason": order.reason},
    )


def _event_of(run: str, settled: Obligation, obligation: str) -> PublishEvent:
    word = settled.settled
    if word is None:
        raise ValueError(f"{obligation} was not settled by a person")
    shown = {"kind", "plan", "owner", "opened", "due", "vms", "leftovers"}
    data = settled.model_dump(mode="json", by_alias=True, include=shown)
    return PublishEvent(
        id=f"{run}:settled",
        type="HciSiteRecovery.Obligation.SettledByPerson",
        subject=f"plans/{settled.plan}",
        at=word.at,
        data={"id": obligation, **data, **word.model_dump(mode="json", by_alias=True)},
    )
