"""The scheduler of a run on the replication of VMs: what to start, what to watch, and what an answer means. Pure."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.backoff import grow_pause
from shared.grouping import group_pairs
from shared.replication.pacing import ABSENT_FOR, QUICK_POLL, RETRY_PAUSE, SLOW_POLL
from shared.replication.run import BATCH, ENDED, UNDER_WAY, ReplicationRun, ReplicationRunItem, ReplicationState
from shared.replication.settings import ENABLING_FAILED_CODE, ReplicatedItem, ReplicationAction
from shared.site_recovery.contract import BUSY_CODE, NOTHING_TO_DO_CODE, JobEnd, StartAnswer
from shared.site_recovery.pacing import ANSWER_AWAITED_FOR
from shared.site_recovery.request_budget import Calls

MOST_RESTARTS = 3
MOST_ATTEMPTS = 8
"""How often a VM is asked that is busy with something else."""
ITEMS_PER_PAGE = 100
"""Protected items on a page of their list."""


class ReplicationTick(NamedTuple):
    """What to do now.

    Attributes:
        starts: VMs to start their action for, by action, each in one batch.
        restarts: VMs whose job shall be done again.
        jobs: Jobs to watch.
        copying: VMs whose items to read.
        restarted: Ids of those whose job was restarted: the work is done by a new job, which is nowhere named.
    """

    starts: Mapping[ReplicationAction, tuple[str, ...]]
    restarts: tuple[str, ...]
    jobs: tuple[str, ...]
    copying: tuple[str, ...]
    restarted: tuple[str, ...]


def plan_tick(run: ReplicationRun, now: datetime) -> ReplicationTick:
    """What there is to do: at most one batch of starts, so that the budget of writes is never near its end."""
    due = [item for item in run.items if item.not_before is None or item.not_before <= now]
    under_way = sum(item.state in UNDER_WAY for item in run.items)
    free = max(0, run.initial_copies - under_way)
    again = [item for item in due if item.state == "starting"]
    fresh = [item for item in due if item.state == "waiting"][:free]
    starts = group_pairs((item.actions[0], item.vm) for item in (*again, *fresh)[:BATCH])
    return ReplicationTick(
        {action: tuple(vms) for action, vms in starts.items()},
        tuple(item.vm for item in due if item.state == "restarting")[:BATCH],
        tuple(item.job for item in run.items if item.state == "running"),
        tuple(item.vm for item in run.items if item.state == "copying"),
        tuple(item.machine.guid for item in run.items if item.state == "copying" and item.restarts and item.machine),
    )


def tick_cost(run: ReplicationRun, tick: ReplicationTick) -> Calls:
    """The requests that a tick takes at the most: verbs, a job for each that may have ended, and lists."""
    writes = sum(map(len, tick.starts.values())) + len(tick.restarts)
    pages = 1 + len(run.items) // ITEMS_PER_PAGE
    lists = (len(tick.starts) + bool(tick.restarts) + bool(tick.copying)) * (1 + pages) + bool(tick.jobs)
    return Calls(reads=lists + len(tick.jobs), writes=writes)


def mark_starting(run: ReplicationRun, vms: Collection[str], now: datetime) -> ReplicationRun:
    """Note that these are being started: an answer that is lost leaves them "starting"."""
    return run.with_each(
        lambda item: item.with_state("starting", now, open_since=item.open_since) if item.vm in vms else item
    )


def with_start_answers(
    run: ReplicationRun, answers: Iterable[StartAnswer], now: datetime, retry_after: timedelta
) -> ReplicationRun:
    """Take in what became of starts and restarts; `retry_after` is what the vault asked for while it throttled."""
    answer_by_vm = {answer.vm: answer for answer in answers}

    def take_in(item: ReplicationRunItem) -> ReplicationRunItem:
        answer = answer_by_vm.get(item.vm)
        if answer is None:
            return item
        match answer.outcome:
            case "started":
                return item.with_state("running", now, job=answer.job, changed=True, code="", detail="")
            case "unanswered":
                not_before = now + max(retry_after, QUICK_POLL)
                return item.model_copy(update={"not_before": not_before, "detail": answer.detail})
            case "put-off" if now - (item.open_since or now) < ANSWER_AWAITED_FOR:
                wait = {"open_since": item.open_since or now, "not_before": now + QUICK_POLL}
                return item.model_copy(update={**wait, "code": answer.code, "detail": answer.detail})
            case "busy" if item.attempt < MOST_ATTEMPTS:
                return _retry_later(item, "waiting", now, answer.code, answer.detail)
            case "busy" | "refused" | "put-off":
                if answer.code == NOTHING_TO_DO_CODE:
                    return item.with_action_done(now)
                return _mark_failed(item, now, answer.code, answer.detail)

    return run.with_each(take_in)


def _retry_later(
    item: ReplicationRunItem, state: ReplicationState, now: datetime, code: str, detail: str
) -> ReplicationRunItem:
    wait = grow_pause(RETRY_PAUSE, item.attempt - 1, RETRY_PAUSE * 16)
    return item.with_state(state, now, not_before=now + wait, attempt=item.attempt + 1, code=code, detail=detail)


def with_jobs_ended(run: ReplicationRun, ends: Iterable[JobEnd], now: datetime) -> ReplicationRun:
    """Take in jobs that have ended."""
    by_job = {end.job: end for end in ends}

    def take_in(item: ReplicationRunItem) -> ReplicationRunItem:
        end = by_job.get(item.job) if item.state == "running" else None
        if end is None:
            return item
        if end.outcome == "succeeded":
            if item.actions[0] == "update":
                return item.with_action_done(now)
            return item.with_state("copying", now, detail="; ".join(end.warnings))
        if end.code == BUSY_CODE and item.attempt < MOST_ATTEMPTS:
            return _retry_later(item, "waiting", now, end.code, end.detail)
        advice = {"cause": end.cause, "remedy": end.remedy}
        if "Restart" in end.allowed_actions and item.restarts < MOST_RESTARTS:
            again = _retry_later(item, "restarting", now, end.code, end.detail)
            return again.model_copy(update={"restarts": item.restarts + 1, "failed_job": item.job, **advice})
        failed = _mark_failed(item, now, end.code or end.state, end.detail or end.state)
        return failed.model_copy(update=advice)

    return run.with_each(take_in)


def with_jobs_unread(run: ReplicationRun, unread: Mapping[str, str] | str, now: datetime) -> ReplicationRun:
    """Take in which jobs could not be read, and why: by job, or all of them for one reason.

    After a while the item itself says how far it is; an update is compared with it and, if need be, sent anew.
    """

    def take_in(item: ReplicationRunItem) -> ReplicationRunItem:
        if item.state != "running":
            return item
        detail = unread if isinstance(unread, str) else unread.get(item.job, "")
        if not detail:
            return item.model_copy(update={"open_since": None}) if item.open_since else item
        since = item.open_since or now
        if now - since < ANSWER_AWAITED_FOR:
            return item.model_copy(update={"open_since": since, "detail": f"job {item.job}: {detail}"})
        if item.actions[0] != "update":
            return item.with_state("copying", now)
        if item.attempt < MOST_ATTEMPTS:
            return _retry_later(item, "waiting", now, "", detail)
        return _mark_failed(item, now, "job-not-readable", f"job {item.job}: {detail}")

    return run.with_each(take_in)


def with_replicated_items(
    run: ReplicationRun, items: Iterable[ReplicatedItem], newest_jobs: Mapping[str, str], now: datetime
) -> ReplicationRun:
    """Take in how far the VMs are that are being copied, and the newest job of those that were sought."""
    by_item = {copied.id.lower(): copied for copied in items}

    def take_in(item: ReplicationRunItem) -> ReplicationRunItem:
        if item.state != "copying":
            return item
        job = newest_jobs.get(item.machine.guid, "") if item.machine else ""
        if job not in {"", item.failed_job, item.job}:  # a restart has set it off: it does the work now
            return item.with_state("running", now, job=job)
        return _with_replicated_item(item, by_item.get(item.item_id.lower()), run.patience, now)

    return run.with_each(take_in)


def _with_replicated_item(
    item: ReplicationRunItem, replicated: ReplicatedItem | None, patience: timedelta, now: datetime
) -> ReplicationRunItem:
    """A VM that is being copied, or whose replication is being ended, as the vault shows it."""
    since = item.since or now
    if item.actions[0] == "disable":
        if replicated is None:
            return item.with_action_done(now)
        return _fail_if_late(item, now, since + patience, "the vault still has a protected item of it")
    if replicated is None:
        return _fail_if_late(item, now, since + ABSENT_FOR, "the vault has no protected item of it any more")
    if replicated.has_failed_enabling:
        detail = f"{item.vm}: enabling has failed and left an item: enable it again, and the item is removed first"
        return _mark_failed(item, now, ENABLING_FAILED_CODE, detail)
    if replicated.is_protected:
        wanted = item.machine.disks if item.machine and item.actions[0] == "enable" else ()
        replicated_ids = {disk.lower() for disk in replicated.disk_sizes}
        missing = [disk.name for disk in wanted if disk.id.lower() not in replicated_ids]
        item = _with_progress(item, replicated)
        if missing:  # it is Protected as well when one of its disks was left out
            detail = f"{replicated.vm} is Protected, but not its disks {', '.join(missing)}"
            return _mark_failed(item, now, "disk-not-protected", detail)
        return item.with_action_done(now)
    if replicated.job and replicated.scenario == "EnableProtection" and replicated.state == "UnprotectedStatesBegin":
        return item.with_state("running", now, job=replicated.job)
    item = _with_progress(item, replicated)
    return _fail_if_late(item, now, since + patience, f"{replicated.state}, {replicated.percent} %")


def _with_progress(item: ReplicationRunItem, replicated: ReplicatedItem) -> ReplicationRunItem:
    percent = 100 if replicated.is_protected else replicated.percent
    return item.model_copy(update={"percent": percent, "detail": replicated.health_error})


def _fail_if_late(item: ReplicationRunItem, now: datetime, deadline: datetime, detail: str) -> ReplicationRunItem:
    return item if now < deadline else _mark_failed(item, now, "too-long", f"{item.vm}: {detail}")


def _mark_failed(item: ReplicationRunItem, now: datetime, code: str, detail: str) -> ReplicationRunItem:
    return item.with_state("failed", now, code=code, detail=detail)


def time_to_next_tick(run: ReplicationRun, now: datetime) -> timedelta:
    """How long to wait: while jobs run they decide, a copy alone takes hours; never past what is due."""
    usual = SLOW_POLL if all(item.state in {*ENDED, "copying"} for item in run.items) else QUICK_POLL
    due = [item.not_before - now for item in run.items if item.not_before and item.state in {"waiting", "restarting"}]
    ahead = [span for span in due if span > timedelta(0)]
    idle = all(item.state in {*ENDED, "waiting", "restarting"} for item in run.items)
    return max(QUICK_POLL, min(ahead)) if idle and ahead else usual
