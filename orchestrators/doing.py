"""How a hook of each kind is done: begun once, tried or looked at as often as it takes, and nothing left behind."""

from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, cast

from durabletask import task

from activities.app_contract import RUN_HOOK, HookRan, RunHook
from activities.hook_contract import BEGIN_WORK, END_WORK, LOOK_AT_WORK, BeginWork, HookWork
from orchestrators.steps import Steps, call_all, insist
from shared.errors import Refused, SiteRecoveryError
from shared.hooks import Hook
from shared.operations import Operation

TIDIED_WITHIN = timedelta(minutes=5)


class Doing(Protocol):
    """A hook that is being done."""

    def look(self, ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Try it, begin it, or see how it stands."""

    def end(self, ctx: task.OrchestrationContext) -> Steps[str]:
        """Leave nothing behind; says what could not be removed, empty when all is."""

    def waits(self, until: datetime) -> dict[str, Any] | None:
        """What only a person can say, for the custom status; None when nobody is waited for."""


class Asked:
    """Of kind http: asked again while there is no answer, by an id that is always the same."""

    def __init__(self, hook: Hook, name: str, operation: Operation, moment: str, state: str) -> None:
        self._ask = RunHook(
            id=name, url=hook.url, moment=moment, operation=operation.id, plan=operation.plan, state=state
        )

    def look(self, ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Ask."""
        answer = (yield from call_all(ctx, RUN_HOOK, [self._ask]))[0]
        return answer if isinstance(answer, HookRan) else HookRan(passed=False, detail=str(answer), again=True)

    def end(self, _ctx: task.OrchestrationContext) -> Steps[str]:
        """There is nothing to remove."""
        yield from ()
        return ""

    def waits(self, _until: datetime) -> None:
        """Nobody is waited for."""


class Worked:
    """Of kind run-command or runbook: begun once, looked at until it has ended, and removed."""

    def __init__(self, hook: Hook, name: str, operation: Operation) -> None:
        kind = cast("Literal['run-command', 'runbook']", hook.kind)
        self._work = HookWork(id=name, operation=operation.id, kind=kind, target=hook.target)
        self._begin = BeginWork(
            **self._work.model_dump(),
            script=hook.script,
            parameters=hook.parameters,
            run_on=hook.run_on,
            timeout=hook.deadline,
        )
        self._begun = False

    def look(self, ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Begin it, as often as it takes until Azure has taken it; from then on only look."""
        ask, activity = (self._work, LOOK_AT_WORK) if self._begun else (self._begin, BEGIN_WORK)
        answer: Any = (yield from call_all(ctx, cast("Any", activity), [ask]))[0]
        if isinstance(answer, SiteRecoveryError):
            again = not isinstance(answer, Refused) or self._begun
            return HookRan(passed=False, detail=str(answer), again=again)
        if self._begun:
            return cast("HookRan", answer)
        self._begun = True
        return HookRan(passed=False, detail="it was begun", again=True)

    def end(self, ctx: task.OrchestrationContext) -> Steps[str]:
        """Remove the run command, or stop the job if it goes on."""
        try:
            yield from insist(ctx, END_WORK, self._work, TIDIED_WITHIN)
        except SiteRecoveryError as failure:
            return f"what it left on {self._work.target} could not be removed: {failure}"
        return ""

    def waits(self, _until: datetime) -> None:
        """Nobody is waited for."""


class ByHand:
    """Of kind manual: done when a person says `resume`."""

    def __init__(self, hook: Hook) -> None:
        self._what = hook.instructions

    def look(self, _ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Only a person can say."""
        yield from ()
        return HookRan(passed=False, detail="nobody said that it is done", again=True)

    def end(self, _ctx: task.OrchestrationContext) -> Steps[str]:
        """There is nothing to remove."""
        yield from ()
        return ""

    def waits(self, until: datetime) -> dict[str, Any]:
        """The instructions, and until when."""
        about = {"for": "resume", "what": self._what, "vms": [], "verdicts": ["resume", "abort"]}
        return {**about, "until": until.isoformat()}


def doing(hook: Hook, name: str, operation: Operation, moment: str, state: str) -> Doing:
    """The way in which a hook is done.

    Args:
        hook: What is to be done.
        name: Unique for the run and the hook, and the same after a crash.
        operation: The run.
        moment: "before", "after" or "after-cleanup".
        state: How the run stands: "starting", "well" or "failed".
    """
    match hook.kind:
        case "http":
            return Asked(hook, name, operation, moment, state)
        case "manual":
            return ByHand(hook)
        case _:
            return Worked(hook, name, operation)
