"""A notification: one channel of a rule is told of one event, and reminded of it while a run waits for a person.

1. See whether the channel may be told more in this hour; what is too much is counted and left out.
2. Send, again and again at growing distances, for a day: as long as the run still waits, where it does.
3. What is not taken is counted and published, and that is the end: the run itself never waits for any of this.
4. Sleep as long as the rule says, and see whether the run still waits: if so, begin again at step 2.
"""

import logging
from datetime import timedelta
from typing import Any, Literal

from orchestrators.durable.cloud_events import publish_event
from orchestrators.durable.steps import Context, Steps, call_all, call_entity, now, sleep
from shared.errors import SiteRecoveryError, Transient
from shared.notifications.budget import Admission, Delivered
from shared.notifications.contract import (
    READ_AWAITED,
    SEND_NOTIFICATION,
    Awaited,
    NotificationSent,
    NotifyOrder,
    ReadAwaited,
    SendNotification,
)
from shared.notifications.occasions import WAITS
from shared.operations.contract import PublishEvent
from shared.operations.durable_names import NOTIFICATIONS
from shared.operations.pacing import DELIVERY_PAUSES

_LOG = logging.getLogger(__name__)
type Ending = Literal["sent", "given-up", "over"]
"""How a notification ended; "over": the run waits no longer, or the rule is no more."""
GIVEN_UP_AFTER = sum(DELIVERY_PAUSES, timedelta(0))
LONGEST_DETAIL = 500


def notify(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Notify of an event, and remind of it; answers how the last notification ended, and how many were sent."""
    order = NotifyOrder.model_validate(payload)
    admission = Admission(at=now(ctx), occasion=order.occasion, channel=order.place).model_dump(mode="json")
    if not (yield from call_entity(ctx, NOTIFICATIONS, order.rule, "admit", admission)):
        return {"outcome": "left-out", "sent": 0}
    awaited = yield from _read_awaited(ctx, order)
    outcome, number = (yield from _notify_once(ctx, order, awaited, 0)), 0
    while outcome == "sent" and order.remind is not None and number < order.reminders:
        yield from sleep(ctx, order.remind)
        awaited = yield from _read_awaited(ctx, order)
        if order.occasion not in WAITS or _is_over(order, awaited):
            break
        number += 1
        outcome = yield from _notify_once(ctx, order, awaited, number)
    return {"outcome": outcome, "sent": number + (outcome == "sent")}


def _read_awaited(ctx: Context, order: NotifyOrder) -> Steps[Awaited]:
    """What is known of the run; where that cannot be read it may still wait, and nothing more is known."""
    run, waits_for = order.event.data.get("operation"), order.event.data.get("waitsFor")
    request = ReadAwaited(rule=order.rule, run=str(run or ""), waits_for=str(waits_for or ""))
    answer = (yield from call_all(ctx, READ_AWAITED, [request]))[0]
    return Awaited(still_waits=True) if isinstance(answer, SiteRecoveryError) else answer


def _is_over(order: NotifyOrder, awaited: Awaited) -> bool:
    """Whether there is nobody to tell any more."""
    return not awaited.is_declared or (order.occasion in WAITS and not awaited.still_waits)


def _notify_once(ctx: Context, order: NotifyOrder, awaited: Awaited, number: int) -> Steps[Ending]:
    """Have the channel take one notification; the first is sent even if the run does not say yet that it waits."""
    detail = ""
    for pause in DELIVERY_PAUSES:
        request = _request_of(ctx, order, awaited, number)
        answer = (yield from call_all(ctx, SEND_NOTIFICATION, [request]))[0]
        if isinstance(answer, NotificationSent):
            yield from _note(ctx, order, Delivered(at=now(ctx), outcome="sent", event=order.event.id))
            return "sent"
        detail = str(answer)[:LONGEST_DETAIL]
        yield from sleep(ctx, pause)
        awaited = yield from _read_awaited(ctx, order)
        if _is_over(order, awaited):
            return "over"
    yield from _give_up(ctx, order, detail, number)
    return "given-up"


def _request_of(ctx: Context, order: NotifyOrder, awaited: Awaited, number: int) -> SendNotification:
    return SendNotification(
        id=f"{order.id}-{number}",
        at=now(ctx),
        rule=order.rule,
        occasion=order.occasion,
        reminder=number,
        channel=order.channel,
        event=order.event,
        awaited=awaited,
    )


def _give_up(ctx: Context, order: NotifyOrder, detail: str, number: int) -> Steps[None]:
    """Count and publish what was not taken: no rule notifies of that event."""
    told = f"not taken within {GIVEN_UP_AFTER // timedelta(hours=1)} hours: {detail}"
    yield from _note(ctx, order, Delivered(at=now(ctx), outcome="given-up", event=order.event.id, detail=told))
    event = PublishEvent(
        id=f"{order.id}:given-up:{number}",
        type="HciSiteRecovery.Notification.GivenUp",
        subject=f"notification-rules/{order.rule}",
        at=now(ctx),
        data={
            "rule": order.rule,
            "occasion": order.occasion,
            "event": order.event.id,
            "channel": order.channel.kind,
            "detail": told,
        },
    )
    yield from publish_event(ctx, event)


def _note(ctx: Context, order: NotifyOrder, delivered: Delivered) -> Steps[None]:
    """Count what became of it; a count that is not taken stops nothing."""
    try:
        yield from call_entity(ctx, NOTIFICATIONS, order.rule, "note", delivered.model_dump(mode="json"))
    except Transient as failure:
        ctx.create_replay_safe_logger(_LOG).warning("a notification of %s is not counted: %s", order.rule, failure)
