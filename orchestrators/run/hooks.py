"""The hooks of a run: before its first verb, once its machines are up, and after a drill's cleanup.

1. See which hooks are due at this moment; without those that Site Recovery does as actions of its recovery plans.
2. Do one after the other: show it, try it until it has ended, a person has ended it, or its time is over.
3. Remove what it left in Azure.
4. Keep what became of it in the run, and have it written into the evidence.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.steps import Context, Steps, call_all, call_patiently, now, show_status
from shared.errors import Refused, SiteRecoveryError
from shared.evidence.chain import EvidenceEntry
from shared.obstacle import Obstacle
from shared.operations.hook_work import HookWork
from shared.plans.hooks import HOOK_OCCASIONS, Hook, HookResult
from shared.recovery import scheduler
from shared.recovery.contract import (
    BEGIN_HOOK_WORK,
    END_HOOK_WORK,
    READ_HOOK_WORK,
    RUN_HOOK,
    BeginHookWork,
    HookAnswer,
    RunHook,
)
from shared.recovery.drill import RUN_ABORTED, soak_machines, stop_run
from shared.recovery.hook_work import hook_request_id, hook_work_of
from shared.recovery.operation import Operation
from shared.recovery.pacing import HOOK_TIDIED_WITHIN, LONGEST_HOOK_PAUSE, TRY_HOOK_EVERY
from shared.recovery.people import Decision
from shared.recovery.run import Run
from shared.recovery.status import AwaitedDecision, custom_status_of
from shared.recovery_plans.hook_actions import is_left_to_plans
from shared.redaction import redact_text

LONGEST_DETAIL = 600


class DueHook(NamedTuple):
    """A hook whose turn it is.

    Attributes:
        operation: The run.
        occasion: What it belongs to: drill, failover or failback.
        moment: "before", "after" or "after-cleanup".
        number: Its place among those of the moment.
    """

    operation: str
    occasion: str
    moment: str
    number: int
    hook: Hook

    @property
    def hook_key(self) -> str:
        """Tells it from every other hook of the run."""
        return f"hook:{self.occasion}:{self.moment}:{self.number}"

    @property
    def work(self) -> HookWork | None:
        """What is run in Azure, of a script or a runbook."""
        return hook_work_of(self.operation, self.request_id, self.hook)

    @property
    def request_id(self) -> str:
        """Unique for the run and the hook, and the same after a crash."""
        return hook_request_id(self.operation, self.occasion, self.moment, self.number)

    def to_result(
        self,
        state: Literal["passed", "failed", "skipped"],
        detail: str,
        began: datetime | None = None,
        ended: datetime | None = None,
    ) -> HookResult:
        """What became of it."""
        return HookResult(
            name=self.hook.name,
            kind=self.hook.kind,
            required=self.hook.required,
            occasion=self.occasion,
            moment=self.moment,
            state=state,
            detail=redact_text(detail)[:LONGEST_DETAIL],
            began=began,
            ended=ended,
        )


def ask_over_http(ctx: Context, request: RunHook) -> Steps[HookAnswer]:
    """Of kind http: asked again while there is no answer, by an id that is always the same."""
    answer = (yield from call_all(ctx, RUN_HOOK, [request]))[0]
    return answer if isinstance(answer, HookAnswer) else HookAnswer(state="unanswered", detail=str(answer))


def begin_in_azure(ctx: Context, work: HookWork, hook: Hook) -> Steps[tuple[HookAnswer, bool]]:
    """Of kind run-command or runbook: begun once; and whether Azure has taken it."""
    request = BeginHookWork(
        **work.model_dump(),
        script=hook.script,
        parameters=hook.parameters,
        run_on=hook.run_on,
        timeout=hook.deadline,
    )
    answer = (yield from call_all(ctx, BEGIN_HOOK_WORK, [request]))[0]
    if isinstance(answer, SiteRecoveryError):
        return HookAnswer(state="failed" if isinstance(answer, Refused) else "unanswered", detail=str(answer)), False
    return HookAnswer(state="running", detail="it was begun"), True


def read_in_azure(ctx: Context, work: HookWork) -> Steps[HookAnswer]:
    """The same once it was begun: looked at until it has ended."""
    answer = (yield from call_all(ctx, READ_HOOK_WORK, [work]))[0]
    return answer if isinstance(answer, HookAnswer) else HookAnswer(state="unanswered", detail=str(answer))


def clean_up_in_azure(ctx: Context, work: HookWork) -> Steps[str]:
    """Remove the run command, or stop the job if it goes on; says what could not be removed, empty when all is."""
    try:
        yield from call_patiently(ctx, END_HOOK_WORK, work, HOOK_TIDIED_WITHIN)
    except SiteRecoveryError as failure:
        return f"what it left on {work.target} could not be removed: {failure}"
    return ""


class Hooks:
    """Does the hooks of one run; what became of each is kept in the run, and on its way into the evidence."""

    def __init__(self, ctx: Context, operation: Operation, inbox: DecisionInbox) -> None:
        self._ctx, self._operation, self._inbox = ctx, operation, inbox

    def run_before(self, run: Run) -> Steps[Run]:
        """What is done before the first verb of a run or, on a round trip, before the way home.

        Where that does not succeed nothing more is begun.
        """
        left = run.progress.stages[run.progress.number :]
        occasion = next((HOOK_OCCASIONS[stage.verb] for stage in left if stage.verb in HOOK_OCCASIONS), "")
        stage, progress = run.current, run.progress
        if stage is None or run.people.pause or run.results.stopped_by_hook:
            return run
        if (stage.guarded and not progress.guard_passed) or (progress.number and stage.verb not in HOOK_OCCASIONS):
            return run
        if self._is_done(run, occasion, "before"):
            return run
        failures_before = len(run.results.failures)
        run = yield from self._run_hooks_at(run, occasion, "before")
        if run.people.aborted:
            return stop_run(run, "run-aborted", RUN_ABORTED)
        if new_failures := run.results.failures[failures_before:]:
            return stop_run(run, "hook-failed", f"not begun: {new_failures[0].subject}: {new_failures[0].detail}")
        return run.with_unread_items()

    def run_after(self, run: Run) -> Steps[Run]:
        """What is done once a stage is over: in a failover when all is up, in a drill after its soak time."""
        occasion = HOOK_OCCASIONS.get(run.current.verb, "") if run.current else ""
        if self._is_done(run, occasion, "after") or (occasion == "drill" and soak_machines(run, now(self._ctx))):
            return run
        return (yield from self._run_hooks_at(run, occasion, "after"))

    def run_after_cleanup(self, run: Run) -> Steps[Run]:
        """What is done when a drill has been cleaned up; after a cleanup by itself there was no rehearsal to follow."""
        if not any(HOOK_OCCASIONS.get(stage.verb) == "drill" for stage in run.progress.stages):
            return run
        return (yield from self._run_hooks_at(run, "drill", "after-cleanup"))

    def _is_done(self, run: Run, occasion: str, moment: str) -> bool:
        done = any((result.occasion, result.moment) == (occasion, moment) for result in run.results.hooks)
        return done or not self._hooks_at(run, occasion, moment)

    def _hooks_at(self, run: Run, occasion: str, moment: str) -> list[DueHook]:
        """Those that are due, without those that Site Recovery does as actions of its recovery plans."""
        hooks = self._operation.document.hooks_at(occasion, moment)
        due = [DueHook(self._operation.id, occasion, moment, number, hook) for number, hook in enumerate(hooks)]
        return [one for one in due if not is_left_to_plans(one.hook, run, moment)]

    def _run_hooks_at(self, run: Run, occasion: str, moment: str) -> Steps[Run]:
        """One after the other; those that follow a rehearsal are done however the others went."""
        strict = moment == "before" or occasion != "drill"
        for due in self._hooks_at(run, occasion, moment):
            aborted = run.people.aborted
            if (strict and run.has_failed) or (aborted and (strict or due.hook.kind == "manual")):
                reason = RUN_ABORTED if aborted else "something before it failed"
                run = self._record_result(run, due, due.to_result("skipped", f"not done: {reason}"), None)
            else:
                run = yield from self._run_hook(run, due)
        return run

    def _run_hook(self, run: Run, due: DueHook) -> Steps[Run]:
        began = now(self._ctx)
        yield from self._show_hook(run, due)
        run, answer = yield from self._until_done(run, due)
        cleanup_failure = (yield from clean_up_in_azure(self._ctx, due.work)) if due.work else ""
        show_status(self._ctx, custom_status_of(run, now(self._ctx)))
        detail = "; ".join(filter(None, (answer.detail, cleanup_failure)))
        state: Literal["passed", "failed"] = "passed" if answer.passed else "failed"
        return self._record_result(run, due, due.to_result(state, detail, began, now(self._ctx)), answer)

    def _show_hook(self, run: Run, due: DueHook) -> Steps[None]:
        """Say in the custom status what is being done; a step by hand is published to those who listen."""
        hook, at = due.hook, now(self._ctx)
        waiting_for = f"hook {hook.name} ({hook.kind}) {hook.target}".strip()
        if hook.kind != "manual":
            show_status(self._ctx, custom_status_of(run, at, waiting_for))
            return
        until = _deadline_of(run, due, at)
        awaited = AwaitedDecision(
            kind="resume",
            instructions=hook.instructions,
            choices=("resume", "abort"),
            since=at,
            until=until,
            mark=due.hook_key,
        )
        show_status(self._ctx, custom_status_of(run, at, waiting_for, awaited))
        data = {"waitsFor": "resume", "what": hook.instructions, "until": until.isoformat(), "vms": []}
        yield from publish_operation_event(self._ctx, self._operation, "waiting", data, key=due.hook_key)

    def _until_done(self, run: Run, due: DueHook) -> Steps[tuple[Run, HookAnswer]]:
        """Until it has ended, a person has ended it, or its time is over."""
        began = now(self._ctx)
        until = _deadline_of(run, due, began)
        state = "starting" if due.moment == "before" else "failed" if run.has_failed else "well"
        begun = False
        while True:
            answer, begun = yield from self._try_hook(due, state, begun=begun)
            left = until - now(self._ctx)
            if not answer.may_change:
                return run, answer
            if left <= timedelta(0):
                detail = f"not done within {until - began}: {answer.detail}"
                return run, HookAnswer(state="failed", status=answer.status, detail=detail)
            often = min(max(TRY_HOOK_EVERY, (now(self._ctx) - began) / 10), LONGEST_HOOK_PAUSE)
            pause = LONGEST_HOOK_PAUSE if due.hook.kind == "manual" else often  # a person speaks up by himself
            if decision := (yield from self._inbox.next_decision(min(pause, left))):
                run, by_person = _take_decision(run, due, decision)
                if by_person:
                    return run, by_person

    def _try_hook(self, due: DueHook, state: str, *, begun: bool) -> Steps[tuple[HookAnswer, bool]]:
        """Try it, begin it, or see how it stands; and whether it was begun in Azure.

        Args:
            state: How the run stands: "starting", "well" or "failed".
        """
        match due.hook.kind:
            case "http":
                request = RunHook(
                    id=due.request_id,
                    url=due.hook.url,
                    moment=due.moment,
                    operation=due.operation,
                    plan=self._operation.plan,
                    state=state,
                    message_member=due.hook.message_member,
                    keep_output=due.hook.keep_output,
                    authentication=due.hook.authentication,
                    at=now(self._ctx) if due.hook.authentication else None,
                )
                return (yield from ask_over_http(self._ctx, request)), begun
            case "run-command" | "runbook" if due.work and begun:
                return (yield from read_in_azure(self._ctx, due.work)), begun
            case "run-command" | "runbook" if due.work:
                return (yield from begin_in_azure(self._ctx, due.work, due.hook))
            case _:
                return HookAnswer(state="running", detail="nobody said that it is done"), begun

    def _record_result(self, run: Run, due: DueHook, result: HookResult, answer: HookAnswer | None) -> Run:
        body = {**result.model_dump(mode="json"), "target": due.hook.target}
        body |= {"status": answer.status, "output": answer.output} if answer else {}
        run = run.with_pending_entry(EvidenceEntry.of("hook", now(self._ctx), body))
        run = run.with_results(run.results.model_copy(update={"hooks": (*run.results.hooks, result)}))
        if not result.required or result.state != "failed":
            return run
        return run.with_failures([Obstacle(subject=f"hook {result.name}", code="hook-failed", detail=result.detail)])


def _deadline_of(run: Run, due: DueHook, began: datetime) -> datetime:
    """How long it may take; a person who does not come keeps no machines of a drill beyond its time to live."""
    until = began + due.hook.deadline
    is_rehearsed = run.rehearsal is not None and due.hook.kind == "manual" and due.moment == "after"
    ends = run.rehearsal.until if run.rehearsal and is_rehearsed else None
    return max(min(until, ends), began) if ends else until


def _take_decision(run: Run, due: DueHook, decision: Decision) -> tuple[Run, HookAnswer | None]:
    """The run with a decision that was taken while the hook was done, and what that makes of the hook.

    An abort that was sent again ends no hook that follows the first one.
    """
    if decision.verdict == "abort":
        answer = None if run.people.aborted else _answer_by_person(due, decision)
        return scheduler.apply_decision(run, decision), answer
    answer = _answer_by_person(due, decision)
    is_repetition = answer is None and run.people.repeats_earlier(decision)
    return (run if is_repetition else run.with_decision(decision)), answer


def _answer_by_person(due: DueHook, decision: Decision) -> HookAnswer | None:
    """What a person's decision makes of a hook, None when it is about something else."""
    if decision.verdict == "abort":
        return HookAnswer(state="failed", detail=f"{decision.by} aborted the run")
    if decision.verdict == "resume" and due.hook.kind == "manual" and decision.about in {"", due.hook_key}:
        return HookAnswer(
            state="passed", detail=f"{decision.by}: {decision.comment}" if decision.comment else decision.by
        )
    return None
