"""What a run asks of the activities in one tick, made of where it stands. Pure."""

from collections.abc import Sequence
from datetime import datetime

from shared.recovery import budgeting
from shared.recovery.contract import ProbeBatch, ProbeTarget
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem
from shared.recovery.scheduler import Tick
from shared.replication.contract import ProtectionStart, StartProtection
from shared.site_recovery.contract import JobToResume, ResumeJobs, WatchJobs

BATCH = 50
"""Items of one request."""
LAST_TICKS_KEPT = 3


def batches_of[T](entries: Sequence[T]) -> list[Sequence[T]]:
    """So many at once as one request takes."""
    return [entries[first : first + BATCH] for first in range(0, len(entries), BATCH)]


def earliest_send_time(run: Run) -> datetime:
    """No verb that is sent now was sent before this.

    Three ticks ago, not now: a host that dies between sending an activity out and writing down that it did so decides
    once more, at a later time, while what it sent out may have begun.
    """
    last_ticks = run.clock.last_ticks
    return last_ticks[0] if len(last_ticks) == LAST_TICKS_KEPT else run.began


def sent_since(run: Run, items: Sequence[RunItem]) -> datetime:
    """No job that these items' verbs start, or have started by this attempt, is older."""
    return min(item.jobs_since or earliest_send_time(run) for item in items)


def update_request(run: Run, vault: int, items: Sequence[RunItem]) -> StartProtection:
    """What the plan says of machines in Azure, which their protected items have to say as well."""
    starts = (
        ProtectionStart(vm=item.vm, item_id=item.id, attempt=item.attempt, settings=run.settings[item.vm])
        for item in items
    )
    return StartProtection(
        vault=run.vaults[vault],
        operation=run.operation,
        action="update",
        starts=tuple(starts),
        since=sent_since(run, items),
    )


def watch_request(run: Run, tick: Tick, vault: int) -> WatchJobs:
    """The jobs of a vault to look for; what was suspended or given up once is older than its item says."""
    is_older = any(item.state == "paused" or item.resumed_at or item.failed_in == "running" for item in run.items)
    running_since = min((item.since or run.began for item in run.items if item.state == "running"), default=run.began)
    return WatchJobs(
        vault=run.vaults[vault],
        jobs=tick.watch.get(vault, ()),
        paused=tick.paused.get(vault, ()),
        since=run.progress.began if is_older else running_since,
        pack=run.operation if run.chain.kept else "",
        max_read=budgeting.MAX_ENDED_JOBS_READ,
    )


def resume_request(run: Run, vault: int, jobs: Sequence[JobToResume]) -> ResumeJobs:
    """Jobs of a vault that may go on, with what was said to them."""
    return ResumeJobs(
        vault=run.vaults[vault], operation=run.operation, jobs=tuple(jobs), comments=run.people.resume_comment
    )


def probe_batches(run: Run, items: Sequence[RunItem], now: datetime) -> list[ProbeBatch]:
    """These machines, to be probed once."""
    targets = [
        ProbeTarget(
            vm=item.vm,
            azure_vm=item.azure_vm,
            target_group=item.target_group,
            probes=item.probes,
            address=item.address,
            operation=run.operation,
            at=now if any(probe.authentication for probe in item.probes) else None,
        )
        for item in items
    ]
    return [ProbeBatch(targets=tuple(batch)) for batch in batches_of(targets)]
