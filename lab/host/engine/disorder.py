"""Messages to entities as Microsoft's engine may deliver them: twice, one of the two late, and in another order."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

LATEST = timedelta(seconds=5) // timedelta(microseconds=1)
"""By how much of the lab's time the later of the two comes after the first, at most."""


class Delivery(NamedTuple):
    """One arrival of a message.

    Attributes:
        at: When, in microseconds.
        answered: Whether its answer goes to the caller: to the one of two that this is so of.
    """

    at: int
    answered: bool = True


class MessageOrder:
    """Once and in order, as no engine promises it."""

    def plan_deliveries(self, at: int) -> Sequence[Delivery]:
        """When a message arrives that was sent for this instant."""
        return (Delivery(at),)

    def sort_waiting[Row](self, waiting: list[Row]) -> list[Row]:
        """The messages that are there, in the order in which they are done."""
        return waiting


class MessageDisorder(MessageOrder):
    """Everything twice, and of what is there at once none in its order; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def plan_deliveries(self, at: int) -> Sequence[Delivery]:
        """One at its instant and one later; the caller is answered by either of them."""
        first = self._chance.random() < 1 / 2
        return Delivery(at, first), Delivery(at + self._chance.randint(0, LATEST), not first)

    def sort_waiting[Row](self, waiting: list[Row]) -> list[Row]:
        """Shuffled."""
        return self._chance.sample(waiting, len(waiting))
