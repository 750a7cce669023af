"""The ledger: every mutating call that was accepted, in order; and counters by verb and status of every call."""

from collections import Counter

from lab.azure.simulator.answers import Json
from lab.azure.simulator.requests import ArmRequest
from lab.azure.simulator.store import Store

KIND = "ledger"


class Ledger:
    """What was accepted is kept in the store; the counters are of this process's life since the last reset."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counter[tuple[str, int]] = Counter()

    def count_answer(self, verb: str, status: int) -> None:
        """Count an answer, accepted or not."""
        self._counts[verb, status] += 1

    def add_entry(self, request: ArmRequest, status: int) -> None:
        """Enter an accepted call."""
        seq = self._store.count(KIND) + 1
        entry = {
            "seq": seq,
            "at": stamp(request),
            "method": request.method,
            "path": request.path,
            "verb": request.verb,
            "item": request.item,
            "clientRequestId": request.client_request_id,
            "status": status,
            "job": request.job,
        }
        self._store.put(KIND, f"{seq:012d}", entry)

    def list_entries(self) -> list[Json]:
        """All entries, in order."""
        return [entry for _, entry in sorted(self._store.items(KIND))]

    def count_by_status(self) -> dict[str, dict[str, int]]:
        """How many answers there were: {verb: {status: count}}."""
        table: dict[str, dict[str, int]] = {}
        for (verb, status), count in sorted(self._counts.items()):
            table.setdefault(verb, {})[str(status)] = count
        return table

    def clear(self) -> None:
        """Start the counters again; the entries go with the store."""
        self._counts.clear()


def stamp(request: ArmRequest) -> str:
    """When the call arrived, simulated, ISO 8601."""
    return request.at.isoformat().replace("+00:00", "Z")
