"""An activity as orchestrators see it: its name, with the messages that it takes and answers."""

from typing import NamedTuple

from shared.errors import CallKind
from shared.messages import Message


class Activity[Ask: Message, Answer: Message](NamedTuple):
    """An activity by name, with the messages it takes and answers."""

    name: str
    request: type[Ask]
    answer: type[Answer]


class Nothing(Message):
    """There is nothing to say."""


class ThrottledWait(Message):
    """Requests that were not taken in, as an answer: how many seconds to wait, in which subscription, for what kind.

    Without a subscription it is one service that wants to be left alone, and no budget is used up.
    """

    detail: str
    wait: int
    subscription: str
    kind: CallKind


class RefusedCode(Message):
    """A refusal as an answer: a code that programs know and a sentence for people."""

    code: str
    detail: str
