"""The engine as a whole: its parts put together, started, driven and emptied."""

from pathlib import Path

from lab.clock import Clock
from lab.host.engine.actions import Actions
from lab.host.engine.agenda import Agenda
from lab.host.engine.control import Control
from lab.host.engine.disorder import MessageOrder
from lab.host.engine.entities import Entities
from lab.host.engine.instances import Instances
from lab.host.engine.locks import Locks
from lab.host.engine.queries import Queries
from lab.host.engine.renewal import Renewal
from lab.host.engine.runner import Functions, Runner
from lab.host.engine.store import Store
from lab.host.engine.tasks import Tasks
from lab.host.engine.turns import Turns


class Engine:
    """Durable orchestrations in one SQLite file; everything happens on the thread of its event loop.

    With another `order` messages to entities arrive otherwise than once and in order. Made, it holds what a former
    process left; `resume_waiting` takes that up and `run_for_ever` lets time pass.
    """

    def __init__(self, path: Path, clock: Clock, functions: Functions, order: MessageOrder | None = None) -> None:
        self.store = Store(path)
        self.agenda = Agenda(clock, lambda kind, key: self.runner.wake(kind, key))  # noqa: PLW0108 - the runner is made later
        self.instances = Instances(self.store, self.agenda)
        self.locks = Locks(self.store, self.agenda, self.instances)
        self.entities = Entities(self.store, self.agenda, self.instances, self.locks, order or MessageOrder())
        self.tasks = Tasks(self.store, self.agenda, self.instances)
        renewal = Renewal(self.store, self.agenda, self.instances, self.tasks)
        actions = Actions(self.agenda, self.instances, self.tasks, self.entities, self.locks)
        turns = Turns(self.store, self.agenda, self.instances, actions, renewal)
        self.control = Control(self.store, self.agenda, self.instances, renewal)
        self.queries = Queries(self.store)
        self.runner = Runner(functions, turns, self.tasks, self.entities)
        self.instances.on_end = self.locks.release_all

    def resume_waiting(self) -> None:
        """Take up all that waits in the file."""
        for row in self.store.rows("SELECT id, MIN(at) AS at FROM inbox GROUP BY id, at"):
            self.agenda.wake_at(row["at"], "orchestration", row["id"])
        for row in self.store.rows("SELECT id, MIN(at) AS at FROM operations GROUP BY id, at"):
            self.agenda.wake_at(row["at"], "entity", row["id"])
        for row in self.store.rows("SELECT seq FROM activities ORDER BY seq"):
            self.agenda.wake_at(0, "activity", str(row["seq"]))

    async def run_for_ever(self) -> None:
        """Let time pass, for ever."""
        await self.agenda.run_for_ever()

    async def clear(self) -> None:
        """Drop all state; what still runs is cancelled, or answers nobody."""
        self.agenda.clear()
        await self.runner.clear()
        self.store.clear()
        self.instances.tell_all()

    async def close(self) -> None:
        """Stop; what waits goes on when the file is opened again."""
        await self.runner.clear()
        self.store.close()
