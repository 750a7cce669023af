"""Stages that go through Site Recovery's recovery plans: which is next, and what becomes of their machines. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from shared.arm_ids import name_of
from shared.recovery.run import IN_HAND_STATES, RecoveryPlanRun, Run, RunItem
from shared.site_recovery.contract import (
    BUSY_CODE,
    NOT_READY_CODE,
    ChildJob,
    JobResumed,
    RecoveryPlanJobView,
    StartAnswer,
)
from shared.site_recovery.pacing import RESUME_TAKES_HOLD

LATER = timedelta(seconds=30)
_ON_THEIR_WAY = frozenset({"waiting", "starting", "running", "paused", "resuming", "probing", "settling"})


def arrange_plan_runs(run: Run) -> Run:
    """Leave to themselves the machines of a recovery plan of which not all take part, and close one without any."""
    return run.model_copy(update={"parts": tuple(_arrange_plan_run(run, part) for part in run.parts)})


def _arrange_plan_run(run: Run, plan_run: RecoveryPlanRun) -> RecoveryPlanRun:
    if plan_run.state != "waiting":
        return plan_run
    left = [item for item in _items_of(run, plan_run) if _awaits_plan_run(item)]
    if not left:
        return plan_run.model_copy(update={"state": "ended"})
    if len(left) < len(plan_run.vms):
        detail = "not all of its VMs take part, so that each is started by itself"
        return plan_run.model_copy(update={"state": "apart", "detail": detail})
    return plan_run


def _items_of(run: Run, plan_run: RecoveryPlanRun) -> list[RunItem]:
    names = set(plan_run.vms)
    return [item for item in run.items if item.vm in names]


def _awaits_plan_run(item: RunItem) -> bool:
    """Whether it waits for the recovery plan; what is tried again is tried by its own verb."""
    return item.state == "waiting" and item.attempt == 1


def runs_plan_actions(run: Run) -> bool:
    """Whether the run's moves go through its recovery plans as a whole, and so do their actions."""
    is_whole = all(part.state != "apart" for part in arrange_plan_runs(run).parts)
    return bool(run.parts) and (is_whole or not run.uses_recovery_plans)


def vms_left_to_plans(run: Run) -> frozenset[str]:
    """VMs whose verb is not sent by this app, because a recovery plan comes to them or will."""
    if not run.uses_recovery_plans:
        return frozenset()
    names = {vm for part in run.parts if part.state == "waiting" or part.state in IN_HAND_STATES for vm in part.vms}
    return frozenset(item.vm for item in run.items if item.vm in names and item.attempt == 1)


def plan_runs_to_start(run: Run, now: datetime) -> tuple[int, ...]:
    """Indices of the recovery plans to start now, or whose answer was lost and that are to be looked for.

    In a stage that keeps an order one after the other: each once the machines of those before are up and proven.
    """
    found = []
    is_held = run.pause is not None or bool(run.retry_until and now < run.retry_until)
    for at, plan_run in enumerate(run.parts):
        if plan_run.not_before and now < plan_run.not_before:
            continue
        if plan_run.state == "starting" or (plan_run.state == "waiting" and not is_held and _has_its_turn(run, at)):
            found.append(at)
    return tuple(found)


def _has_its_turn(run: Run, at: int) -> bool:
    stage = run.current
    if stage is None or not stage.ordered:
        return True
    before = [part for part, _ in _plan_runs_before(run, at)]
    return all(part.state in {"ended", "apart"} for part in before) and not any(
        item.state in _ON_THEIR_WAY or (item.state == "failed" and run.limits.on_failure == "ask")
        for part in before
        for item in _items_of(run, part)
    )


def _plan_runs_before(run: Run, at: int) -> list[tuple[RecoveryPlanRun, int]]:
    """The recovery plans that come before this one; on the way back those that come after it."""
    numbered = [(part, number) for number, part in enumerate(run.parts)]
    return numbered[at + 1 :] if run.turned else numbered[:at]


def block_plan_runs(run: Run) -> Run:
    """Mark what can no longer start: a recovery plan starts all of its machines, or none."""
    held_up = _vms_held_up(run)
    if not held_up or (run.limits.on_failure == "ask" and not run.aborted):
        return run
    changed: dict[str, RunItem] = {}
    for plan_run in run.parts:
        if plan_run.state == "waiting" and (reason := _block_reason(run, plan_run, held_up)):
            changed |= {i.vm: _block_item(i, reason) for i in _items_of(run, plan_run) if _awaits_plan_run(i)}
    return _with_items_changed(run, changed)


def _vms_held_up(run: Run) -> frozenset[str]:
    """What did not come up, and all that waits for it."""
    held_up = {item.vm for item in run.items if item.state in {"failed", "blocked"}}
    grew = bool(held_up)
    while grew:
        more = {i.vm for i in run.items if i.vm not in held_up and _waits_for_any(run, i, held_up)}
        grew = bool(more)
        held_up |= more
    return frozenset(held_up)


def _waits_for_any(run: Run, item: RunItem, vms: set[str]) -> bool:
    """What a recovery plan under way comes to comes up whatever the others did."""
    return item.state == "waiting" and item.vm not in run.vms_in_hand and not vms.isdisjoint(item.after)


def _block_reason(run: Run, plan_run: RecoveryPlanRun, held_up: frozenset[str]) -> str:
    if run.limits.on_failure == "stop":
        return f"the recovery plan {plan_run.name} is not started: the plan stops at a failure"
    if waits := sorted(held_up & set(plan_run.vms)):
        return f"the recovery plan {plan_run.name} is not started: {waits[0]} waits for what did not come up"
    return ""


def _block_item(item: RunItem, reason: str) -> RunItem:
    return item.model_copy(update={"state": "blocked", "detail": reason})


def mark_plan_requested(run: Run, at: int, now: datetime, earliest: datetime) -> Run:
    """Note that a recovery plan is about to be started: from here on any of its machines may be touched.

    Args:
        earliest: No job that this attempt starts is older.
    """
    plan_run = run.parts[at]
    going = {"state": "starting", "not_before": None, "since": plan_run.since or now}
    run = _with_plan_run(run, at, plan_run.model_copy(update={**going, "asked_from": plan_run.asked_from or earliest}))
    note = {"asked": run.stages[run.stage].verb}
    return _with_items_changed(
        run, {i.vm: i.model_copy(update={**note, "since": i.since or now}) for i in _items_of(run, plan_run)}
    )


def with_plan_start_answer(run: Run, at: int, answer: StartAnswer, now: datetime) -> Run:
    """Take in what became of the start of a recovery plan."""
    plan_run = run.parts[at]
    if answer.outcome == "started":
        return _with_plan_run(
            run, at, plan_run.model_copy(update={"state": "running", "job": answer.job, "since": now})
        )
    if answer.outcome == "refused":
        return _with_refusal(run, at, answer)
    if plan_run.since and now - plan_run.since > run.limits.patience:
        late = f"no start within {run.limits.patience}: {answer.detail}"
        return _give_up_plan_run(run, at, late, "starting" if answer.outcome == "unanswered" else "")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    return _with_plan_run(
        run, at, plan_run.model_copy(update={"state": state, "not_before": now + LATER, "detail": answer.detail})
    )


def _with_refusal(run: Run, at: int, answer: StartAnswer) -> Run:
    """Where no order matters the machines go on by themselves, and what was tested is cleaned up in any case.

    Anything else, the recovery plan's actions with it, waits for a person to put it right.
    """
    detail = f"{answer.code}: {answer.detail}"
    stage = run.stages[run.stage]
    if (answer.code == NOT_READY_CODE and not stage.ordered) or stage.verb == "TestFailoverCleanup":
        return _with_plan_run(run, at, run.parts[at].model_copy(update={"state": "apart", "detail": detail}))
    return _close_plan_run(run, at, lambda _vm: detail)


def with_plan_job(run: Run, at: int, job: RecoveryPlanJobView, now: datetime) -> Run:
    """Take in how a recovery plan's job stands: its machines go on with their own jobs."""
    plan_run = run.parts[at]
    run = _with_items_changed(run, _items_with_jobs(run, plan_run, job.children, now))
    if job.state == "ended" and job.end:
        return _with_plan_job_ended(run, at, job, now)
    if job.state == "suspended" and not (plan_run.resumed and now - plan_run.resumed < RESUME_TAKES_HOLD):
        since = plan_run.since if plan_run.state == "paused" else now
        paused = {"state": "paused", "since": since, "detail": job.waits_for, "resumed": None}
        return run if plan_run.state == "resuming" else _with_plan_run(run, at, plan_run.model_copy(update=paused))
    if job.state == "running" and plan_run.state == "paused":  # somebody resumed it elsewhere
        return _with_plan_run(run, at, plan_run.model_copy(update={"state": "running", "since": now, "detail": ""}))
    longest = run.limits.patience * max(plan_run.groups, 1)
    if plan_run.state == "running" and plan_run.since and now - plan_run.since > longest:
        return _give_up_plan_run(
            run, at, f"job {plan_run.job} of {plan_run.name} still runs after {longest}", "running"
        )
    return run


def _items_with_jobs(
    run: Run, plan_run: RecoveryPlanRun, children: Iterable[ChildJob], now: datetime
) -> dict[str, RunItem]:
    jobs = {key: child.job for child in children if child.job for key in (child.vm.lower(), child.machine.lower())}
    changed = {}
    for item in _items_of(run, plan_run):
        job = jobs.get(item.vm.lower()) or jobs.get(name_of(item.id).lower())
        if job and _awaits_plan_run(item):
            changed[item.vm] = item.model_copy(update={"state": "running", "job": job, "since": now, "detail": ""})
    return changed


def _with_plan_job_ended(run: Run, at: int, job: RecoveryPlanJobView, now: datetime) -> Run:
    plan_run, end = run.parts[at], job.end
    code, end_detail = (end.code, end.detail or end.state) if end else ("", "")
    untouched = all(_awaits_plan_run(item) for item in _items_of(run, plan_run))
    if code == BUSY_CODE and untouched and plan_run.attempt < run.limits.max_attempts:
        again = {
            "state": "waiting",
            "attempt": plan_run.attempt + 1,
            "job": "",
            "asked_from": None,
            "detail": end_detail,
        }
        return _with_plan_run(run, at, plan_run.model_copy(update={**again, "not_before": now + LATER}))
    notes = {key: one.note for one in job.children if one.note for key in (one.vm.lower(), one.machine.lower())}
    reason = ": ".join(part for part in (code, end_detail) if part)
    return _close_plan_run(
        run,
        at,
        lambda vm: _passed_over_reason(plan_run, notes.get(vm.lower(), ""), reason),
        f"{end.state if end else ''}",
    )


def _passed_over_reason(plan_run: RecoveryPlanRun, note: str, reason: str) -> str:
    if note:
        return f"the recovery plan {plan_run.name} passed over it: {note}"
    return f"the job of the recovery plan {plan_run.name} ended without coming to it ({reason})"


def _close_plan_run(run: Run, at: int, why: Callable[[str], str], detail: str = "") -> Run:
    """Close a recovery plan: the machines that it did not come to have failed."""
    plan_run, verb = run.parts[at], run.stages[run.stage].verb
    lost = {
        item.vm: item.model_copy(update={"state": "failed", "detail": f"{verb}: {why(item.vm)}"})
        for item in _items_of(run, plan_run)
        if _awaits_plan_run(item)
    }
    run = _with_items_changed(run, lost)
    return _with_plan_run(run, at, plan_run.model_copy(update={"state": "ended", "detail": detail}))


def _give_up_plan_run(run: Run, at: int, why: str, given_up: Literal["", "starting", "running"]) -> Run:
    """Lose patience with a recovery plan; what it is at is kept, for whoever asks for a retry."""
    run = _close_plan_run(run, at, lambda _vm: why)
    return _with_plan_run(run, at, run.parts[at].model_copy(update={"given_up": given_up}))


def resume_plan_runs(run: Run, now: datetime, vms: Iterable[str] = (), *, at_data_sync: bool = False) -> Run:
    """Let recovery plans go on; their machines go on with them, whoever is named.

    Args:
        at_data_sync: Only those that wait after a data synchronisation: no clock stands in for a manual action.
    """
    wanted = {vm.casefold() for vm in vms}
    for at, plan_run in enumerate(run.parts):
        is_meant = not wanted or bool(wanted & {vm.casefold() for vm in plan_run.vms})
        if at_data_sync:
            is_meant = any(item.state == "paused" for item in _items_of(run, plan_run))
        if plan_run.state == "paused" and is_meant:
            run = _with_plan_run(run, at, plan_run.model_copy(update={"state": "resuming", "not_before": None}))
            going = {"state": "running", "since": now, "resumed": now, "detail": ""}
            paused = [item for item in _items_of(run, plan_run) if item.state == "paused"]
            run = _with_items_changed(run, {item.vm: item.model_copy(update=going) for item in paused})
    return run


def resume_given_up_plan_runs(run: Run, vms: Iterable[str], now: datetime) -> Run:
    """Go on with recovery plans that were given up, for machines that are to be tried again, and all others of theirs.

    A verb of its own would be a second one for a machine that the recovery plan's job may yet come to.
    """
    wanted = set(vms)
    for at, plan_run in enumerate(run.parts):
        if not plan_run.given_up or wanted.isdisjoint(plan_run.vms):
            continue
        run = _with_plan_run(
            run,
            at,
            plan_run.model_copy(update={"state": plan_run.given_up, "since": now, "given_up": "", "detail": ""}),
        )
        left = [item for item in _items_of(run, plan_run) if not item.job and item.state in {"failed", "waiting"}]
        fresh = {"state": "waiting", "attempt": 1, "adopts_from": 1, "since": now, "detail": ""}
        run = _with_items_changed(run, {item.vm: item.model_copy(update=fresh) for item in left})
    return run


def with_plan_runs_resumed(run: Run, answers: Mapping[int, JobResumed], now: datetime) -> Run:
    """Take in what became of the recovery plans whose jobs were to go on."""
    for at, answer in answers.items():
        update: dict[str, object] = {"not_before": now + LATER, "detail": answer.detail}
        if answer.outcome == "resumed":
            update = {"state": "running", "since": now, "resumed": now, "detail": ""}
        elif answer.outcome == "refused":
            update = {"state": "paused", "since": now, "detail": answer.detail}
        run = _with_plan_run(run, at, run.parts[at].model_copy(update=update))
    return run


def abort_plan_runs(run: Run) -> Run:
    """A recovery plan that waits for a person would wait for ever: a rehearsal goes on to its end, to be cleaned up."""
    for at, plan_run in enumerate(run.parts):
        if plan_run.state != "paused" or not run.uses_recovery_plans:
            continue
        if run.stages[run.stage].verb == "TestFailover":
            run = _with_plan_run(run, at, plan_run.model_copy(update={"state": "resuming", "not_before": None}))
        else:
            run = _close_plan_run(run, at, _suspended_reason(plan_run))
    return run


def _suspended_reason(plan_run: RecoveryPlanRun) -> Callable[[str], str]:
    return lambda _vm: f"the run was aborted; job {plan_run.job} is still suspended"


def _with_plan_run(run: Run, at: int, plan_run: RecoveryPlanRun) -> Run:
    return run.model_copy(update={"parts": (*run.parts[:at], plan_run, *run.parts[at + 1 :])})


def _with_items_changed(run: Run, changed: Mapping[str, RunItem]) -> Run:
    return run.model_copy(update={"items": tuple(changed.get(item.vm, item) for item in run.items)})
