"""What a run does next: a pure function of where it stands and what time it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from statistics import median

from pydantic import Field

from shared.messages import Message
from shared.recovery import recovery_plan_runs
from shared.recovery.pauses import next_resume_time, paused_plans, paused_vms, with_resume_decision
from shared.recovery.run import IN_HAND_STATES, LATER, SOON, Decision, Limits, Run, RunItem, _with_items_changed
from shared.site_recovery.request_budget import Allowance
from shared.site_recovery.verb_rules import RULES
from shared.site_recovery.views import Verb

JOBS_SAMPLED = 200
"""Jobs that say how long the others take: it is asked in each tick, of 5,000 items too."""


def typical_duration(run: Run, verb: Verb) -> timedelta:
    """How long a verb takes: the median of some of this run's own jobs, else that of recorded ones."""
    took = list(islice(_job_seconds(run, verb), JOBS_SAMPLED))
    return timedelta(seconds=median(took)) if took else RULES[verb].median


def _job_seconds(run: Run, verb: Verb) -> Iterator[float]:
    for item in run.items:
        for step in item.steps:
            if step.verb == verb and step.outcome == "succeeded" and step.began and step.ended:
                yield (step.ended - step.began).total_seconds()


WHILE_UNDECIDED = timedelta(hours=6)
"""While only a person can say how to go on; the decision itself wakes the run."""
WHILE_PAUSED = timedelta(minutes=5)
"""While all that is open are jobs that wait for a person, who may also resume them elsewhere."""
READ_ONE_BY_ONE = 5
"""Up to so many items are read one by one, as they are started: a list has a hundred a page."""
MANY_OPEN_ITEMS, STEADY_PACE = 30, timedelta(seconds=15)
"""Of more open items than this something ends all the time: a steady pace, which costs each item little."""
ITEMS_PER_BATCH, MAX_BATCHES = 1500, 3
"""A batch for each so many items, if the plan wants no gentler pace: 150 verbs are what comes in between two looks."""
VAST_RUN = 3000
"""Of so many items each look lists dozens of pages: at the quicker pace a VM would cost the more the more there are."""
NEARLY, OVERDUE = 0.8, 1.4
"""Of the usual time of a job: in between it may end any moment, and what waits for it should not wait for us."""
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
    ready = startable_items(run, now)
    starts = ready[: _max_starts(run)]
    is_due = _is_due(run, now)
    failed = undecided_vms(run)
    is_open = any(item.state in OPEN_STATES or item.state in {"waiting", "paused"} for item in run.items)
    return Tick(
        starts=_by_vault(starts, lambda item: item.vm),
        watch=_by_vault((i for i in run.items if is_due and i.state == "running"), lambda item: item.job),
        probe=tuple(item.vm for item in run.items if is_due and item.state == "probing"),
        settle=_by_vault((i for i in run.items if is_due and i.state == "settling"), lambda item: item.vm),
        resume=_by_vault((i for i in run.items if _may_resume(i, now)), lambda item: item.vm),
        paused=_by_vault((i for i in run.items if is_due and i.state == "paused"), lambda item: item.job),
        observes=is_due,
        wake_after=_time_to_next_look(run, now),
        undecided=failed
        if not starts and not run.vms_in_hand and not any(item.state in OPEN_STATES for item in run.items)
        else (),
        over=not is_open and not failed and not run.vms_in_hand,
    )


def _max_starts(run: Run) -> int:
    """Verbs in one tick: a large run sends several batches at once, because each tick goes through all of its items."""
    batches = min(MAX_BATCHES, len(run.items) // ITEMS_PER_BATCH) if run.limits.max_starts == Limits().max_starts else 1
    return run.limits.max_starts * max(1, batches)


def _may_resume(item: RunItem, now: datetime) -> bool:
    return item.state == "resuming" and (item.not_before is None or now >= item.not_before)


def undecided_vms(run: Run) -> tuple[str, ...]:
    """VMs that failed in this stage, where the plan says to ask."""
    if run.limits.on_failure != "ask" or run.aborted:
        return ()
    return tuple(item.vm for item in run.items if item.state == "failed" and _failed_in_this_stage(run, item))


def _failed_in_this_stage(run: Run, item: RunItem) -> bool:
    """Whether it failed in the stage under way, not in one that is over."""
    return item.detail.startswith(f"{run.stages[run.stage].verb}: ")


def apply_decision(run: Run, decision: Decision) -> Run:
    """Take in what a person decided; what it does not concern stays as it is."""
    run = run.model_copy(update={"decisions": (*run.decisions, decision)})
    if decision.verdict == "abort":
        return _abort_run(run)
    if decision.verdict == "resume":
        return with_resume_decision(run, decision.at, decision.vms, decision.about)
    wanted = {vm.casefold() for vm in decision.vms}
    undecided = set(undecided_vms(run))
    failed = [item for item in run.items if item.vm in undecided and (not wanted or item.vm.casefold() in wanted)]
    if decision.verdict == "retry":
        run = _with_items_changed(run, {item.vm: _retry_item(item, decision.at) for item in failed})
        return recovery_plan_runs.resume_given_up_plan_runs(run, [item.vm for item in failed], decision.at)
    run = run.model_copy(update={"skipped": tuple(dict.fromkeys((*run.skipped, *(item.vm for item in failed))))})
    return _with_items_changed(run, {item.vm: item.model_copy(update={"state": "skipped"}) for item in failed})


def _retry_item(item: RunItem, now: datetime) -> RunItem:
    """Go on where it failed, with all its time anew; only after a job that failed, or a refusal, send the verb again.

    That is a new attempt on purpose: with the next number, so that it is a request of its own.
    """
    if item.failed_in:
        going = {"state": item.failed_in, "since": now, "not_before": None, "address": "", "detail": ""}
        return item.model_copy(update=going)
    fresh = {"state": "waiting", "attempt": item.attempt + 1, "job": "", "since": None, "not_before": None}
    fresh |= {"asked_from": None, "adopts_from": item.attempt + 1}
    return item.model_copy(update={**fresh, "detail": "", "seen": False})


def _abort_run(run: Run) -> Run:
    """Nothing new starts; what runs in Azure is watched to its end. A job that is suspended would wait for ever."""
    reasons = {"waiting": "the run was aborted", "paused": "the run was aborted; job {job} is still suspended"}
    stopped = {
        i.vm: i.model_copy(update={"state": "blocked", "detail": reasons[i.state].format(job=i.job)})
        for i in run.items
        if i.state in reasons and not (i.state == "waiting" and i.vm in run.vms_in_hand)
    }
    return recovery_plan_runs.abort_plan_runs(
        _with_items_changed(run, stopped).model_copy(update={"aborted": True, "pause": None})
    )


def time_to_next_tick(run: Run, now: datetime) -> timedelta:
    """How long to wait before the next tick: what can start goes on as soon as its subscription lets it."""
    tick = plan_tick(run, now)
    if tick.over:
        return timedelta(0)
    if tick.undecided or (
        run.pause and not run.vms_in_hand and not any(item.state in OPEN_STATES for item in run.items)
    ):
        return _time_until(next_resume_time(run), WHILE_UNDECIDED, now)
    opens = [_allowance_of(run, vault).time_to_open(now) for vault in tick.starts]
    return min((tick.wake_after, *opens))


def _allowance_of(run: Run, vault: int) -> Allowance:
    return run.rations.get(run.subscription_of(vault), Allowance())


def _time_until(moment: datetime | None, longest: timedelta, now: datetime) -> timedelta:
    return min(longest, max(moment - now, timedelta(0))) if moment else longest


def startable_items(run: Run, now: datetime) -> list[RunItem]:
    """Items whose verb could be sent now, if the budget lets it."""
    if run.pause or (run.retry_until and now < run.retry_until):
        return []
    theirs = recovery_plan_runs.vms_left_to_plans(run)
    lacking = _vms_not_passed(run)
    return [item for item in run.items if item.state in STARTABLE_STATES and _may_start(item, lacking, theirs, now)]


def _vms_not_passed(run: Run) -> set[str]:
    """What holds up those that come after it; a name that the run does not have holds up nothing."""
    if not run.stages[run.stage].ordered or run.synchronises_data:
        return set()
    return {item.vm for item in run.items if item.state not in PASSED_STATES}


def _may_start(item: RunItem, lacking: set[str], theirs: frozenset[str], now: datetime) -> bool:
    if item.vm in theirs or (item.not_before and now < item.not_before):
        return False
    return item.state == "starting" or lacking.isdisjoint(item.after)


def _by_vault(items: Iterable[RunItem], name: Callable[[RunItem], str]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for item in items:
        found.setdefault(item.vault, []).append(name(item))
    return {vault: tuple(names) for vault, names in found.items()}


def _is_due(run: Run, now: datetime) -> bool:
    """Whether it is time for a look: few items are looked at in each tick, many at a pace of their own."""
    busy = [item for item in run.items if item.state in OPEN_STATES]
    return run.watched is None or len(busy) <= MANY_OPEN_ITEMS or now >= run.watched + _look_interval(run, busy, now)


def _time_to_next_look(run: Run, now: datetime) -> timedelta:
    """Look soon while something is fresh or about to be; else, and of many, at the pace that the service asks for."""
    busy = [item for item in run.items if item.state in OPEN_STATES]
    plans = [part for part in run.parts if part.state in IN_HAND_STATES and part.state != "paused"]
    if not busy and not plans and (paused_vms(run) or paused_plans(run)):
        return _time_until(next_resume_time(run), WHILE_PAUSED, now)
    pace = _look_interval(run, busy, now)
    return pace if len(busy) <= MANY_OPEN_ITEMS or run.watched is None else max(timedelta(0), run.watched + pace - now)


def _look_interval(run: Run, busy: Sequence[RunItem], now: datetime) -> timedelta:
    """How often to look; more often while others wait for what is open, or would if it were not for these."""
    awaited = _awaited_items(run, busy)
    plans = [(part.state, part.since) for part in run.parts if part.state in IN_HAND_STATES and part.state != "paused"]
    young = [*((item.state, item.since) for item in busy), *plans]
    fresh = any(state != "running" or (since is not None and now - since < LATER) for state, since in young)
    if fresh and len(busy) <= MANY_OPEN_ITEMS:
        return SOON
    usual = typical_duration(run, run.stages[run.stage].verb) if awaited else LATER
    quick = STEADY_PACE if len(run.items) < VAST_RUN else LATER
    return quick if any(_may_end(item, usual, now) for item in awaited) else LATER


def _may_end(item: RunItem, usual: timedelta, now: datetime) -> bool:
    """Whether what an item is at may well be over at the next look."""
    if item.state != "running" or item.since is None:
        return True
    return usual * NEARLY <= now - item.since <= usual * OVERDUE


def _awaited_items(run: Run, busy: Sequence[RunItem]) -> list[RunItem]:
    """Of what is open, what something waits for."""
    if not run.stages[run.stage].ordered:
        return []
    wanted = {name for item in run.items if item.state == "waiting" for name in item.after}
    return [item for item in busy if item.vm in wanted]


def items_to_read(run: Run) -> dict[int, tuple[str, ...]]:
    """By index of the vault: items whose state decides what is next, to be read together.

    Those that settle, and those that wait only for them: what is read once is not read again before the verb is sent.
    """
    stage = run.stages[run.stage]
    settling = {item.vm for item in run.items if item.state == "settling"}
    if not settling:
        return {}
    lacking = _vms_not_passed(run) - settling
    next_in_line = (i for i in run.items if stage.ordered and i.state == "waiting" and lacking.isdisjoint(i.after))
    return _by_vault([*(i for i in run.items if i.vm in settling), *next_in_line], lambda item: item.vm)


def starts_to_read(run: Run, tick: Tick) -> dict[int, tuple[str, ...]]:
    """By index of the vault: items that are to start and were not seen, where there are too many to read one by one."""
    read_before = {item.vm for item in run.items if item.seen or item.state == "starting"}
    fresh = {vault: tuple(vm for vm in names if vm not in read_before) for vault, names in tick.starts.items()}
    return {vault: names for vault, names in fresh.items() if len(names) > READ_ONE_BY_ONE}


def block_items(run: Run) -> Run:
    """Mark what can no longer start: it depends on something that failed, or the plan stops at a failure."""
    stage = run.stages[run.stage]
    if stage.ordered and run.uses_recovery_plans:
        run = recovery_plan_runs.block_plan_runs(run)
    theirs = recovery_plan_runs.vms_left_to_plans(run)
    if not stage.ordered or (run.limits.on_failure == "ask" and not run.aborted):
        return run
    culprits = {item.vm: item.vm for item in run.items if item.state in {"failed", "blocked"}}
    changed: dict[str, RunItem] = {}
    grew = bool(culprits)
    while grew:
        grew = False
        for item in run.items:
            if item.vm in theirs or item.vm in changed or item.state != "waiting":
                continue
            if reason := _block_reason(item, culprits, run.limits):
                changed[item.vm] = item.model_copy(update={"state": "blocked", "detail": reason})
                culprits[item.vm] = item.vm
                grew = True
    return _with_items_changed(run, changed)


def _block_reason(item: RunItem, culprits: Mapping[str, str], limits: Limits) -> str:
    if depended := [name for name in item.after if name in culprits]:
        return f"waits for {depended[0]}, which did not come up"
    first = next(iter(culprits))
    return f"not started: {first} failed and the plan stops at a failure" if limits.on_failure == "stop" else ""
