"""A notification: sent once though the host dies at any step, tried again for a day, and reminded of while it waits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from orchestrators.durable.entities import ENTITIES
from orchestrators.notify import GIVEN_UP_AFTER, notify
from shared.errors import Refused, Transient
from shared.notifications.budget import MOST_WAITS_IN_AN_HOUR
from shared.notifications.contract import (
    READ_AWAITED,
    SEND_NOTIFICATION,
    Awaited,
    NotificationSent,
    ReadAwaited,
    SendNotification,
)
from shared.operations.contract import PUBLISH_EVENT, SEAL_CONTENT, EventPublished, PublishEvent
from shared.operations.pacing import DELIVERY_PAUSES
from tests.driver import Driver, Result
from tests.orchestrators.test_kills import Host
from tests.seals import sealed_as_asked
from tests.shared.notifications.samples import order_of

KEY = "@notifications@all"
HOUR = timedelta(hours=1)


@dataclass
class Channel:
    """A channel, the run that waits, and the engine."""

    sent: list[SendNotification] = field(default_factory=list)
    published: list[PublishEvent] = field(default_factory=list)
    takes: Callable[[SendNotification], bool] = lambda _request: True
    refuses: bool = False
    awaited: Callable[[ReadAwaited], Awaited] = lambda _request: Awaited(still_waits=True, requested_by="ann")
    driver: Driver = field(init=False)

    def __post_init__(self) -> None:
        activities = {
            SEND_NOTIFICATION.name: self._send,
            READ_AWAITED.name: lambda ask: self.awaited(ReadAwaited.model_validate(ask)).model_dump(mode="json"),
            PUBLISH_EVENT.name: self._publish,
            SEAL_CONTENT.name: sealed_as_asked,
        }
        self.driver = Driver(activities, dict(ENTITIES))

    def _send(self, ask: dict[str, Any]) -> dict[str, Any]:
        request = SendNotification.model_validate(ask)
        self.sent.append(request)
        if self.takes(request):
            return NotificationSent(status=202).model_dump(mode="json")
        if self.refuses:
            refusal = Refused("notification-refused", "it answered 410")
            return {"refused": {"code": refusal.code, "detail": refusal.detail}}
        raise Transient("it answered 503")

    def _publish(self, ask: dict[str, Any]) -> dict[str, Any]:
        self.published.append(PublishEvent.model_validate(ask))
        return EventPublished(sent=True).model_dump(mode="json")

    def run(self, **changes: Any) -> Result:
        order = order_of(**changes)
        return self.driver.run(notify, order.model_dump(mode="json"), order.id)

    def kept(self, name: str) -> Any:
        return (self.driver.states.get(KEY) or {}).get(name)


def test_a_notification_is_sent_with_what_is_known_of_the_run() -> None:
    channel = Channel()
    assert channel.run().output == {"outcome": "sent", "sent": 1}
    (request,) = channel.sent
    assert (request.id, request.reminder, request.awaited.requested_by) == ("notify-all-1-0", 0, "ann")
    assert channel.kept("sent") == 1


def test_a_channel_that_is_away_is_tried_again_with_the_same_id() -> None:
    channel = Channel(takes=lambda request: request.at >= back)
    back = channel.driver.clock.now + timedelta(minutes=10)
    assert channel.run().output["outcome"] == "sent"
    assert {request.id for request in channel.sent} == {"notify-all-1-0"}
    assert channel.published == []


@pytest.mark.parametrize("refuses", [True, False])
def test_what_nobody_takes_is_given_up_after_a_day_counted_and_published(refuses: bool) -> None:
    channel = Channel(takes=lambda _request: False, refuses=refuses)
    began = channel.driver.clock.now
    assert channel.run(remind=HOUR, reminders=20).output == {"outcome": "given-up", "sent": 0}
    assert GIVEN_UP_AFTER <= channel.driver.clock.now - began < GIVEN_UP_AFTER + 2 * HOUR
    assert len(channel.sent) <= len(DELIVERY_PAUSES) * 4
    (event,) = channel.published
    assert (event.type, event.subject) == ("HciSiteRecovery.Notification.GivenUp", "notification-rules/all")
    assert (channel.kept("given_up"), channel.kept("last_given_up")["event"]) == (1, event.data["event"])


def test_people_are_reminded_while_the_run_waits_and_a_decision_ends_it() -> None:
    channel = Channel()
    decided = channel.driver.clock.now + timedelta(hours=2.5)
    channel.awaited = lambda _request: Awaited(still_waits=channel.driver.clock.now < decided)
    assert channel.run(remind=HOUR, reminders=20).output == {"outcome": "sent", "sent": 3}
    assert [request.reminder for request in channel.sent] == [0, 1, 2]
    assert len({request.id for request in channel.sent}) == 3


def test_nobody_is_reminded_more_often_than_the_rule_says() -> None:
    channel = Channel()
    assert channel.run(remind=HOUR, reminders=4).output["sent"] == 5


def test_a_rule_that_is_withdrawn_reminds_of_nothing() -> None:
    channel = Channel(awaited=lambda _request: Awaited(still_waits=True, is_declared=False))
    assert channel.run(remind=HOUR, reminders=4).output["sent"] == 1


def test_the_first_is_sent_although_the_run_does_not_say_yet_that_it_waits() -> None:
    channel = Channel(awaited=lambda _request: Awaited())
    assert channel.run(remind=HOUR, reminders=4).output == {"outcome": "sent", "sent": 1}


def test_what_is_decided_while_the_channel_is_away_is_not_sent_any_more() -> None:
    channel = Channel(takes=lambda _request: False, awaited=lambda _request: Awaited())
    assert channel.run().output == {"outcome": "over", "sent": 0}
    assert channel.published == []


def test_what_does_not_wait_is_not_reminded_of() -> None:
    channel = Channel()
    assert channel.run(occasion="failed", remind=HOUR, reminders=4).output["sent"] == 1


def test_a_run_that_cannot_be_read_is_notified_of_all_the_same() -> None:
    channel = Channel()

    def unreadable(_request: ReadAwaited) -> Awaited:
        raise Transient("the engine does not answer")

    channel.awaited = unreadable
    assert channel.run(remind=HOUR, reminders=1).output == {"outcome": "sent", "sent": 2}


def test_a_flood_is_bounded_and_what_is_left_out_is_counted() -> None:
    channel = Channel()
    for number in range(MOST_WAITS_IN_AN_HOUR + 20):
        channel.run(id=f"notify-all-{number}")
    assert len(channel.sent) == MOST_WAITS_IN_AN_HOUR
    assert channel.kept("left_out") == 20


def told(host: Host) -> tuple[Any, list[str], Any]:
    """A run with one reminder: how it ended, which notifications were sent, and what was counted."""
    channel = Channel()
    channel.driver.warm, channel.driver.dies = True, host.dies
    ends = channel.driver.clock.now + timedelta(hours=1.5)
    channel.awaited = lambda _request: Awaited(still_waits=channel.driver.clock.now < ends)
    output = channel.run(remind=HOUR, reminders=3).output
    return output, sorted({request.id for request in channel.sent}), channel.kept("sent")


def test_whenever_the_host_dies_each_notification_has_one_id_and_counts_once() -> None:
    undisturbed = Host()
    expected = told(undisturbed)
    assert expected[0] == {"outcome": "sent", "sent": 2}
    assert len(undisturbed.steps) > 10
    for step in range(1, len(undisturbed.steps) + 1):
        assert told(Host(dies_at=step)) == expected, undisturbed.steps[step - 1]
