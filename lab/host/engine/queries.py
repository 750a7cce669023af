"""Lists of instances and entities, by filter and page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.host.engine.instances import COLUMNS, FINISHED, Instance
from lab.host.engine.store import Store

PAGE = 100
"""Rows a page where the asker does not say."""


LARGEST_PAGE = 1000
"""Table storage refuses a query that asks for more. Source: its documentation of query operators."""


class PageTooLarge(ValueError):
    """More rows a page than the storage gives."""


class BadToken(ValueError):
    """A continuation token that was not given by us."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which instances are meant; instants in microseconds, from inclusive, to exclusive; empty statuses mean any."""

    statuses: Sequence[int] = ()
    created_from: int | None = None
    created_to: int | None = None
    completed_from: int | None = None
    completed_to: int | None = None
    prefix: str = ""

    def sql_clause(self) -> tuple[str, list[Any]]:
        """The condition in SQL, and its values."""
        asked = (
            ("created >= ?", self.created_from),
            ("created < ?", self.created_to),
            ("completed >= ?", self.completed_from),
            ("completed < ?", self.completed_to),
        )
        terms = [(term, value) for term, value in asked if value is not None]
        conditions = ["1", *(term for term, _ in terms)]
        values: list[Any] = [value for _, value in terms]
        if self.statuses:
            conditions.append(f"status IN ({', '.join('?' * len(self.statuses))})")
            values += self.statuses
        if self.prefix:
            conditions.append("substr(id, 1, ?) = ?")
            values += [len(self.prefix), self.prefix]
        return " AND ".join(conditions), values


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity as it is listed; `state` is JSON."""

    id: str
    state: str | None
    modified: int
    holder: str | None
    waiting: int


class Queries:
    """Reads only."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_instances(self, wanted: Filter, top: int = PAGE, token: str = "") -> tuple[list[Instance], str]:
        """A page of instances, oldest first, and the token of the next page, empty at the end.

        Raises:
            PageTooLarge: the page is larger than the storage gives.
        """
        if top > LARGEST_PAGE:
            raise PageTooLarge(f"a page of {top}: must be less than or equal to {LARGEST_PAGE}")
        condition, values = wanted.sql_clause()
        created, last = _read_token(token)
        rows = self._store.rows(
            f"SELECT {COLUMNS} FROM instances WHERE {condition} AND (created, id) > (?, ?)"  # noqa: S608
            " ORDER BY created, id LIMIT ?",
            *(*values, created, last, top + 1),
        )
        found = [Instance(*row) for row in rows]
        page = found[:top]
        return page, f"{page[-1].created}|{page[-1].id}" if len(found) > top else ""

    def finished_ids(self, wanted: Filter, top: int = PAGE, token: str = "") -> tuple[list[str], str]:
        """A page of ids of finished instances, in the order in which they ended."""
        condition, values = wanted.sql_clause()
        completed, last = _read_token(token)
        statuses = ", ".join(str(status) for status in FINISHED)
        rows = self._store.rows(
            f"SELECT completed, id FROM instances WHERE {condition} AND status IN ({statuses})"  # noqa: S608
            " AND (completed, id) > (?, ?) ORDER BY completed, id LIMIT ?",
            *(*values, completed, last, top + 1),
        )
        page = rows[:top]
        return [row["id"] for row in page], f"{page[-1]['completed']}|{page[-1]['id']}" if len(rows) > top else ""

    def matching_ids(self, wanted: Filter) -> list[str]:
        """Every id that is meant."""
        condition, values = wanted.sql_clause()
        return [row["id"] for row in self._store.rows(f"SELECT id FROM instances WHERE {condition}", *values)]  # noqa: S608

    def find_entity(self, entity: str) -> Entity | None:
        """One entity, or None if it has no state."""
        row = self._store.row(f"{ENTITIES} WHERE id = ?", entity)
        return None if row is None else Entity(*row)

    def list_entities(
        self, prefix: str = "", modified: tuple[int | None, int | None] = (None, None), top: int = PAGE, after: str = ""
    ) -> tuple[list[Entity], str]:
        """A page of entities by id, and the token of the next page, empty at the end."""
        since, until = modified
        rows = self._store.rows(
            f"{ENTITIES} WHERE substr(id, 1, ?) = ? AND modified >= ? AND modified < ? AND id > ? ORDER BY id LIMIT ?",
            *(len(prefix), prefix, since or 0, until or 1 << 62, after, top + 1),
        )
        found = [Entity(*row) for row in rows]
        page = found[:top]
        return page, page[-1].id if len(found) > top else ""

    def count_by_status(self) -> dict[int, int]:
        """How many instances there are of each status."""
        rows = self._store.rows("SELECT status, COUNT(*) AS n FROM instances GROUP BY status")
        return {row["status"]: row["n"] for row in rows}


ENTITIES = (
    "SELECT id, state, modified, holder, (SELECT COUNT(*) FROM operations AS o WHERE o.id = entities.id) FROM entities"
)


def _read_token(token: str) -> tuple[int, str]:
    if not token:
        return -1, ""
    at, _, last = token.partition("|")
    if not at.isdigit():
        raise BadToken(f"not a continuation token: {token}")
    return int(at), last
