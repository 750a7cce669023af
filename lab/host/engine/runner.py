"""Runs the functions: turns, activities and entity batches, each kind so many at a time."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Protocol

from durabletask.internal import orchestrator_service_pb2 as pb

from lab.host.engine.agenda import Kind
from lab.host.engine.entities import Batch, Entities
from lab.host.engine.holds import Holds
from lab.host.engine.lanes import Lanes
from lab.host.engine.moments import text_of, to_string_value
from lab.host.engine.tasks import Tasks
from lab.host.engine.turns import TakenByAnother, Turns

_log = logging.getLogger(__name__)

TURNS_AT_ONCE = 8
BATCHES_AT_ONCE = 8
ACTIVITIES_AT_ONCE = 100

LONG_HISTORY = 500
"""Events after which a replay is worth saving."""
MANY_TASKS = 8
"""Open tasks beyond which answers come in crowds: one turn may as well take several."""
LONGEST_REST = 1.0
"""Real seconds."""


class UnknownFunction(LookupError):
    """The app has no function of this name and kind."""


class Functions(Protocol):
    """The app's durable functions, called as the Functions host calls them."""

    async def run_orchestrator(self, name: str, request: pb.OrchestratorRequest) -> pb.OrchestratorResponse:
        """Run one turn of an orchestrator."""

    async def run_activity(self, name: str, argument: str | None, traceparent: str) -> str | None:
        """Run an activity in a trace: JSON in, JSON out."""

    async def run_entity(self, name: str, request: pb.EntityBatchRequest) -> pb.EntityBatchResult:
        """Run a batch of operations of an entity."""


class Runner:
    """The engine's workers."""

    def __init__(self, functions: Functions, turns: Turns, tasks: Tasks, entities: Entities, holds: Holds) -> None:
        self._functions = functions
        self._turns = turns
        self._tasks = tasks
        self._entities = entities
        self._holds = holds
        self.lanes: dict[Kind, Lanes] = {
            "orchestration": Lanes(TURNS_AT_ONCE, self._held("orchestration", self._run_turn)),
            "entity": Lanes(BATCHES_AT_ONCE, self._held("entity", self._run_entity)),
            "activity": Lanes(ACTIVITIES_AT_ONCE, self._held("activity", self._run_activity)),
        }

    def _held(self, kind: Kind, serve: Callable[[str], Awaitable[bool]]) -> Callable[[str], Awaitable[bool]]:
        """Serve a key while this host has it; one that another host has is looked at again when it can be seen."""

        async def serve_held(key: str) -> bool:
            if (seen_again := self._holds.take(kind, key)) is not None:
                self._holds.wake_at(seen_again, kind, key)
                return False
            try:
                return await serve(key)
            finally:
                self._holds.let_go(kind, key)

        return serve_held

    def wake(self, kind: Kind, key: str) -> None:
        """There may be something to do."""
        self.lanes[kind].wake(key)

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits for a worker."""
        return all(lanes.idle for lanes in self.lanes.values())

    async def wait_until_idle(self) -> None:
        """Wait until everything that can be done now is done."""
        while not self.idle:
            running = [task for lanes in self.lanes.values() for task in lanes.tasks()]
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    async def clear(self) -> None:
        """Cancel what runs, forget what waits."""
        while not self.idle:  # the end of one kind of work is the beginning of another
            for lanes in self.lanes.values():
                await lanes.clear()

    async def _run_turn(self, instance_id: str) -> bool:
        turn = self._turns.take_turn(instance_id)
        if turn is None:
            return False
        began = time.perf_counter()
        try:
            response = await self._functions.run_orchestrator(turn.instance.name, turn.request)
        except Exception as error:  # noqa: BLE001 - whatever an app raises is a failure of its function
            _log.exception("orchestrator %s of %s cannot be run", turn.instance.name, instance_id)
            self._turns.fail_turn(turn, failure_of(error))
        else:
            try:
                self._turns.complete_turn(turn, response)
            except TakenByAnother:
                return True
            if len(turn.request.pastEvents) > LONG_HISTORY and self._tasks.count_open(instance_id) > MANY_TASKS:
                self.lanes["orchestration"].rest_key(instance_id, min(2 * (time.perf_counter() - began), LONGEST_REST))
        return True

    async def _run_activity(self, seq: str) -> bool:
        activity = self._tasks.find_activity(int(seq))
        if activity is None:
            return False
        try:
            result = await self._functions.run_activity(activity.name, activity.input, self._tasks.trace_of(activity))
        except Exception as error:  # noqa: BLE001 - whatever an app raises is a failure of its function
            _log.warning("activity %s of %s failed", activity.name, activity.id, exc_info=True)
            self._tasks.fail_activity(activity, failure_of(error))
        else:
            self._tasks.complete_activity(activity, result)
        return False

    async def _run_entity(self, entity: str) -> bool:
        batch = self._entities.take_batch(entity)
        if batch is None:
            return False
        try:
            result = await self._functions.run_entity(entity[1:].partition("@")[0], batch.request)
        except Exception as error:  # noqa: BLE001 - whatever an app raises is a failure of its function
            _log.exception("entity %s cannot be run", entity)
            result = _failed_batch(batch, failure_of(error))
        self._entities.complete_batch(batch, result)
        return True


def failure_of(error: Exception) -> pb.TaskFailureDetails:
    """A failure as the Functions host hands it on: the bare name of the type, and no inner failure.

    Source: OutOfProcMiddleware of the Durable Task extension, which reads the worker's "Type: message" text.
    """
    return pb.TaskFailureDetails(
        errorType=type(error).__name__,
        errorMessage=str(error),
        stackTrace=to_string_value("".join(traceback.format_tb(error.__traceback__))),
    )


def _failed_batch(batch: Batch, failure: pb.TaskFailureDetails) -> pb.EntityBatchResult:
    """Every operation of the batch has failed, and the state is as it was."""
    outcome = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=failure))
    return pb.EntityBatchResult(
        results=[outcome] * len(batch.rows), entityState=to_string_value(text_of(batch.request, "entityState"))
    )
