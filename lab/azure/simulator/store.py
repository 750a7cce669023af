"""All simulated state: JSON documents by kind and id, in memory and written through to one SQLite file.

A document is changed in place and then `put` again; `commit` writes what was put or deleted since the last one in a
single transaction, at the end of every request and every step of the clock.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from lab.azure.simulator.answers import Json

SCHEMA = "CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, body TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"


class Store:
    """Documents by (kind, id). Look-ups ignore the casing of ids; what is read keeps the casing it was put with."""

    def __init__(self, file: Path | None = None) -> None:
        """Open `file`, with what it holds; without a file the state is lost with the process."""
        self._kinds: dict[str, dict[str, Json]] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._database = sqlite3.connect(file or ":memory:", isolation_level=None)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;")
        self._database.execute(SCHEMA)
        for kind, key, body in self._database.execute("SELECT kind, id, body FROM documents"):
            self._kinds.setdefault(kind, {})[key] = json.loads(body)

    def get(self, kind: str, arm_id: str) -> Json | None:
        """The live document, or None; changes to it are kept by the next `put`."""
        return self._kinds.get(kind, {}).get(arm_id.lower())

    def put(self, kind: str, arm_id: str, document: Json) -> Json:
        """Keep a document, new or changed, and give it back."""
        key = arm_id.lower()
        self._kinds.setdefault(kind, {})[key] = document
        self._dirty.add((kind, key))
        return document

    def delete(self, kind: str, arm_id: str) -> bool:
        """Forget a document; says whether it was there."""
        key = arm_id.lower()
        if self._kinds.get(kind, {}).pop(key, None) is None:
            return False
        self._dirty.add((kind, key))
        return True

    def all(self, kind: str, under: str = "") -> list[Json]:
        """The documents of a kind whose id begins with `under`, in the order of their first `put`."""
        return [document for _, document in self.items(kind, under)]

    def items(self, kind: str, under: str = "") -> Iterator[tuple[str, Json]]:
        """Pairs of lower-cased id and document, as `all`; stays valid while the store is changed."""
        documents = self._kinds.get(kind, {})
        if not under:
            yield from list(documents.items())
            return
        prefix = under.lower().rstrip("/") + "/"
        yield from [(key, document) for key, document in documents.items() if key.startswith(prefix)]

    def kinds(self) -> list[str]:
        """The kinds of which there is or was a document."""
        return list(self._kinds)

    def count(self, kind: str) -> int:
        """How many documents of a kind there are."""
        return len(self._kinds.get(kind, {}))

    def clear(self, *, keep: tuple[str, ...] = ()) -> None:
        """Forget everything but the kinds named."""
        for kind in [kind for kind in self._kinds if kind not in keep]:
            for key in list(self._kinds[kind]):
                self.delete(kind, key)

    def commit(self) -> None:
        """Write what changed since the last commit; after it a killed process goes on from here."""
        if not self._dirty:
            return
        written, gone = [], []
        for kind, key in self._dirty:
            document = self._kinds.get(kind, {}).get(key)
            if document is None:
                gone.append((kind, key))
            else:
                written.append((kind, key, json.dumps(document)))
        self._dirty.clear()
        self._write(written, gone)

    def _write(self, written: list[tuple[str, str, str]], gone: list[tuple[str, str]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", written)
        self._database.executemany("DELETE FROM documents WHERE kind = ? AND id = ?", gone)
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Commit and close the file."""
        self.commit()
        self._database.close()
