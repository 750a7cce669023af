"""The hooks of a drill: others who are told before, after, and after the cleanup, and whose word may count."""

from collections.abc import Sequence
from datetime import timedelta

from durabletask import task

from activities.contract import RUN_HOOK, HookRan, RunHook
from orchestrators.steps import Steps, call_all, now, sleep
from shared.evidence.records import Entry
from shared.operations import Operation
from shared.plans import Hook

TRY_EVERY = timedelta(seconds=30)


def run_hooks(
    ctx: task.OrchestrationContext, operation: Operation, moment: str, state: str, hooks: Sequence[Hook]
) -> Steps[tuple[tuple[Entry, ...], tuple[str, ...]]]:
    """Run hooks one after the other: what to record of each, and what went wrong with those that are required."""
    told: list[Entry] = []
    failures: list[str] = []
    for number, hook in enumerate(hooks):
        ask = RunHook(
            id=f"{operation.id}:{moment}:{number}",
            url=hook.url,
            moment=moment,
            operation=operation.id,
            plan=operation.plan,
            state=state,
        )
        ran = yield from _until_answered(ctx, hook, ask)
        body = {"name": hook.name, "moment": moment, "url": hook.url, **ran.model_dump(mode="json", exclude={"again"})}
        told.append(Entry(kind="hook", at=now(ctx), body=body))
        if hook.required and not ran.passed:
            failures.append(f"hook {hook.name}: {ran.status or ''} {ran.detail}"[:300])
    return tuple(told), tuple(failures)


def _until_answered(ctx: task.OrchestrationContext, hook: Hook, ask: RunHook) -> Steps[HookRan]:
    deadline = now(ctx) + hook.deadline
    while True:
        answer = (yield from call_all(ctx, RUN_HOOK, [ask]))[0]
        ran = answer if isinstance(answer, HookRan) else HookRan(passed=False, detail=str(answer), again=True)
        if ran.passed or not ran.again or now(ctx) + TRY_EVERY > deadline:
            return ran
        yield from sleep(ctx, TRY_EVERY)
