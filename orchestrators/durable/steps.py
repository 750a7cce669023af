"""The few ways in which a runbook waits: for an activity, an entity, a while."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from azure.durable_functions import RetryPolicy
from durabletask import task
from durabletask.entities import EntityInstanceId

from shared.activity import Activity, ThrottledWait
from shared.errors import Refused, Throttled, Transient
from shared.grouping import group_pairs
from shared.messages import Message
from shared.operations.contract import SEAL_CONTENT, SealContent
from shared.operations.durable_names import REQUEST_BUDGET, UNSEALED_ENTITIES
from shared.operations.entity_messages import LATE, READS, TICK, EntityMessage, MessageStamp, stamp_after
from shared.operations.pacing import SEAL_PATIENCE
from shared.operations.seals import SEAL, SEAL_KEY_SETTING, digest_of_message, message_name
from shared.recovery.pacing import READ_PATIENCE, RETRY_READ_EVERY
from shared.recovery.status import fit_status
from shared.site_recovery.request_budget import Closure

Context = task.OrchestrationContext
"""What the engine hands to each turn of a run."""
type Steps[T] = Generator[task.Task[Any], Any, T]
RETRIES = RetryPolicy(
    first_retry_interval=timedelta(seconds=5),
    max_number_of_attempts=4,
    backoff_coefficient=2,
    max_retry_interval=timedelta(minutes=1),
)
"""For what Azure did not answer. Never with retry_timeout: that one reads the wall clock and so breaks a replay."""
THROTTLED_PATIENCE = timedelta(minutes=2)
"""How long what Azure had no room for is done again, each time when Azure said: meanwhile the run hears nobody."""
ENTITY_PAUSES = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=60))
"""Before each further call of an entity whose worker died: a new worker is there within seconds."""
LATE_ATTEMPTS = 20
"""How often a message that others overtake is sent anew: each time it asks to come after all of them."""


def now(ctx: Context) -> datetime:
    """The only clock there is, aware UTC; the library's own is naive."""
    return ctx.current_utc_datetime.replace(tzinfo=UTC)


def show_status(ctx: Context, status: Mapping[str, Any]) -> None:
    """Say how the run stands; what is too long to be kept is cut."""
    ctx.set_custom_status(fit_status(status))


def call[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], request: Request
) -> Steps[Answer]:
    """Do one activity and have its answer as a message.

    Raises:
        Refused: it was declined, by Azure or by the activity itself.
        Transient: it did not succeed in any of its attempts.
    """
    answer = (yield from call_all(ctx, activity, [request]))[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def call_patiently[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], request: Request, within: timedelta = READ_PATIENCE
) -> Steps[Answer]:
    """Ask for something that looks before it acts, as often as it takes: of thirty calls one goes unanswered often.

    Raises:
        Refused: it was declined.
        Transient: it went unanswered all this time.
    """
    return (
        yield from retry_patiently(
            ctx, lambda: call(ctx, activity, request), lambda: sleep(ctx, RETRY_READ_EVERY), within
        )
    )


def retry_patiently[T](
    ctx: Context, attempt: Callable[[], Steps[T]], pause: Callable[[], Steps[None]], within: timedelta = READ_PATIENCE
) -> Steps[T]:
    """Do something that looks before it acts, and after a pause once more where Azure did not answer.

    Raises:
        Transient: it went unanswered all this time.
    """
    deadline = now(ctx) + within
    while True:
        try:
            return (yield from attempt())
        except Transient:
            if now(ctx) >= deadline:
                raise
        yield from pause()


def call_all[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], requests: Sequence[Request]
) -> Steps[list[Answer | Refused | Transient]]:
    """Do an activity for each request, all at once: an answer for each, in order; one that fails spoils no other.

    What Azure had no room for is done once more when it said, for a while; until then nobody is granted anything there.
    """
    answers, deadline = (yield from _do_all(ctx, activity, requests)), now(ctx) + THROTTLED_PATIENCE
    while throttled := {at: answer for at, answer in enumerate(answers) if isinstance(answer, Throttled)}:
        if now(ctx) >= deadline:
            break
        yield from _wait_for_room(ctx, throttled.values())
        again = yield from _do_all(ctx, activity, [requests[at] for at in throttled])
        for at, answer in zip(throttled, again, strict=True):
            answers[at] = answer
    return answers


def _throttled_of(answer: Mapping[str, Any]) -> Throttled:
    wait = ThrottledWait.model_validate(answer)
    return Throttled(wait.detail, wait.wait, wait.subscription, wait.kind)


def _wait_for_room(ctx: Context, throttled: Iterable[Throttled]) -> Steps[None]:
    """Close the budgets of those subscriptions for everybody, and wait as long as Azure asked for."""
    yield from sleep(ctx, (yield from _close_budgets(ctx, throttled)))


def _close_budgets(ctx: Context, throttled: Iterable[Throttled]) -> Steps[timedelta]:
    """Have nobody granted anything there before Azure wants to be asked again; how long that is at the most."""
    waits = group_pairs(((one.subscription, one.kind), timedelta(seconds=one.wait)) for one in throttled)
    for (subscription, kind), spans in waits.items():
        closure = Closure(now=now(ctx), kind=kind, until=now(ctx) + max(spans)).model_dump(mode="json")
        if subscription:
            yield from call_entity(ctx, REQUEST_BUDGET, subscription, "close", closure)
    return max(span for spans in waits.values() for span in spans)


def _do_all[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], requests: Sequence[Request]
) -> Steps[list[Answer | Refused | Transient]]:
    tasks = [_start_activity(ctx, activity, request, RETRIES) for request in requests]
    answers: list[Answer | Refused | Transient] = []
    for started_task in tasks:
        answers.append((yield from _await_answer(ctx, activity, started_task)))  # noqa: PERF401 - a comprehension cannot yield
    return answers


def _start_activity[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], request: Request, retries: RetryPolicy | None
) -> task.Task[Any]:
    return ctx.call_activity(activity.name, input=request.model_dump(mode="json"), retry_policy=retries)


def try_once[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], request: Request
) -> Steps[Answer | Refused | Transient]:
    """Do an activity that nothing else waits for; what fails is left to whoever asked."""
    return (yield from _await_answer(ctx, activity, _start_activity(ctx, activity, request, None)))


def _await_answer[Request: Message, Answer: Message](
    ctx: Context, activity: Activity[Request, Answer], started_task: task.Task[Any]
) -> Steps[Answer | Refused | Transient]:
    try:
        answer = yield started_task
    except task.TaskFailedError as failure:
        return Transient(f"{activity.name}: {failure.details.message}")
    if got_over := answer.pop("gotOver", None):
        yield from _close_budgets(ctx, [_throttled_of(one) for one in got_over])
    if refused := answer.get("refused"):
        return Refused(refused["code"], refused["detail"])
    if throttled := answer.get("throttled"):
        return _throttled_of(throttled)
    return activity.answer.model_validate(answer)


def call_entity(ctx: Context, entity: str, key: str, operation: str, request: Any = None) -> Steps[Any]:
    """Call an entity and have its answer, plain JSON.

    A message that came too late, because a later one overtook it, was not done: it is sent anew with a newer stamp.

    Raises:
        Transient: it failed each time.
    """
    send = partial(_send_sealed, ctx, EntityInstanceId(entity, key), operation, request)
    stamp = _next_stamp(ctx)
    for _attempt in range(LATE_ATTEMPTS):
        answer = yield from send(stamp)
        if not (isinstance(answer, dict) and LATE in answer):
            return answer
        stamp = _next_stamp(ctx, after=datetime.fromisoformat(answer[LATE]))
    raise Transient(f"{entity} did not take {operation}: later messages overtook it each time")


def _send_sealed(
    ctx: Context, entity: EntityInstanceId, operation: str, request: Any, stamp: MessageStamp
) -> Steps[Any]:
    """Have a message sealed where the entity wants that, and send it."""
    message = EntityMessage(stamp=stamp, request=request).model_dump(mode="json", exclude={SEAL})
    if entity.entity not in UNSEALED_ENTITIES and operation not in READS:
        name = message_name(entity.entity, operation)
        content = SealContent(target=entity.key, name=name, digest=digest_of_message(message))
        message[SEAL] = (yield from call_patiently(ctx, SEAL_CONTENT, content, SEAL_PATIENCE)).seal
    return (yield from _send_message(ctx, entity, operation, message))


def _send_message(ctx: Context, entity: EntityInstanceId, operation: str, message: dict[str, Any]) -> Steps[Any]:
    """Send one message and have its answer.

    A call fails when the worker dies in the middle of it, and nobody can say whether it was done: the same message is
    sent again. An entity that cannot read the key of seals does nothing: until it can, it is asked again.
    """
    pauses, key_awaited_until = list(ENTITY_PAUSES), now(ctx) + SEAL_PATIENCE
    while True:
        try:
            return (yield ctx.call_entity(entity, operation, message))
        except task.TaskFailedError as error:
            failure = error.details.message
        waits_for_key = SEAL_KEY_SETTING in failure and now(ctx) < key_awaited_until
        if not pauses and not waits_for_key:
            raise Transient(f"{entity.entity} did not take {operation}: {failure}")
        yield from sleep(ctx, pauses.pop(0) if pauses else ENTITY_PAUSES[-1])


def _next_stamp(ctx: Any, after: datetime | None = None) -> MessageStamp:
    """The stamp of the next message; the context keeps the last one."""
    last = getattr(ctx, "last_stamp", None) or MessageStamp(sender=ctx.instance_id, number=0)
    ctx.last_stamp = stamp_after(last, max(now(ctx), after + TICK) if after else now(ctx))
    return cast("MessageStamp", ctx.last_stamp)


def sleep(ctx: Context, span: timedelta) -> Steps[None]:
    """Wait by the durable clock."""
    yield ctx.create_timer(span)


def wait_for_any_event(ctx: Context, events: Sequence[task.CancellableTask[Any]], span: timedelta) -> Steps[None]:
    """Wait until one of these events was raised, but no longer than this.

    The events outlive a wait that ends without one, so that what is raised between two waits is not lost.
    """
    timer = ctx.create_timer(span)
    winner = yield task.when_any([*events, timer])
    if winner is not timer:
        timer.cancel()
