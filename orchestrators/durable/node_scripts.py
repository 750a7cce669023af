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
    ctx: task.OrchestrationContext, requests: Sequence[RunScript], every: timedelta = LOOK_EVERY
) -> Steps[list[ScriptView | str]]:
    """What each script wrote, in order, or why it wrote nothing; no run command is left behind."""
    answers = yield from call_all(ctx, RUN_SCRIPT, requests)
    started = [request for request, answer in zip(requests, answers, strict=True) if not isinstance(answer, Exception)]
    views = yield from _wait_for_scripts(ctx, started, every)
    removals = [
        RemoveScript(machine_id=request.machine_id, name=request.name, operation=request.operation)
        for request in started
    ]
    yield from call_all(ctx, REMOVE_SCRIPT, removals)
    return [
        str(answer)
        if isinstance(answer, Exception)
        else _result_of(request, views.get((request.machine_id, request.name)))
        for request, answer in zip(requests, answers, strict=True)
    ]


def _wait_for_scripts(
    ctx: task.OrchestrationContext, requests: Sequence[RunScript], every: timedelta
) -> Steps[dict[tuple[str, str], ScriptView]]:
    """The scripts' ends by machine and name, as far as they come in time."""
    ended: dict[tuple[str, str], ScriptView] = {}
    deadline = now(ctx) + PATIENCE
    while len(ended) < len(requests) and now(ctx) < deadline:
        yield from sleep(ctx, every)
        pending = [
            (request.machine_id, request.name)
            for request in requests
            if (request.machine_id, request.name) not in ended
        ]
        answers = yield from call_all(
            ctx, READ_SCRIPT, [ReadScript(machine_id=id_, name=name) for id_, name in pending]
        )
        ended |= {
            key: view
            for key, view in zip(pending, answers, strict=True)
            if isinstance(view, ScriptView) and view.has_ended
        }
    return ended


def _result_of(request: RunScript, view: ScriptView | None) -> ScriptView | str:
    if view is None:
        return f"{request.script} has not ended after {PATIENCE}"
    if view.state != "Succeeded" or view.exit_code not in {0, None} or view.result is None:
        return f"{request.script} ended as {view.state}: {view.error[-200:] or 'no result'}"
    return view
