"""Stages that go through Site Recovery's recovery plans: which is next, and what becomes of their machines. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

from shared.arm_ids import name_of
from shared.obstacle import Obstacle
from shared.plans.hooks import HOOK_OCCASIONS, HookResult
from shared.recovery.pacing import LATER
from shared.recovery.run import RecoveryPlanRun, Run
from shared.recovery.run_item import BAD_STATES, RunItem
from shared.redaction import redact_text
from shared.site_recovery.contract import (
    BUSY_CODE,
    NOT_READY_CODE,
    JobResumed,
    PlanActionEnd,
    RecoveryPlanJobView,
    StartAnswer,
)
from shared.site_recovery.open_answer import answered_again
from shared.site_recovery.pacing import RESUME_TAKES_HOLD
from shared.site_recovery.verb_rules import RULES

LONGEST_ACTION_DETAIL = 600
_ON_THEIR_WAY = frozenset({"waiting", "starting", "running", "paused", "resuming", "probing", "settling"})


def arrange_plan_runs(run: Run) -> Run:
    """Leave to themselves the machines of a recovery plan of which not all take part, and close one without any."""
    detail = "not all of its VMs take part, so that each is started by itself"
    for at, plan_run in enumerate(run.plan_runs):
        left = [item for item in _items_of(run, plan_run) if _awaits_plan_run(item)]
        if plan_run.state == "waiting" and not left:
            run = run.with_plan_run(at, plan_run.model_copy(update={"state": "ended"}))
        elif plan_run.state == "waiting" and len(left) < len(plan_run.vms):
            run = run.with_plan_run(at, plan_run.model_copy(update={"state": "apart", "detail": detail}))
    return run


def _items_of(run: Run, plan_run: RecoveryPlanRun) -> list[RunItem]:
    names = set(plan_run.vms)
    return [item for item in run.items if item.vm in names]


def _awaits_plan_run(item: RunItem) -> bool:
    """Whether it waits for the recovery plan; what is tried again is tried by its own verb."""
    return item.state == "waiting" and item.attempt == 1


def runs_plan_actions(run: Run) -> bool:
    """Whether the run's moves go through its recovery plans as a whole, and so do their actions."""
    is_whole = all(plan_run.state != "apart" for plan_run in arrange_plan_runs(run).plan_runs)
    return bool(run.plan_runs) and (is_whole or not run.uses_recovery_plans)


def vms_left_to_plans(run: Run) -> frozenset[str]:
    """VMs whose verb is not sent by this app, because a recovery plan comes to them or will."""
    if not run.uses_recovery_plans:
        return frozenset()
    names = {vm for plan in run.plan_runs if plan.state == "waiting" or plan.is_in_hand for vm in plan.vms}
    return frozenset(item.vm for item in run.items if item.vm in names and item.attempt == 1)


def plan_runs_to_start(run: Run, now: datetime) -> tuple[int, ...]:
    """Indices of the recovery plans to start now, or whose answer was lost and that are to be looked for.

    In a stage that keeps an order one after the other: each once the machines of those before are up and proven.
    """
    is_held = run.people.pause is not None or bool(run.budget.retry_until and now < run.budget.retry_until)
    return tuple(
        at
        for at, plan_run in enumerate(run.plan_runs)
        if plan_run.may_go_on(now)
        and (plan_run.state == "starting" or (plan_run.state == "waiting" and not is_held and _has_its_turn(run, at)))
    )


def _has_its_turn(run: Run, at: int) -> bool:
    """Whether those that come before it are over; on the way back those are the ones that stand after it."""
    stage = run.current
    if stage is None or not stage.ordered:
        return True
    before = run.plan_runs[at + 1 :] if run.progress.order_reversed else run.plan_runs[:at]
    return all(plan_run.state in {"ended", "apart"} for plan_run in before) and not any(
        item.state in _ON_THEIR_WAY or (item.state == "failed" and run.limits.on_failure == "ask")
        for plan_run in before
        for item in _items_of(run, plan_run)
    )


def block_plan_runs(run: Run) -> Run:
    """Mark what can no longer start: a recovery plan starts all of its machines, or none.

    What did not come up holds up all that waits for it; but what a recovery plan comes to comes up whatever others did.
    """
    held_up, in_hand = {item.vm for item in run.items if item.state in BAD_STATES}, run.vms_in_hand
    if not held_up or (run.limits.on_failure == "ask" and not run.people.aborted):
        return run
    left = [item for item in run.items if item.state == "waiting" and item.vm not in in_hand]
    while more := {item.vm for item in left if item.vm not in held_up and not held_up.isdisjoint(item.after)}:
        held_up |= more
    changed: dict[str, RunItem] = {}
    for plan_run in run.plan_runs:
        why = why_not_started(run, plan_run, held_up) if plan_run.state == "waiting" else ""
        if why:
            code = "recovery-plan-not-started"
            reason = f"the recovery plan {plan_run.name} is not started: {why}"
            changed |= {
                i.vm: i.as_blocked(code=code, detail=reason) for i in _items_of(run, plan_run) if _awaits_plan_run(i)
            }
    return run.with_items_changed(changed)


def why_not_started(run: Run, plan_run: RecoveryPlanRun, held_up: set[str]) -> str:
    """Why no machine of a recovery plan can start any more; empty while it can."""
    if run.limits.on_failure == "stop":
        return "the plan stops at a failure"
    waits = sorted(held_up & set(plan_run.vms))
    return f"{waits[0]} waits for what did not come up" if waits else ""


def mark_plan_requested(run: Run, at: int, now: datetime, earliest: datetime) -> Run:
    """Note that a recovery plan is about to be started: from here on any of its machines may be touched.

    Args:
        earliest: No job that this attempt starts is older.
    """
    plan_run, verb = run.plan_runs[at], run.stage.verb
    going = {"state": "starting", "not_before": None, "since": plan_run.since or now}
    run = run.with_plan_run(at, plan_run.model_copy(update={**going, "jobs_since": plan_run.jobs_since or earliest}))
    return run.with_items_changed(
        {
            item.vm: item.model_copy(update={"requested_verb": verb, "since": item.since or now})
            for item in _items_of(run, plan_run)
        }
    )


def after_plan_refusal(run: Run, at: int, answer: StartAnswer) -> Run:
    """Its machines go on by themselves where they may; otherwise none of them does."""
    by_themselves = answer.code == NOT_READY_CODE and not run.stage.ordered
    if by_themselves or run.stage.verb == "TestFailoverCleanup":
        apart = {"state": "apart", "detail": f"{answer.code}: {answer.detail}"}
        return run.with_plan_run(at, run.plan_runs[at].model_copy(update=apart))
    return _close_plan_run(run, at, answer.code, answer.detail)


def with_plan_start_answer(run: Run, at: int, answer: StartAnswer, now: datetime) -> Run:
    """Take in what became of the start of a recovery plan.

    Of one that is refused the machines go on by themselves where no order matters, and what was tested is cleaned up in
    any case; anything else, the recovery plan's actions with it, waits for a person to put it right.
    """
    plan_run = run.plan_runs[at]
    if answer.outcome == "started":
        going = {"state": "running", "job": answer.job, "since": now, "answer": None}
        return run.with_plan_run(at, plan_run.model_copy(update=going))
    if answer.outcome == "refused":
        return after_plan_refusal(run, at, answer)
    if answer.outcome == "put-off":
        return _put_off_plan_run(run, at, answer, now)
    if plan_run.since and now - plan_run.since > run.limits.patience:
        late = f"no start within {run.limits.patience}: {answer.detail}"
        return _give_up_plan_run(run, at, "not-started", late, "starting" if answer.outcome == "unanswered" else "")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    return run.with_plan_run(
        at, plan_run.model_copy(update={"state": state, "not_before": now + LATER, "detail": answer.detail})
    )


def _put_off_plan_run(run: Run, at: int, answer: StartAnswer, now: datetime) -> Run:
    """The recovery plan that may be started in a while; what Azure does not take for long it has refused."""
    plan_run = run.plan_runs[at]
    put_off = answered_again(plan_run.answer, f"{answer.code}: {answer.detail}", now)
    if put_off.is_overdue:
        return after_plan_refusal(run, at, answer.model_copy(update={"detail": f"{answer.detail} ({put_off.span})"}))
    wait = {"state": "waiting", "not_before": now + LATER, "answer": put_off, "detail": put_off.detail}
    return run.with_plan_run(at, plan_run.model_copy(update=wait))


def with_plan_job_unread(run: Run, at: int, detail: str, now: datetime) -> Run:
    """Take in that a recovery plan's job could not be read: its machines' own jobs may be known, and go on."""
    plan_run = run.plan_runs[at]
    answer = answered_again(plan_run.answer, detail, now)
    run = run.with_plan_run(at, plan_run.model_copy(update={"answer": answer}))
    return _give_up_if_late(run, at, f"cannot be read, {answer},", now)


def _give_up_if_late(run: Run, at: int, stands: str, now: datetime) -> Run:
    plan_run = run.plan_runs[at]
    longest = run.limits.patience * max(plan_run.groups, 1)
    if plan_run.state != "running" or not plan_run.since or now - plan_run.since <= longest:
        return run
    why = f"job {plan_run.job} of {plan_run.name} {stands} after {longest}"
    return _give_up_plan_run(run, at, "job-overdue", why, "running")


def with_plan_job(run: Run, at: int, job: RecoveryPlanJobView, now: datetime) -> Run:
    """Take in how a recovery plan's job stands: its machines go on with their own jobs."""
    plan_run = run.plan_runs[at].model_copy(update={"answer": None})
    run = run.with_plan_run(at, plan_run)
    jobs = {key: child.job for child in job.children if child.job for key in (child.vm.lower(), child.machine.lower())}
    running: dict[str, RunItem] = {}
    for item in _items_of(run, plan_run):
        own_job = jobs.get(item.vm.lower()) or jobs.get(name_of(item.id).lower())
        if own_job and _awaits_plan_run(item):
            running[item.vm] = item.in_state("running", now).model_copy(update={"job": own_job})
    run = run.with_items_changed(running)
    if job.state == "ended" and job.end:
        return _with_plan_job_ended(run, at, job, now)
    if job.state == "suspended" and not (plan_run.resumed_at and now - plan_run.resumed_at < RESUME_TAKES_HOLD):
        since = plan_run.since if plan_run.state == "paused" else now
        paused = {"state": "paused", "since": since, "detail": job.waits_for, "resumed_at": None}
        return run if plan_run.state == "resuming" else run.with_plan_run(at, plan_run.model_copy(update=paused))
    if job.state == "running" and plan_run.state == "paused":  # somebody resumed it elsewhere
        return run.with_plan_run(at, plan_run.model_copy(update={"state": "running", "since": now, "detail": ""}))
    return _give_up_if_late(run, at, "still runs", now)


def _with_plan_job_ended(run: Run, at: int, job: RecoveryPlanJobView, now: datetime) -> Run:
    plan_run, end = run.plan_runs[at], job.end
    code, end_detail = (end.code, end.detail or end.state) if end else ("", "")
    untouched = all(_awaits_plan_run(item) for item in _items_of(run, plan_run))
    if code == BUSY_CODE and untouched and plan_run.attempt < run.limits.max_attempts:
        again = {
            "state": "waiting",
            "attempt": plan_run.attempt + 1,
            "job": "",
            "jobs_since": None,
            "detail": end_detail,
        }
        return run.with_plan_run(at, plan_run.model_copy(update={**again, "not_before": now + LATER}))
    reason = f"the job of the recovery plan {plan_run.name} ended without coming to it ({end_detail})"
    passed_over = {
        key: f"the recovery plan {plan_run.name} passed over it: {child.note}"
        for child in job.children
        if child.note
        for key in (child.vm.lower(), child.machine.lower())
    }
    run = _with_action_ends(run, plan_run, job.actions)
    return _close_plan_run(run, at, code or "recovery-plan-ended", reason, passed_over, end.state if end else "")


def _with_action_ends(run: Run, plan_run: RecoveryPlanRun, actions: Iterable[PlanActionEnd]) -> Run:
    """Keep what became of the actions that the recovery plan did; one that failed is a failure of the run."""
    hooks = [_hook_result(run, plan_run, action) for action in actions]
    run = run.with_results(run.results.model_copy(update={"hooks": (*run.results.hooks, *hooks)}))
    failed = [hook for hook in hooks if hook.state == "failed" and hook.required]
    return run.with_failures(
        Obstacle(
            subject=plan_run.name, code="recovery-plan-action", detail=f"the action {hook.name} failed: {hook.detail}"
        )
        for hook in failed
    )


def _hook_result(run: Run, plan_run: RecoveryPlanRun, action: PlanActionEnd) -> HookResult:
    return HookResult(
        name=action.name,
        kind="run-command" if action.kind == "script" else action.kind,
        occasion=HOOK_OCCASIONS.get(run.stage.verb, ""),
        moment="recovery-plan",
        required=action.name not in plan_run.optional_actions,
        state=action.state,
        detail=redact_text(action.detail)[:LONGEST_ACTION_DETAIL],
        began=action.began,
        ended=action.ended,
    )


def _close_plan_run(
    run: Run, at: int, code: str, reason: str, own_reasons: Mapping[str, str] | None = None, detail: str = ""
) -> Run:
    """Close a recovery plan: the machines that it did not come to have failed.

    Args:
        own_reasons: Of some of them, by VM in lower case.
    """
    plan_run, number, reasons = run.plan_runs[at], run.progress.number, own_reasons or {}
    label = RULES[run.stage.verb].label
    lost = {
        item.vm: item.as_failed(number, code="recovery-plan-passed-over", detail=f"{label}: {own_reason}")
        if (own_reason := reasons.get(item.vm.lower()))
        else item.as_failed(number, code, f"{label}: {reason}")
        for item in _items_of(run, plan_run)
        if _awaits_plan_run(item)
    }
    return run.with_items_changed(lost).with_plan_run(
        at, plan_run.model_copy(update={"state": "ended", "detail": detail})
    )


def _give_up_plan_run(run: Run, at: int, code: str, why: str, given_up: Literal["", "starting", "running"]) -> Run:
    """Lose patience with a recovery plan; what it is at is kept, for whoever asks for a retry."""
    run = _close_plan_run(run, at, code, why)
    return run.with_plan_run(at, run.plan_runs[at].model_copy(update={"given_up": given_up}))


def resume_plan_runs(run: Run, now: datetime, vms: Iterable[str] = (), *, at_data_sync: bool = False) -> Run:
    """Let recovery plans go on; their machines go on with them, whoever is named.

    Args:
        at_data_sync: Only those that wait after a data synchronisation: no clock stands in for a manual action.
    """
    wanted = {vm.casefold() for vm in vms}
    for at, plan_run in enumerate(run.plan_runs):
        is_meant = not wanted or bool(wanted & {vm.casefold() for vm in plan_run.vms})
        if at_data_sync:
            is_meant = any(item.state == "paused" for item in _items_of(run, plan_run))
        if plan_run.state == "paused" and is_meant:
            run = run.with_plan_run(at, plan_run.model_copy(update={"state": "resuming", "not_before": None}))
            going = {"state": "running", "since": now, "resumed_at": now, "detail": ""}
            paused = [item for item in _items_of(run, plan_run) if item.state == "paused"]
            run = run.with_items_changed({item.vm: item.model_copy(update=going) for item in paused})
    return run


def resume_given_up_plan_runs(run: Run, vms: Iterable[str], now: datetime) -> Run:
    """Go on with recovery plans that were given up, for machines that are to be tried again, and all others of theirs.

    A verb of its own would be a second one for a machine that the recovery plan's job may yet come to.
    """
    wanted = set(vms)
    for at, plan_run in enumerate(run.plan_runs):
        if not plan_run.given_up or wanted.isdisjoint(plan_run.vms):
            continue
        run = run.with_plan_run(
            at,
            plan_run.model_copy(update={"state": plan_run.given_up, "since": now, "given_up": "", "detail": ""}),
        )
        left = [item for item in _items_of(run, plan_run) if not item.job and item.state in {"failed", "waiting"}]
        fresh = {
            "state": "waiting",
            "attempt": 1,
            "adopts_from": 1,
            "since": now,
            "detail": "",
            "failed_in_stage": None,
        }
        run = run.with_items_changed({item.vm: item.model_copy(update=fresh) for item in left})
    return run


def with_plan_runs_resumed(run: Run, answers: Mapping[int, JobResumed], now: datetime) -> Run:
    """Take in what became of the recovery plans whose jobs were to go on."""
    for at, answer in answers.items():
        update: dict[str, object] = {"not_before": now + LATER, "detail": answer.detail}
        if answer.outcome == "resumed":
            update = {"state": "running", "since": now, "resumed_at": now, "detail": ""}
        elif answer.outcome == "refused":
            update = {"state": "paused", "since": now, "detail": answer.detail}
        run = run.with_plan_run(at, run.plan_runs[at].model_copy(update=update))
    return run


def abort_plan_runs(run: Run) -> Run:
    """A recovery plan that waits for a person would wait for ever: a rehearsal goes on to its end, to be cleaned up."""
    for at, plan_run in enumerate(run.plan_runs):
        if plan_run.state != "paused" or not run.uses_recovery_plans:
            continue
        if run.stage.verb == "TestFailover":
            run = run.with_plan_run(at, plan_run.model_copy(update={"state": "resuming", "not_before": None}))
        else:
            run = _close_plan_run(
                run, at, "job-suspended", f"the run was aborted; job {plan_run.job} is still suspended"
            )
    return run
