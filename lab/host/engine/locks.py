"""Critical sections: entities that answer one orchestration only, until it lets go of them."""

import json
from collections.abc import Sequence

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Agenda
from lab.host.engine.instances import Instances
from lab.host.engine.moments import to_timestamp
from lab.host.engine.store import Store


class Locks:
    """Grants all entities of a request at once, oldest request first, when what was asked of them before is done."""

    def __init__(self, store: Store, agenda: Agenda, instances: Instances) -> None:
        self._store = store
        self._agenda = agenda
        self._instances = instances

    def request_locks(self, section: str, holder: str, execution: str, entities: Sequence[str]) -> None:
        """Queue up for the entities."""
        behind = self._store.value("SELECT MAX(seq) FROM operations") or 0
        self._store.insert(
            "INSERT INTO locks (section, holder, execution, entities, behind) VALUES (?, ?, ?, ?, ?)",
            *(section, holder, execution, json.dumps(sorted(set(entities))), behind),
        )
        self.grant_waiting()

    def unlock_entity(self, section: str, entity: str) -> None:
        """Unlock one entity of a section."""
        freed = "UPDATE entities SET holder = NULL, section = NULL WHERE id = ? AND section = ?"
        if self._store.run(freed, entity, section):
            self._wake_entity(entity)
        self.grant_waiting()

    def release_all(self, holder: str) -> None:
        """An orchestration has ended: it holds nothing and waits for nothing."""
        held = self._store.rows("SELECT id FROM entities WHERE holder = ?", holder)
        waited = self._store.run("DELETE FROM locks WHERE holder = ?", holder)
        self._store.run("UPDATE entities SET holder = NULL, section = NULL WHERE holder = ?", holder)
        for row in held:
            self._wake_entity(row["id"])
        if held or waited:
            self.grant_waiting()

    def grant_waiting(self) -> None:
        """Grant each waiting request whose entities are free, unless an older one waits for one of them."""
        promised: set[str] = set()
        for row in self._store.rows("SELECT * FROM locks ORDER BY seq"):
            entities = json.loads(row["entities"])
            if promised.isdisjoint(entities) and all(self._is_free(entity, row["behind"]) for entity in entities):
                self._give_locks(row["seq"], row["section"], (row["holder"], row["execution"]), entities)
            promised.update(entities)

    def _is_free(self, entity: str, behind: int) -> bool:
        holder = self._store.value("SELECT holder FROM entities WHERE id = ?", entity)
        earlier = "SELECT 1 FROM operations WHERE id = ? AND seq <= ? AND at <= ?"
        return holder is None and self._store.row(earlier, entity, behind, self._agenda.now()) is None

    def _give_locks(self, seq: int, section: str, run: tuple[str, str], entities: list[str]) -> None:
        holder, execution = run
        now = self._agenda.now()
        self._store.run("DELETE FROM locks WHERE seq = ?", seq)
        for entity in entities:
            self._store.run(
                "INSERT INTO entities (id, modified, holder, section) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, section = excluded.section",
                *(entity, now, holder, section),
            )
        granted = pb.EntityLockGrantedEvent(criticalSectionId=section)
        self._instances.post_reply(
            holder, execution, pb.HistoryEvent(eventId=-1, timestamp=to_timestamp(now), entityLockGranted=granted)
        )

    def _wake_entity(self, entity: str) -> None:
        self._store.after_commit(lambda: self._agenda.wake_at(0, "entity", entity))
