"""Orchestrators, activities and entities that any engine must run alike."""

import os
import time
from collections import Counter
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
from durabletask import entities, task

from orchestrators.durable.engine_failures import with_readable_failures

type Steps = Generator[task.Task[Any], Any, Any]
type Context = task.OrchestrationContext

attempts: Counter[str] = Counter()
"""How often an activity was tried, by what it was given."""


def sequence(ctx: Context, words: list[str]) -> Steps:
    """One activity after the other."""
    said = []
    for word in words:
        said.append((yield ctx.call_activity("shout", input=word)))  # noqa: PERF401 - a comprehension cannot yield
    return said


def fan_out(ctx: Context, count: int) -> Steps:
    """Many activities at once."""
    doubled = yield task.when_all([ctx.call_activity("double", input=number) for number in range(count)])
    return sum(doubled)


def parent(ctx: Context, children: list[list[str]]) -> Steps:
    """A child for each list."""
    return (yield task.when_all([ctx.call_sub_orchestrator("sequence", input=words) for words in children]))


def parent_of_failing(ctx: Context, reason: str) -> Steps:
    """Catch what a child fails with."""
    try:
        yield ctx.call_sub_orchestrator("failing", input=reason)
    except task.TaskFailedError as error:
        return error.details.message
    return "nothing failed"


def failing(ctx: Context, reason: str) -> Steps:
    """Fail after one step."""
    yield ctx.call_activity("shout", input=reason)
    raise ValueError(reason)


def catching(ctx: Context, reason: str) -> Steps:
    """Catch what an activity fails with."""
    try:
        yield ctx.call_activity("refuse", input=reason)
    except task.TaskFailedError as error:
        return error.details.message
    return "nothing failed"


def retrying(ctx: Context, key: str) -> Steps:
    """Try an activity that works at the third attempt."""
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=1), max_number_of_attempts=5)
    return (yield ctx.call_activity("third_time", input=key, retry_policy=policy))


def collecting(ctx: Context, count: int) -> Steps:
    """Wait for so many events of one name."""
    got = []
    for _ in range(count):
        got.append((yield ctx.wait_for_external_event("word")))  # noqa: PERF401 - a comprehension cannot yield
    return got


def deciding(ctx: Context, patience_ms: int) -> Steps:
    """Take the event if it comes before the timer."""
    event = ctx.wait_for_external_event("decision")
    timer = ctx.create_timer(timedelta(milliseconds=patience_ms))
    winner = yield task.when_any([event, timer])
    return event.get_result() if winner is event else "too late"


def counting(ctx: Context, left: int) -> Steps:
    """Begin anew until nothing is left."""
    yield ctx.call_activity("double", input=left)
    if left:
        ctx.continue_as_new(left - 1)
        return None
    return "done"


def carrying(ctx: Context, got: list[str]) -> Steps:
    """One event a run, the others carried over to the next."""
    got = [*got, (yield ctx.wait_for_external_event("word"))]
    if len(got) < 3:
        ctx.continue_as_new(got, save_events=True)
        return None
    return got


def renewing(ctx: Context, left: int) -> Steps:
    """Say something in the first generation, and wait in the last one without a word."""
    if left == 2:
        ctx.set_custom_status("first")
        yield ctx.create_timer(timedelta(seconds=2))
    if left:
        ctx.continue_as_new(left - 1)
        return None
    yield ctx.wait_for_external_event("go")
    ctx.set_custom_status("last")
    return "done"


def passing_on(ctx: Context, got: list[int]) -> Steps:
    """A generation for each event, while more of them are on their way."""
    got = [*got, (yield ctx.wait_for_external_event("word"))]
    yield ctx.call_activity("double", input=len(got))
    if len(got) < 30:
        ctx.continue_as_new(got, save_events=True)
        return None
    return got


def climbing(ctx: Context, state: dict[str, Any]) -> Steps:
    """Steps of an activity, a timer, a child and an entity; a generation for each; each leaves a note."""
    key, step = state["key"], state["step"]
    yield ctx.call_activity("note", input=[key, f"begun {step}"], retry_policy=AGAIN)
    yield ctx.create_timer(timedelta(milliseconds=200))
    yield ctx.call_sub_orchestrator("resting", input=key)
    total = yield from reach_patiently(ctx, key, step)
    yield ctx.call_activity("note", input=[key, f"ended {step}"], retry_policy=AGAIN)
    if step < state["steps"]:
        ctx.continue_as_new({**state, "step": step + 1}, save_events=True)
        return None
    return total


AGAIN = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=300)
"""What a worker was doing when it died has failed, on Microsoft's engine: it is tried again by whoever asked for it.

On a busy machine the next worker is there after a minute, and what is asked of it until then fails at once.
"""


def reach_patiently(ctx: Context, key: str, step: int) -> Steps:
    """Call an entity once more when its worker has died."""
    while True:
        try:
            return (yield ctx.call_entity(entities.EntityInstanceId("climbers", key), "reach", input=step))
        except Exception:  # noqa: BLE001 - the engines name it differently
            yield ctx.create_timer(timedelta(seconds=1))


def resting(ctx: Context, key: str) -> Steps:
    """An activity that takes a while."""
    return (yield ctx.call_activity("rest", input=key, retry_policy=AGAIN))


def noting(ctx: Context, name: str) -> Steps:
    """Leave a note."""
    return (yield ctx.call_activity("note", input=[name, "noted"]))


def echoing(ctx: Context, text: str) -> Steps:
    """Through an activity and back."""
    return (yield ctx.call_activity("echo", input=text))


def growing(ctx: Context, length: int) -> Steps:
    """So many characters."""
    yield ctx.call_activity("double", input=1)
    return "x" * length


def bumping(ctx: Context, key: str) -> Steps:
    """Add one to an entity."""
    return (yield ctx.call_entity(entities.EntityInstanceId("counter", key), "add", input=1))


def talking(ctx: Context, _nothing: None) -> Steps:
    """Say how far it is."""
    ctx.set_custom_status("half way")
    yield ctx.wait_for_external_event("go")
    ctx.set_custom_status({"at": "the end"})
    return None


def telling(ctx: Context, whom: str) -> Steps:
    """Send another orchestration an event."""
    ctx.send_event(whom, "word", data="psst")
    yield ctx.call_activity("shout", input="told")
    return None


def adding(ctx: Context, key: str) -> Steps:
    """Signal an entity twice, then ask it."""
    counter = entities.EntityInstanceId("counter", key)
    ctx.signal_entity(counter, "add", input=2)
    ctx.signal_entity(counter, "add", input=3)
    return (yield ctx.call_entity(counter, "get"))


def misusing(ctx: Context, key: str) -> Steps:
    """Catch what an entity fails with; its state is as it was."""
    counter = entities.EntityInstanceId("counter", key)
    yield ctx.call_entity(counter, "add", input=1)
    try:
        yield ctx.call_entity(counter, "explode")
    except Exception as error:  # noqa: BLE001 - its type is the SDK's affair
        return [type(error).__name__, (yield ctx.call_entity(counter, "get"))]
    return "nothing failed"


def moving(ctx: Context, keys: list[str]) -> Steps:
    """Move one from an entity to another, both locked."""
    giver, taker = (entities.EntityInstanceId("counter", key) for key in keys)
    with (yield ctx.lock_entities([giver, taker])):
        had = yield ctx.call_entity(giver, "get")
        yield ctx.call_entity(giver, "set", input=had - 1)
        yield ctx.call_entity(taker, "add", input=1)
        return [(yield ctx.call_entity(giver, "get")), (yield ctx.call_entity(taker, "get"))]


def holding(ctx: Context, key: str) -> Steps:
    """Hold an entity until told; answer what it was before and after."""
    counter = entities.EntityInstanceId("counter", key)
    with (yield ctx.lock_entities([counter])):
        ctx.set_custom_status("holding")
        before = yield ctx.call_entity(counter, "get")
        yield ctx.wait_for_external_event("go")
        return [before, (yield ctx.call_entity(counter, "get"))]


def waiting(ctx: Context, seconds: int) -> Steps:
    """A timer; answer when it fired."""
    yield ctx.create_timer(timedelta(seconds=seconds))
    return ctx.current_utc_datetime.isoformat()


def slow_child(ctx: Context, seconds: int) -> Steps:
    """A child that takes its time."""
    return (yield ctx.call_sub_orchestrator("waiting", input=seconds))


def leaving_a_timer(ctx: Context, left: int) -> Steps:
    """Leave an hour's timer behind in the first run, and wait eight hours in the second."""
    if left:
        yield task.when_any([ctx.create_timer(timedelta(hours=1)), ctx.call_activity("shout", input="x")])
        ctx.continue_as_new(0)
        return None
    yield ctx.create_timer(timedelta(hours=8))
    return ctx.current_utc_datetime.isoformat()


def not_waiting(ctx: Context, word: str) -> Steps:
    """End while an activity is still to answer."""
    ctx.call_activity("shout", input=word)
    yield ctx.call_activity("double", input=1)
    return "ended"


def counting_attempts(ctx: Context, key: str) -> Steps:
    """How often an activity was tried."""
    return (yield ctx.call_activity("tell_attempts", input=key))


def failing_once(ctx: Context, key: str) -> Steps:
    """An activity that fails the first time, and nobody catches it."""
    done = yield ctx.call_activity("double", input=4)
    yield ctx.call_activity("second_time", input=key)
    return done


def failing_beside_others(ctx: Context, key: str) -> Steps:
    """The same, while a timer and a child are still to answer."""
    timer = ctx.create_timer(timedelta(hours=1))
    child: task.Task[str] = ctx.call_sub_orchestrator("waiting", input=7200)
    yield ctx.call_activity("second_time", input=key)
    yield timer
    return (yield child)


def parent_of_failing_once(ctx: Context, key: str) -> Steps:
    """A child that fails the first time, and nobody catches it."""
    return (yield ctx.call_sub_orchestrator("failing_once", input=key))


def versioned(ctx: Context, _nothing: None) -> Steps:
    """Answer the version, and one's child's."""
    if ctx.version == "2.0":
        return [ctx.version, (yield ctx.call_sub_orchestrator("versioned", version="1.0"))]
    yield ctx.call_activity("double", input=1)
    return ctx.version


def keeping_its_version(ctx: Context, found: list[str | None]) -> Steps:
    """Two generations, each with its version and that of a child; each ends with an event."""
    found = [*found, ctx.version, (yield ctx.call_sub_orchestrator("versioned"))]
    yield ctx.wait_for_external_event("go")
    if len(found) < 4:
        ctx.continue_as_new(found)
        return None
    return found


def big(ctx: Context, count: int) -> Steps:
    """Make a history of 2.5 kB a step."""
    pages = yield task.when_all([ctx.call_activity("page", input=number) for number in range(count)])
    return len("".join(pages))


def parent_of_taken(ctx: Context, child: str) -> Steps:
    """Start a child under an id that is taken."""
    try:
        yield ctx.call_sub_orchestrator("sequence", input=["a"], instance_id=child)
    except task.TaskFailedError as error:
        return error.details.message
    return "it was started"


def asking_nobody(ctx: Context, key: str) -> Steps:
    """Call an entity that the app does not have."""
    try:
        yield ctx.call_entity(entities.EntityInstanceId("nobody", key), "get")
    except Exception as error:  # noqa: BLE001 - its type is the SDK's affair
        return str(error)
    return "somebody answered"


def later(ctx: Context, key: str) -> Steps:
    """Send an entity a signal that comes in an hour."""
    counter = entities.EntityInstanceId("counter", key)
    ctx.signal_entity(counter, "add", input=1, signal_time=ctx.current_utc_datetime + timedelta(hours=1))
    yield ctx.call_activity("double", input=1)
    return None


def everything(ctx: Context, state: dict[str, Any]) -> Steps:
    """Three rounds of activities, children with timers, an event, and a locked entity."""
    key, rounds = state["key"], state["rounds"]
    doubled = yield task.when_all([ctx.call_activity("double", input=number) for number in range(5)])
    fired = yield task.when_all([ctx.call_sub_orchestrator("waiting", input=60 * n) for n in range(1, 4)])
    ctx.signal_entity(entities.EntityInstanceId("counter", f"{key}-signals"), "add", input=1)
    ctx.set_custom_status(f"round {len(rounds)}")
    word = yield ctx.wait_for_external_event("word")
    counter = entities.EntityInstanceId("counter", key)
    with (yield ctx.lock_entities([counter])):
        had = yield ctx.call_entity(counter, "get")
        yield ctx.call_entity(counter, "set", input=had + 1)
    rounds = [*rounds, [sum(doubled), len(fired), word, had]]
    if len(rounds) < 3:
        ctx.continue_as_new({"key": key, "rounds": rounds}, save_events=True)
        return None
    return rounds


def shout(_ctx: task.ActivityContext, word: str) -> str:
    """In capitals."""
    attempts[f"shout {word}"] += 1
    return word.upper()


def double(_ctx: task.ActivityContext, number: int) -> int:
    """Twice."""
    return number * 2


def page(_ctx: task.ActivityContext, number: int) -> str:
    """2.5 kB of text."""
    return f"{number % 10}" * 2500


def refuse(_ctx: task.ActivityContext, reason: str) -> str:
    """Fail."""
    raise LookupError(reason)


def third_time(_ctx: task.ActivityContext, key: str) -> int:
    """Fail twice."""
    attempts[key] += 1
    if attempts[key] < 3:
        raise ConnectionError("not yet")
    return attempts[key]


def second_time(_ctx: task.ActivityContext, key: str) -> int:
    """Fail once."""
    attempts[key] += 1
    if attempts[key] < 2:
        raise ConnectionError("not yet")
    return attempts[key]


def note(_ctx: task.ActivityContext, given: list[str]) -> str:
    """Write a line into the notes of that name."""
    name, line = given
    with (Path(os.environ["ENGINE_NOTES"]) / name).open("a") as notes:
        notes.write(f"{line}\n")
    return line


def rest(_ctx: task.ActivityContext, key: str) -> str:
    """Half a second, so that something may die meanwhile."""
    time.sleep(0.5)
    return key


def echo(_ctx: task.ActivityContext, text: str) -> str:
    """The same."""
    return text


def tell_attempts(_ctx: task.ActivityContext, key: str) -> int:
    """How often this process has tried for the key."""
    return attempts[key]


class Tally(entities.DurableEntity):
    """A number."""

    __durable_entity_name__ = "counter"

    def add(self, by: int) -> int:
        """Add, and answer the sum."""
        total = self.get_state(int, 0) + by
        self.set_state(total)
        return total

    def set(self, value: int) -> None:
        """Overwrite."""
        self.set_state(value)

    def get(self) -> int:
        """The number."""
        return self.get_state(int, 0)

    def explode(self) -> None:
        """Change the state, then fail."""
        self.set_state(99)
        raise RuntimeError("no such luck")

    def vanish(self) -> None:
        """Be nothing any more."""
        self.set_state(None)

    def remind(self, at: str) -> None:
        """Add one to oneself at an instant."""
        own = self.entity_context.entity_id
        self.signal_entity(own, "add", 1, signal_time=datetime.fromisoformat(at))

    def start(self, word: str) -> None:
        """Start an orchestration."""
        self.schedule_new_orchestration("sequence", [word], instance_id=f"by-entity-{word}")

    def start_versioned(self, run: str) -> None:
        """Start one that answers its version."""
        self.schedule_new_orchestration("versioned", None, instance_id=run)


class Climbers(entities.DurableEntity):
    """Steps that were reached; to reach one twice changes nothing."""

    __durable_entity_name__ = "climbers"

    def reach(self, step: int) -> int:
        """Note the step, and answer how many there are."""
        reached = sorted({*self.get_state(list, []), step})
        self.set_state(reached)
        return len(reached)


ORCHESTRATORS = (
    sequence,
    fan_out,
    parent,
    parent_of_failing,
    failing,
    catching,
    retrying,
    collecting,
    deciding,
    counting,
    carrying,
    talking,
    telling,
    adding,
    misusing,
    moving,
    holding,
    waiting,
    slow_child,
    leaving_a_timer,
    not_waiting,
    counting_attempts,
    renewing,
    passing_on,
    climbing,
    resting,
    noting,
    echoing,
    growing,
    bumping,
    failing_once,
    failing_beside_others,
    parent_of_failing_once,
    versioned,
    keeping_its_version,
    big,
    everything,
    parent_of_taken,
    asking_nobody,
    later,
)
ACTIVITIES = (shout, double, page, refuse, third_time, second_time, tell_attempts, note, echo, rest)


def function_app() -> df.DFApp:
    """All of it as a function app; as in the product the SDK reads what the engine says of a worker that died."""
    app = df.DFApp()
    for orchestrator in ORCHESTRATORS:
        function = app.orchestration_trigger(context_name="context")(orchestrator)._function
        function._func = with_readable_failures(function.get_user_function())
    for activity in ACTIVITIES:
        app.activity_trigger(input_name="given")(activity)
    app.entity_trigger(context_name="context", entity_name="counter")(Tally)
    app.entity_trigger(context_name="context", entity_name="climbers")(Climbers)
    return app
