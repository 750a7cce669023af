"""What runs ask of the app itself: its engine, its book, its evidence, and who is told."""

from datetime import datetime
from typing import Any

from shared.activity import Activity
from shared.messages import Message


class ReadBook(Message):
    """Read all that is declared: the timers' only view of it."""


class Declared(Message):
    """A declared document as its entity keeps it."""

    name: str
    document: dict[str, Any]
    declared: datetime


class Tracked(Message):
    """What is remembered of a plan, as its entity keeps it, with no more of the past than its newest good drill."""

    name: str
    track: dict[str, Any]


class BookRead(Message):
    """Sites and plans by name, what is owed, and what is remembered of the plans' drills."""

    sites: tuple[Declared, ...]
    plans: tuple[Declared, ...]
    obligations: tuple[dict[str, Any], ...]
    tracks: tuple[Tracked, ...] = ()


READ_BOOK = Activity("read_documents", ReadBook, BookRead)
