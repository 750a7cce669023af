"""How every run on a plan goes on from admission to its end: ticks that execute what the scheduler says."""

from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import tell_turn
from orchestrators.durable.decisions import Waiting
from orchestrators.durable.entity_calls import let_go, rationed
from orchestrators.durable.steps import Steps, call_all, now, show_status
from orchestrators.run.admission import vaults_of
from orchestrators.run.begin import begin
from orchestrators.run.end import end
from orchestrators.run.evidence import open_pack, record_tick
from orchestrators.run.hooks import Hooks
from orchestrators.run.recovery_plan_runs import drive
from orchestrators.run.runbook import Gate, Moment, Runbook
from shared.errors import Refused, Transient
from shared.recovery import budgeting, run_answers, scheduler
from shared.recovery.contract import PROBE_VMS, ProbeBatch, ProbesTried, ProbeTarget
from shared.recovery.drill import ABORTED, expire, in_time, soak, stopped
from shared.recovery.operation import Operation
from shared.recovery.pauses import go_on, jobs_resumed, seen_running
from shared.recovery.run import Pause, Run, RunItem
from shared.recovery.scheduler import Tick
from shared.recovery.stages import leave
from shared.recovery.status import joined, summary
from shared.replication.contract import START_PROTECTION, ProtectOne, StartProtection
from shared.site_recovery.contract import (
    READ_ITEMS,
    RESUME_JOBS,
    START_VERBS,
    WATCH_JOBS,
    ItemsRead,
    JobsResumed,
    JobsSeen,
    ReadItems,
    ResumeJobs,
    ResumeOne,
    StartOne,
    StartsMade,
    StartVerbs,
    WatchJobs,
)
from shared.site_recovery.request_budget import Calls
from shared.site_recovery.verb_rules import ready, settled
from shared.site_recovery.views import ItemView

GENERATION, REPLAYED = 15, 2000
"""Ticks before a run continues as new, and of how many items in all: a replay goes through all ticks before it."""
BATCH, LOOKS = 50, 3
GATE = timedelta(minutes=10)


def conduct(ctx: task.OrchestrationContext, operation: Operation, runbook: Runbook) -> Steps[dict[str, Any] | None]:
    """Admit the run, take it through the stages of its runbook, and say how it ended.

    Returns:
        The outcome as plain JSON, or None when the run continues as new.
    """
    run = operation.run
    waits = Waiting(ctx, operation.id, run.vaults if run else vaults_of(operation), run.held if run else None)
    hooks = Hooks(ctx, operation, waits)
    if run is None:
        begun = yield from begin(ctx, operation, runbook, waits)
        if not isinstance(begun, Run):
            return begun
        run = yield from _open(ctx, operation, begun, hooks, runbook.opening, waits)
    for _ in range(_generation(run)):
        before = run
        run = yield from _guarded(ctx, operation, go_on(run, now(ctx)), runbook.gate)
        run = yield from _told(run, waits)
        run, pause = yield from _tick(ctx, run, hooks)
        run = yield from _turn(ctx, operation, before, run, runbook.turning)
        if run.current is None:
            return (yield from _close(ctx, operation, run, hooks, runbook.closing))
        run = yield from _heard(ctx, run, waits, pause)
    yield from waits.keep()
    while (told := (yield from _heard(ctx, run, waits))) is not run:  # the last step must not wait: words would be lost
        run = told
    later = operation.model_copy(update={"run": run.model_copy(update={"held": waits.held}), "preview": None})
    ctx.continue_as_new(later.to_carry(), save_events=True)
    return None


def _generation(run: Run) -> int:
    """How many ticks one generation of the run has."""
    return max(1, min(GENERATION, REPLAYED // max(1, len(run.items))))


def _told(run: Run, waits: Waiting, span: timedelta = timedelta(0)) -> Steps[Run]:
    """The run with what persons say within a span, or have said already."""
    while said := (yield from waits.listen(span)):
        run, span = scheduler.decide(run, said), timedelta(0)
    return run


def _heard(ctx: task.OrchestrationContext, run: Run, waits: Waiting, span: timedelta = timedelta(0)) -> Steps[Run]:
    """The same, kept as evidence."""
    told = yield from _told(run, waits, span)
    return run if told is run else (yield from record_tick(ctx, run, told))


def _guarded(ctx: task.OrchestrationContext, operation: Operation, run: Run, gate: Gate | None) -> Steps[Run]:
    """Keep a guarded stage from beginning while something stands in its way: it is looked at again after a while."""
    if gate is None or run.current is None or not run.current.guarded or run.passed or run.pause or run.aborted:
        return run
    run, problems = yield from gate(ctx, operation, run)
    if not problems:
        return run.model_copy(update={"passed": True})
    verb = run.stages[run.stage].verb
    what = joined([problem.detail for problem in problems])
    until = None if any(problem.by_hand for problem in problems) else now(ctx) + GATE
    wait = Pause(what=f"what stands in the way of the {verb}: {what}", since=now(ctx), until=until)
    return run.model_copy(update={"pause": wait})


def _open(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, hooks: Hooks, opening: Moment, waits: Waiting
) -> Steps[Run]:
    """What has to be done before, and only then what is owed: a run that is stopped here owes nothing."""
    run = yield from hooks.before(run)
    run = yield from open_pack(ctx, operation, run)
    run = yield from _heard(ctx, run, waits)
    if run.aborted and not run.stopped:
        run = stopped(run, ABORTED)
    if not run.stopped:
        run = (yield from opening(ctx, operation, run)) or run
    return (yield from record_tick(ctx, run, run))


def _close(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, hooks: Hooks, closing: Moment
) -> Steps[dict[str, Any]]:
    run = (yield from closing(ctx, operation, run)) or run
    closed = yield from hooks.after_cleanup(run)
    run = yield from record_tick(ctx, run, closed)
    yield from let_go(ctx, operation.id, vaults_of(operation))
    return (yield from end(ctx, operation, run))


def _turn(ctx: task.OrchestrationContext, operation: Operation, before: Run, run: Run, turning: Moment) -> Steps[Run]:
    """Keep in the evidence what the tick changed, and tell of a turning point."""
    run = yield from record_tick(ctx, before, run)
    yield from tell_turn(ctx, operation, before, run)
    if run.stage == before.stage:
        return run
    return (yield from turning(ctx, operation, run)) or run


def _tick(ctx: task.OrchestrationContext, run: Run, hooks: Hooks) -> Steps[tuple[Run, timedelta]]:
    """Do what the scheduler says once and take in the answers; how long to wait until the next look."""
    run = yield from hooks.before(run)
    run = scheduler.block(expire(run, now(ctx)))
    run = run.model_copy(update={"looks": (*run.looks, now(ctx))[-LOOKS:]})
    run = yield from drive(ctx, run, run.scope, _earliest(run))
    tick = scheduler.plan_tick(run, now(ctx))
    run = (yield from hooks.after(run)) if tick.over else run
    if tick.over and (rest := soak(run, now(ctx))):
        show_status(ctx, {**summary(rest[0], now(ctx)), "waitingFor": "the end of the soak time"})
        return rest
    if tick.over:
        run = leave(run, now(ctx))
        show_status(ctx, summary(run, now(ctx)))
        return run, timedelta(0)
    run, tick = yield from rationed(ctx, run, tick)
    run = yield from _start(ctx, run, tick)
    run = yield from _resume(ctx, run, tick)
    run, unread = (yield from _look(ctx, run, tick)) if tick.look else (run, 0)
    show_status(ctx, summary(run, now(ctx)))
    pause = timedelta(0) if unread else scheduler.pause(run, now(ctx))
    return run, in_time(run, pause, now(ctx))


def _look(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[tuple[Run, int]]:
    """See what became of all that is open; and how many jobs have ended that were too many to read at once."""
    run, unread = yield from _watch(ctx, run, tick)
    run = yield from _see(ctx, run, scheduler.to_see(run))  # it names the machines that are to be probed
    run = scheduler.block((yield from _probe(ctx, run)))
    return run.model_copy(update={"watched": None if unread else now(ctx)}), unread


def _start(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[Run]:
    run = yield from _see(ctx, run, scheduler.unseen(run, tick))
    parts = [(vault, part) for vault, names in tick.starts.items() for part in _parts(names)]
    asks, do = _asks(run, parts)
    run = run_answers.asked(run, [vm for _, part in parts for vm in part], now(ctx), _earliest(run))
    for (vault, part), made in zip(parts, (yield from do(ctx, asks)), strict=True):
        run = _made(run, vault, part, made, now(ctx))
    return run


def _made(run: Run, vault: int, vms: Sequence[str], made: StartsMade | Refused | Transient, at: datetime) -> Run:
    """Take in what became of one batch; of one that got no answer everything may have been sent."""
    if not isinstance(made, StartsMade):
        run = run_answers.unanswered(run, vms, str(made), at)
        return budgeting.charged(run, vault, Calls(reads=1, writes=len(vms)))
    run = run_answers.started(run, made.answers, at, made.retry_after)
    run = budgeting.charged(run, vault, made.calls or Calls(reads=1, writes=len(vms)))
    return budgeting.shut(run, vault, at + made.retry_after) if made.retry_after else run


type Asks = Sequence[Any]
type Doing = Callable[[task.OrchestrationContext, Asks], Steps[list[StartsMade | Refused | Transient]]]


def _asks(run: Run, parts: Sequence[tuple[int, Sequence[str]]]) -> tuple[Asks, Doing]:
    """What to ask for, and how; made before anything is noted as asked for."""
    if run.stages[run.stage].verb == "UpdateVmProperties":
        updates = [_update_ask(run, vault, names) for vault, names in parts]
        return updates, lambda ctx, asks: call_all(ctx, START_PROTECTION, asks)
    starts = [_start_ask(run, vault, names) for vault, names in parts]
    return starts, lambda ctx, asks: call_all(ctx, START_VERBS, asks)


def _earliest(run: Run) -> datetime:
    """No verb that is sent now was sent before this.

    Three ticks ago, not now: a host that dies between sending an activity out and writing down that it did so decides
    once more, at a later time, while what it sent out may have begun.
    """
    return run.looks[0] if len(run.looks) == LOOKS else run.began


def _since(run: Run, names: Sequence[str]) -> datetime:
    wanted = set(names)
    return min(item.asked_from or _earliest(run) for item in run.items if item.vm in wanted)


def _update_ask(run: Run, vault: int, names: Sequence[str]) -> StartProtection:
    known = {item.vm: item for item in run.items}
    starts = (
        ProtectOne(vm=vm, item_id=known[vm].id, attempt=known[vm].attempt, settings=run.settings[vm]) for vm in names
    )
    return StartProtection(
        vault=run.vaults[vault],
        operation=run.operation,
        action="update",
        starts=tuple(starts),
        since=_since(run, names),
    )


def _start_ask(run: Run, vault: int, names: Sequence[str]) -> StartVerbs:
    known = {item.vm: item for item in run.items}
    one_by_one = (known[vm] for vm in names)
    return StartVerbs(
        vault=run.vaults[vault],
        operation=run.scope,
        verb=run.stages[run.stage].verb,
        starts=tuple(_start_one(run, item) for item in one_by_one),
        since=_since(run, names),
        network_id=run.network_id,
        **run.options(),
        max_age=run.points.max_age,
        only_adopt=run.sends_nothing,
    )


def _start_one(run: Run, item: RunItem) -> StartOne:
    return StartOne(
        vm=item.vm,
        item_id=item.id,
        attempt=item.attempt,
        adopts_from=item.adopts_from,
        seen=item.seen,
        point=run.points.of(item.vm),
        provider=item.provider,
    )


def _parts[T](names: Sequence[T]) -> Generator[Sequence[T]]:
    for first in range(0, len(names), BATCH):
        yield names[first : first + BATCH]


def _watch(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[tuple[Run, int]]:
    """Take in the jobs that ended; and how many more have, that were too many to read at once."""
    vaults = sorted({*tick.watch, *tick.paused})
    asks = [_watch_ask(run, tick, vault) for vault in vaults]
    told = zip(vaults, (yield from call_all(ctx, WATCH_JOBS, asks)), strict=True)
    seen = [(vault, some) for vault, some in told if isinstance(some, JobsSeen)]
    for vault, some in seen:
        run = budgeting.charged(run, vault, some.calls or Calls(reads=1))
    run = seen_running(run, [job for _, some in seen for job in some.running])
    ends = [end for _, some in seen for end in some.ended]
    return run_answers.jobs_ended(run, ends, now(ctx)), sum(some.unread for _, some in seen) if ends else 0


def _watch_ask(run: Run, tick: Tick, vault: int) -> WatchJobs:
    return WatchJobs(
        vault=run.vaults[vault],
        jobs=tick.watch.get(vault, ()),
        paused=tick.paused.get(vault, ()),
        since=_oldest(run),
        pack=run.operation if run.chain.kept else "",
        most=budgeting.MOST_ENDED,
    )


def _oldest(run: Run) -> datetime:
    """No job that is watched began before: what was suspended or given up once is older than its item says."""
    if any(item.state == "paused" or item.resumed or item.failed_in == "running" for item in run.items):
        return run.stage_began
    return min((item.since or run.began for item in run.items if item.state == "running"), default=run.began)


def _resume(ctx: task.OrchestrationContext, run: Run, tick: Tick) -> Steps[Run]:
    parts = [(vault, part) for vault, names in tick.resume.items() for part in _parts(names)]
    asks = [_resume_ask(run, vault, names) for vault, names in parts]
    taken = [some.answers for some in (yield from call_all(ctx, RESUME_JOBS, asks)) if isinstance(some, JobsResumed)]
    for vault, names in parts:
        run = budgeting.charged(run, vault, Calls(reads=1, writes=len(names)))
    return jobs_resumed(run, [answer for some in taken for answer in some], now(ctx))


def _resume_ask(run: Run, vault: int, names: Sequence[str]) -> ResumeJobs:
    wanted = set(names)
    jobs = (ResumeOne(vm=item.vm, job=item.job) for item in run.items if item.vm in wanted)
    said = next((one.comment for one in reversed(run.decisions) if one.verdict == "resume"), "")
    return ResumeJobs(vault=run.vaults[vault], operation=run.operation, jobs=tuple(jobs), comments=said)


def _probe(ctx: task.OrchestrationContext, run: Run) -> Steps[Run]:
    silent = [item for item in run.items if item.state == "probing"]
    asks = [ProbeBatch(targets=tuple(_target(run, item) for item in part)) for part in _parts(silent)]
    tried = [some.answers for some in (yield from call_all(ctx, PROBE_VMS, asks)) if isinstance(some, ProbesTried)]
    run = budgeting.probed(run, silent)
    return run_answers.probes_tried(run, [answer for some in tried for answer in some], now(ctx))


def _target(run: Run, item: RunItem) -> ProbeTarget:
    return ProbeTarget(
        vm=item.vm,
        azure_vm=item.azure_vm,
        target_group=item.target_group,
        probes=item.probes,
        address=item.address,
        operation=run.operation,
    )


def _see(ctx: task.OrchestrationContext, run: Run, names: Mapping[int, tuple[str, ...]]) -> Steps[Run]:
    """Read the state of these items, one list a vault."""
    verb = run.stages[run.stage].verb
    asks = [ReadItems(vault=run.vaults[vault], vms=vms) for vault, vms in names.items()]
    views: list[ItemView] = []
    for vault, seen in zip(names, (yield from call_all(ctx, READ_ITEMS, asks)), strict=True):
        if isinstance(seen, ItemsRead):
            views += seen.items
            run = budgeting.charged(run, vault, seen.calls or Calls(reads=1))
    return run_answers.items_read(
        run, views, lambda view: settled(verb, view), lambda view: ready(verb, view) is None, now(ctx)
    )
