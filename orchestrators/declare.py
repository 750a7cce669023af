"""Declaring a document: through an orchestration, because only that has the answer of an entity."""

from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call_entity, now
from shared.operations.durable_names import DOCUMENTS
from shared.plans.versions import Declaration


def declare(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Put a document, or remove it: {key, operation: put|remove, wish}; answers the verdict of its entity."""
    declaration = Declaration.model_validate({**payload["wish"], "at": now(ctx)})
    request = declaration.model_dump(mode="json")
    verdict: dict[str, Any] = yield from call_entity(ctx, DOCUMENTS, payload["key"], payload["operation"], request)
    return verdict
