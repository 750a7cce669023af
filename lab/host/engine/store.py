"""The engine's state in one SQLite file: its tables are its queues, so a restart has nothing to rebuild."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

VERSION = 2
"""Of the tables; a file of another version is refused."""

WAIT_FOR_OTHERS = 30.0
"""Real seconds for which a transaction waits for those of other processes."""

SCHEMA = """
CREATE TABLE instances (
    id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, version TEXT, status INTEGER NOT NULL,
    input TEXT, output TEXT, custom TEXT, failure BLOB, tags TEXT,
    starts INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL, completed INTEGER,
    parent TEXT, parent_execution TEXT, parent_task INTEGER
);
CREATE INDEX instances_by_creation ON instances (created, id);
CREATE INDEX instances_by_parent ON instances (parent) WHERE parent IS NOT NULL;
CREATE TABLE history (
    id TEXT NOT NULL, seq INTEGER NOT NULL, event BLOB NOT NULL, PRIMARY KEY (id, seq)
) WITHOUT ROWID;
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, execution TEXT, at INTEGER NOT NULL,
    kind TEXT NOT NULL, event BLOB NOT NULL
);
CREATE INDEX inbox_by_instance ON inbox (id, at);
CREATE TABLE activities (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, execution TEXT NOT NULL, task INTEGER NOT NULL,
    name TEXT NOT NULL, input TEXT
);
CREATE INDEX activities_by_instance ON activities (id);
CREATE TABLE entities (
    id TEXT PRIMARY KEY, state TEXT, modified INTEGER NOT NULL, holder TEXT, section TEXT
);
CREATE TABLE operations (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, at INTEGER NOT NULL, caller TEXT, execution TEXT,
    event BLOB NOT NULL
);
CREATE INDEX operations_by_entity ON operations (id, at);
CREATE TABLE locks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, section TEXT NOT NULL, holder TEXT NOT NULL, execution TEXT NOT NULL,
    entities TEXT NOT NULL, behind INTEGER NOT NULL
);
CREATE TABLE held (
    kind TEXT NOT NULL, key TEXT NOT NULL, owner TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE schedules (name TEXT PRIMARY KEY, last INTEGER, next INTEGER NOT NULL, updated INTEGER NOT NULL);
"""

TABLES = ("instances", "history", "inbox", "activities", "entities", "operations", "locks", "held", "schedules")


class Store:
    """One connection, used by one thread; what is written in a transaction is kept whole or not at all.

    The file may be open in other processes, too: hosts of the same hub.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=WAIT_FOR_OTHERS)
        self._seen_version = 0
        self._db.row_factory = sqlite3.Row
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # survives the death of the process, which is what we promise
        self._prepare_file(path)

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """Every row of a query."""
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row, or None."""
        found = self.row(sql, *values)
        return None if found is None else found[0]

    def run(self, sql: str, *values: Any) -> int:
        """Run a statement; answers how many rows it touched."""
        return self._db.execute(sql, values).rowcount

    def insert(self, sql: str, *values: Any) -> int:
        """Run an insert; answers the new row's number."""
        return self._db.execute(sql, values).lastrowid or 0

    def run_many(self, sql: str, values: list[tuple[Any, ...]]) -> int:
        """Run a statement once for each tuple; answers how many rows all of them touched."""
        return self._db.executemany(sql, values).rowcount if values else 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a transaction inside another is part of it."""
        if self._depth:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._depth, self._after = 1, []
        try:
            yield
        except BaseException:
            self._depth = 0
            self._db.execute("ROLLBACK")
            raise
        self._depth = 0
        self._db.execute("COMMIT")
        for call in self._after:
            call()

    def after_commit(self, tell: Callable[[], None]) -> None:
        """Call this after the commit; at once outside of a transaction. So nothing is reported that may be undone."""
        if self._depth:
            self._after.append(tell)
        else:
            tell()

    def clear(self) -> None:
        """Forget everything; numbers once given are not given again, so that late results find nothing."""
        with self.transaction():
            for table in TABLES:
                self.run(f"DELETE FROM {table}")  # noqa: S608 - the names are ours

    def was_changed_by_others(self) -> bool:
        """Whether another process has written since this was asked last."""
        version = int(self.value("PRAGMA data_version"))
        changed, self._seen_version = version != self._seen_version, version
        return changed

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _prepare_file(self, path: Path) -> None:
        with self.transaction():
            version = self.value("PRAGMA user_version")
            if version == 0:
                for statement in filter(str.strip, SCHEMA.split(";")):
                    self.run(statement)
                self.run(f"PRAGMA user_version = {VERSION}")
                version = VERSION
        if version != VERSION:
            self.close()
            raise ValueError(f"{path} holds state of version {version}, this host reads version {VERSION}")
