"""Runs that wait for a person to say that they may go on: before a stage, and at jobs that are suspended. Pure."""

from collections.abc import Iterable, Set
from datetime import datetime

from shared.recovery.recovery_plan_runs import resume_plan_runs
from shared.recovery.run import RecoveryPlanRun, Run, RunItem
from shared.site_recovery.contract import JobResumed
from shared.site_recovery.pacing import RESUME_TAKES_HOLD


def resume_when_due(run: Run, now: datetime) -> Run:
    """Let go on what had to wait until a time that has come."""
    if run.pause and run.pause.until and now >= run.pause.until:
        run = run.model_copy(update={"pause": None})
    if run.options.resume_at and now >= run.options.resume_at:
        run = _clear_to_resume(resume_plan_runs(run, now, at_data_sync=True))
    return _resume_in_turn(run, now)


def with_resume_decision(run: Run, now: datetime, vms: Iterable[str] = (), about: str = "") -> Run:
    """Take in that a person lets machines go on: those that are named at once, without names all in their turn.

    Args:
        about: Mark of what was waited for when it was said; empty for whatever the run waits for now.
    """
    wanted = {vm.casefold() for vm in vms}
    if not wanted and run.pause and about in {"", run.pause.mark}:
        run = run.model_copy(update={"pause": None})
    return _resume_in_turn(_clear_to_resume(resume_plan_runs(run, now, wanted), wanted), now)


def _clear_to_resume(run: Run, wanted: Set[str] = frozenset()) -> Run:
    meant = {item.vm for item in run.items if item.state == "paused" and _is_named(item, wanted)}
    update = {"cleared": "now" if wanted else "in turn"}
    items = (item.model_copy(update=update) if item.vm in meant else item for item in run.items)
    return run.model_copy(update={"items": tuple(items)}) if meant else run


def _is_named(item: RunItem, wanted: Set[str]) -> bool:
    return item.vm.casefold() in wanted if wanted else not item.cleared


def _resume_in_turn(run: Run, now: datetime) -> Run:
    """Let those go on whose turn it is; whoever comes after a machine that did not get there waits for a person."""
    if not any(item.cleared for item in run.items):
        return run
    past = {item.vm for item in run.items if item.state in {"done", "skipped"}}
    stuck = {item.vm for item in run.items if item.state in {"failed", "blocked"}}
    not_passed = {item.vm for item in run.items} - past
    ordered = run.current is not None and run.current.ordered

    def resume_if_its_turn(item: RunItem) -> RunItem:
        if item.state != "paused" or not item.cleared:
            return item
        before = not_passed.intersection(item.after) if ordered and item.cleared != "now" else frozenset[str]()
        return _resume_or_hold(item, before, before & stuck, now)

    return run.model_copy(update={"items": tuple(resume_if_its_turn(item) for item in run.items)})


def _resume_or_hold(item: RunItem, before: Set[str], stuck: Set[str], now: datetime) -> RunItem:
    if not before:
        update = {"state": "resuming", "since": now, "not_before": None, "cleared": ""}
        return item.model_copy(update=update)
    if not stuck:
        return item.model_copy(update={"cleared": "in turn"})
    whom = ", ".join(sorted(stuck))
    detail = f"waits for {whom}, which did not come home; resume it by its name to go on all the same"
    return item.model_copy(update={"cleared": "held", "detail": detail})


def pause_item(item: RunItem, detail: str, now: datetime) -> RunItem:
    """The item whose job is suspended; one that was resumed a moment ago may still look so."""
    if item.resumed and now - item.resumed < RESUME_TAKES_HOLD:
        return item
    reason = detail or "Site Recovery waits for a person"
    return item.model_copy(update={"state": "paused", "since": now, "detail": reason, "resumed": None, "cleared": ""})


def with_jobs_resumed(run: Run, answers: Iterable[JobResumed], now: datetime) -> Run:
    """Take in what became of the jobs that were to go on."""
    by_vm = {answer.vm: answer for answer in answers}
    items = (_after_resume(item, by_vm[item.vm], now) if item.vm in by_vm else item for item in run.items)
    return run.model_copy(update={"items": tuple(items)})


def _after_resume(item: RunItem, answer: JobResumed, now: datetime) -> RunItem:
    if item.state != "resuming":
        return item
    if answer.outcome == "resumed":
        return item.model_copy(update={"state": "running", "since": now, "resumed": now, "detail": ""})
    if answer.outcome == "refused":  # a person may try again, or resume it where it can be seen
        return item.model_copy(update={"state": "paused", "since": now, "detail": answer.detail})
    return item.model_copy(update={"detail": answer.detail})


def with_jobs_running_again(run: Run, jobs: Iterable[str]) -> Run:
    """Take in that jobs that were suspended run again: somebody resumed them elsewhere."""
    names = {job.lower() for job in jobs}
    items = (
        item.model_copy(update={"state": "running", "detail": ""})
        if item.state == "paused" and item.job.lower() in names
        else item
        for item in run.items
    )
    return run.model_copy(update={"items": tuple(items)})


def paused_vms(run: Run) -> tuple[str, ...]:
    """VMs whose job waits for a person."""
    return tuple(item.vm for item in run.items if _waits_for_person(item))


def _waits_for_person(item: RunItem) -> bool:
    return item.state == "paused" and item.cleared in {"", "held"}


def paused_plans(run: Run) -> tuple[RecoveryPlanRun, ...]:
    """Recovery plans whose job waits for a person."""
    return tuple(part for part in run.parts if part.state == "paused")


def next_resume_time(run: Run) -> datetime | None:
    """When something that waits goes on by itself; None where only a person can say."""
    due = any(item.state == "paused" and not item.cleared for item in run.items)
    times = [run.pause.until if run.pause else None, run.options.resume_at if due else None]
    return min((time for time in times if time), default=None)
