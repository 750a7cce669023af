"""Runs that wait for a person to say that they may go on: before a stage, and at jobs that are suspended. Pure."""

from collections.abc import Iterable, Set
from datetime import datetime

from shared.engine import let_go
from shared.messages import RunItem
from shared.outcomes import TAKES_HOLD, JobResumed
from shared.runs import PlanRun, Run


def go_on(run: Run, now: datetime) -> Run:
    """Let go on what had to wait until a time that has come."""
    if run.pause and run.pause.until and now >= run.pause.until:
        run = run.model_copy(update={"pause": None})
    if run.resume_at and now >= run.resume_at:
        return _resumed_items(let_go(run, now, at_data_sync=True), now)
    return run


def resumed(run: Run, now: datetime, vms: Iterable[str] = (), about: str = "") -> Run:
    """Take in that a person lets these machines go on; without names all of them, and the run itself.

    Args:
        about: Mark of what was waited for when it was said; empty for whatever the run waits for now.
    """
    wanted = {vm.casefold() for vm in vms}
    if not wanted and run.pause and about in {"", run.pause.mark}:
        run = run.model_copy(update={"pause": None})
    return _resumed_items(let_go(run, now, wanted), now, wanted)


def _resumed_items(run: Run, now: datetime, wanted: Set[str] = frozenset()) -> Run:
    items = (_let_go(item, now) if not wanted or item.vm.casefold() in wanted else item for item in run.items)
    return run.model_copy(update={"items": tuple(items)})


def _let_go(item: RunItem, now: datetime) -> RunItem:
    if item.state != "paused":
        return item
    return item.model_copy(update={"state": "resuming", "since": now, "not_before": None})


def pauses(item: RunItem, detail: str, now: datetime) -> RunItem:
    """The item whose job is suspended; one that was resumed a moment ago may still look so."""
    if item.resumed and now - item.resumed < TAKES_HOLD:
        return item
    said = detail or "Site Recovery waits for a person"
    return item.model_copy(update={"state": "paused", "since": now, "detail": said, "resumed": None})


def jobs_resumed(run: Run, answers: Iterable[JobResumed], now: datetime) -> Run:
    """Take in what became of the jobs that were to go on."""
    by_vm = {answer.vm: answer for answer in answers}
    items = (_after(item, by_vm[item.vm], now) if item.vm in by_vm else item for item in run.items)
    return run.model_copy(update={"items": tuple(items)})


def _after(item: RunItem, answer: JobResumed, now: datetime) -> RunItem:
    if item.state != "resuming":
        return item
    if answer.outcome == "resumed":
        return item.model_copy(update={"state": "running", "since": now, "resumed": now, "detail": ""})
    if answer.outcome == "refused":  # a person may try again, or resume it where it can be seen
        return item.model_copy(update={"state": "paused", "since": now, "detail": answer.detail})
    return item.model_copy(update={"detail": answer.detail})


def seen_running(run: Run, jobs: Iterable[str]) -> Run:
    """Take in that jobs that were suspended run again: somebody resumed them elsewhere."""
    names = {job.lower() for job in jobs}
    items = (
        item.model_copy(update={"state": "running", "detail": ""})
        if item.state == "paused" and item.job.lower() in names
        else item
        for item in run.items
    )
    return run.model_copy(update={"items": tuple(items)})


def paused(run: Run) -> tuple[str, ...]:
    """VMs whose job waits for a person."""
    return tuple(item.vm for item in run.items if item.state == "paused")


def paused_plans(run: Run) -> tuple[PlanRun, ...]:
    """Recovery plans whose job waits for a person."""
    return tuple(part for part in run.parts if part.state == "paused")


def next_time(run: Run) -> datetime | None:
    """When something that waits goes on by itself; None where only a person can say."""
    times = [run.pause.until if run.pause else None, run.resume_at if paused(run) else None]
    return min((time for time in times if time), default=None)
