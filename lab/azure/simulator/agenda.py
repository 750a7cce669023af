"""What is due at a simulated time: entries of (when, name, args) in order of time, which survive a restart."""

import heapq
from collections.abc import Container
from datetime import datetime

from lab.azure.simulator.answers import Json
from lab.azure.simulator.store import Store

KIND = "agenda"


class Agenda:
    """A queue of things due, kept in the store; entries of the same instant run in the order they were added."""

    def __init__(self, store: Store, handlers: Container[str]) -> None:
        """`handlers` has the names that an entry may be called by."""
        self._store, self._handlers = store, handlers
        self._heap: list[tuple[str, int]] = []
        self._serial = 0
        self.reload()

    def reload(self) -> None:
        """Take the entries from the store again, as after a restart or a reset."""
        self._heap = [(entry["due"], entry["serial"]) for entry in self._store.all(KIND)]
        heapq.heapify(self._heap)
        self._serial = max((serial for _, serial in self._heap), default=self._serial)

    def add_entry(self, when: datetime, name: str, args: Json) -> str:
        """Have handler `name` called with `args` at `when`; gives the key that `cancel` takes."""
        if name not in self._handlers:
            raise KeyError(f"no handler is registered as {name}")
        self._serial += 1
        key = f"{self._serial:012d}"
        stamp = when.isoformat(timespec="microseconds")
        self._store.put(KIND, key, {"due": stamp, "serial": self._serial, "name": name, "args": args})
        heapq.heappush(self._heap, (stamp, self._serial))
        return key

    def cancel(self, key: str) -> bool:
        """Drop an entry; False when it has run or was dropped before."""
        return self._store.delete(KIND, key)

    def next_due(self) -> datetime | None:
        """When the earliest entry is due."""
        while self._heap:
            stamp, serial = self._heap[0]
            if self._store.get(KIND, f"{serial:012d}") is not None:
                return datetime.fromisoformat(stamp)
            heapq.heappop(self._heap)  # cancelled
        return None

    def take_due(self, now: datetime) -> tuple[datetime, str, Json] | None:
        """Remove and give back the earliest entry that is due by `now`: (when, name, args)."""
        when = self.next_due()
        if when is None or when > now:
            return None
        _, serial = heapq.heappop(self._heap)
        key = f"{serial:012d}"
        entry = self._store.get(KIND, key)
        self._store.delete(KIND, key)
        return (when, entry["name"], entry["args"]) if entry else None
