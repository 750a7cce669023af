"""Whose turn it is: one node of a cluster is healed at a time, first come first served. Pure.

Each node that registers asks for a certificate and so invalidates the one that another node may be using.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.messages import Message


class QueueTurn(Message):
    """One repair that wants to work on the cluster."""

    run: str
    node: str
    since: datetime


class JoinQueue(Message):
    """Ask for a turn.

    Attributes:
        ended: Runs that are known to have ended: they wait no more.
    """

    turn: QueueTurn
    ended: tuple[str, ...] = ()


class QueuePosition(Message):
    """Where a repair stands.

    Attributes:
        ahead: How many have their turn before it; 0 means that it is its turn now.
        first: Who has the turn.
        node: The node that is being healed now.
    """

    ahead: int
    first: str
    node: str


type Queue = tuple[QueueTurn, ...]


def join_queue(queue: Sequence[QueueTurn], request: JoinQueue) -> tuple[Queue, QueuePosition]:
    """Join the queue, or keep the place there; runs that have ended are taken out."""
    ended = set(request.ended) - {request.turn.run}
    kept = tuple(turn for turn in queue if turn.run not in ended)
    if request.turn.run not in {turn.run for turn in kept}:
        kept = (*kept, request.turn)
    ahead = [turn.run for turn in kept].index(request.turn.run)
    return kept, QueuePosition(ahead=ahead, first=kept[0].run, node=kept[0].node)


def leave_queue(queue: Iterable[QueueTurn], run: str) -> Queue:
    """Give the turn, or the place in the queue, up."""
    return tuple(turn for turn in queue if turn.run != run)
