"""The hooks of a run, one after the other: before its first verb, and once its machines are up."""

from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Protocol, cast

from durabletask import task

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.steps import Steps, call_all, call_patiently, now, show_status
from shared.errors import Refused, SiteRecoveryError
from shared.evidence.chain import EvidenceEntry
from shared.plans.hooks import HOOK_OCCASIONS, Hook, HookResult
from shared.recovery import scheduler
from shared.recovery.contract import (
    BEGIN_HOOK_WORK,
    END_HOOK_WORK,
    READ_HOOK_WORK,
    RUN_HOOK,
    BeginHookWork,
    HookRan,
    HookWork,
    RunHook,
)
from shared.recovery.drill import ABORTED, soak_machines, stop_run
from shared.recovery.operation import Operation
from shared.recovery.run import Decision, Run
from shared.recovery.status import custom_status_of
from shared.recovery_plans.hook_actions import is_left_to_plans
from shared.redaction import redact_text

TIDIED_WITHIN = timedelta(minutes=5)


class HookAction(Protocol):
    """A hook that is being done."""

    def try_once(self, ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Try it, begin it, or see how it stands."""

    def clean_up(self, ctx: task.OrchestrationContext) -> Steps[str]:
        """Leave nothing behind; says what could not be removed, empty when all is."""

    def manual_wait(self, until: datetime) -> dict[str, Any] | None:
        """What only a person can say, for the custom status; None when nobody is waited for."""


class HttpHook:
    """Of kind http: asked again while there is no answer, by an id that is always the same."""

    def __init__(self, hook: Hook, name: str, operation: Operation, moment: str, state: str) -> None:
        self._request = RunHook(
            id=name, url=hook.url, moment=moment, operation=operation.id, plan=operation.plan, state=state
        )

    def try_once(self, ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Ask."""
        answer = (yield from call_all(ctx, RUN_HOOK, [self._request]))[0]
        return answer if isinstance(answer, HookRan) else HookRan(state="unanswered", detail=str(answer))

    def clean_up(self, _ctx: task.OrchestrationContext) -> Steps[str]:
        """There is nothing to remove."""
        yield from ()
        return ""

    def manual_wait(self, _until: datetime) -> None:
        """Nobody is waited for."""


class AzureHook:
    """Of kind run-command or runbook: begun once, looked at until it has ended, and removed."""

    def __init__(self, hook: Hook, name: str, operation: Operation) -> None:
        kind = cast("Literal['run-command', 'runbook']", hook.kind)
        self._work = HookWork(id=name, operation=operation.id, kind=kind, target=hook.target)
        self._begin_request = BeginHookWork(
            **self._work.model_dump(),
            script=hook.script,
            parameters=hook.parameters,
            run_on=hook.run_on,
            timeout=hook.deadline,
        )
        self._begun = False

    def try_once(self, ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Begin it, as often as it takes until Azure has taken it; from then on only look."""
        request, activity = (self._work, READ_HOOK_WORK) if self._begun else (self._begin_request, BEGIN_HOOK_WORK)
        answer: Any = (yield from call_all(ctx, cast("Any", activity), [request]))[0]
        if isinstance(answer, SiteRecoveryError):
            again = not isinstance(answer, Refused) or self._begun
            return HookRan(state="unanswered" if again else "failed", detail=str(answer))
        if self._begun:
            return cast("HookRan", answer)
        self._begun = True
        return HookRan(state="running", detail="it was begun")

    def clean_up(self, ctx: task.OrchestrationContext) -> Steps[str]:
        """Remove the run command, or stop the job if it goes on."""
        try:
            yield from call_patiently(ctx, END_HOOK_WORK, self._work, TIDIED_WITHIN)
        except SiteRecoveryError as failure:
            return f"what it left on {self._work.target} could not be removed: {failure}"
        return ""

    def manual_wait(self, _until: datetime) -> None:
        """Nobody is waited for."""


class ManualHook:
    """Of kind manual: done when a person says `resume`."""

    def __init__(self, hook: Hook) -> None:
        self._instructions = hook.instructions

    def try_once(self, _ctx: task.OrchestrationContext) -> Steps[HookRan]:
        """Only a person can say."""
        yield from ()
        return HookRan(state="running", detail="nobody said that it is done")

    def clean_up(self, _ctx: task.OrchestrationContext) -> Steps[str]:
        """There is nothing to remove."""
        yield from ()
        return ""

    def manual_wait(self, until: datetime) -> dict[str, Any]:
        """The instructions, and until when."""
        about = {"for": "resume", "what": self._instructions, "vms": [], "verdicts": ["resume", "abort"]}
        return {**about, "until": until.isoformat()}


def action_for_hook(hook: Hook, name: str, operation: Operation, moment: str, state: str) -> HookAction:
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
            return HttpHook(hook, name, operation, moment, state)
        case "manual":
            return ManualHook(hook)
        case _:
            return AzureHook(hook, name, operation)


TRY_EVERY, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=6)
LONGEST_DETAIL, LONGEST_FAILURE = 600, 300


class DueHook(NamedTuple):
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
    def hook_key(self) -> str:
        """Tells it from every other hook of the run."""
        return f"hook:{self.occasion}:{self.moment}:{self.number}"

    def to_hook_end(self, state: str, detail: str, **times: object) -> HookResult:
        """What became of it."""
        hook_fields = {"name": self.hook.name, "kind": self.hook.kind, "required": self.hook.required}
        place_fields = {"occasion": self.occasion, "moment": self.moment}
        return HookResult.model_validate(
            {**hook_fields, **place_fields, "state": state, "detail": redact_text(detail)[:LONGEST_DETAIL], **times}
        )


class Hooks:
    """Does the hooks of one run; what became of each is kept in the run, and on its way into the evidence."""

    def __init__(self, ctx: task.OrchestrationContext, operation: Operation, inbox: DecisionInbox) -> None:
        self._ctx, self._operation, self._inbox = ctx, operation, inbox

    def run_before(self, run: Run) -> Steps[Run]:
        """What is done before the first verb of a run or, on a round trip, before the way home.

        Where that does not succeed nothing more is begun.
        """
        occasion = next(
            (HOOK_OCCASIONS[stage.verb] for stage in run.stages[run.stage :] if stage.verb in HOOK_OCCASIONS), ""
        )
        if not _may_begin(run) or self._is_done(run, occasion, "before"):
            return run
        failures_before = len(run.failures)
        run = yield from self._run_hooks_at(run, occasion, "before")
        if run.aborted:
            return stop_run(run, ABORTED)
        if run.failures[failures_before:]:
            return stop_run(run, f"not begun: {run.failures[failures_before]}")
        unread_items = tuple(
            item.model_copy(update={"seen": False}) for item in run.items
        )  # what was seen is old by now
        return run.model_copy(update={"items": unread_items})

    def run_after(self, run: Run) -> Steps[Run]:
        """What is done once a stage is over: in a failover when all is up, in a drill after its soak time."""
        occasion = HOOK_OCCASIONS.get(run.current.verb, "") if run.current else ""
        if self._is_done(run, occasion, "after") or (occasion == "drill" and soak_machines(run, now(self._ctx))):
            return run
        return (yield from self._run_hooks_at(run, occasion, "after"))

    def run_after_cleanup(self, run: Run) -> Steps[Run]:
        """What is done when a drill has been cleaned up."""
        if self._operation.kind != "drill":
            return run
        return (yield from self._run_hooks_at(run, "drill", "after-cleanup"))

    def _is_done(self, run: Run, occasion: str, moment: str) -> bool:
        done = any((end.occasion, end.moment) == (occasion, moment) for end in run.hooks)
        return done or not self._hooks_at(run, occasion, moment)

    def _hooks_at(self, run: Run, occasion: str, moment: str) -> list[tuple[int, Hook]]:
        """Each with its place, without those that Site Recovery does as actions of its recovery plans."""
        numbered = enumerate(self._operation.document.hooks_at(occasion, moment))
        return [(number, hook) for number, hook in numbered if not is_left_to_plans(hook, run, moment)]

    def _run_hooks_at(self, run: Run, occasion: str, moment: str) -> Steps[Run]:
        """One after the other; those that follow a rehearsal are done however the others went."""
        strict = moment == "before" or occasion != "drill"
        for number, hook in self._hooks_at(run, occasion, moment):
            due_hook = DueHook(occasion, moment, number, hook)
            if (strict and run.has_failed) or (run.aborted and (strict or hook.kind == "manual")):
                reason = ABORTED if run.aborted else "something before it failed"
                run = self._record_hook_end(run, due_hook, due_hook.to_hook_end("skipped", f"not done: {reason}"), None)
            else:
                run = yield from self._run_hook(run, due_hook)
        return run

    def _run_hook(self, run: Run, due_hook: DueHook) -> Steps[Run]:
        began = now(self._ctx)
        name = f"{self._operation.id}:{due_hook.occasion}:{due_hook.moment}:{due_hook.number}"
        state = "starting" if due_hook.moment == "before" else "failed" if run.has_failed else "well"
        action = action_for_hook(due_hook.hook, name, self._operation, due_hook.moment, state)
        yield from self._show_hook(run, due_hook, action)
        run, result = yield from self._until_done(run, due_hook, action)
        cleanup_failure = yield from action.clean_up(self._ctx)
        show_status(self._ctx, custom_status_of(run, now(self._ctx)))
        detail = "; ".join(filter(None, (result.detail, cleanup_failure)))
        end = due_hook.to_hook_end("passed" if result.passed else "failed", detail, began=began, ended=now(self._ctx))
        return self._record_hook_end(run, due_hook, end, result)

    def _show_hook(self, run: Run, due_hook: DueHook, action: HookAction) -> Steps[None]:
        """Say in the custom status what is being done; of a step by hand tell those who listen."""
        hook, at = due_hook.hook, now(self._ctx)
        status = {**custom_status_of(run, at), "waitingFor": f"hook {hook.name} ({hook.kind}) {hook.target}".strip()}
        manual_wait = action.manual_wait(_deadline_of(run, due_hook, at))
        show_status(
            self._ctx, {**status, "waits": {**manual_wait, "mark": due_hook.hook_key}} if manual_wait else status
        )
        if manual_wait:
            data = {"waitsFor": "resume", "what": manual_wait["what"], "until": manual_wait["until"], "vms": []}
            yield from publish_operation_event(self._ctx, self._operation, "waiting", data, key=due_hook.hook_key)

    def _until_done(self, run: Run, due_hook: DueHook, action: HookAction) -> Steps[tuple[Run, HookRan]]:
        """Until it has ended, a person has ended it, or its time is over."""
        began = now(self._ctx)
        until = _deadline_of(run, due_hook, began)
        while True:
            result = yield from action.try_once(self._ctx)
            time_left = until - now(self._ctx)
            if not result.may_change:
                return run, result
            if time_left <= timedelta(0):
                return run, HookRan(state="failed", status=result.status, detail=_timeout_detail(until - began, result))
            decision = yield from self._inbox.next_decision(
                min(_pause_between_tries(due_hook.hook, now(self._ctx) - began), time_left)
            )
            if decision:
                run = _with_decision(run, decision)
                if by_person := _result_by_person(due_hook, decision):
                    return run, by_person

    def _record_hook_end(self, run: Run, due_hook: DueHook, end: HookResult, result: HookRan | None) -> Run:
        body = {**end.model_dump(mode="json"), "target": due_hook.hook.target}
        body |= {"status": result.status, "output": result.output} if result else {}
        run = _with_pending_entry(run, EvidenceEntry(kind="hook", at=now(self._ctx), body=body))
        run_fails = end.required and end.state == "failed"
        failures = (*run.failures, f"hook {end.name}: {end.detail}"[:LONGEST_FAILURE]) if run_fails else run.failures
        return run.model_copy(update={"hooks": (*run.hooks, end), "failures": failures})


def _may_begin(run: Run) -> bool:
    """Whether the run is about to begin, or to go home, and nothing stands in the way of that."""
    stage = run.current
    if stage is None or run.pause or run.stopped or (stage.guarded and not run.passed):
        return False
    return run.stage == 0 or stage.verb in HOOK_OCCASIONS


def _with_decision(run: Run, decision: Decision) -> Run:
    if decision.verdict == "abort":
        return scheduler.apply_decision(run, decision)
    return run.model_copy(update={"decisions": (*run.decisions, decision)})


def _with_pending_entry(run: Run, entry: EvidenceEntry) -> Run:
    """The entry is written with the next ones."""
    if not run.chain.kept:
        return run
    return run.model_copy(update={"chain": run.chain.model_copy(update={"pending": (*run.chain.pending, entry)})})


def _pause_between_tries(hook: Hook, waited: timedelta) -> timedelta:
    """Rarer the longer it takes, because a history holds every look; a person speaks up by himself."""
    return LONGEST_PAUSE if hook.kind == "manual" else min(max(TRY_EVERY, waited / 10), LONGEST_PAUSE)


def _deadline_of(run: Run, due_hook: DueHook, began: datetime) -> datetime:
    """How long it may take; a person who does not come keeps no machines of a drill beyond its time to live."""
    until = began + due_hook.hook.deadline
    ends = (
        run.rehearsal.until if run.rehearsal and due_hook.hook.kind == "manual" and due_hook.moment == "after" else None
    )
    return max(min(until, ends), began) if ends else until


def _timeout_detail(within: timedelta, result: HookRan) -> str:
    return f"not done within {within}: {result.detail}"


def _result_by_person(due_hook: DueHook, decision: Decision) -> HookRan | None:
    """What a person's word makes of a hook, None when it is about something else."""
    if decision.verdict == "abort":
        return HookRan(state="failed", detail=f"{decision.by} aborted the run")
    if decision.verdict == "resume" and due_hook.hook.kind == "manual" and decision.about in {"", due_hook.hook_key}:
        return HookRan(state="passed", detail=f"{decision.by}: {decision.comment}" if decision.comment else decision.by)
    return None
