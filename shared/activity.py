"""An activity as orchestrators see it: its name, with the messages that it takes and answers."""

from typing import NamedTuple

from shared.messages import Message


class Activity[Ask: Message, Answer: Message](NamedTuple):
    """An activity by name, with the messages it takes and answers."""

    name: str
    request: type[Ask]
    answer: type[Answer]


class Nothing(Message):
    """There is nothing to say."""


class RefusedCode(Message):
    """A refusal as an answer: a code that programs know and a sentence for people."""

    code: str
    detail: str
