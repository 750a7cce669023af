"""How many notifications a rule may send in an hour, and what became of them. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from shared.messages import Message
from shared.notifications.occasions import WAITS, Occasion

MOST_IN_AN_HOUR = 60
"""New events that a channel is told of: more than a person reads."""
MOST_WAITS_IN_AN_HOUR = 200
"""Apart from the others: a flood of failures must not hide that a run waits for somebody."""


class Admission(Message):
    """A notification wants to be sent.

    Attributes:
        channel: Which of the rule's channels it is for.
    """

    at: datetime
    channel: int
    occasion: Occasion


class Delivered(Message):
    """What became of one.

    Attributes:
        event: Id of the event.
        detail: Why it was given up.
    """

    at: datetime
    outcome: Literal["sent", "given-up"]
    event: str = ""
    detail: str = ""


class Deliveries(Message):
    """What is kept of a rule.

    Attributes:
        hour: The hour that is counted, from its beginning.
        waits, others: Admitted in that hour, by channel.
        sent, given_up, left_out: Since the rule was declared first.
        last_given_up: The newest that no channel took.
    """

    hour: datetime | None = None
    waits: dict[int, int] = Field(default_factory=dict)
    others: dict[int, int] = Field(default_factory=dict)
    sent: int = 0
    given_up: int = 0
    left_out: int = 0
    last_given_up: Delivered | None = None


def admit_notification(kept: Deliveries, request: Admission) -> tuple[Deliveries, bool]:
    """Whether it may be sent in this hour; what may not is counted."""
    hour = request.at.replace(minute=0, second=0, microsecond=0)
    if kept.hour is None or hour > kept.hour:
        kept = kept.model_copy(update={"hour": hour, "waits": {}, "others": {}})
    is_wait = request.occasion in WAITS
    counts, most = (kept.waits, MOST_WAITS_IN_AN_HOUR) if is_wait else (kept.others, MOST_IN_AN_HOUR)
    count = counts.get(request.channel, 0)
    if count >= most:
        return kept.model_copy(update={"left_out": kept.left_out + 1}), False
    counted = {**counts, request.channel: count + 1}
    return kept.model_copy(update={"waits" if is_wait else "others": counted}), True


def note_delivery(kept: Deliveries, delivered: Delivered) -> Deliveries:
    """Count what became of one."""
    if delivered.outcome == "sent":
        return kept.model_copy(update={"sent": kept.sent + 1})
    last = kept.last_given_up
    newest = last if last and last.at > delivered.at else delivered
    return kept.model_copy(update={"given_up": kept.given_up + 1, "last_given_up": newest})


def total_deliveries(kept: Mapping[str, Any]) -> dict[str, int]:
    """What became of the notifications of all rules, by count."""
    rules = [Deliveries.model_validate(one) for one in kept.values()]
    return {
        "sent": sum(one.sent for one in rules),
        "givenUp": sum(one.given_up for one in rules),
        "leftOut": sum(one.left_out for one in rules),
    }
