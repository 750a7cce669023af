"""The log of heads: one entry for each sealed pack of a store, each of which names the digest of the one before. Pure.

An entry is `heads/00000001.json` and so on, canonical JSON: {seq, previous, kind: "pack", at, pack, head, records,
manifest}, with `key` and `signature`, or with `unsigned`: why it has none. The pack has a copy, `log-entry.json`.
Entries of the kind "administration" stand between them: see `administration`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from shared.evidence.verify import ENTRY_NAME, FIRST_ENTRY_PREVIOUS, entry_name, read_json, sha256_of

MOST_ENTRIES = 99_999_999
NO_KEY = "the app has no EVIDENCE_KEY"


class LogEnd(NamedTuple):
    """How long the log is, and the digest of its last entry."""

    size: int = 0
    head: str = FIRST_ENTRY_PREVIOUS

    def as_json(self) -> dict[str, Any]:
        """As a manifest says it."""
        return {"size": self.size, "head": self.head}


class Loggable(Protocol):
    """What an entry of the log can vouch for."""

    def is_in(self, content: bytes) -> bool:
        """Whether an entry is of this very thing."""

    def to_statement(self, end: LogEnd, at: datetime) -> dict[str, Any]:
        """The entry after this end of the log, before it is signed."""


class SealedPack(NamedTuple):
    """What an entry vouches for: a run's id, the digest of its last record, how many there are, and its manifest's."""

    pack: str
    head: str
    records: int
    manifest: str

    def is_in(self, content: bytes) -> bool:
        """Whether an entry is of this very pack."""
        entry = read_json(content)
        return all(entry.get(name) == value for name, value in self._asdict().items())

    def to_statement(self, end: LogEnd, at: datetime) -> dict[str, Any]:
        """The entry after this end of the log, before it is signed."""
        return {"seq": end.size + 1, "previous": end.head, "kind": "pack", "at": at.isoformat(), **self._asdict()}


def checkpoint_statement(end: LogEnd, at: datetime) -> dict[str, Any]:
    """What a checkpoint says, before it is signed."""
    return {"kind": "checkpoint", "size": end.size, "digest": end.head, "at": at.isoformat()}


def last_number(names: list[str]) -> int:
    """The highest number among names of the log; 0 where there is none. What is no entry is left to the verifier."""
    return max((int(parts[1]) for parts in map(ENTRY_NAME.fullmatch, names) if parts), default=0)


def log_before(manifest: bytes) -> LogEnd | None:
    """How the log was when a pack was sealed, as its manifest says it; None where it does not."""
    log = read_json(manifest).get("log")
    size, head = (log.get("size"), log.get("head")) if isinstance(log, Mapping) else (None, None)
    return LogEnd(size, head) if type(size) is int and isinstance(head, str) else None


def find_gap(names: list[str]) -> str:
    """The first entry that is missing; empty where there is none."""
    there = set(names)
    return next((name for name in map(entry_name, range(1, len(names) + 1)) if name not in there), "")


def follows(content: bytes, before: bytes | None) -> bool:
    """Whether an entry names the digest of the one before it."""
    previous = FIRST_ENTRY_PREVIOUS if before is None else sha256_of(before)
    return read_json(content).get("previous") == previous
