"""What a host works on, hidden from the other hosts of its hub; what a dead one held comes back after its time-out.

Source: messages of Azure Storage's queues stay invisible while somebody has them (controlQueueVisibilityTimeout and
workItemQueueVisibilityTimeout of host.json), and are renewed as long as the work goes on.
"""

import uuid
from datetime import timedelta
from typing import Literal

from lab.host.engine.agenda import Agenda, Kind
from lab.host.engine.store import Store


class Holds:
    """The rows of `held`: one for each thing that a host has in its hands."""

    def __init__(self, store: Store, agenda: Agenda, timeout: timedelta) -> None:
        self._store = store
        self._agenda = agenda
        self.timeout = timeout
        self._owner = uuid.uuid4().hex
        self._is_dead = False

    def take(self, kind: Kind | Literal["timer"], key: str) -> int | None:
        """Take something in hand; else the instant in microseconds at which it can be seen again."""
        with self._store.transaction():
            now = self._agenda.now()
            row = self._store.row("SELECT owner, until FROM held WHERE kind = ? AND key = ?", kind, key)
            if row is not None and row["owner"] != self._owner and row["until"] > now:
                return int(row["until"])
            self._store.run(
                "INSERT OR REPLACE INTO held (kind, key, owner, until) VALUES (?, ?, ?, ?)",
                *(kind, key, self._owner, self._until(now)),
            )
        return None

    def let_go(self, kind: Kind | Literal["timer"], key: str) -> None:
        """Put it down, done or not; a dead host puts down nothing."""
        if not self._is_dead:
            self._store.run("DELETE FROM held WHERE kind = ? AND key = ? AND owner = ?", kind, key, self._owner)

    def wake_at(self, at: int, kind: Kind, key: str) -> None:
        """Look again when another host can have it no longer."""
        self._agenda.wake_at(at, kind, key)

    def renew_all(self) -> None:
        """Hold for longer what is still held."""
        self._store.run("UPDATE held SET until = ? WHERE owner = ?", self._until(self._agenda.now()), self._owner)

    def die(self) -> None:
        """Behave from now on as a host does that has ended without a word."""
        self._is_dead = True

    def _until(self, now: int) -> int:
        return now + self.timeout // timedelta(microseconds=1)
