"""The hooks of a run, one after the other: before its first verb, and once its machines are up."""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, cast

from durabletask import task

from orchestrators.durable.cloud_events import tell
from orchestrators.durable.decisions import Waiting
from orchestrators.durable.steps import Steps, call_all, insist, now, show_status
from shared.errors import Refused, SiteRecoveryError
from shared.evidence.chain import Entry
from shared.plans.hooks import OCCASIONS, Hook, HookEnd
from shared.recovery import scheduler
from shared.recovery.contract import BEGIN_WORK, END_WORK, LOOK_AT_WORK, RUN_HOOK, BeginWork, HookRan, HookWork, RunHook
from shared.recovery.drill import ABORTED, soak, stopped
from shared.recovery.operation import Operation
from shared.recovery.run import Decision, Run
from shared.recovery.status import summary
from shared.recovery_plans.hook_actions import is_left_to_plans
from shared.redaction import redacted_text

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


TRY_EVERY, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=6)
LONGEST_DETAIL, LONGEST_FAILURE = 600, 300


class Turn(NamedTuple):
    """A hook whose turn it is.

    Attributes:
        occasion: What it belongs to: drill, failover or failback.
        moment: "before", "after" or "after-cleanup".
        number: Its place among those of the moment.
    """

    occasion: str
    moment: str
    number: int
    hook: Hook

    @property
    def mark(self) -> str:
        """Tells it from every other hook of the run."""
        return f"hook:{self.occasion}:{self.moment}:{self.number}"

    def ends(self, state: str, detail: str, **times: object) -> HookEnd:
        """What became of it."""
        about = {"name": self.hook.name, "kind": self.hook.kind, "required": self.hook.required}
        where = {"occasion": self.occasion, "moment": self.moment}
        return HookEnd.model_validate(
            {**about, **where, "state": state, "detail": redacted_text(detail)[:LONGEST_DETAIL], **times}
        )


class Hooks:
    """Does the hooks of one run; what became of each is kept in the run, and on its way into the evidence."""

    def __init__(self, ctx: task.OrchestrationContext, operation: Operation, waits: Waiting) -> None:
        self._ctx, self._operation, self._waits = ctx, operation, waits

    def before(self, run: Run) -> Steps[Run]:
        """What is done before the first verb of a run or, on a round trip, before the way home.

        Where that does not succeed nothing more is begun.
        """
        occasion = next((OCCASIONS[stage.verb] for stage in run.stages[run.stage :] if stage.verb in OCCASIONS), "")
        if not _may_begin(run) or self._is_done(run, occasion, "before"):
            return run
        known = len(run.failures)
        run = yield from self._do_all(run, occasion, "before")
        if run.aborted:
            return stopped(run, ABORTED)
        if run.failures[known:]:
            return stopped(run, f"not begun: {run.failures[known]}")
        unseen = tuple(item.model_copy(update={"seen": False}) for item in run.items)  # what was seen is old by now
        return run.model_copy(update={"items": unseen})

    def after(self, run: Run) -> Steps[Run]:
        """What is done once a stage is over: in a failover when all is up, in a drill after its soak time."""
        occasion = OCCASIONS.get(run.current.verb, "") if run.current else ""
        if self._is_done(run, occasion, "after") or (occasion == "drill" and soak(run, now(self._ctx))):
            return run
        return (yield from self._do_all(run, occasion, "after"))

    def after_cleanup(self, run: Run) -> Steps[Run]:
        """What is done when a drill has been cleaned up."""
        if self._operation.kind != "drill":
            return run
        return (yield from self._do_all(run, "drill", "after-cleanup"))

    def _is_done(self, run: Run, occasion: str, moment: str) -> bool:
        done = any((end.occasion, end.moment) == (occasion, moment) for end in run.hooks)
        return done or not self._ours(run, occasion, moment)

    def _ours(self, run: Run, occasion: str, moment: str) -> list[tuple[int, Hook]]:
        """Each with its place, without those that Site Recovery does as actions of its recovery plans."""
        numbered = enumerate(self._operation.document.hooks_at(occasion, moment))
        return [(number, hook) for number, hook in numbered if not is_left_to_plans(hook, run, moment)]

    def _do_all(self, run: Run, occasion: str, moment: str) -> Steps[Run]:
        """One after the other; those that follow a rehearsal are done however the others went."""
        strict = moment == "before" or occasion != "drill"
        for number, hook in self._ours(run, occasion, moment):
            turn = Turn(occasion, moment, number, hook)
            if (strict and run.failed) or (run.aborted and (strict or hook.kind == "manual")):
                why = ABORTED if run.aborted else "something before it failed"
                run = self._noted(run, turn, turn.ends("skipped", f"not done: {why}"), None)
            else:
                run = yield from self._do(run, turn)
        return run

    def _do(self, run: Run, turn: Turn) -> Steps[Run]:
        began = now(self._ctx)
        name = f"{self._operation.id}:{turn.occasion}:{turn.moment}:{turn.number}"
        state = "starting" if turn.moment == "before" else "failed" if run.failed else "well"
        does = doing(turn.hook, name, self._operation, turn.moment, state)
        yield from self._show(run, turn, does)
        run, ran = yield from self._until_done(run, turn, does)
        left = yield from does.end(self._ctx)
        show_status(self._ctx, summary(run, now(self._ctx)))
        detail = "; ".join(filter(None, (ran.detail, left)))
        end = turn.ends("passed" if ran.passed else "failed", detail, began=began, ended=now(self._ctx))
        return self._noted(run, turn, end, ran)

    def _show(self, run: Run, turn: Turn, does: Doing) -> Steps[None]:
        """Say in the custom status what is being done; of a step by hand tell those who listen."""
        hook, at = turn.hook, now(self._ctx)
        status = {**summary(run, at), "waitingFor": f"hook {hook.name} ({hook.kind}) {hook.target}".strip()}
        waits = does.waits(_until(run, turn, at))
        show_status(self._ctx, {**status, "waits": {**waits, "mark": turn.mark}} if waits else status)
        if waits:
            data = {"waitsFor": "resume", "what": waits["what"], "until": waits["until"], "vms": []}
            yield from tell(self._ctx, self._operation, "waiting", data, key=turn.mark)

    def _until_done(self, run: Run, turn: Turn, does: Doing) -> Steps[tuple[Run, HookRan]]:
        """Until it has ended, a person has ended it, or its time is over."""
        began = now(self._ctx)
        until = _until(run, turn, began)
        while True:
            ran = yield from does.look(self._ctx)
            left = until - now(self._ctx)
            if not ran.again:
                return run, ran
            if left <= timedelta(0):
                return run, HookRan(passed=False, status=ran.status, detail=_too_late(until - began, ran))
            said = yield from self._waits.listen(min(_pause(turn.hook, now(self._ctx) - began), left))
            if said:
                run = _decided(run, said)
                if by_person := _ended_by(turn, said):
                    return run, by_person

    def _noted(self, run: Run, turn: Turn, end: HookEnd, ran: HookRan | None) -> Run:
        body = {**end.model_dump(mode="json"), "target": turn.hook.target}
        body |= {"status": ran.status, "output": ran.output} if ran else {}
        run = _told(run, Entry(kind="hook", at=now(self._ctx), body=body))
        wrong = end.required and end.state == "failed"
        failures = (*run.failures, f"hook {end.name}: {end.detail}"[:LONGEST_FAILURE]) if wrong else run.failures
        return run.model_copy(update={"hooks": (*run.hooks, end), "failures": failures})


def _may_begin(run: Run) -> bool:
    """Whether the run is about to begin, or to go home, and nothing stands in the way of that."""
    stage = run.current
    if stage is None or run.pause or run.stopped or (stage.guarded and not run.passed):
        return False
    return run.stage == 0 or stage.verb in OCCASIONS


def _decided(run: Run, said: Decision) -> Run:
    if said.verdict == "abort":
        return scheduler.decide(run, said)
    return run.model_copy(update={"decisions": (*run.decisions, said)})


def _told(run: Run, entry: Entry) -> Run:
    """The entry is written with the next ones."""
    if not run.chain.kept:
        return run
    return run.model_copy(update={"chain": run.chain.model_copy(update={"pending": (*run.chain.pending, entry)})})


def _pause(hook: Hook, waited: timedelta) -> timedelta:
    """Rarer the longer it takes, because a history holds every look; a person speaks up by himself."""
    return LONGEST_PAUSE if hook.kind == "manual" else min(max(TRY_EVERY, waited / 10), LONGEST_PAUSE)


def _until(run: Run, turn: Turn, began: datetime) -> datetime:
    """How long it may take; a person who does not come keeps no machines of a drill beyond its time to live."""
    until = began + turn.hook.deadline
    ends = run.rehearsal.until if run.rehearsal and turn.hook.kind == "manual" and turn.moment == "after" else None
    return max(min(until, ends), began) if ends else until


def _too_late(within: timedelta, ran: HookRan) -> str:
    return f"not done within {within}: {ran.detail}"


def _ended_by(turn: Turn, said: Decision) -> HookRan | None:
    """What a person's word makes of a hook, None when it is about something else."""
    if said.verdict == "abort":
        return HookRan(passed=False, detail=f"{said.by} aborted the run")
    if said.verdict == "resume" and turn.hook.kind == "manual" and said.about in {"", turn.mark}:
        return HookRan(passed=True, detail=f"{said.by}: {said.comment}" if said.comment else said.by)
    return None
