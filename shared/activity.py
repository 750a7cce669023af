"""What orchestrators see of the activities, with its parts in the modules beside it: names, asks and answers.

Here what is asked of vaults, and of machines in Azure.
"""

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


class Obstacle(Message):
    """One thing in the way; `vm` is empty when it is not about one VM.

    Attributes:
        by_hand: A person has to do something and then say so; the run can wait for it.
    """

    vm: str = ""
    code: str
    detail: str
    by_hand: bool = False
