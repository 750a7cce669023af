"""Drives the engine on a clock that moves only as far as the next thing that is due."""

import json
from datetime import timedelta
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.clock import ManualClock
from lab.host.engine.engine import Engine
from lab.host.engine.instances import Instance
from lab.host.engine.moments import from_micros, to_string_value
from lab.host.engine.orders import Order


class Driver:
    """An engine and its clock."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock

    def start(self, name: str, given: Any = None, **how: Any) -> str:
        """Start an orchestration."""
        order = Order(id=how.pop("id", ""), name=name, input=json.dumps(given), **how)
        return self.engine.control.start(order)

    async def settle(self) -> None:
        """Let everything happen that can happen now."""
        await self.engine.runner.wait_until_idle()

    async def to_next(self) -> None:
        """Go to the next instant at which something is due, and let it happen."""
        following = self.engine.agenda.next_due
        assert following is not None, "nothing is due any more"
        await self.pass_time(from_micros(following) - self.clock.now())

    async def pass_time(self, by: timedelta) -> None:
        """Jump ahead, and let happen what is due by then."""
        self.clock.advance(by)
        self.engine.agenda.release_due()
        await self.settle()

    async def end_of(self, run: str) -> Instance:
        """Let time pass until the orchestration has ended."""
        await self.settle()
        while not self.read(run).finished:
            await self.to_next()
        return self.read(run)

    async def run(self, name: str, given: Any = None, **how: Any) -> Any:
        """Start an orchestration, and answer its output."""
        ended = await self.end_of(self.start(name, given, **how))
        assert ended.failure_details is None, ended.failure_details
        return json.loads(ended.output or "null")

    def read(self, run: str) -> Instance:
        """The instance."""
        return self.engine.instances.get(run)

    def raise_event(self, run: str, name: str, data: Any = None) -> None:
        """Send an event."""
        self.engine.control.raise_event(run, name, json.dumps(data))

    def signal(self, key: str, operation: str, given: Any = None) -> None:
        """Signal the counter of a key."""
        self.engine.entities.queue_signal(
            pb.EntityOperationSignaledEvent(
                requestId=f"{key}-{operation}",
                operation=operation,
                input=to_string_value(json.dumps(given)),
                targetInstanceId=to_string_value(f"@counter@{key}"),
            )
        )

    def state(self, key: str) -> Any:
        """The state of the counter of a key; None if it does not exist."""
        found = self.engine.queries.find_entity(f"@counter@{key}")
        return None if found is None or found.state is None else json.loads(found.state)

    def kinds(self, run: str) -> list[str]:
        """The kinds of the events of a history, oldest first."""
        events = [pb.HistoryEvent.FromString(event) for event in self.engine.instances.read_history(run)]
        return [event.WhichOneof("eventType") for event in events]
