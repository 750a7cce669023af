"""How every run on a plan goes on from admission to its end: ticks that execute what the scheduler says."""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import publish_turning_point
from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import release_leases, within_budget
from orchestrators.durable.steps import Steps, call_all, now, show_status
from orchestrators.run.admission import vaults_of_plan
from orchestrators.run.begin import begin_run
from orchestrators.run.end import end_run
from orchestrators.run.evidence import open_pack, record_tick
from orchestrators.run.hooks import Hooks
from orchestrators.run.recovery_plan_runs import drive_recovery_plans
from orchestrators.run.runbook import Gate, Runbook, RunbookStep
from shared.errors import Refused, Transient
from shared.recovery import budgeting, run_answers, scheduler
from shared.recovery.contract import PROBE_VMS, ProbeBatch, ProbesTried, ProbeTarget
from shared.recovery.drill import ABORTED, end_at_time_to_live, soak_machines, stop_run, within_time_to_live
from shared.recovery.operation import Operation
from shared.recovery.pauses import resume_when_due, with_jobs_resumed, with_jobs_running_again
from shared.recovery.run import Pause, Run, RunItem
from shared.recovery.scheduler import Tick
from shared.recovery.stages import leave_stage
from shared.recovery.status import custom_status_of, join_details
from shared.replication.contract import START_PROTECTION, ProtectionStart, StartProtection
from shared.site_recovery.contract import (
    READ_ITEMS,
    RESUME_JOBS,
    START_VERBS,
    WATCH_JOBS,
    ItemsRead,
    ItemStart,
    JobsResumed,
    JobsWatched,
    JobToResume,
    ReadItems,
    ResumeJobs,
    StartsMade,
    StartVerbs,
    WatchJobs,
)
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_rules import find_refusal, has_settled
from shared.site_recovery.views import ItemView

GENERATION, REPLAYED = 15, 2000
"""Ticks before a run continues as new, and of how many items in all: a replay goes through all ticks before it."""
BATCH, LAST_TICKS_KEPT = 50, 3
GATE_EVERY = timedelta(minutes=10)


def run_stages(ctx: task.OrchestrationContext, operation: Operation, runbook: Runbook) -> Steps[dict[str, Any] | None]:
    """Admit the run, take it through the stages of its runbook, and say how it ended.

    Returns:
        The outcome as plain JSON, or None when the run continues as new.
    """
    run = operation.run
    inbox = DecisionInbox(
        ctx, operation.id, run.vaults if run else vaults_of_plan(operation), run.held if run else None
    )
    hooks = Hooks(ctx, operation, inbox)
    if run is None:
        started = yield from begin_run(ctx, operation, runbook, inbox)
        if not isinstance(started, Run):
            return started
        run = yield from _open_run(ctx, operation, started, hooks, runbook.before_first_verb, inbox)
    for _ in range(_ticks_per_generation(run)):
        before = run
        run = yield from _check_gate(ctx, operation, resume_when_due(run, now(ctx)), runbook.gate)
        run = yield from _with_decisions(run, inbox)
        run, pause = yield from _run_tick(ctx, run, hooks)
        run = yield from _finish_tick(ctx, operation, before, run, runbook.after_each_stage)
        if run.current is None:
            return (yield from _close_run(ctx, operation, run, hooks, runbook.after_last_stage))
        run = yield from _record_decisions(ctx, run, inbox, pause)
    yield from inbox.prolong_when_due()
    while (
        updated := (yield from _record_decisions(ctx, run, inbox))
    ) is not run:  # the last step must not wait: words would be lost
        run = updated
    continued = operation.model_copy(
        update={"run": run.model_copy(update={"held": inbox.leases_renewed_at}), "preview": None}
    )
    ctx.continue_as_new(continued.to_carry(), save_events=True)
    return None


def _ticks_per_generation(run: Run) -> int:
    """How many ticks one generation of the run has."""
    return max(1, min(GENERATION, REPLAYED // max(1, len(run.items))))


def _with_decisions(run: Run, inbox: DecisionInbox, span: timedelta = timedelta(0)) -> Steps[Run]:
    """The run with what persons say within a span, or have said already."""
    while decision := (yield from inbox.next_decision(span)):
        run, span = scheduler.apply_decision(run, decision), timedelta(0)
    return run


def _record_decisions(
    ctx: task.OrchestrationContext, run: Run, inbox: DecisionInbox, span: timedelta = timedelta(0)
) -> Steps[Run]:
    """The same, kept as evidence."""
    updated = yield from _with_decisions(run, inbox, span)
    return run if updated is run else (yield from record_tick(ctx, run, updated))


def _check_gate(ctx: task.OrchestrationContext, operation: Operation, run: Run, gate: Gate | None) -> Steps[Run]:
    """Keep a guarded stage from beginning while something stands in its way: it is looked at again after a while."""
    if gate is None or run.current is None or not run.current.guarded or run.passed or run.pause or run.aborted:
        return run
    run, obstacles = yield from gate(ctx, operation, run)
    if not obstacles:
        return run.model_copy(update={"passed": True})
    verb = run.stages[run.stage].verb
    obstacles_text = join_details([obstacle.detail for obstacle in obstacles])
    until = None if any(obstacle.by_hand for obstacle in obstacles) else now(ctx) + GATE_EVERY
    gate_pause = Pause(what=f"what stands in the way of the {verb}: {obstacles_text}", since=now(ctx), until=until)
    return run.model_copy(update={"pause": gate_pause})


def _open_run(
    ctx: task.OrchestrationContext,
    operation: Operation,
    run: Run,
    hooks: Hooks,
    before_first_verb: RunbookStep,
    inbox: DecisionInbox,
) -> Steps[Run]:
    """What has to be done before, and only then what is owed: a run that is stopped here owes nothing."""
    run = yield from hooks.run_before(run)
    run = yield from open_pack(ctx, operation, run)
    run = yield from _record_decisions(ctx, run, inbox)
    if run.aborted and not run.stopped:
        run = stop_run(run, ABORTED)
    if not run.stopped:
        run = (yield from before_first_verb(ctx, operation, run)) or run
    return (yield from record_tick(ctx, run, run))


def _close_run(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, hooks: Hooks, after_last_stage: RunbookStep
) -> Steps[dict[str, Any]]:
    run = (yield from after_last_stage(ctx, operation, run)) or run
    closed = yield from hooks.run_after_cleanup(run)
    run = yield from record_tick(ctx, run, closed)
    yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
    return (yield from end_run(ctx, operation, run))


def _finish_tick(
    ctx: task.OrchestrationContext, operation: Operation, before: Run, run: Run, after_each_stage: RunbookStep
) -> Steps[Run]:
    """Keep in the evidence what the tick changed, and tell of a turning point."""
    run = yield from record_tick(ctx, before, run)
    yield from publish_turning_point(ctx, operation, before, run)
    if run.stage == before.stage:
        return run
    return (yield from after_each_stage(ctx, operation, run)) or run


def _run_tick(ctx: task.OrchestrationContext, run: Run, hooks: Hooks) -> Steps[tuple[Run, timedelta]]:
    """Do what the scheduler says once and take in the answers; how long to wait until the next look."""
    run = yield from hooks.run_before(run)
    run = scheduler.block_items(end_at_time_to_live(run, now(ctx)))
    run = run.model_copy(update={"looks": (*run.looks, now(ctx))[-LAST_TICKS_KEPT:]})
    run = yield from drive_recovery_plans(ctx, run, run.request_scope, _earliest_send_time(run))
    tick = scheduler.plan_tick(run, now(ctx))
    run = (yield from hooks.run_after(run)) if tick.over else run
    if tick.over and (soaking := soak_machines(run, now(ctx))):
        show_status(ctx, {**custom_status_of(soaking[0], now(ctx)), "waitingFor": "the end of the soak time"})
        return soaking
    if tick.over:
        run = leave_stage(run, now(ctx))
        show_status(ctx, custom_status_of(run, now(ctx)))
        return run, timedelta(0)
    run, tick = yield from within_budget(ctx, run, tick)
    run = yield from _start_verbs(ctx, run, tick)
    run = yield from _resume_jobs(ctx, run, tick)
    run, unread = (yield from _read_progress(ctx, run, tick)) if tick.observes else (run, 0)
    show_status(ctx, custom_status_of(run, now(ctx)))
    pause = timedelta(0) if unread else scheduler.time_to_next_tick(run, now(ctx))
    return run, within_time_to_live(run, pause, now(ctx))


def _read_progress(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[tuple[Run, int]]:
    """See what became of all that is open; and how many jobs have ended that were too many to read at once."""
    run, unread = yield from _watch_jobs(ctx, run, tick)
    run = yield from _read_items(ctx, run, scheduler.items_to_read(run))  # it names the machines that are to be probed
    run = scheduler.block_items((yield from _probe_vms(ctx, run)))
    return run.model_copy(update={"watched": None if unread else now(ctx)}), unread


def _start_verbs(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[Run]:
    run = yield from _read_items(ctx, run, scheduler.starts_to_read(run, tick))
    batches = [(vault, batch) for vault, names in tick.starts.items() for batch in _batches_of(names)]
    requests, send = _start_requests(run, batches)
    run = run_answers.mark_requested(
        run, [vm for _, part in batches for vm in part], now(ctx), _earliest_send_time(run)
    )
    for (vault, part), answer in zip(batches, (yield from send(ctx, requests)), strict=True):
        run = _with_answer(run, vault, part, answer, now(ctx))
    return run


def _with_answer(
    run: Run, vault: int, vms: Sequence[str], answer: StartsMade | Refused | Transient, at: datetime
) -> Run:
    """Take in what became of one batch; of one that got no answer everything may have been sent."""
    if not isinstance(answer, StartsMade):
        run = run_answers.with_starts_unanswered(run, vms, str(answer), at)
        return budgeting.with_calls_charged(run, vault, Calls(reads=1, writes=len(vms)))
    run = run_answers.with_start_answers(run, answer.answers, at, answer.retry_after)
    run = budgeting.with_calls_charged(run, vault, answer.calls or Calls(reads=1, writes=len(vms)))
    return budgeting.with_throttling(run, vault, at + answer.retry_after) if answer.retry_after else run


type StartRequests = Sequence[Any]
type SendStarts = Callable[[task.OrchestrationContext, StartRequests], Steps[list[StartsMade | Refused | Transient]]]


def _start_requests(run: Run, batches: Sequence[tuple[int, Sequence[str]]]) -> tuple[StartRequests, SendStarts]:
    """What to ask for, and how; made before anything is noted as asked for."""
    if run.stages[run.stage].verb == "UpdateVmProperties":
        updates = [_update_request(run, vault, names) for vault, names in batches]
        return updates, lambda ctx, requests: call_all(ctx, START_PROTECTION, requests)
    starts = [_start_request(run, vault, names) for vault, names in batches]
    return starts, lambda ctx, requests: call_all(ctx, START_VERBS, requests)


def _earliest_send_time(run: Run) -> datetime:
    """No verb that is sent now was sent before this.

    Three ticks ago, not now: a host that dies between sending an activity out and writing down that it did so decides
    once more, at a later time, while what it sent out may have begun.
    """
    return run.looks[0] if len(run.looks) == LAST_TICKS_KEPT else run.began


def _sent_since(run: Run, names: Sequence[str]) -> datetime:
    wanted = set(names)
    return min(item.asked_from or _earliest_send_time(run) for item in run.items if item.vm in wanted)


def _update_request(run: Run, vault: int, names: Sequence[str]) -> StartProtection:
    items_by_vm = {item.vm: item for item in run.items}
    starts = (
        ProtectionStart(vm=vm, item_id=items_by_vm[vm].id, attempt=items_by_vm[vm].attempt, settings=run.settings[vm])
        for vm in names
    )
    return StartProtection(
        vault=run.vaults[vault],
        operation=run.operation,
        action="update",
        starts=tuple(starts),
        since=_sent_since(run, names),
    )


def _start_request(run: Run, vault: int, names: Sequence[str]) -> StartVerbs:
    items_by_vm = {item.vm: item for item in run.items}
    items = (items_by_vm[vm] for vm in names)
    return StartVerbs(
        vault=run.vaults[vault],
        operation=run.request_scope,
        verb=run.stages[run.stage].verb,
        starts=tuple(_start_of_item(run, item) for item in items),
        since=_sent_since(run, names),
        network_id=run.network_id,
        options=run.options.without_points_by_vm(),
        only_adopt=run.sends_nothing,
    )


def _start_of_item(run: Run, item: RunItem) -> ItemStart:
    return ItemStart(
        vm=item.vm,
        item_id=item.id,
        attempt=item.attempt,
        adopts_from=item.adopts_from,
        seen=item.seen,
        point=run.options.point_choice.rule_for(item.vm),
        provider=item.provider,
    )


def _batches_of[T](names: Sequence[T]) -> Generator[Sequence[T]]:
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]


def _watch_jobs(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[tuple[Run, int]]:
    """Take in the jobs that ended; and how many more have, that were too many to read at once."""
    vaults = sorted({*tick.watch, *tick.paused})
    requests = [_watch_request(run, tick, vault) for vault in vaults]
    answers = zip(vaults, (yield from call_all(ctx, WATCH_JOBS, requests)), strict=True)
    jobs_by_vault = [(vault, jobs) for vault, jobs in answers if isinstance(jobs, JobsWatched)]
    for vault, jobs in jobs_by_vault:
        run = budgeting.with_calls_charged(run, vault, jobs.calls or Calls(reads=1))
    run = with_jobs_running_again(run, [job for _, jobs in jobs_by_vault for job in jobs.running])
    ends = [end for _, jobs in jobs_by_vault for end in jobs.ended]
    return run_answers.with_jobs_ended(run, ends, now(ctx)), sum(
        jobs.unread for _, jobs in jobs_by_vault
    ) if ends else 0


def _watch_request(run: Run, tick: Tick, vault: int) -> WatchJobs:
    return WatchJobs(
        vault=run.vaults[vault],
        jobs=tick.watch.get(vault, ()),
        paused=tick.paused.get(vault, ()),
        since=_oldest_job_start(run),
        pack=run.operation if run.chain.kept else "",
        max_read=budgeting.MAX_ENDED_JOBS_READ,
    )


def _oldest_job_start(run: Run) -> datetime:
    """No job that is watched began before: what was suspended or given up once is older than its item says."""
    if any(item.state == "paused" or item.resumed or item.failed_in == "running" for item in run.items):
        return run.stage_began
    return min((item.since or run.began for item in run.items if item.state == "running"), default=run.began)


def _resume_jobs(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[Run]:
    batches = [(vault, part) for vault, names in tick.resume.items() for part in _batches_of(names)]
    requests = [_resume_request(run, vault, names) for vault, names in batches]
    answers = [
        batch_answers.answers
        for batch_answers in (yield from call_all(ctx, RESUME_JOBS, requests))
        if isinstance(batch_answers, JobsResumed)
    ]
    for vault, names in batches:
        run = budgeting.with_calls_charged(run, vault, Calls(reads=1, writes=len(names)))
    return with_jobs_resumed(run, [answer for batch_answers in answers for answer in batch_answers], now(ctx))


def _resume_request(run: Run, vault: int, names: Sequence[str]) -> ResumeJobs:
    wanted = set(names)
    jobs = (JobToResume(vm=item.vm, job=item.job) for item in run.items if item.vm in wanted)
    comments = next((decision.comment for decision in reversed(run.decisions) if decision.verdict == "resume"), "")
    return ResumeJobs(vault=run.vaults[vault], operation=run.operation, jobs=tuple(jobs), comments=comments)


def _probe_vms(ctx: task.OrchestrationContext, run: Run) -> Steps[Run]:
    unproven = [item for item in run.items if item.state == "probing"]
    requests = [ProbeBatch(targets=tuple(_probe_target(run, item) for item in part)) for part in _batches_of(unproven)]
    answers = [
        batch_answers.answers
        for batch_answers in (yield from call_all(ctx, PROBE_VMS, requests))
        if isinstance(batch_answers, ProbesTried)
    ]
    run = budgeting.with_probes_charged(run, unproven)
    return run_answers.with_probe_answers(
        run, [answer for batch_answers in answers for answer in batch_answers], now(ctx)
    )


def _probe_target(run: Run, item: RunItem) -> ProbeTarget:
    return ProbeTarget(
        vm=item.vm,
        azure_vm=item.azure_vm,
        target_group=item.target_group,
        probes=item.probes,
        address=item.address,
        operation=run.operation,
    )


def _read_items(ctx: task.OrchestrationContext, run: Run, names: Mapping[int, tuple[str, ...]]) -> Steps[Run]:
    """Read the state of these items, one list a vault."""
    verb = run.stages[run.stage].verb
    requests = [ReadItems(vault=run.vaults[vault], vms=vms) for vault, vms in names.items()]
    views: list[ItemView] = []
    for vault, answer in zip(names, (yield from call_all(ctx, READ_ITEMS, requests)), strict=True):
        if isinstance(answer, ItemsRead):
            views += answer.items
            run = budgeting.with_calls_charged(run, vault, answer.calls or Calls(reads=1))
    return run_answers.with_items_read(
        run, views, lambda view: has_settled(verb, view), lambda view: find_refusal(verb, view) is None, now(ctx)
    )
