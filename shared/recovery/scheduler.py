"""What a run does next: a pure function of where it stands and what time it is."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from statistics import median

from pydantic import Field

from shared.grouping import group_pairs
from shared.messages import Message
from shared.recovery import recovery_plan_runs
from shared.recovery.pacing import (
    LATER,
    NEARLY,
    OVERDUE,
    SOON,
    STEADY_PACE,
    WHILE_PAUSED,
    WHILE_UNDECIDED,
)
from shared.recovery.pauses import next_resume_time, paused_plans, paused_vms, with_resume_decision
from shared.recovery.people import Decision
from shared.recovery.run import Limits, Run
from shared.recovery.run_item import BAD_STATES, RunItem
from shared.site_recovery.verb_rules import RULES
from shared.site_recovery.views import Verb

JOBS_SAMPLED = 200
"""Jobs that say how long the others take: it is computed in each tick, of 5,000 items too."""
READ_ONE_BY_ONE = 5
"""Up to so many items are read one by one, as they are started: a list has a hundred a page."""
MANY_OPEN_ITEMS = 30
"""Of more open items than this something ends all the time: they are looked at at a steady pace."""
ITEMS_PER_BATCH, MAX_BATCHES = 1500, 3
"""A batch for each so many items, if the plan wants no gentler pace: each tick goes through all items, and 150 verbs
are what comes in between two looks."""
VAST_RUN = 3000
"""Of so many items each look lists dozens of pages: at the quicker pace a VM would cost the more the more there are."""
OPEN_STATES = frozenset({"starting", "running", "resuming", "probing", "settling"})
PASSED_STATES = frozenset({"done", "skipped"})
STARTABLE_STATES = frozenset({"waiting", "starting"})


class Tick(Message):
    """What to do now.

    Attributes:
        starts: By index of the vault: VMs whose verb is to be sent, or whose answer was lost and is to be looked for.
        watch: By index of the vault: jobs to look for.
        probe: VMs to probe once.
        settle: By index of the vault: VMs whose state is to be read.
        resume: By index of the vault: VMs whose suspended jobs are to go on.
        paused: By index of the vault: jobs that were suspended when last seen.
        observes: Whether to watch, probe and read; between two looks at many items a tick only starts some.
        wake_after: How long to wait after doing it.
        undecided: VMs that failed and that a person has to decide on, while nothing else is open.
        over: Nothing is open in this stage and nothing can start any more.
    """

    starts: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    watch: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    probe: tuple[str, ...] = ()
    settle: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    resume: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    paused: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    observes: bool = True
    wake_after: timedelta = LATER
    undecided: tuple[str, ...] = ()
    over: bool = False


def plan_tick(run: Run, now: datetime) -> Tick:
    """Say what to start, watch, probe and read now, and when to look again."""
    batches = min(MAX_BATCHES, len(run.items) // ITEMS_PER_BATCH) if run.limits.max_starts == Limits().max_starts else 1
    starts = startable_items(run, now)[: run.limits.max_starts * max(1, batches)]
    busy, looked_at = [item for item in run.items if item.state in OPEN_STATES], run.clock.jobs_watched_at
    is_few = len(busy) <= MANY_OPEN_ITEMS  # few items are looked at in each tick, many at a pace of their own
    is_due = looked_at is None or is_few or now >= looked_at + _look_interval(run, busy, now)
    failed = undecided_vms(run)
    is_at_work = _is_at_work(run)
    is_open = is_at_work or any(item.state in {"waiting", "paused"} for item in run.items)
    return Tick(
        starts=_by_vault(starts, lambda item: item.vm),
        watch=_by_vault((i for i in run.items if is_due and i.state == "running"), lambda item: item.job),
        probe=tuple(item.vm for item in run.items if is_due and item.state == "probing"),
        settle=_by_vault((i for i in run.items if is_due and i.asks_item), lambda item: item.vm),
        resume=_by_vault((i for i in run.items if i.state == "resuming" and i.may_go_on(now)), lambda item: item.vm),
        paused=_by_vault((i for i in run.items if is_due and i.state == "paused"), lambda item: item.job),
        observes=is_due,
        wake_after=_time_to_next_look(run, now),
        undecided=() if starts or is_at_work else failed,
        over=not is_open and not failed,
    )


def _is_at_work(run: Run) -> bool:
    """Whether anything goes on by itself, whatever a person says."""
    return bool(run.vms_in_hand) or any(item.state in OPEN_STATES for item in run.items)


def startable_items(run: Run, now: datetime) -> list[RunItem]:
    """Items whose verb could be sent now, if the budget lets it."""
    if run.people.pause or (run.budget.retry_until and now < run.budget.retry_until):
        return []
    left_to_plans = recovery_plan_runs.vms_left_to_plans(run)
    not_passed = _vms_not_passed(run)
    return [
        item
        for item in run.items
        if item.state in STARTABLE_STATES
        and item.vm not in left_to_plans
        and item.may_go_on(now)
        and (item.state == "starting" or not_passed.isdisjoint(item.after))
    ]


def _vms_not_passed(run: Run) -> set[str]:
    """What holds up those that come after it; a name that the run does not have holds up nothing."""
    if not run.stage.ordered or run.synchronises_data:
        return set()
    return {item.vm for item in run.items if item.state not in PASSED_STATES}


def _by_vault(items: Iterable[RunItem], name: Callable[[RunItem], str]) -> dict[int, tuple[str, ...]]:
    found = group_pairs((item.vault, name(item)) for item in items)
    return {vault: tuple(names) for vault, names in found.items()}


def items_to_read(run: Run) -> dict[int, tuple[str, ...]]:
    """By index of the vault: items whose state decides what is next, to be read together.

    Those that settle or whose job cannot be read, and those that wait only for them: what is read once is not read
    again before the verb is sent.
    """
    settling = {item.vm for item in run.items if item.asks_item}
    if not settling:
        return {}
    others = _vms_not_passed(run) - settling
    next_in_line = (i for i in run.items if run.stage.ordered and i.state == "waiting" and others.isdisjoint(i.after))
    return _by_vault([*(i for i in run.items if i.vm in settling), *next_in_line], lambda item: item.vm)


def starts_to_read(run: Run, tick: Tick) -> dict[int, tuple[str, ...]]:
    """By index of the vault: items that are to start and were not read, where there are too many to read one by one."""
    read_before = {item.vm for item in run.items if item.found_ready or item.state == "starting"}
    fresh = {vault: tuple(vm for vm in names if vm not in read_before) for vault, names in tick.starts.items()}
    return {vault: names for vault, names in fresh.items() if len(names) > READ_ONE_BY_ONE}


def undecided_vms(run: Run) -> tuple[str, ...]:
    """VMs that failed in the stage under way, where the plan says to ask."""
    if run.limits.on_failure != "ask" or run.people.aborted:
        return ()
    stage = run.progress.number
    return tuple(item.vm for item in run.items if item.state == "failed" and item.failed_in_stage == stage)


def undecided_items(run: Run, vms: Sequence[str]) -> list[RunItem]:
    """Those of the named items, or of all, that wait for a person's decision."""
    wanted, undecided = {vm.casefold() for vm in vms}, set(undecided_vms(run))
    return [item for item in run.items if item.vm in undecided and (not wanted or item.vm.casefold() in wanted)]


def apply_decision(run: Run, decision: Decision) -> Run:
    """Take in what a person decided; what it does not concern stays as it is.

    One that repeats an earlier one and changes nothing is no further decision: people and networks send it again.
    """
    changed = _carry_out(run, decision)
    return run if changed == run and run.people.repeats_earlier(decision) else changed.with_decision(decision)


def _carry_out(run: Run, decision: Decision) -> Run:
    if decision.verdict == "abort":
        return _abort_run(run)
    if decision.verdict == "resume":
        return with_resume_decision(run, decision.at, decision.vms, decision.about)
    failed = undecided_items(run, decision.vms)
    vms = [item.vm for item in failed]
    if decision.verdict == "retry":
        run = run.with_items_changed({item.vm: item.for_retry(decision.at) for item in failed})
        return recovery_plan_runs.resume_given_up_plan_runs(run, vms, decision.at)
    skipped_vms = tuple(dict.fromkeys((*run.people.skipped_vms, *vms)))
    run = run.with_people(run.people.model_copy(update={"skipped_vms": skipped_vms}))
    return run.with_items_changed({item.vm: item.model_copy(update={"state": "skipped"}) for item in failed})


def _abort_run(run: Run) -> Run:
    """Nothing new starts; what runs in Azure is watched to its end. A job that is suspended would wait for ever."""
    if run.people.aborted:
        return run
    run = run.with_people(run.people.model_copy(update={"aborted": True, "pause": None}))
    if run.sends_nothing:
        run = _without_waiting_items(run)
    suspended = {
        item.vm: item.as_blocked(code="job-suspended", detail=f"the run was aborted; job {item.job} is still suspended")
        for item in run.items
        if item.state == "paused"
    }
    return recovery_plan_runs.abort_plan_runs(run.with_items_changed(suspended))


def _without_waiting_items(run: Run) -> Run:
    """Those that wait for their turn have none any more; what was sent is looked for at once, and no more than that."""
    stopped = {
        item.vm: item.as_blocked(code="run-aborted", detail="the run was aborted")
        for item in run.items
        if item.state == "waiting" and item.vm not in run.vms_in_hand
    }
    run = run.with_items_changed(stopped)
    run = run.with_items(item.model_copy(update={"not_before": None}) for item in run.items)
    return run.with_budget(run.budget.model_copy(update={"retry_until": None}))


def time_to_next_tick(run: Run, now: datetime) -> timedelta:
    """How long to wait before the next tick: what can start goes on as soon as its subscription lets it."""
    tick = plan_tick(run, now)
    if tick.over:
        return timedelta(0)
    if tick.undecided or (run.people.pause and not _is_at_work(run)):
        return _time_until(next_resume_time(run), WHILE_UNDECIDED, now)
    opens = [run.budget.allowance_in(run.subscription_of(vault)).time_to_open(now) for vault in tick.starts]
    return min((tick.wake_after, *opens))


def _time_until(moment: datetime | None, longest: timedelta, now: datetime) -> timedelta:
    return min(longest, max(moment - now, timedelta(0))) if moment else longest


def _time_to_next_look(run: Run, now: datetime) -> timedelta:
    """Look soon while something is fresh or about to be; else, and of many, at the pace that the service asks for."""
    busy, looked_at = [item for item in run.items if item.state in OPEN_STATES], run.clock.jobs_watched_at
    has_plans = any(plan_run.is_in_hand and plan_run.state != "paused" for plan_run in run.plan_runs)
    if not busy and not has_plans and (paused_vms(run) or paused_plans(run)):
        return _time_until(next_resume_time(run), WHILE_PAUSED, now)
    pace = _look_interval(run, busy, now)
    return pace if len(busy) <= MANY_OPEN_ITEMS or looked_at is None else max(timedelta(0), looked_at + pace - now)


def _look_interval(run: Run, busy: Sequence[RunItem], now: datetime) -> timedelta:
    """How often to look; more often while others wait for what is open, or would if it were not for these."""
    plans = [(one.state, one.since) for one in run.plan_runs if one.is_in_hand and one.state != "paused"]
    young = [*((item.state, item.since) for item in busy), *plans]
    fresh = any(state != "running" or (since is not None and now - since < LATER) for state, since in young)
    if fresh and len(busy) <= MANY_OPEN_ITEMS:
        return SOON
    if not run.stage.ordered:
        return LATER
    quick = STEADY_PACE if len(run.items) < VAST_RUN else LATER
    return quick if may_end_soon(run, busy, now) else LATER


def may_end_soon(run: Run, busy: Sequence[RunItem], now: datetime) -> bool:
    """Whether one of those that others wait for is about to end, by how long such a verb usually takes."""
    awaited_names = {name for item in run.items if item.state == "waiting" for name in item.after}
    awaited = [item for item in busy if item.vm in awaited_names]
    usual = typical_duration(run, run.stage.verb) if awaited else LATER
    return any(
        item.state != "running" or item.since is None or usual * NEARLY <= now - item.since <= usual * OVERDUE
        for item in awaited
    )


def typical_duration(run: Run, verb: Verb) -> timedelta:
    """How long a verb takes: the median of some of this run's own jobs, else that of recorded ones."""
    seconds = (
        (step.ended - step.began).total_seconds()
        for item in run.items
        for step in item.steps
        if step.verb == verb and step.outcome == "succeeded" and step.began and step.ended
    )
    took = list(islice(seconds, JOBS_SAMPLED))
    return timedelta(seconds=median(took)) if took else RULES[verb].median


def block_items(run: Run) -> Run:
    """Mark what can no longer start: it depends on something that failed, or the plan stops at a failure."""
    stage, on_failure = run.stage, run.limits.on_failure
    if stage.ordered and run.uses_recovery_plans:
        run = recovery_plan_runs.block_plan_runs(run)
    if not stage.ordered or (on_failure == "ask" and not run.people.aborted):
        return run
    left_to_plans = recovery_plan_runs.vms_left_to_plans(run)
    culprits = {item.vm: True for item in run.items if item.state in BAD_STATES}
    changed: dict[str, RunItem] = {}
    grew = bool(culprits)
    while grew:
        grew = False
        for item in run.items:
            if item.vm in left_to_plans or item.vm in changed or item.state != "waiting":
                continue
            code, reason = "", ""
            if missing := next((name for name in item.after if name in culprits), ""):
                code = "dependency-failed"
                reason = f"waits for {missing}, which did not come up"
            elif on_failure == "stop":
                reason = f"not started: {next(iter(culprits))} failed and the plan stops at a failure"
                code = "stopped-at-failure"
            if reason:
                changed[item.vm] = item.as_blocked(code=code, detail=reason)
                culprits[item.vm] = True
                grew = True
    return run.with_items_changed(changed)
