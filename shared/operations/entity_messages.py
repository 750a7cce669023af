"""Messages to an entity that may arrive twice, late, and in another order: which of them still count. Pure."""

from datetime import datetime, timedelta
from typing import Any, Literal

from shared.messages import Message

type Order = Literal["sender", "entity"]
"""Among whose messages an earlier one is late once a later one was done: those of its sender, or all of the entity."""
LATE = "late"
"""The field of an answer to a message that came too late: it says after when the message has to be sent anew."""
VALUE, MEMORY = "value", "memory"
"""The fields of the state of an entity: what it is about, and what it remembers of its messages."""
TICK = timedelta(microseconds=1)
READS = frozenset({"count", "read"})
"""Operations that change nothing."""
FORGET = "forget"
"""The operation that every entity has: it removes what is kept, also what is remembered of messages."""


class MessageStamp(Message):
    """Which message of which sender it is.

    Attributes:
        sender: A run with the time at which it began, or an event.
        number: Counts the messages of the sender: sent once more, it keeps its number.
        at: When it was sent, later than all before of the same sender. None where no time is known: it is never late.
    """

    sender: str
    number: int
    at: datetime | None = None


class EntityMessage(Message):
    """A request to an entity, with its stamp, and with its seal where the entity wants one."""

    stamp: MessageStamp
    request: Any = None
    seal: str = ""


class ForgetRequest(Message):
    """Forget an entity, unless it was asked for something since.

    Attributes:
        unchanged_since: Long enough ago that no message of before can still arrive.
        whatever_it_keeps: Also when its value is not empty: what it is about is gone.
    """

    unchanged_since: datetime
    whatever_it_keeps: bool = False


class DoneMessage(Message):
    """A message that was done, and its answer."""

    stamp: MessageStamp
    operation: str
    answer: Any = None

    def is_repeated_by(self, operation: str, stamp: MessageStamp) -> bool:
        """Whether this is the same message; a run that is done again from a later time may ask for something else."""
        mine = (self.operation, self.stamp.sender, self.stamp.number)
        return mine == (operation, stamp.sender, stamp.number)


class MessageMemory(Message):
    """What an entity remembers of its messages.

    Attributes:
        done: The last ones, in the order in which they were done.
        forgotten_until: The latest time of all others: what is not remembered and no newer may have been done.
    """

    done: tuple[DoneMessage, ...] = ()
    forgotten_until: datetime | None = None

    @property
    def last_at(self) -> datetime | None:
        """When the last message was sent; None when no time is known of any."""
        times = [self.forgotten_until, *(one.stamp.at for one in self.done)]
        return max((at for at in times if at is not None), default=None)

    def find_done(self, operation: str, stamp: MessageStamp) -> DoneMessage | None:
        """The same message, if it is remembered."""
        return next((one for one in self.done if one.is_repeated_by(operation, stamp)), None)

    def find_later(self, stamp: MessageStamp, order: Order) -> datetime | None:
        """The time of what was done and came after this message; None when it comes in time."""
        if stamp.at is None:
            return None
        others = (one.stamp for one in self.done if order == "entity" or one.stamp.sender == stamp.sender)
        later = [other.at for other in others if other.at is not None and other.at > stamp.at]
        if self.forgotten_until is not None and self.forgotten_until >= stamp.at:
            later.append(self.forgotten_until)
        return max(later, default=None)

    def with_done(self, done: DoneMessage, most: int) -> "MessageMemory":
        """With one more, and no more than this many: of the oldest only the time stays."""
        remembered = (*self.done, done)
        forgotten, kept = remembered[:-most], remembered[-most:]
        times = [self.forgotten_until, *(one.stamp.at for one in forgotten)]
        until = max((at for at in times if at is not None), default=None)
        return MessageMemory(done=kept, forgotten_until=until)


def stamp_after(last: MessageStamp, now: datetime) -> MessageStamp:
    """The stamp of the next message of the same sender; a clock that has not moved, or went back, is no matter."""
    at = now if last.at is None else max(now, last.at + TICK)
    return MessageStamp(sender=last.sender, number=last.number + 1, at=at)


def value_of(state: Any) -> Any:
    """What an entity is about, apart from what it remembers; None when there is nothing."""
    return (state or {}).get(VALUE)
