"""What the run of a notification starts from, and what it asks of activities."""

from datetime import datetime, timedelta
from typing import Any

from shared.activity import Activity
from shared.messages import Message
from shared.notifications.occasions import Occasion
from shared.notifications.rule import Channel


class NotifiedEvent(Message):
    """The event of which people are notified, as it is published."""

    id: str
    type: str
    subject: str
    at: datetime
    data: dict[str, Any]


class NotifyOrder(Message):
    """Notify one channel of a rule of one event, as the rule was then.

    Attributes:
        id: Of the run: made of rule, channel and event, so that an event that is published twice notifies once.
        place: Which of the rule's channels it is.
    """

    id: str
    rule: str
    occasion: Occasion
    event: NotifiedEvent
    place: int
    channel: Channel
    remind: timedelta | None = None
    reminders: int = 0


class ReadAwaited(Message):
    """Ask what is known of the run that an event is about, and whether it still waits.

    Attributes:
        waits_for: As the event says it: approval, decision or resume; empty where it does not wait.
    """

    rule: str
    run: str = ""
    waits_for: str = ""


class Awaited(Message):
    """What people are told of a run beside its event; all of it is text from others.

    Attributes:
        still_waits: Whether the run waits for that, as far as it says so yet.
        is_declared: Whether the rule is declared still.
        irreversible: What could not be undone.
        data_loss: How much of the newest data would be lost.
    """

    still_waits: bool = False
    is_declared: bool = True
    requested_by: str = ""
    reason: str = ""
    irreversible: tuple[str, ...] = ()
    data_loss: str = ""


class SendNotification(Message):
    """Send one notification to one channel.

    Attributes:
        id: The same in each try.
        at: When it is sent: webhooks are signed with it.
        reminder: Which reminder it is; 0 for the first notification.
    """

    id: str
    at: datetime
    rule: str
    occasion: Occasion
    reminder: int
    channel: Channel
    event: NotifiedEvent
    awaited: Awaited = Awaited()


class NotificationSent(Message):
    """The channel took it: with which HTTP status."""

    status: int


READ_AWAITED = Activity("read_awaited", ReadAwaited, Awaited)
SEND_NOTIFICATION = Activity("send_notification", SendNotification, NotificationSent)
