"""Declared documents with their versions: a change is accepted only by someone who saw the last one. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from shared.messages import Message

KEPT = 50
"""How many former versions are remembered."""


class Version(Message):
    """Who declared what when.

    Attributes:
        digest: Names the content.
        changed: Fields of the document that are other than in the version before; empty for the first.
    """

    version: int
    digest: str
    at: datetime
    by: str
    changed: tuple[str, ...] = ()


class Entry(Message):
    """A document as it stands.

    Attributes:
        history: Former versions and this one, newest last.
    """

    document: dict[str, Any]
    version: int
    digest: str
    history: tuple[Version, ...] = ()

    @property
    def etag(self) -> str:
        """Changes with each version: an old content declared again is a new version."""
        return f'"{self.version}-{self.digest[:12]}"'


class Declaration(Message):
    """Wish to declare a document, or to withdraw it.

    Attributes:
        if_match: Entity tag that the caller saw; "*" for any that exists; empty for no condition.
    """

    document: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""
    by: str = ""
    at: datetime
    if_match: str = ""


class BookVerdict(Message):
    """What became of a declaration; `etag` is the one that holds now, empty without a document."""

    outcome: str
    etag: str = ""


def _precondition(entry: Entry | None, wish: Declaration) -> BookVerdict | None:
    if wish.if_match and (entry is None or wish.if_match not in {"*", entry.etag}):
        return BookVerdict(outcome="conflict", etag=entry.etag if entry else "")
    return None


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(key for key in {**before, **after} if before.get(key) != after.get(key)))


def put(entry: Entry | None, wish: Declaration) -> tuple[Entry | None, BookVerdict]:
    """Declare: "created", "changed", "unchanged" (same content), or "conflict" (someone else was faster)."""
    if conflict := _precondition(entry, wish):
        return entry, conflict
    if entry and entry.digest == wish.digest:
        return entry, BookVerdict(outcome="unchanged", etag=entry.etag)
    number = entry.version + 1 if entry else 1
    changed = _changed(entry.document, wish.document) if entry else ()
    mark = Version(version=number, digest=wish.digest, at=wish.at, by=wish.by, changed=changed)
    history = (*(entry.history if entry else ()), mark)[-KEPT:]
    fresh = Entry(document=wish.document, version=number, digest=wish.digest, history=history)
    return fresh, BookVerdict(outcome="changed" if entry else "created", etag=fresh.etag)


def remove(entry: Entry | None, wish: Declaration) -> tuple[Entry | None, BookVerdict]:
    """Withdraw: "removed", "missing", or "conflict"."""
    if entry is None and not wish.if_match:
        return None, BookVerdict(outcome="missing")
    if conflict := _precondition(entry, wish):
        return entry, conflict
    return None, BookVerdict(outcome="removed")
