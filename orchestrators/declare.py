"""Declaring a document: through an orchestration, because only that gets the entity's answer."""

from typing import Any

from orchestrators.durable.administration import record_act
from orchestrators.durable.steps import Context, Steps, call_entity, now
from shared.operations.durable_names import DOCUMENTS
from shared.plans.versions import Declaration, DeclarationOutcome, DocumentChange
from shared.recovery.document_acts import document_act


def declare(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Declare or withdraw a document, and have that written down; answers what became of it."""
    change = DocumentChange.model_validate(payload)
    declaration = Declaration(**dict(change), at=now(ctx)).model_dump(mode="json")
    answer: dict[str, Any] = yield from call_entity(ctx, DOCUMENTS, change.key, change.action, declaration)
    if act := document_act(change, DeclarationOutcome.model_validate(answer), now(ctx)):
        yield from record_act(ctx, act)
    return answer
