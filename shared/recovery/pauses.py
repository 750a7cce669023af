"""Runs that wait for a person to say that they may go on: before a stage, and at jobs that are suspended. Pure."""

from collections.abc import Iterable, Set
from datetime import datetime

from shared.recovery.recovery_plan_runs import resume_plan_runs
from shared.recovery.run import RecoveryPlanRun, Run
from shared.recovery.run_item import BAD_STATES, RunItem
from shared.site_recovery.contract import JobResumed
from shared.site_recovery.pacing import RESUME_TAKES_HOLD


def resume_when_due(run: Run, now: datetime) -> Run:
    """Let go on what had to wait until a time that has come."""
    pause, resume_at = run.people.pause, run.options.resume_at
    if pause and pause.until and now >= pause.until:
        run = run.with_pause(None)
    if resume_at and now >= resume_at:
        run = _clear_to_resume(resume_plan_runs(run, now, at_data_sync=True))
    return _resume_in_turn(run, now)


def with_resume_decision(run: Run, now: datetime, vms: Iterable[str] = (), about: str = "") -> Run:
    """Take in that a person lets machines go on: those that are named at once, without names all in their turn.

    Args:
        about: Mark of what was waited for when it was said; empty for whatever the run waits for now.
    """
    wanted = {vm.casefold() for vm in vms}
    if not wanted and run.people.pause and about in {"", run.people.pause.mark}:
        run = run.with_pause(None)
    return _resume_in_turn(_clear_to_resume(resume_plan_runs(run, now, wanted), wanted), now)


def _clear_to_resume(run: Run, wanted: Set[str] = frozenset()) -> Run:
    clearance = "now" if wanted else "in-turn"
    cleared = {
        item.vm: item.model_copy(update={"clearance": clearance})
        for item in run.items
        if item.state == "paused" and (item.vm.casefold() in wanted if wanted else not item.clearance)
    }
    return run.with_items_changed(cleared) if cleared else run


def _resume_in_turn(run: Run, now: datetime) -> Run:
    """Let those go on whose turn it is; whoever comes after a machine that did not get there waits for a person."""
    if not any(item.clearance for item in run.items):
        return run
    stuck = {item.vm for item in run.items if item.state in BAD_STATES}
    not_passed = {item.vm for item in run.items if item.state not in {"done", "skipped"}}
    ordered = run.current is not None and run.current.ordered
    changed: dict[str, RunItem] = {}
    for item in run.items:
        if item.state == "paused" and item.clearance:
            before = not_passed.intersection(item.after) if ordered and item.clearance != "now" else set[str]()
            if not before:
                update: dict[str, object] = {"state": "resuming", "since": now, "not_before": None, "clearance": ""}
            elif not before & stuck:
                update = {"clearance": "in-turn"}
            else:
                whom = ", ".join(sorted(before & stuck))
                detail = f"waits for {whom}, which did not come home; resume it by its name to go on all the same"
                update = {"clearance": "held", "detail": detail}
            changed[item.vm] = item.model_copy(update=update)
    return run.with_items_changed(changed)


def pause_item(item: RunItem, detail: str, now: datetime) -> RunItem:
    """The item whose job is suspended; one that was resumed a moment ago may still look so."""
    if item.resumed_at and now - item.resumed_at < RESUME_TAKES_HOLD:
        return item
    paused = item.in_state("paused", now, detail or "Site Recovery waits for a person")
    return paused.model_copy(update={"resumed_at": None, "clearance": ""})


def with_jobs_resumed(run: Run, answers: Iterable[JobResumed], now: datetime) -> Run:
    """Take in what became of the jobs that were to go on."""
    resuming = {item.vm: item for item in run.items if item.state == "resuming"}
    changed: dict[str, RunItem] = {}
    for answer in answers:
        if item := resuming.get(answer.vm):
            changed[item.vm] = _after_resumption(item, answer, now)
    return run.with_items_changed(changed)


def _after_resumption(item: RunItem, answer: JobResumed, now: datetime) -> RunItem:
    match answer.outcome:
        case "resumed":
            return item.in_state("running", now).model_copy(update={"resumed_at": now})
        case "refused":  # a person may try again, or resume it where it can be seen
            return item.in_state("paused", now, answer.detail)
        case "unanswered":
            return item.model_copy(update={"detail": answer.detail})


def with_jobs_running_again(run: Run, jobs: Iterable[str]) -> Run:
    """Take in that jobs that were suspended run again: somebody resumed them elsewhere."""
    names = {job.lower() for job in jobs}
    return run.with_items(
        item.model_copy(update={"state": "running", "detail": ""})
        if item.state == "paused" and item.job.lower() in names
        else item
        for item in run.items
    )


def paused_vms(run: Run) -> tuple[str, ...]:
    """VMs whose job waits for a person."""
    return tuple(item.vm for item in run.items if item.state == "paused" and item.clearance in {"", "held"})


def paused_plans(run: Run) -> tuple[RecoveryPlanRun, ...]:
    """Recovery plans whose job waits for a person."""
    return tuple(plan_run for plan_run in run.plan_runs if plan_run.state == "paused")


def next_resume_time(run: Run) -> datetime | None:
    """When something that waits goes on by itself; None where only a person can say."""
    has_due = any(item.state == "paused" and not item.clearance for item in run.items)
    times = [run.people.pause.until if run.people.pause else None, run.options.resume_at if has_due else None]
    return min((time for time in times if time), default=None)
