"""Turning points go out as events. A run never fails because nobody listens."""

import logging
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, call_all, now, sleep
from shared.errors import Refused
from shared.operations.contract import PUBLISH, START_RUN, Publish, Published, StartRun
from shared.operations.durable_names import PUBLISH_EVENT
from shared.recovery.operation import Operation
from shared.recovery.pauses import paused
from shared.recovery.run import Run
from shared.recovery.scheduler import undecided
from shared.request_ids import run_id
from shared.sites.operation import SiteOperation

_LOG = logging.getLogger(__name__)
PREFIX = "HciSiteRecovery.Operation"
SHOWN = 8
PAUSES = (*(timedelta(minutes=m) for m in (1, 5, 10, 30)), *[timedelta(hours=1)] * 23)


def tell(
    ctx: task.OrchestrationContext, operation: Operation, what: str, data: dict[str, Any], key: str = ""
) -> Steps[None]:
    """Publish `HciSiteRecovery.Operation.<What>`; the id is the run's and the turning point's, so doubles show.

    Args:
        key: Tells turning points of one sort apart.
    """
    facts = {"operation": operation.id, "kind": operation.kind, "plan": operation.plan}
    event = Publish(
        id=f"{operation.id}:{what}{key and f':{key}'}",
        type=f"{PREFIX}.{what.capitalize()}",
        subject=f"plans/{operation.plan}",
        at=now(ctx),
        data={**facts, **data},
    )
    yield from publish(ctx, event)


def tell_turn(ctx: task.OrchestrationContext, operation: Operation, before: Run, run: Run) -> Steps[None]:
    """Tell of what one tick turned: the first failure, a decision that only a person can take, a phase that is over."""
    if run.failed and not before.failed:
        wrong = [f"{item.vm}: {item.detail}" for item in run.items if item.state == "failed"] or list(run.failures)
        yield from tell(ctx, operation, "failed", {"failures": wrong[:SHOWN]})
    known = set(undecided(before))
    if fresh := [vm for vm in undecided(run) if vm not in known]:
        data = {"waitsFor": "decision", "vms": fresh[:SHOWN]}
        yield from tell(ctx, operation, "waiting", data, key=f"{run.stage}:{len(run.decisions)}:{fresh[0]}")
    if _waits_to_go_on(run) and not _waits_to_go_on(before):
        data = {"waitsFor": "resume", "vms": list(paused(run)[:SHOWN]), "what": run.pause.what if run.pause else ""}
        yield from tell(ctx, operation, "waiting", data, key=f"{run.stage}:{len(run.decisions)}:resume")
    if run.stage != before.stage and before.current:
        data = {"phase": before.current.verb, "next": run.current.verb if run.current else ""}
        yield from tell(ctx, operation, "phase", data, key=str(before.stage))


def _waits_to_go_on(run: Run) -> bool:
    return run.pause is not None or bool(paused(run))


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
    """Send one event; one that is not taken now is handed to a run of its own, which keeps trying."""
    answer = (yield from call_all(ctx, PUBLISH, [event]))[0]
    if isinstance(answer, Published):
        return
    logger = ctx.create_replay_safe_logger(_LOG)
    logger.warning("event %s was not published and is tried again later: %s", event.id, answer)
    yield from call_all(ctx, START_RUN, [later(event)])


def later(event: Publish) -> StartRun:
    """The run that delivers an event, by an id that is the event's own: told twice, it is still delivered once."""
    run = run_id("publish-event", event.type, event.id)
    return StartRun(id=run, orchestrator=PUBLISH_EVENT, payload=event.model_dump(mode="json"))


def deliver(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Publish an event, again and again at growing distances, for a day."""
    event = Publish.model_validate(payload)
    for pause in PAUSES:
        answer = (yield from call_all(ctx, PUBLISH, [event]))[0]
        if isinstance(answer, Published | Refused):
            return {"delivered": isinstance(answer, Published), "detail": str(answer)}
        yield from sleep(ctx, pause)
    return {"delivered": False, "detail": "not taken within a day"}
