"""The engine as a whole: its parts put together, started, driven and emptied."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from lab.clock import Clock, sleep_until
from lab.host.engine.actions import Actions
from lab.host.engine.agenda import Agenda
from lab.host.engine.control import Control
from lab.host.engine.disorder import MessageOrder
from lab.host.engine.entities import Entities
from lab.host.engine.holds import Holds
from lab.host.engine.instances import Instances
from lab.host.engine.locks import Locks
from lab.host.engine.queries import Queries
from lab.host.engine.renewal import Renewal
from lab.host.engine.runner import Functions, Runner
from lab.host.engine.store import Store
from lab.host.engine.tasks import Tasks
from lab.host.engine.transit import Transit
from lab.host.engine.turns import Turns
from lab.host.engine.versions import Versions

LEAST_PAUSE = 0.02
"""Real seconds between two looks at what other hosts have left, however fast the clock goes."""


@dataclass(frozen=True)
class EngineSettings:
    """What host.json says of the engine, with the defaults of the Durable Task extension.

    Attributes:
        entity_window: Minutes within which messages of entities are sorted. An orchestrator in Python gives them no
            time: with a window none arrives. Source: seen with versions 3.14.1 and 3.19.0 of the extension.
        max_message_bytes: Of an answer to a durable client.
        visibility_timeout: How long what a dead host held stays with it.
        versions: Which version a new run gets, and which runs are gone on with.
        transit: How long each message is on its way.
        polling_interval: How long something that another host has left here is not seen, at the most.
    """

    entity_window: int = 30
    max_message_bytes: int = 4194304
    visibility_timeout: timedelta = timedelta(minutes=5)
    polling_interval: timedelta = timedelta(seconds=30)
    versions: Versions = field(default_factory=Versions)
    transit: Transit = field(default_factory=Transit)


class Engine:
    """Durable orchestrations in one SQLite file; everything happens on the thread of its event loop.

    With another `order` messages to entities arrive otherwise than once and in order. Made, it holds what a former
    process left; `resume_waiting` takes that up and `run_for_ever` lets time pass.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        functions: Functions,
        settings: EngineSettings,
        order: MessageOrder | None = None,
    ) -> None:
        self.store = Store(path)
        self._clock, self._settings = clock, settings
        self.agenda = Agenda(clock, lambda kind, key: self.runner.wake(kind, key), settings.transit)  # noqa: PLW0108 - the runner is made later
        self.instances = Instances(self.store, self.agenda, settings.versions)
        self.locks = Locks(self.store, self.agenda, self.instances)
        self.entities = Entities(self.store, self.agenda, self.instances, self.locks, order or MessageOrder())
        self.tasks = Tasks(self.store, self.agenda, self.instances)
        renewal = Renewal(self.store, self.agenda, self.instances, self.tasks)
        hears_entities = settings.entity_window == 0
        actions = Actions(self.agenda, self.instances, self.tasks, self.entities, self.locks, hears_entities)
        turns = Turns(self.store, self.agenda, self.instances, actions, renewal, settings.versions)
        self.control = Control(self.store, self.agenda, self.instances, renewal, settings.versions)
        self.queries = Queries(self.store)
        self.holds = Holds(self.store, self.agenda, settings.visibility_timeout)
        self.runner = Runner(functions, turns, self.tasks, self.entities, self.holds)
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
        """Let time pass, and look at what other hosts of the hub have left, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.agenda.run_for_ever())
            group.create_task(self._renew_for_ever())
            group.create_task(self._poll_for_ever())

    async def _renew_for_ever(self) -> None:
        while True:
            await sleep_until(self._clock, self._clock.now() + self.holds.timeout / 3)
            self.holds.renew_all()

    async def _poll_for_ever(self) -> None:
        while True:
            await sleep_until(self._clock, self._clock.now() + self._settings.polling_interval)
            if self.store.was_changed_by_others():
                self.resume_waiting()
                self.instances.tell_all()
            await asyncio.sleep(LEAST_PAUSE)

    async def clear(self) -> None:
        """Drop all state; what still runs is cancelled, or answers nobody."""
        self.agenda.clear()
        await self.runner.clear()
        self.store.clear()
        self.instances.tell_all()

    async def die(self) -> None:
        """Stop as if killed: what is cut off is not seen again before its time-out."""
        self.holds.die()
        await self.close()

    async def close(self) -> None:
        """Stop; what waits goes on when the file is opened again, and what is cut off at once."""
        await self.runner.clear()
        self.store.close()
