"""Turning points go out as events. A run never fails because nobody listens."""

import logging
from typing import Any

from orchestrators.durable.steps import Context, Steps, call_all, now, sleep
from shared.errors import Refused
from shared.operations import durable_names
from shared.operations.contract import PUBLISH_EVENT, START_RUN, EventPublished, PublishEvent, StartRun
from shared.operations.pacing import DELIVERY_PAUSES
from shared.operations.run_timeline import RunTimeline
from shared.recovery.operation import Operation
from shared.recovery.outcome import Outcome
from shared.recovery.pauses import paused_vms
from shared.recovery.run import Run
from shared.recovery.scheduler import undecided_vms
from shared.recovery.timeline import bare_timeline
from shared.request_ids import run_id
from shared.sites.operation import SiteOperation

_LOG = logging.getLogger(__name__)
EVENT_TYPE_PREFIX = "HciSiteRecovery.Operation"
MOST_SHOWN = 8


def publish_operation_event(
    ctx: Context,
    operation: Operation,
    event_name: str,
    data: dict[str, Any],
    key: str = "",
    timeline: RunTimeline | None = None,
) -> Steps[None]:
    """Publish `HciSiteRecovery.Operation.<What>`; the id is the run's and the turning point's, so doubles show.

    Args:
        key: Tells turning points of one sort apart.
        timeline: Of a run that has ended.
    """
    facts = {"kind": operation.kind, "plan": operation.plan}
    named = event_name + (f":{key}" if key else "")
    yield from publish_run_event(ctx, operation.id, f"plans/{operation.plan}", named, {**facts, **data}, timeline)


def publish_run_event(
    ctx: Context,
    run: str,
    subject: str,
    turning_point: str,
    data: dict[str, Any],
    timeline: RunTimeline | None = None,
) -> Steps[None]:
    """The same for any run.

    Args:
        turning_point: What the event is called, and after a colon what tells those of one sort apart.
        timeline: Of a run that has ended.
    """
    event = PublishEvent(
        id=f"{run}:{turning_point}",
        type=f"{EVENT_TYPE_PREFIX}.{turning_point.partition(':')[0].capitalize()}",
        subject=subject,
        at=now(ctx),
        data={"operation": run, **data},
        timeline=timeline,
    )
    yield from publish_event(ctx, event)


def publish_turning_point(ctx: Context, operation: Operation, before: Run, run: Run) -> Steps[None]:
    """Publish what one tick turned: the first failure, a decision that only a person can take, a phase that is over."""
    if run.has_failed and not before.has_failed:
        failed = [item.failure for item in run.items if item.state == "failed"]
        failures = (failed or list(run.results.failures))[:MOST_SHOWN]
        shown = [failure.to_json() for failure in failures]
        yield from publish_operation_event(ctx, operation, "failed", {"failures": shown})
    yield from _publish_waiting(ctx, operation, before, run)
    if run.progress.number != before.progress.number and before.current:
        data = {"phase": before.current.verb, "next": run.current.verb if run.current else ""}
        yield from publish_operation_event(ctx, operation, "phase", data, key=str(before.progress.number))


def _publish_waiting(ctx: Context, operation: Operation, before: Run, run: Run) -> Steps[None]:
    moment = f"{run.progress.number}:{len(run.people.decisions)}"
    undecided_before = set(undecided_vms(before))
    if newly_undecided := [vm for vm in undecided_vms(run) if vm not in undecided_before]:
        data = {"waitsFor": "decision", "vms": newly_undecided[:MOST_SHOWN]}
        yield from publish_operation_event(ctx, operation, "waiting", data, key=f"{moment}:{newly_undecided[0]}")
    if _waits_for_resume(run) and not _waits_for_resume(before):
        what = run.people.pause.what if run.people.pause else ""
        data = {"waitsFor": "resume", "vms": list(paused_vms(run)[:MOST_SHOWN]), "what": what}
        yield from publish_operation_event(ctx, operation, "waiting", data, key=f"{moment}:resume")


def _waits_for_resume(run: Run) -> bool:
    return run.people.pause is not None or bool(paused_vms(run))


def publish_site_event(
    ctx: Context, order: SiteOperation, event_name: str, data: dict[str, Any], outcome: Outcome | None = None
) -> Steps[None]:
    """The same for a run on a site; with its outcome once it has ended."""
    facts, subject = {"kind": order.kind, "site": order.site}, f"sites/{order.site}"
    timeline = bare_timeline(order.id, subject, outcome) if outcome else None
    yield from publish_run_event(ctx, order.id, subject, event_name, {**facts, **data}, timeline)


def publish_event(ctx: Context, event: PublishEvent) -> Steps[None]:
    """Send one event; one that is not taken now is handed to a run of its own, which keeps trying."""
    answer = (yield from call_all(ctx, PUBLISH_EVENT, [event]))[0]
    if isinstance(answer, EventPublished):
        return
    logger = ctx.create_replay_safe_logger(_LOG)
    logger.warning("event %s was not published and is tried again later: %s", event.id, answer)
    again = event.model_copy(update={"timeline": None, "is_counted": True})
    yield from call_all(ctx, START_RUN, [delivery_run_of(again)])


def delivery_run_of(event: PublishEvent) -> StartRun:
    """The run that delivers an event, by an id that is the event's own: started twice, it still delivers once."""
    delivery_id = run_id("publish-event", event.type, event.id)
    return StartRun(id=delivery_id, orchestrator=durable_names.PUBLISH_EVENT, payload=event.model_dump(mode="json"))


def deliver(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Publish an event, again and again at growing distances, for a day."""
    event = PublishEvent.model_validate(payload)
    for pause in DELIVERY_PAUSES:
        answer = (yield from call_all(ctx, PUBLISH_EVENT, [event]))[0]
        if isinstance(answer, EventPublished | Refused):
            return {"delivered": isinstance(answer, EventPublished), "detail": str(answer)}
        yield from sleep(ctx, pause)
    return {"delivered": False, "detail": "not taken within a day"}
