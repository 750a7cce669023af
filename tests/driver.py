"""Runs an orchestrator through the library's own replay engine, in virtual time.

Activities are plain functions, entities the real ones. Time passes only while a timer is all that a run waits for.
Every episode is replayed afterwards from its history, and must ask for exactly what it asked for the first time: the
library itself compares only names. An orchestrator stays in memory between its dispatches as long as its host lives,
and one replay goes through all episodes of a generation: each from the beginning would cost the square of its length.
The last episode of each generation is replayed once more, as the Functions worker does it. Two ways depart from that:
`cold` begins anew at each dispatch, as a host with no memory; `warm`, for stories told many times over, replays
only the last episodes.

A host may die at any step. What that means is what the engine promises: an activity that began may run again, and a
dispatch that was not written down happens again, later, although what it asked for may have been done.
"""

import base64
import json
import logging
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import durabletask.internal.orchestrator_service_pb2 as pb
from azure.durable_functions.internal.compat.orchestration_context import wrap_orchestrator
from azure.durable_functions.internal.serialization import DEFAULT_FUNCTIONS_DATA_CONVERTER
from azure.durable_functions.worker import DurableFunctionsWorker
from durabletask import task, worker
from durabletask.entities import EntityContext, EntityInstanceId
from durabletask.internal import helpers
from durabletask.internal.entity_state_shim import StateShim
from durabletask.serialization import JsonDataConverter

from orchestrators.durable.entity_operations import Foreign
from orchestrators.durable.generations import with_generations
from orchestrators.durable.own_runs import only_own
from orchestrators.registry import ORCHESTRATORS
from shared.operations.contract import SEAL_CONTENT
from shared.operations.entity_messages import MEMORY, TICK, VALUE
from shared.operations.payloads import ENDED_IN_INPUT, split_carried, unpack_document
from shared.operations.seals import with_seal
from shared.settings import WrongSettings
from tests.release import RELEASE
from tests.seals import MAC_KEY, SEAL_KEY, Forged, sealed_as_asked

type Orchestrator = Callable[[task.OrchestrationContext, dict[str, Any]], Any]
type ActivityFunction = Callable[[dict[str, Any]], dict[str, Any]]
type Timers = list[tuple[datetime, int]]
type EntityFunction = Callable[[EntityContext, Any], Any]
type Dies = Callable[[Step], timedelta | None]

os.environ.setdefault("MAC_KEY", MAC_KEY)  # entities look at seals by it, also where no test runs
JSON = JsonDataConverter()
DIFFERENT = "a replay asks for something else"
NAMES = {orchestrator: name for name, orchestrator in ORCHESTRATORS.items()}


def name_of(orchestrator: Orchestrator) -> str:
    """The name that the engine knows; one that no release has is called as its function."""
    unknown = getattr(orchestrator, "is_whole", "") or getattr(orchestrator, "__name__", "orchestrator")
    return NAMES.get(orchestrator, unknown)


def guarded(orchestrator: Orchestrator) -> Orchestrator:
    """The orchestrator as the registry makes it, which looks at the seal of its input."""
    name = name_of(orchestrator)
    return whole(only_own(name, with_generations(orchestrator)), name)


def whole(orchestrator: Orchestrator, name: str) -> Orchestrator:
    """An orchestrator that is run as it stands, under a name."""
    orchestrator.is_whole = name  # type: ignore[attr-defined] # for whoever runs it
    return orchestrator


def _as_served(orchestrator: Orchestrator) -> Orchestrator:
    return orchestrator if getattr(orchestrator, "is_whole", "") else with_generations(orchestrator)


class Died(Exception):
    """A worker died in the middle of what it did."""


class Clock:
    """Virtual time; `advance` may be watched, so that a simulated world moves with it."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 8, tzinfo=UTC)) -> None:
        self.now = start
        self.watchers: list[Callable[[datetime], None]] = []

    def advance_to(self, moment: datetime) -> None:
        self.now = max(self.now, moment)
        for watcher in self.watchers:
            watcher(self.now)


class Step(NamedTuple):
    """Where a host may die.

    Attributes:
        moment: "asked" is after a dispatch whose wishes were carried out and that was not written down itself;
            "before" and "after" are those of an activity, whose answer is lost in either case.
        what: The activity; of a dispatch all that it asked for.
    """

    moment: Literal["asked", "before", "after"]
    what: str


@dataclass
class Episode:
    """One dispatch: the history before it, what was new, and what was asked for."""

    before: list[pb.HistoryEvent]
    new: list[pb.HistoryEvent]
    actions: list[pb.OrchestratorAction]


@dataclass
class Result:
    """A run that ended."""

    output: Any
    failure: str
    custom_status: Any
    episodes: list[Episode]
    generations: int
    longest_history: int


@dataclass
class Driver:
    """A tiny task hub for one orchestrator at a time.

    What it has sealed, its activities need not do, and it is not among `calls`.

    Attributes:
        dies: Asked at each step: how long the host is away when it dies there, None when it lives on.
        repeats: Has messages to entities arrive once more, some of them long after others.
        states: What each entity keeps; `memories` is what it remembers of its messages.
        warm: Replay only the last episode of each generation.
        on_dispatch: Called after each dispatch with the orchestrator's name, the run, the input of its generation, and
            its custom status.
        cold: Keep nothing in memory: each dispatch, and each replay, goes through the whole history.
    """

    activities: Mapping[str, ActivityFunction] = field(default_factory=dict)
    entities: Mapping[str, EntityFunction] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    states: dict[str, Any] = field(default_factory=dict)
    memories: dict[str, Any] = field(default_factory=dict)
    repeats: random.Random | None = None
    letters: list[tuple[str, str, str]] = field(default_factory=list)
    begun: dict[str, datetime] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    events: list[tuple[datetime, str, Any]] = field(default_factory=list)
    dies: Dies = lambda _step: None
    on_dispatch: Callable[[str, str, Any, Any], None] = lambda _name, _run, _given, _status: None
    entity_failures: dict[str, int] = field(default_factory=dict)
    warm: bool = False
    cold: bool = False

    def times_of(self, name: str) -> list[datetime]:
        """When an activity is done, from now on."""
        times: list[datetime] = []
        done = self.activities[name]

        def noted(payload: dict[str, Any]) -> dict[str, Any]:
            times.append(self.clock.now)
            return done(payload)

        self.activities = {**self.activities, name: noted}
        return times

    def say(self, after: timedelta, event: str, data: Any) -> None:
        """Raise an external event when virtual time has come that far; an activity may do so while it is at work.

        What is an object comes as the app sends it, sealed for the run that it comes to; `Forged` comes as it is.
        """
        self.events.append((self.clock.now + after, event, data))

    def run(self, orchestrator: Orchestrator, payload: Any, instance: str = "run-1") -> Result:
        """Drive an orchestrator to its end; no run of an id begins at the same instant as the one before."""
        if self.begun.get(instance) == self.clock.now:
            self.clock.advance_to(self.clock.now + TICK)
        self.begun[instance] = self.clock.now
        return _Drive(self, orchestrator, instance).to_the_end(payload)

    def activity(self, name: str, text: str) -> Any:
        ask = json.loads(text)
        if name == SEAL_CONTENT.name and name not in self.activities:
            return sealed_as_asked(ask)
        self.calls.append((name, ask))
        return json.loads(json.dumps(self.activities[name](ask)))

    def _loses_entity_answer(self, target: str) -> bool:
        """Whether the worker dies once more after this entity has done what it was asked."""
        name = EntityInstanceId.parse(target).entity
        left = self.entity_failures.get(name, 0)
        self.entity_failures = {**self.entity_failures, name: max(0, left - 1)} if left else self.entity_failures
        return left > 0

    def entity(self, target: str, operation: str, text: str) -> str:
        """The answer to a message; any that came before may come once more, before it and after it.

        Raises:
            Died: nobody gets the answer.
        """
        answer = self._do_message(target, operation, text)
        if self._loses_entity_answer(target):
            raise Died("the worker died")
        return answer

    def _do_message(self, target: str, operation: str, text: str) -> str:
        if self.repeats is None:
            return self._deliver(target, operation, text)
        self.letters.append((target, operation, text))
        for letter in self.repeats.choices(self.letters, k=2):
            self._deliver(*letter)
        answer = self._deliver(target, operation, text)
        self._deliver(*self.repeats.choice(self.letters))
        return answer

    def _deliver(self, target: str, operation: str, text: str) -> str:
        identity = EntityInstanceId.parse(target)
        shim = StateShim({VALUE: self.states.get(target), MEMORY: self.memories.get(target)}, JSON)
        context = EntityContext("run-1", operation, shim, identity, JSON)
        answer = self.entities[identity.entity](context, json.loads(text or "null"))
        state = shim.get_state()
        self.states[target], self.memories[target] = state[VALUE], state[MEMORY]
        return json.dumps(answer)


class _Drive:
    def __init__(self, driver: Driver, orchestrator: Orchestrator, instance: str) -> None:
        self.driver, self.orchestrator, self.instance = driver, orchestrator, instance
        self.episodes: list[Episode] = []
        self.status: Any = None
        self.given: Any = None
        self.generations = 1
        self.memory: _Memory | None = None
        self.forgetting = False

    def to_the_end(self, payload: Any) -> Result:
        history: list[pb.HistoryEvent] = []
        timers: Timers = []
        new = self._begin(json.dumps(payload))
        longest = 0
        while True:
            new, actions = self._dispatch(history, new)
            self.driver.on_dispatch(name_of(self.orchestrator), self.instance, self.given, self.status)
            history = [*history, *new]
            longest = max(longest, len(history))
            done = [a.completeOrchestration for a in actions if a.HasField("completeOrchestration")]
            if done and done[0].orchestrationStatus != pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
                return self._result(done[0], longest)
            if done:
                self.generations += 1
                history, timers, self.memory = [], [], None
                new = [*self._begin(done[0].result.value), *done[0].carryoverEvents]
                continue
            answers = self._answers(actions, history, timers)
            new = [*answers, *self._said()] if answers else self._fire(timers)

    def _dispatch(
        self, history: list[pb.HistoryEvent], new: list[pb.HistoryEvent]
    ) -> tuple[list[pb.HistoryEvent], list[pb.OrchestratorAction]]:
        """One dispatch that is written down, after as many as were not: what was new for it, and what it asked for."""
        actions = self._episode(history, new)
        while (away := self._away("asked", " ".join(filter(None, map(_asked_for, actions))))) is not None:
            self._carry_out(actions)
            self._come_back(away)
            new = [self._clock_event(), *new[1:]]
            actions = self._episode(history, new)
        self.episodes.append(Episode(list(history), new, actions))
        return new, actions

    def _carry_out(self, actions: Sequence[pb.OrchestratorAction]) -> None:
        """Do what a dispatch asked for that nobody will remember."""
        self.forgetting = True
        self._answers([action for action in actions if not action.HasField("completeOrchestration")], [], [])
        self.forgetting = False

    def _away(self, moment: Literal["asked", "before", "after"], what: str) -> timedelta | None:
        """How long the host is away that dies at this step, None when it lives on."""
        return None if self.forgetting else self.driver.dies(Step(moment, what))

    def _come_back(self, away: timedelta) -> None:
        """A new host knows only what was written down."""
        self.memory = None
        self.driver.clock.advance_to(self.driver.clock.now + away)

    def _begin(self, text: str) -> list[pb.HistoryEvent]:
        name, self.given = name_of(self.orchestrator), json.loads(text)
        started = helpers.new_execution_started_event(name, self.instance, text, version=RELEASE)
        return [self._clock_event(), started]

    def _clock_event(self) -> pb.HistoryEvent:
        return helpers.new_orchestrator_started_event(self.driver.clock.now)

    def _episode(self, history: Sequence[pb.HistoryEvent], new: list[pb.HistoryEvent]) -> list[pb.OrchestratorAction]:
        if self.driver.cold:
            response = execute(self.orchestrator, self.instance, history, new)
            actions, status = list(response.actions), response.customStatus.value
        else:
            self.memory = self.memory or _Memory(self.orchestrator, self.instance)
            actions, status = self.memory.execute(history, new)
        if status:
            self.status = json.loads(status)
        return actions

    def _answers(
        self,
        actions: Sequence[pb.OrchestratorAction],
        history: list[pb.HistoryEvent],
        timers: Timers,
    ) -> list[pb.HistoryEvent]:
        answers = []
        for action in actions:
            match action.WhichOneof("orchestratorActionType"):
                case "scheduleTask":
                    answers += self._do_activity(action, history)
                case "sendEntityMessage":
                    answers += self._do_entity(action, history)
                case "createTimer":
                    fire_at = action.createTimer.fireAt.ToDatetime(UTC)
                    history.append(helpers.new_timer_created_event(action.id, fire_at))
                    timers.append((fire_at, action.id))
                case other:
                    raise AssertionError(f"the driver does not know {other}")
        return [self._clock_event(), *answers] if answers else []

    def _do_activity(self, action: pb.OrchestratorAction, history: list[pb.HistoryEvent]) -> list[pb.HistoryEvent]:
        name, text = action.scheduleTask.name, action.scheduleTask.input.value
        history.append(helpers.new_task_scheduled_event(action.id, name, text))
        try:
            answer = self._done(name, text)
        except Exception as error:  # noqa: BLE001 - as a host does: any exception fails the activity, not the host
            return [helpers.new_task_failed_event(action.id, error)]
        return [helpers.new_task_completed_event(action.id, json.dumps(answer))]

    def _done(self, name: str, text: str) -> Any:
        """An activity's answer that was written down, after as many as were not."""
        if (away := self._away("before", name)) is not None:
            self._come_back(away)
        answer = self.driver.activity(name, text)
        while (away := self._away("after", name)) is not None:
            self._come_back(away)
            answer = self.driver.activity(name, text)
        return answer

    def _do_entity(self, action: pb.OrchestratorAction, history: list[pb.HistoryEvent]) -> list[pb.HistoryEvent]:
        called = action.sendEntityMessage.entityOperationCalled
        history.append(pb.HistoryEvent(eventId=action.id, entityOperationCalled=called))
        try:
            output = self.driver.entity(called.targetInstanceId.value, called.operation, called.input.value)
        except (Died, Foreign, WrongSettings) as error:
            details = helpers.new_failure_details(error)
            failed = pb.EntityOperationFailedEvent(requestId=called.requestId, failureDetails=details)
            return [pb.HistoryEvent(eventId=-1, entityOperationFailed=failed)]
        completed = pb.EntityOperationCompletedEvent(
            requestId=called.requestId, output=helpers.get_string_value(output)
        )
        return [pb.HistoryEvent(eventId=-1, entityOperationCompleted=completed)]

    def _fire(self, timers: Timers) -> list[pb.HistoryEvent]:
        told = min(self.driver.events, default=None, key=lambda event: event[0])
        if told and (not timers or told[0] <= min(timers)[0]):
            return self._told(told)
        if not timers:
            raise AssertionError("the run waits for something that never comes")
        fire_at, number = min(timers)
        timers.remove((fire_at, number))
        self.driver.clock.advance_to(fire_at)
        return [self._clock_event(), helpers.new_timer_fired_event(number, fire_at)]

    def _said(self) -> list[pb.HistoryEvent]:
        """What was said while activities were at work."""
        due = [told for told in self.driver.events if told[0] <= self.driver.clock.now]
        return [event for told in due for event in self._told(told)]

    def _told(self, told: tuple[datetime, str, Any]) -> list[pb.HistoryEvent]:
        self.driver.events.remove(told)
        self.driver.clock.advance_to(told[0])
        is_own = isinstance(told[2], dict) and not isinstance(told[2], Forged)
        data = with_seal(SEAL_KEY, self.instance, told[1], told[2]) if is_own else told[2]
        return [self._clock_event(), helpers.new_event_raised_event(told[1], json.dumps(data))]

    def _result(self, done: pb.CompleteOrchestrationAction, longest: int) -> Result:
        if not (self.driver.warm or self.driver.cold):
            self._replay_in_one_go()
        for episode in self.episodes if self.driver.cold else self._last_ones():
            again = execute(self.orchestrator, self.instance, episode.before, episode.new)
            assert _alike(list(again.actions), episode.actions), DIFFERENT
        failed = done.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
        return Result(
            output=None if failed else self._read_output(json.loads(done.result.value or "null")),
            failure=done.failureDetails.errorMessage if failed else "",
            custom_status=self.status,
            episodes=self.episodes,
            generations=self.generations,
            longest_history=longest,
        )

    def _read_output(self, output: Any) -> Any:
        """The outcome, wherever the run has kept it."""
        if not isinstance(output, dict) or ENDED_IN_INPUT not in output:
            return unpack_document(output) if isinstance(output, dict) else output
        started = [event.executionStarted for event in self.episodes[-1].new if event.HasField("executionStarted")]
        return split_carried(json.loads(started[0].input.value))[1].outcome

    def _replay_in_one_go(self) -> None:
        """Go through each generation once more, and look at each episode what is asked for."""
        memory = _Memory(self.orchestrator, self.instance, is_replaying=True)
        for episode in self.episodes:
            if not episode.before:
                memory = _Memory(self.orchestrator, self.instance, is_replaying=True)
            actions, _ = memory.execute(episode.before, episode.new)
            assert _alike(actions, episode.actions), DIFFERENT

    def _last_ones(self) -> list[Episode]:
        """The last episode of each generation: its replay goes through all before it."""
        following = [*self.episodes[1:], None]
        return [one for one, after in zip(self.episodes, following, strict=True) if after is None or not after.before]


class _Memory:
    """An orchestrator between two dispatches: nothing of its past has to be gone through again.

    `is_replaying` has it believe that also what is new has happened before.
    """

    def __init__(self, orchestrator: Orchestrator, instance: str, *, is_replaying: bool = False) -> None:
        hub = DurableFunctionsWorker()
        name = name_of(orchestrator)
        hub.add_named_orchestrator(name, wrap_orchestrator(_as_served(orchestrator)))
        converter = DEFAULT_FUNCTIONS_DATA_CONVERTER
        self._executor = worker._OrchestrationExecutor(hub._registry, logging.getLogger("driver"), converter)
        self._executor._orchestration_name = name
        self._context = worker._RuntimeOrchestrationContext(instance, hub._registry, converter)
        self._known = 0
        self._is_replaying = is_replaying

    def execute(
        self, history: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
    ) -> tuple[list[pb.OrchestratorAction], str]:
        """As a dispatch from the beginning would: the actions and the custom status."""
        try:
            self._go_through(history[self._known :], old=True)
            self._go_through(new, old=self._is_replaying)
        except Exception as error:  # noqa: BLE001 - as the library does: it fails the run, not the host
            self._context.set_failed(error)
        self._known = len(history) + len(new)
        return self._context.get_actions(), self._context._encoded_custom_status or ""

    def _go_through(self, events: Sequence[pb.HistoryEvent], *, old: bool) -> None:
        self._context._is_replaying = old
        for event in events:
            self._executor.process_event(self._context, event)


def _asked_for(action: pb.OrchestratorAction) -> str:
    """What an action asks others for; empty for a timer, and for the end."""
    if action.HasField("scheduleTask"):
        return action.scheduleTask.name
    if action.HasField("sendEntityMessage"):
        return action.sendEntityMessage.entityOperationCalled.operation
    return ""


def _alike(one: list[pb.OrchestratorAction], other: list[pb.OrchestratorAction]) -> bool:
    """Whether all that is asked for is the same; a stack trace also names who called the orchestrator."""
    return one == other or [_untraced(action) for action in one] == [_untraced(action) for action in other]


def _untraced(action: pb.OrchestratorAction) -> pb.OrchestratorAction:
    copied = pb.OrchestratorAction()
    copied.CopyFrom(action)
    if copied.HasField("completeOrchestration"):
        copied.completeOrchestration.failureDetails.ClearField("stackTrace")
    return copied


def execute(
    orchestrator: Orchestrator, instance: str, before: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]
) -> pb.OrchestratorResponse:
    """One dispatch, exactly as the Functions worker does it."""
    request = pb.OrchestratorRequest(instanceId=instance, pastEvents=before, newEvents=new)
    body = base64.b64encode(request.SerializeToString()).decode()
    logging.getLogger("azure.durable_functions").setLevel(logging.ERROR)
    answer = DurableFunctionsWorker().execute_orchestration_request(_as_served(orchestrator), body)
    response = pb.OrchestratorResponse()
    response.ParseFromString(base64.b64decode(answer))
    return response


def hours(count: float) -> timedelta:
    """For tests that read aloud."""
    return timedelta(hours=count)
