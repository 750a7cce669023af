"""What a run does next: a pure function of where it stands and what time it is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from shared import engine
from shared.budget import Ration
from shared.durations import typical
from shared.findings import RENAMED
from shared.messages import ItemStep, ItemView, Message, RunItem
from shared.outcomes import BUSY, JobEnd, ProbeAnswer, StartAnswer
from shared.pausing import next_time, paused, paused_plans, pauses, resumed
from shared.runs import IN_HAND, Decision, Limits, Run, Stage

WHOLE = 100

NOTHING = "nothing-to-do"
"""Refusal of an update that would change nothing."""

SOON, LATER = timedelta(seconds=10), timedelta(seconds=30)
ASKING = timedelta(hours=6)
"""While only a person can say how to go on; the decision itself wakes the run."""
GLANCE = timedelta(minutes=5)
"""While all that is open are jobs that wait for a person, who may also resume them elsewhere."""
FEW = 5
"""Up to so many items are read one by one, as they are started: a list has a hundred a page."""
MANY, PACE = 30, timedelta(seconds=15)
"""Of more open items than this something ends all the time: a steady pace, which costs each item little."""
LARGE, MOST_BATCHES = 1500, 3
"""A batch for each so many items, if the plan wants no gentler pace: 150 verbs are what comes in between two looks."""
VAST = 3000
"""Of so many items each look lists dozens of pages: at the quicker pace a VM would cost the more the more there are."""
NEARLY, OVERDUE = 0.8, 1.4
"""Of the usual time of a job: in between it may end any moment, and what waits for it should not wait for us."""
FRESH = timedelta(minutes=2)
"""How long what was read of an item counts while the machine that it waits for is probed."""
OPEN = frozenset({"starting", "running", "resuming", "probing", "settling"})
PASSED = frozenset({"done", "skipped"})
STARTS = frozenset({"waiting", "starting"})


class Tick(Message):
    """What to do now.

    Attributes:
        starts: By index of the vault: VMs whose verb is to be sent, or whose answer was lost and is to be looked for.
        watch: By index of the vault: jobs to look for.
        probe: VMs to probe once.
        settle: By index of the vault: VMs whose state is to be read.
        resume: By index of the vault: VMs whose suspended jobs are to go on.
        paused: By index of the vault: jobs that were suspended when last seen.
        look: Whether to watch, probe and read; between two looks at many items a tick only starts some.
        wake: How long to wait after doing it.
        asks: VMs that failed and that a person has to decide on, while nothing else is open.
        over: Nothing is open in this stage and nothing can start any more.
    """

    starts: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    watch: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    probe: tuple[str, ...] = ()
    settle: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    resume: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    paused: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    look: bool = True
    wake: timedelta = LATER
    asks: tuple[str, ...] = ()
    over: bool = False


def plan_tick(run: Run, now: datetime) -> Tick:
    """Say what to start, watch, probe and read now, and when to look again."""
    ready = startable(run, now)
    starts = ready[: _most(run)]
    look = _is_due(run, now)
    asks = undecided(run)
    is_open = any(item.state in OPEN or item.state in {"waiting", "paused"} for item in run.items)
    return Tick(
        starts=_by_vault(starts, lambda item: item.vm),
        watch=_by_vault((i for i in run.items if look and i.state == "running"), lambda item: item.job),
        probe=tuple(item.vm for item in run.items if look and item.state == "probing"),
        settle=_by_vault((i for i in run.items if look and i.state == "settling"), lambda item: item.vm),
        resume=_by_vault((i for i in run.items if _may_resume(i, now)), lambda item: item.vm),
        paused=_by_vault((i for i in run.items if look and i.state == "paused"), lambda item: item.job),
        look=look,
        wake=_wake(run, now),
        asks=asks if not starts and not run.in_hand and not any(item.state in OPEN for item in run.items) else (),
        over=not is_open and not asks and not run.in_hand,
    )


def _most(run: Run) -> int:
    """Verbs in one tick: a large run sends several batches at once, because each tick goes through all of its items."""
    batches = min(MOST_BATCHES, len(run.items) // LARGE) if run.limits.max_starts == Limits().max_starts else 1
    return run.limits.max_starts * max(1, batches)


def _may_resume(item: RunItem, now: datetime) -> bool:
    return item.state == "resuming" and (item.not_before is None or now >= item.not_before)


def undecided(run: Run) -> tuple[str, ...]:
    """VMs that failed in this stage, where the plan says to ask."""
    if run.limits.on_failure != "ask" or run.aborted:
        return ()
    return tuple(item.vm for item in run.items if item.state == "failed" and _belongs(run, item))


def _belongs(run: Run, item: RunItem) -> bool:
    """Whether it failed in the stage under way, not in one that is over."""
    return item.detail.startswith(f"{run.stages[run.stage].verb}: ")


def decide(run: Run, decision: Decision) -> Run:
    """Take in what a person decided; what it does not concern stays as it is."""
    run = run.model_copy(update={"decisions": (*run.decisions, decision)})
    if decision.verdict == "abort":
        return _abort(run)
    if decision.verdict == "resume":
        return resumed(run, decision.at, decision.vms, decision.about)
    wanted = {vm.casefold() for vm in decision.vms}
    asked = set(undecided(run))
    failed = [item for item in run.items if item.vm in asked and (not wanted or item.vm.casefold() in wanted)]
    if decision.verdict == "retry":
        run = _revise(run, {item.vm: _again(item, decision.at) for item in failed})
        return engine.taken_up(run, [item.vm for item in failed], decision.at)
    run = run.model_copy(update={"skipped": tuple(dict.fromkeys((*run.skipped, *(item.vm for item in failed))))})
    return _revise(run, {item.vm: item.model_copy(update={"state": "skipped"}) for item in failed})


def _again(item: RunItem, now: datetime) -> RunItem:
    """Go on where it failed, with all its time anew; only after a job that failed, or a refusal, send the verb again.

    That is a new attempt on purpose: with the next number, so that it is a request of its own.
    """
    if item.failed_in:
        going = {"state": item.failed_in, "since": now, "not_before": None, "address": "", "detail": ""}
        return item.model_copy(update=going)
    fresh = {"state": "waiting", "attempt": item.attempt + 1, "job": "", "since": None, "not_before": None}
    fresh |= {"asked_from": None, "adopts_from": item.attempt + 1}
    return item.model_copy(update={**fresh, "detail": "", "seen": False})


def _abort(run: Run) -> Run:
    """Nothing new starts; what runs in Azure is watched to its end. A job that is suspended would wait for ever."""
    words = {"waiting": "the run was aborted", "paused": "the run was aborted; job {job} is still suspended"}
    stopped = {
        i.vm: i.model_copy(update={"state": "blocked", "detail": words[i.state].format(job=i.job)})
        for i in run.items
        if i.state in words and not (i.state == "waiting" and i.vm in run.in_hand)
    }
    return engine.aborted(_revise(run, stopped).model_copy(update={"aborted": True, "pause": None}))


def pause(run: Run, now: datetime) -> timedelta:
    """How long to wait before the next tick: what can start goes on as soon as its subscription lets it."""
    tick = plan_tick(run, now)
    if tick.over:
        return timedelta(0)
    if tick.asks or (run.pause and not run.in_hand and not any(item.state in OPEN for item in run.items)):
        return _until(next_time(run), ASKING, now)
    opens = [_ration(run, vault).opens(now) for vault in tick.starts]
    return min((tick.wake, *opens))


def _ration(run: Run, vault: int) -> Ration:
    return run.rations.get(run.subscription(vault), Ration())


def _until(moment: datetime | None, longest: timedelta, now: datetime) -> timedelta:
    return min(longest, max(moment - now, timedelta(0))) if moment else longest


def startable(run: Run, now: datetime) -> list[RunItem]:
    """Items whose verb could be sent now, if the budget lets it."""
    if run.pause or (run.retry_until and now < run.retry_until):
        return []
    theirs = engine.left_to_plans(run)
    lacking = _lacking(run)
    return [item for item in run.items if item.state in STARTS and _may_start(item, lacking, theirs, now)]


def _lacking(run: Run) -> set[str]:
    """What holds up those that come after it; a name that the run does not have holds up nothing."""
    if not run.stages[run.stage].ordered or run.synchronises:
        return set()
    return {item.vm for item in run.items if item.state not in PASSED}


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
    busy = [item for item in run.items if item.state in OPEN]
    return run.watched is None or len(busy) <= MANY or now >= run.watched + _pace(run, busy, now)


def _wake(run: Run, now: datetime) -> timedelta:
    """Look soon while something is fresh or about to be; else, and of many, at the pace that the service asks for."""
    busy = [item for item in run.items if item.state in OPEN]
    plans = [part for part in run.parts if part.state in IN_HAND and part.state != "paused"]
    if not busy and not plans and (paused(run) or paused_plans(run)):
        return _until(next_time(run), GLANCE, now)
    pace = _pace(run, busy, now)
    return pace if len(busy) <= MANY or run.watched is None else max(timedelta(0), run.watched + pace - now)


def _pace(run: Run, busy: Sequence[RunItem], now: datetime) -> timedelta:
    """How often to look; more often while others wait for what is open, or would if it were not for these."""
    awaited = _awaited(run, busy)
    plans = [(part.state, part.since) for part in run.parts if part.state in IN_HAND and part.state != "paused"]
    young = [*((item.state, item.since) for item in busy), *plans]
    fresh = any(state != "running" or (since is not None and now - since < LATER) for state, since in young)
    if fresh and len(busy) <= MANY:
        return SOON
    usual = typical(run, run.stages[run.stage].verb) if awaited else LATER
    quick = PACE if len(run.items) < VAST else LATER
    return quick if any(_may_end(item, usual, now) for item in awaited) else LATER


def _may_end(item: RunItem, usual: timedelta, now: datetime) -> bool:
    """Whether what an item is at may well be over at the next look."""
    if item.state != "running" or item.since is None:
        return True
    return usual * NEARLY <= now - item.since <= usual * OVERDUE


def _awaited(run: Run, busy: Sequence[RunItem]) -> list[RunItem]:
    """Of what is open, what something waits for."""
    if not run.stages[run.stage].ordered:
        return []
    wanted = {name for item in run.items if item.state == "waiting" for name in item.after}
    return [item for item in busy if item.vm in wanted]


def to_see(run: Run) -> dict[int, tuple[str, ...]]:
    """By index of the vault: items whose state decides what is next, to be read together.

    Those that settle, and those that wait only for them: what is read once is not read again before the verb is sent.
    """
    stage = run.stages[run.stage]
    settling = {item.vm for item in run.items if item.state == "settling"}
    if not settling:
        return {}
    lacking = _lacking(run) - settling
    next_in_line = (i for i in run.items if stage.ordered and i.state == "waiting" and lacking.isdisjoint(i.after))
    return _by_vault([*(i for i in run.items if i.vm in settling), *next_in_line], lambda item: item.vm)


def unseen(run: Run, tick: Tick) -> dict[int, tuple[str, ...]]:
    """By index of the vault: items that are to start and were not seen, where there are too many to read one by one."""
    seen = {item.vm for item in run.items if item.seen or item.state == "starting"}
    fresh = {vault: tuple(vm for vm in names if vm not in seen) for vault, names in tick.starts.items()}
    return {vault: names for vault, names in fresh.items() if len(names) > FEW}


# --- what came back ----------------------------------------------------------------------------------------------


def _revise(run: Run, changed: Mapping[str, RunItem]) -> Run:
    return run.model_copy(update={"items": tuple(changed.get(item.vm, item) for item in run.items)})


def asked(run: Run, vms: Iterable[str], now: datetime, earliest: datetime) -> Run:
    """Note that a verb is about to be sent: whatever is answered, from here on something may have begun.

    Args:
        earliest: No job that this attempt starts is older.
    """
    names = set(vms)
    going = {"state": "starting", "not_before": None, "seen": False, "asked": run.stages[run.stage].verb}
    changed = {
        item.vm: item.model_copy(
            update={**going, "since": item.since or now, "asked_from": item.asked_from or earliest}
        )
        for item in run.items
        if item.vm in names
    }
    return _revise(run, changed)


def unanswered(run: Run, vms: Iterable[str], detail: str, now: datetime) -> Run:
    """Take in that a whole batch got no answer: the same ask will find out what became of it."""
    return started(run, [StartAnswer(vm=vm, outcome="unanswered", detail=detail) for vm in vms], now)


def started(run: Run, answers: Iterable[StartAnswer], now: datetime, throttled: timedelta = timedelta(0)) -> Run:
    """Take in what became of the starts; a vault that throttles holds back all further ones for a while."""
    known = {item.vm: item for item in run.items}
    stage = run.stages[run.stage]
    changed = {a.vm: _after_start(known[a.vm], a, stage, run.limits, now) for a in answers if a.vm in known}
    run = _revise(run, changed)
    return run.model_copy(update={"retry_until": now + throttled}) if throttled else run


def _after_start(item: RunItem, answer: StartAnswer, stage: Stage, limits: Limits, now: datetime) -> RunItem:
    since = item.since or now
    if answer.outcome == "started":
        begun = {"state": "running", "job": answer.job, "since": now, "detail": "", "point": answer.point or item.point}
        return item.model_copy(update=begun)
    if answer.outcome == "refused" and stage.verb == "TestFailoverCleanup":  # perhaps there is nothing to clean up
        return item.model_copy(update={"state": "settling", "since": now, "detail": answer.detail})
    if answer.outcome == "refused" and (stage.verb, answer.code) == ("UpdateVmProperties", NOTHING):
        return item.model_copy(update={"state": "done", "since": now, "detail": ""})
    if answer.outcome == "refused":
        return _fail(item, stage, f"{answer.code}: {answer.detail}")
    if now - since > limits.patience:
        return _give_up(item, stage, f"no start within {limits.patience}: {answer.detail or answer.outcome}")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    wait = {"state": state, "since": since, "not_before": now + LATER, "detail": answer.detail}
    return item.model_copy(update=wait)


def _fail(item: RunItem, stage: Stage, detail: str, at: str = "") -> RunItem:
    return item.model_copy(update={"state": "failed", "detail": f"{stage.verb}: {detail}", "failed_in": at})


def _give_up(item: RunItem, stage: Stage, detail: str) -> RunItem:
    """Wait no longer for what it is at, which a person may still want to wait for."""
    return _fail(item, stage, detail, item.state)


def jobs_ended(run: Run, ends: Iterable[JobEnd], now: datetime) -> Run:
    """Take in the jobs that ended, and give up on those that outlast all patience."""
    stage, by_job = run.stages[run.stage], {end.job: end for end in ends}
    changed = {}
    for item in run.items:
        if item.state not in {"running", "paused"}:
            continue
        if end := by_job.get(item.job):
            changed[item.vm] = _after_job(item, end, stage, run.limits, now)
        elif item.state == "running" and item.since and now - item.since > run.limits.patience:
            changed[item.vm] = _give_up(item, stage, f"job {item.job} still runs after {run.limits.patience}")
    return _revise(run, changed)


def _after_job(item: RunItem, end: JobEnd, stage: Stage, limits: Limits, now: datetime) -> RunItem:
    if end.outcome == "suspended" and stage.verb != "TestFailover":
        return pauses(item, end.detail, now)
    if end.outcome == "failed":
        return _after_failure(item, end, stage, limits, now)
    step = _step(stage, end, "succeeded", "; ".join(end.warnings))
    update = {
        "state": _next_state(item, stage, "running"),
        "since": now,
        "azure_vm": _named_by(end, item, stage),
        "address": item.address if stage.verb == "Commit" else "",
        "detail": "; ".join(end.warnings),
        "steps": (*item.steps, step),
    }
    return item.model_copy(update=update)


def _named_by(end: JobEnd, item: RunItem, stage: Stage) -> str:
    """The machine's name as far as its job tells it: that of a test machine is told by nothing else."""
    return end.azure_vm if stage.verb == "TestFailover" else end.azure_vm or item.azure_vm


def _after_failure(item: RunItem, end: JobEnd, stage: Stage, limits: Limits, now: datetime) -> RunItem:
    said = f"{end.code}: {end.detail}" if end.code else end.detail or end.state
    if end.code == BUSY and item.attempt < limits.max_attempts:
        again = {"state": "waiting", "attempt": item.attempt + 1, "job": "", "not_before": now + LATER, "detail": said}
        return item.model_copy(update=again)
    return _fail(item, stage, said).model_copy(update={"steps": (*item.steps, _step(stage, end, "failed", said))})


def _step(stage: Stage, end: JobEnd, outcome: str, note: str) -> ItemStep:
    facts = {"verb": stage.verb, "job": end.job, "outcome": outcome, "began": end.began, "ended": end.ended}
    facts["point"] = end.point
    return ItemStep.model_validate({**facts, "note": note})


def _next_state(item: RunItem, stage: Stage, now_in: str) -> str:
    """What comes after a job: the item's own state, which also names the machine in Azure, and only then its probes."""
    rest = {"running": ("settling", "probing"), "settling": ("probing",), "probing": ()}[now_in]
    if "settling" in rest and stage.settles:
        return "settling"
    return "probing" if "probing" in rest and stage.probed and item.probes else "done"


def probes_tried(run: Run, answers: Iterable[ProbeAnswer], now: datetime) -> Run:
    """Take in what the probes said; a machine that stays silent past its deadline has failed."""
    stage, known = run.stages[run.stage], {item.vm: item for item in run.items if item.state == "probing"}
    changed = {a.vm: _after_probe(known[a.vm], a, stage, now) for a in answers if a.vm in known}
    return _aged(_revise(run, changed), now)


def _aged(run: Run, now: datetime) -> Run:
    """What waits for a machine that takes long to pass its probes was read when that settled: by now it may be busy."""
    slow = {i.vm for i in run.items if i.state == "probing" and i.since and now - i.since > FRESH}
    old = [i for i in run.items if slow and i.seen and not slow.isdisjoint(i.after)]
    return _revise(run, {i.vm: i.model_copy(update={"seen": False}) for i in old}) if old else run


def _after_probe(item: RunItem, answer: ProbeAnswer, stage: Stage, now: datetime) -> RunItem:
    if answer.passed:
        steps = (*item.steps[:-1], item.steps[-1].model_copy(update={"probed": item.steps[-1].probed or now}))
        fresh = {"state": _next_state(item, stage, "probing"), "since": now, "detail": steps[-1].note}
        return item.model_copy(update={**fresh, "address": answer.address, "steps": steps})
    deadline = max(probe.deadline for probe in item.probes)
    if item.since and now - item.since > deadline:
        return _give_up(item, stage, f"probe failed for {deadline}: {answer.detail}")
    return item.model_copy(update={"address": answer.address, "detail": answer.detail})


def items_read(
    run: Run,
    views: Iterable[ItemView],
    proves: Callable[[ItemView], bool],
    is_ready: Callable[[ItemView], bool],
    now: datetime,
) -> Run:
    """Take in the items' own states; one that never shows what its job promised has failed.

    Args:
        proves: Whether a state shows the end of the stage's verb.
        is_ready: Whether it lets the verb be sent.
    """
    stage, by_id = run.stages[run.stage], {view.id.lower(): view for view in views}
    changed = {}
    for item in run.items:
        view = by_id.get(item.id.lower())
        if item.state == "waiting" and view:
            changed[item.vm] = item.model_copy(update={"seen": is_ready(view)})
        if item.state != "settling":
            continue
        missing = _missing(item, view, stage, proved=view is not None and proves(view))
        if view and not missing:
            going = {"state": _next_state(item, stage, "settling"), "azure_vm": view.azure_vm or item.azure_vm}
            changed[item.vm] = item.model_copy(update={**going, "since": now, "detail": _noted(item, stage)})
        elif item.since and now - item.since > stage.settles_within:
            changed[item.vm] = _give_up(item, stage, f"the job succeeded, but {missing}")
        elif view and stage.verb == "ReverseReplicate":
            changed[item.vm] = item.model_copy(update={"detail": _progress(item, view, now)})
    return _revise(run, changed)


def _missing(item: RunItem, view: ItemView | None, stage: Stage, *, proved: bool) -> str:
    """What the item does not show yet, empty when it shows all.

    A machine that is to be probed has to be named: under the name that it was to have there may be another one.
    Source: 28175 says that Azure gave it another name, and the item has that name then.
    """
    if view is None or not proved:
        return f"the item is still {_as_seen(view)}"
    if _next_state(item, stage, "settling") == "done":
        return ""
    renamed = bool(item.steps) and RENAMED in item.steps[-1].note
    is_told = view.azure_vm and not (renamed and view.azure_vm == item.azure_vm)
    return "" if is_told else "Azure does not tell the name of its machine, so that it was not probed"


def _noted(item: RunItem, stage: Stage) -> str:
    """What is left to be said of an item that is done: not how far it was, but what Azure warned of."""
    return item.steps[-1].note if stage.verb == "ReverseReplicate" and item.steps else item.detail


def _progress(item: RunItem, view: ItemView, now: datetime) -> str:
    """How far the replication is that follows a re-protect, and how long it takes yet at this pace."""
    if view.protection_state == "Protected" or view.percent is None:
        return view.protection_state
    told = f"{view.protection_state}: {view.percent} %"
    if item.since is None or not 0 < view.percent < WHOLE:
        return told
    left = (now - item.since) * ((WHOLE - view.percent) / view.percent)
    return f"{told}, about {max(1, round(left.total_seconds() / 60))} min left"


def _as_seen(view: ItemView | None) -> str:
    return f"{view.protection_state}, test failover {view.test_failover_state}" if view else "missing from the vault"


def block(run: Run) -> Run:
    """Mark what can no longer start: it depends on something that failed, or the plan stops at a failure."""
    stage = run.stages[run.stage]
    if stage.ordered and run.through_plans:
        run = engine.held_back(run)
    theirs = engine.left_to_plans(run)
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
            if reason := _reason(item, culprits, run.limits):
                changed[item.vm] = item.model_copy(update={"state": "blocked", "detail": reason})
                culprits[item.vm] = item.vm
                grew = True
    return _revise(run, changed)


def _reason(item: RunItem, culprits: Mapping[str, str], limits: Limits) -> str:
    if depended := [name for name in item.after if name in culprits]:
        return f"waits for {depended[0]}, which did not come up"
    first = next(iter(culprits))
    return f"not started: {first} failed and the plan stops at a failure" if limits.on_failure == "stop" else ""
