"""Scripts on many nodes at once: started, awaited, and removed again with what Azure keeps of their output."""

from collections.abc import Sequence
from datetime import timedelta

from durabletask import task

from orchestrators.durable.steps import Steps, call_all, now, sleep
from shared.healing.contract import (
    READ_SCRIPT,
    REMOVE_SCRIPT,
    RUN_SCRIPT,
    ReadScript,
    RemoveScript,
    RunScript,
    ScriptView,
)

LOOK_EVERY, PATIENCE = timedelta(seconds=20), timedelta(minutes=20)


def run_scripts(
    ctx: task.OrchestrationContext, asks: Sequence[RunScript], every: timedelta = LOOK_EVERY
) -> Steps[list[ScriptView | str]]:
    """What each script said, in order, or why it said nothing; no run command is left behind."""
    begun = yield from call_all(ctx, RUN_SCRIPT, asks)
    started = [ask for ask, answer in zip(asks, begun, strict=True) if not isinstance(answer, Exception)]
    views = yield from _until_ended(ctx, started, every)
    removals = [RemoveScript(machine_id=ask.machine_id, name=ask.name, operation=ask.operation) for ask in started]
    yield from call_all(ctx, REMOVE_SCRIPT, removals)
    return [
        str(answer) if isinstance(answer, Exception) else _said(ask, views.get((ask.machine_id, ask.name)))
        for ask, answer in zip(asks, begun, strict=True)
    ]


def _until_ended(
    ctx: task.OrchestrationContext, asks: Sequence[RunScript], every: timedelta
) -> Steps[dict[tuple[str, str], ScriptView]]:
    """The scripts' ends by machine and name, as far as they come in time."""
    ended: dict[tuple[str, str], ScriptView] = {}
    deadline = now(ctx) + PATIENCE
    while len(ended) < len(asks) and now(ctx) < deadline:
        yield from sleep(ctx, every)
        left = [(ask.machine_id, ask.name) for ask in asks if (ask.machine_id, ask.name) not in ended]
        seen = yield from call_all(ctx, READ_SCRIPT, [ReadScript(machine_id=id_, name=name) for id_, name in left])
        ended |= {
            key: view for key, view in zip(left, seen, strict=True) if isinstance(view, ScriptView) and view.ended
        }
    return ended


def _said(ask: RunScript, view: ScriptView | None) -> ScriptView | str:
    if view is None:
        return f"{ask.script} has not ended after {PATIENCE}"
    if view.state != "Succeeded" or view.exit_code not in {0, None} or view.result is None:
        return f"{ask.script} ended as {view.state}: {view.error[-200:] or 'no result'}"
    return view
