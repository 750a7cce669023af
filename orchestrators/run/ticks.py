"""How every run on a plan goes on from admission to its end: ticks that execute what the scheduler says.

A run begins (begin.py), which opens its evidence, and does the hooks before its first verb. Then, tick by tick:

1. Let go on what had to wait until now, and look at the gate of a stage that is guarded.
2. Take in what persons have decided.
3. Do the hooks that are due; end a drill whose time is over; block what can no longer start.
4. Drive the recovery plans that the stage goes through.
5. When the stage is over: its hooks, its soak time, and on to the next stage.
6. Else send the verbs that may start, within the budget, and resume the jobs that may go on.
7. When it is time for a look: jobs, items, probes.
8. Record and publish what the tick changed; after the last stage end the run.
9. Wait, and take in what persons decide meanwhile.

After some ticks the run continues as new, because each replay goes through all ticks before it; at once where a person
has something to decide or has decided, because people are shown what was carried over.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrators.durable.cloud_events import publish_turning_point
from orchestrators.durable.decisions import DecisionInbox
from orchestrators.durable.entity_calls import release_leases, settle_except_for, within_budget
from orchestrators.durable.steps import Context, Steps, call_all, now, show_status
from orchestrators.run.admission import vaults_of_plan
from orchestrators.run.begin import begin_run
from orchestrators.run.end import end_run
from orchestrators.run.evidence import publish_store_state, record_tick
from orchestrators.run.hooks import Hooks
from orchestrators.run.recovery_plan_runs import drive_recovery_plans
from orchestrators.run.runbook import Gate, Runbook
from shared.errors import Refused, Transient
from shared.recovery import budgeting, run_answers, scheduler
from shared.recovery.budgeting import with_batch_answered
from shared.recovery.contract import PROBE_VMS, ProbesTried
from shared.recovery.drill import RUN_ABORTED, end_at_time_to_live, soak_machines, stop_run, within_time_to_live
from shared.recovery.operation import Operation
from shared.recovery.pacing import GATE_EVERY
from shared.recovery.pauses import resume_when_due, with_jobs_resumed, with_jobs_running_again
from shared.recovery.people import Decision, Pause
from shared.recovery.requests import (
    LAST_TICKS_KEPT,
    batches_of,
    earliest_send_time,
    probe_batches,
    resume_request,
    sent_since,
    update_request,
    watch_request,
)
from shared.recovery.run import Run
from shared.recovery.run_item import RunItem
from shared.recovery.scheduler import Tick
from shared.recovery.stages import leave_stage
from shared.recovery.status import custom_status_of, has_news_for_people, join_details, note_wait
from shared.replication.contract import START_PROTECTION
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
    StartsMade,
    StartVerbs,
)
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_rules import find_refusal, has_settled
from shared.site_recovery.views import ItemView

TICKS_PER_GENERATION, MOST_ITEMS_REPLAYED = 15, 2000
"""Ticks before a run continues as new, and of how many items in all: a replay goes through all ticks before it."""


def ticks_per_generation(run: Run) -> int:
    """How many ticks a run of this size may do before it continues as new; one at the least."""
    return max(1, min(TICKS_PER_GENERATION, MOST_ITEMS_REPLAYED // max(1, len(run.items))))


def run_stages(ctx: Context, operation: Operation, runbook: Runbook) -> Steps[dict[str, Any] | None]:
    """Admit the run, take it through the stages of its runbook, and say how it ended.

    Returns:
        The outcome as plain JSON, or None when the run continues as new.
    """
    run = operation.run
    vaults = run.vaults if run else vaults_of_plan(operation)
    inbox = DecisionInbox(ctx, operation.id, vaults, run.clock.leases_renewed_at if run else None)
    hooks = Hooks(ctx, operation, inbox)
    if run is None:
        started = yield from begin_run(ctx, operation, runbook, inbox)
        if not isinstance(started, Run):
            return started
        run = yield from _prepare_run(ctx, operation, runbook, started, hooks, inbox)
    for _ in range(ticks_per_generation(run)):
        before = run
        run = yield from _check_gate(ctx, operation, resume_when_due(run, now(ctx)), runbook.gate)
        run = _with_decisions(run, (yield from _take_decisions(inbox)))
        run, pause = yield from _run_tick(ctx, run, hooks)
        run = yield from _finish_tick(ctx, operation, runbook, before, run)
        if run.current is None:
            run = run.with_findings(inbox.take_findings())
            return (yield from _close_run(ctx, operation, runbook, run, hooks))
        if has_news_for_people(operation.run, run):  # what is carried over is what people see
            break
        run = yield from _record_decisions(ctx, run, (yield from _take_decisions(inbox, pause)))
    yield from _continue_as_new(ctx, operation, run, inbox)
    return None


def _continue_as_new(ctx: Context, operation: Operation, run: Run, inbox: DecisionInbox) -> Steps[None]:
    yield from inbox.prolong_when_due()
    while decisions := (yield from _take_decisions(inbox)):  # to record them is a wait: more may come meanwhile
        run = yield from _record_decisions(ctx, run, decisions)
    run = run.with_findings(inbox.take_findings())
    clock = run.clock.model_copy(update={"leases_renewed_at": inbox.leases_renewed_at})
    continued = operation.model_copy(update={"run": run.with_clock(clock), "preview": None})
    ctx.continue_as_new(continued.to_carry(), save_events=True)


def _take_decisions(inbox: DecisionInbox, span: timedelta = timedelta(0)) -> Steps[list[Decision]]:
    """What persons decide within a span, until the first of it; and what they have decided already."""
    decisions: list[Decision] = []
    while decision := (yield from inbox.next_decision(timedelta(0) if decisions else span)):
        decisions.append(decision)
    return decisions


def _with_decisions(run: Run, decisions: Sequence[Decision]) -> Run:
    for decision in decisions:
        run = scheduler.apply_decision(run, decision)
    return run


def _record_decisions(ctx: Context, run: Run, decisions: Sequence[Decision]) -> Steps[Run]:
    """The run with what was decided, kept as evidence."""
    return (yield from record_tick(ctx, run, _with_decisions(run, decisions))) if decisions else run


def _check_gate(ctx: Context, operation: Operation, run: Run, gate: Gate | None) -> Steps[Run]:
    """Keep a guarded stage from beginning while something stands in its way: it is looked at again after a while."""
    if gate is None or run.current is None or not run.current.guarded or run.progress.guard_passed:
        return run
    if run.people.pause or run.people.aborted:
        return run
    run, obstacles = yield from gate(ctx, operation, run)
    if not obstacles:
        return run.with_progress(run.progress.with_guard(passed=True))
    sentences = join_details([obstacle.detail for obstacle in obstacles])
    until = None if any(obstacle.by_hand for obstacle in obstacles) else now(ctx) + GATE_EVERY
    what = f"what stands in the way of the {run.stage.verb}: {sentences}"
    return run.with_pause(Pause(what=what, since=now(ctx), until=until))


def _prepare_run(
    ctx: Context, operation: Operation, runbook: Runbook, opened: Run, hooks: Hooks, inbox: DecisionInbox
) -> Steps[Run]:
    """What has to be done before, and only then what is owed: a run that is stopped here owes nothing."""
    run = yield from hooks.run_before(opened)
    yield from inbox.prolong_leases()  # with its answer comes what was decided until now
    run = _with_decisions(run, (yield from _take_decisions(inbox)))
    run = yield from record_tick(ctx, opened, run)
    run = yield from _record_decisions(ctx, run, (yield from _take_decisions(inbox)))
    if run.people.aborted and not run.results.stopped_by_hook:
        run = stop_run(run, "run-aborted", RUN_ABORTED)
    if not run.results.stopped_by_hook:
        run = (yield from runbook.before_first_verb(ctx, operation, run)) or run
    return (yield from record_tick(ctx, run, run))


def _close_run(ctx: Context, operation: Operation, runbook: Runbook, run: Run, hooks: Hooks) -> Steps[dict[str, Any]]:
    for kind, vms_of in runbook.settles:
        yield from settle_except_for(ctx, operation, run, kind, vms_of(run))
    run = (yield from runbook.after_last_stage(ctx, operation, run)) or run
    closed = yield from hooks.run_after_cleanup(run)
    run = yield from record_tick(ctx, run, closed)
    yield from release_leases(ctx, operation.id, vaults_of_plan(operation))
    return (yield from end_run(ctx, operation, runbook, run))


def _finish_tick(ctx: Context, operation: Operation, runbook: Runbook, before: Run, run: Run) -> Steps[Run]:
    """Keep in the evidence what the tick changed, and publish a turning point."""
    run = yield from record_tick(ctx, before, run)
    run = yield from publish_store_state(ctx, operation, run)
    yield from publish_turning_point(ctx, operation, before, run)
    if run.progress.number == before.progress.number:
        return run
    return (yield from runbook.after_each_stage(ctx, operation, run)) or run


def _run_tick(ctx: Context, run: Run, hooks: Hooks) -> Steps[tuple[Run, timedelta]]:
    """Do what the scheduler says once and take in the answers; how long to wait until the next look."""
    run = yield from hooks.run_before(run)
    run = note_tick(scheduler.block_items(end_at_time_to_live(run, now(ctx))), now(ctx))
    run = yield from drive_recovery_plans(ctx, run, run.request_scope, earliest_send_time(run))
    tick = scheduler.plan_tick(run, now(ctx))
    if tick.over:
        return (yield from _end_stage(ctx, run, hooks))
    run, tick = yield from within_budget(ctx, run, tick)
    run = yield from _start_verbs(ctx, run, tick)
    run = yield from _resume_jobs(ctx, run, tick)
    run, unread = (yield from observe_azure(ctx, run, tick)) if tick.observes else (run, 0)
    run = note_wait(run, now(ctx))
    show_status(ctx, custom_status_of(run, now(ctx)))
    pause = timedelta(0) if unread else scheduler.time_to_next_tick(run, now(ctx))
    return run, within_time_to_live(run, pause, now(ctx))


def note_tick(run: Run, at: datetime) -> Run:
    """The run with the time of this tick among its last ones."""
    last_ticks = (*run.clock.last_ticks, at)[-LAST_TICKS_KEPT:]
    return run.with_clock(run.clock.model_copy(update={"last_ticks": last_ticks}))


def observe_azure(ctx: Context, run: Run, tick: Tick) -> Steps[tuple[Run, int]]:
    """Take in jobs, items and probes; and how many jobs that ended are still to be read."""
    run, unread = yield from _watch_jobs(ctx, run, tick)
    run = yield from _read_items(ctx, run, scheduler.items_to_read(run))  # it names the machines to be probed
    run = scheduler.block_items((yield from _probe_vms(ctx, run)))
    return run.with_clock(run.clock.model_copy(update={"jobs_watched_at": None if unread else now(ctx)})), unread


def _end_stage(ctx: Context, run: Run, hooks: Hooks) -> Steps[tuple[Run, timedelta]]:
    """What follows once nothing of the stage is open: its hooks, the soak time of its machines, the next stage."""
    run = yield from hooks.run_after(run)
    if soaking := soak_machines(run, now(ctx)):
        show_status(ctx, custom_status_of(soaking[0], now(ctx), "the end of the soak time"))
        return soaking
    run = note_wait(leave_stage(run, now(ctx)), now(ctx))
    show_status(ctx, custom_status_of(run, now(ctx)))
    return run, timedelta(0)


def _start_verbs(ctx: Context, run: Run, tick: Tick) -> Steps[Run]:
    """Send the stage's verb to what may start; what is sent is made before anything is noted as requested."""
    run = yield from _read_items(ctx, run, scheduler.starts_to_read(run, tick))
    items_by_vm = {item.vm: item for item in run.items}
    batches = [
        (vault, [items_by_vm[vm] for vm in batch])
        for vault, names in tick.starts.items()
        for batch in batches_of(names)
    ]
    sending = send_batches(ctx, run, batches)
    vms = [item.vm for _, items in batches for item in items]
    run = run_answers.mark_requested(run, vms, now(ctx), earliest_send_time(run))
    for (vault, items), answer in zip(batches, (yield from sending), strict=True):
        run = with_batch_answered(run, vault, [item.vm for item in items], answer, now(ctx))
    return run


def send_batches(
    ctx: Context, run: Run, batches: Iterable[tuple[int, Sequence[RunItem]]]
) -> Steps[list[StartsMade | Refused | Transient]]:
    """What sends the stage's verb to each batch, and gives its answer; nothing is sent before it is waited for."""
    if run.stage.verb == "UpdateVmProperties":
        return call_all(ctx, START_PROTECTION, [update_request(run, *batch) for batch in batches])
    return call_all(ctx, START_VERBS, [_start_request(run, *batch) for batch in batches])


def _item_start_of(run: Run, item: RunItem) -> ItemStart:
    return ItemStart(
        vm=item.vm,
        item_id=item.id,
        attempt=item.attempt,
        adopts_from=item.adopts_from,
        found_ready=item.found_ready,
        point=run.options.point_choice.rule_for(item.vm),
        provider=item.provider,
        cleans_up_first=run.stage.verb == "TestFailover" and any(step.verb == "TestFailover" for step in item.steps),
    )


def _start_request(run: Run, vault: int, items: Sequence[RunItem]) -> StartVerbs:
    return StartVerbs(
        vault=run.vaults[vault],
        operation=run.request_scope,
        verb=run.stage.verb,
        starts=tuple(_item_start_of(run, item) for item in items),
        since=sent_since(run, items),
        network_id=run.network_id,
        options=run.options.without_vms(),
        only_adopt=run.sends_nothing,
    )


def _watch_jobs(ctx: Context, run: Run, tick: Tick) -> Steps[tuple[Run, int]]:
    """Take in the jobs that ended; and how many more have, that were too many to read at once."""
    vaults = sorted({*tick.watch, *tick.paused})
    requests = [watch_request(run, tick, vault) for vault in vaults]
    answers = list(zip(vaults, (yield from call_all(ctx, WATCH_JOBS, requests)), strict=True))
    jobs_by_vault = [(vault, jobs) for vault, jobs in answers if isinstance(jobs, JobsWatched)]
    for vault, jobs in answers:
        unread_jobs = {one.job: one.detail for one in jobs.unreadable} if isinstance(jobs, JobsWatched) else str(jobs)
        run = run_answers.with_jobs_unread(run, vault, unread_jobs, now(ctx))
        failures = [unread_jobs] if isinstance(unread_jobs, str) else unread_jobs.values()
        run = run.with_look(f"jobs of {run.vaults[vault].vault}", failures, now(ctx))
    for vault, jobs in jobs_by_vault:
        run = budgeting.with_calls_charged(run, vault, jobs.calls or Calls(reads=1))
    run = with_jobs_running_again(run, [job for _, jobs in jobs_by_vault for job in jobs.running])
    ends = [end for _, jobs in jobs_by_vault for end in jobs.ended]
    unread = sum(jobs.unread for _, jobs in jobs_by_vault) if ends else 0
    return run_answers.with_jobs_ended(run, ends, now(ctx)), unread


def _resume_jobs(ctx: Context, run: Run, tick: Tick) -> Steps[Run]:
    jobs_by_vm = {item.vm: JobToResume(vm=item.vm, job=item.job) for item in run.items}
    batches = [(vault, part) for vault, names in tick.resume.items() for part in batches_of(names)]
    requests = [resume_request(run, vault, [jobs_by_vm[vm] for vm in names]) for vault, names in batches]
    answers = yield from call_all(ctx, RESUME_JOBS, requests)
    for vault, names in batches:
        run = budgeting.with_calls_charged(run, vault, Calls(reads=1, writes=len(names)))
    for (vault, _), answer in zip(batches, answers, strict=True):
        failures = [] if isinstance(answer, JobsResumed) else [str(answer)]
        run = run.with_look(f"resumptions in {run.vaults[vault].vault}", failures, now(ctx))
    resumed = [one for answer in answers if isinstance(answer, JobsResumed) for one in answer.answers]
    return with_jobs_resumed(run, resumed, now(ctx))


def _probe_vms(ctx: Context, run: Run) -> Steps[Run]:
    unproven = [item for item in run.items if item.state == "probing"]
    answers = yield from call_all(ctx, PROBE_VMS, probe_batches(run, unproven, now(ctx)))
    if answers:
        run = run.with_look("probes", [str(one) for one in answers if not isinstance(one, ProbesTried)], now(ctx))
    tried = [one for answer in answers if isinstance(answer, ProbesTried) for one in answer.answers]
    return run_answers.with_probe_answers(budgeting.with_probes_charged(run, unproven), tried, now(ctx))


def _read_items(ctx: Context, run: Run, names: Mapping[int, tuple[str, ...]]) -> Steps[Run]:
    """Read the state of these items, one list a vault."""
    verb = run.stage.verb
    requests = [ReadItems(vault=run.vaults[vault], vms=vms) for vault, vms in names.items()]
    views: list[ItemView] = []
    unread: dict[int, str] = {}
    for vault, answer in zip(names, (yield from call_all(ctx, READ_ITEMS, requests)), strict=True):
        failures = [] if isinstance(answer, ItemsRead) else [str(answer)]
        run = run.with_look(f"items of {run.vaults[vault].vault}", failures, now(ctx))
        if isinstance(answer, ItemsRead):
            views += answer.items
            run = budgeting.with_calls_charged(run, vault, answer.calls or Calls(reads=1))
        else:
            unread[vault] = str(answer)
    return run_answers.with_items_read(
        run,
        views,
        lambda view: has_settled(verb, view),
        lambda view: find_refusal(verb, view) is None,
        now(ctx),
        unread,
    )
