"""Turning points go out as events. A run never fails because nobody listens."""

import logging
from typing import Any

from durabletask import task

from activities.contract import PUBLISH, Publish, Published
from orchestrators.steps import Steps, call_all, now
from shared.operations import Operation, SiteOperation

_LOG = logging.getLogger(__name__)
PREFIX = "HciSiteRecovery.Operation"


def tell(ctx: task.OrchestrationContext, operation: Operation, what: str, data: dict[str, Any]) -> Steps[None]:
    """Publish `HciSiteRecovery.Operation.<What>`; the id is the run's and the turning point's, so doubles show."""
    facts = {"operation": operation.id, "kind": operation.kind, "plan": operation.plan}
    event = Publish(
        id=f"{operation.id}:{what}",
        type=f"{PREFIX}.{what.capitalize()}",
        subject=f"plans/{operation.plan}",
        at=now(ctx),
        data={**facts, **data},
    )
    yield from publish(ctx, event)


def tell_site(ctx: task.OrchestrationContext, order: SiteOperation, what: str, data: dict[str, Any]) -> Steps[None]:
    """The same for a run on a site."""
    event = Publish(
        id=f"{order.id}:{what}",
        type=f"{PREFIX}.{what.capitalize()}",
        subject=f"sites/{order.site}",
        at=now(ctx),
        data={"operation": order.id, "kind": order.kind, "site": order.site, **data},
    )
    yield from publish(ctx, event)


def publish(ctx: task.OrchestrationContext, event: Publish) -> Steps[None]:
    """Send one event; an unanswered one is logged and left."""
    for answer in (yield from call_all(ctx, PUBLISH, [event])):
        if not isinstance(answer, Published):
            logger = ctx.create_replay_safe_logger(_LOG)
            logger.warning("event %s was not published: %s", event.id, answer)
