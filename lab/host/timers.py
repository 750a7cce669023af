"""Timer triggers on the lab's clock: one run at a time each on all hosts, what was missed caught up once."""

import asyncio
import json
import logging
from datetime import datetime

from lab.clock import Clock, sleep_until
from lab.host.app import App, Function, decode_trigger
from lab.host.engine.holds import Holds
from lab.host.engine.moments import from_micros, to_micros
from lab.host.engine.store import Store
from lab.host.ncrontab import Schedule, parse_schedule

_log = logging.getLogger(__name__)

LOOK_AGAIN_AFTER = 0.05
"""Real seconds, while another host runs what is due."""
NEVER = "0001-01-01T00:00:00+00:00"


class Timer:
    """One timer trigger; when it is due is kept in `schedules`, so that a restart finds what it missed."""

    def __init__(self, app: App, function: Function, store: Store, clock: Clock, holds: Holds) -> None:
        self.function = function
        self.schedule: Schedule = parse_schedule(function.trigger["schedule"])
        self._app = app
        self._store = store
        self._clock = clock
        self._holds = holds
        self._one_at_a_time = asyncio.Lock()

    @property
    def due(self) -> datetime:
        """The next instant at which it runs."""
        at = self._store.value("SELECT next FROM schedules WHERE name = ?", self.function.name)
        if at is not None:
            return from_micros(at)
        first = self.schedule.find_next(self._clock.now())
        self._keep_schedule(None, first)
        return first

    async def run_for_ever(self) -> None:
        """Run it whenever it is due, for ever."""
        if self.function.trigger.get("runOnStartup") and self.due > self._clock.now():
            await self.fire_now(past_due=False)
        while True:
            await sleep_until(self._clock, self.due)
            if not await self.run_due():
                await asyncio.sleep(LOOK_AGAIN_AFTER)

    async def run_due(self) -> bool:
        """Run it once if it is due, however often it was missed; answers whether it was."""
        if self.due > self._clock.now() or self._holds.take("timer", self.function.name) is not None:
            return False
        try:
            due, now = self.due, self._clock.now()  # another host may have run it meanwhile
            if due > now:
                return False
            await self.fire_now(past_due=self.schedule.find_next(due) <= now)
            self._keep_schedule(now, self.schedule.find_next(now))
        finally:
            self._holds.let_go("timer", self.function.name)
        return True

    async def fire_now(self, *, past_due: bool) -> bool:
        """Run the function now; answers whether it ended without an exception."""
        async with self._one_at_a_time:
            value = decode_trigger("timerTrigger", json.dumps(self._timer_info(past_due=past_due)), "json")
            try:
                await self._app.invoke(self.function, value)
            except Exception:  # noqa: BLE001 - it is logged, and the timer goes on
                _log.exception("timer %s failed", self.function.name)
                return False
        return True

    def _timer_info(self, *, past_due: bool) -> dict[str, object]:
        """What the function gets: in Azure, too, `Next` of a run that is due is the instant of this very run."""
        due = self.due
        row = self._store.row("SELECT last, updated FROM schedules WHERE name = ?", self.function.name)
        last = None if row is None else row["last"]
        status = {
            "Last": NEVER if last is None else from_micros(last).isoformat(),
            "LastUpdated": NEVER if last is None or row is None else from_micros(row["updated"]).isoformat(),
            "Next": due.isoformat(),
        }
        return {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}

    def _keep_schedule(self, last: datetime | None, following: datetime) -> None:
        self._store.run(
            "INSERT OR REPLACE INTO schedules (name, last, next, updated) VALUES (?, ?, ?, ?)",
            self.function.name,
            None if last is None else to_micros(last),
            to_micros(following),
            to_micros(self._clock.now()),
        )


class Timers:
    """Every timer of the app."""

    def __init__(self, app: App, store: Store, clock: Clock, holds: Holds) -> None:
        timers = app.of_kind("timerTrigger")
        self.all = {function.name: Timer(app, function, store, clock, holds) for function in timers}

    async def run_for_ever(self) -> None:
        """Run them when they are due, for ever."""
        async with asyncio.TaskGroup() as group:
            for timer in self.all.values():
                group.create_task(timer.run_for_ever())

    @property
    def following(self) -> datetime | None:
        """When the next of them is due."""
        return min((timer.due for timer in self.all.values()), default=None)
