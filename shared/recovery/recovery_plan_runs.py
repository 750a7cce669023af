"""Stages that go through Site Recovery's recovery plans: which is next, and what becomes of their machines. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from shared.recovery.run import IN_HAND, PlanRun, Run, RunItem
from shared.site_recovery.contract import BUSY, NOT_READY, TAKES_HOLD, ChildJob, JobResumed, PlanJobSeen, StartAnswer

LATER = timedelta(seconds=30)
_ON_THEIR_WAY = frozenset({"waiting", "starting", "running", "paused", "resuming", "probing", "settling"})


def arranged(run: Run) -> Run:
    """Leave to themselves the machines of a recovery plan of which not all take part, and close one without any."""
    return run.model_copy(update={"parts": tuple(_arranged(run, part) for part in run.parts)})


def _arranged(run: Run, part: PlanRun) -> PlanRun:
    if part.state != "waiting":
        return part
    left = [item for item in _members(run, part) if _is_left(item)]
    if not left:
        return part.model_copy(update={"state": "ended"})
    if len(left) < len(part.vms):
        detail = "not all of its VMs take part, so that each is started by itself"
        return part.model_copy(update={"state": "apart", "detail": detail})
    return part


def _members(run: Run, part: PlanRun) -> list[RunItem]:
    names = set(part.vms)
    return [item for item in run.items if item.vm in names]


def _is_left(item: RunItem) -> bool:
    """Whether it waits for the recovery plan; what is tried again is tried by its own verb."""
    return item.state == "waiting" and item.attempt == 1


def does_actions(run: Run) -> bool:
    """Whether the run's moves go through its recovery plans as a whole, and so do their actions."""
    is_whole = all(part.state != "apart" for part in arranged(run).parts)
    return bool(run.parts) and (is_whole or not run.through_plans)


def left_to_plans(run: Run) -> frozenset[str]:
    """VMs whose verb is not sent by this app, because a recovery plan comes to them or will."""
    if not run.through_plans:
        return frozenset()
    names = {vm for part in run.parts if part.state == "waiting" or part.state in IN_HAND for vm in part.vms}
    return frozenset(item.vm for item in run.items if item.vm in names and item.attempt == 1)


def to_start(run: Run, now: datetime) -> tuple[int, ...]:
    """Indices of the recovery plans to start now, or whose answer was lost and that are to be looked for.

    In a stage that keeps an order one after the other: each once the machines of those before are up and proven.
    """
    found = []
    is_held = run.pause is not None or bool(run.retry_until and now < run.retry_until)
    for at, part in enumerate(run.parts):
        if part.not_before and now < part.not_before:
            continue
        if part.state == "starting" or (part.state == "waiting" and not is_held and _has_its_turn(run, at)):
            found.append(at)
    return tuple(found)


def _has_its_turn(run: Run, at: int) -> bool:
    stage = run.current
    if stage is None or not stage.ordered:
        return True
    before = [part for part, _ in _before(run, at)]
    return all(part.state in {"ended", "apart"} for part in before) and not any(
        item.state in _ON_THEIR_WAY or (item.state == "failed" and run.limits.on_failure == "ask")
        for part in before
        for item in _members(run, part)
    )


def _before(run: Run, at: int) -> list[tuple[PlanRun, int]]:
    """The recovery plans that come before this one; on the way back those that come after it."""
    numbered = [(part, number) for number, part in enumerate(run.parts)]
    return numbered[at + 1 :] if run.turned else numbered[:at]


def held_back(run: Run) -> Run:
    """Mark what can no longer start: a recovery plan starts all of its machines, or none."""
    bad = _bad(run)
    if not bad or (run.limits.on_failure == "ask" and not run.aborted):
        return run
    changed: dict[str, RunItem] = {}
    for part in run.parts:
        if part.state == "waiting" and (reason := _reason(run, part, bad)):
            changed |= {i.vm: _blocked(i, reason) for i in _members(run, part) if _is_left(i)}
    return _revised(run, changed)


def _bad(run: Run) -> frozenset[str]:
    """What did not come up, and all that waits for it."""
    bad = {item.vm for item in run.items if item.state in {"failed", "blocked"}}
    grew = bool(bad)
    while grew:
        more = {i.vm for i in run.items if i.vm not in bad and _waits_for(run, i, bad)}
        grew = bool(more)
        bad |= more
    return frozenset(bad)


def _waits_for(run: Run, item: RunItem, bad: set[str]) -> bool:
    """What a recovery plan under way comes to comes up whatever the others did."""
    return item.state == "waiting" and item.vm not in run.in_hand and not bad.isdisjoint(item.after)


def _reason(run: Run, part: PlanRun, bad: frozenset[str]) -> str:
    if run.limits.on_failure == "stop":
        return f"the recovery plan {part.name} is not started: the plan stops at a failure"
    if waits := sorted(bad & set(part.vms)):
        return f"the recovery plan {part.name} is not started: {waits[0]} waits for what did not come up"
    return ""


def _blocked(item: RunItem, reason: str) -> RunItem:
    return item.model_copy(update={"state": "blocked", "detail": reason})


def asked(run: Run, at: int, now: datetime, earliest: datetime) -> Run:
    """Note that a recovery plan is about to be started: from here on any of its machines may be touched.

    Args:
        earliest: No job that this attempt starts is older.
    """
    part = run.parts[at]
    going = {"state": "starting", "not_before": None, "since": part.since or now}
    run = _with(run, at, part.model_copy(update={**going, "asked_from": part.asked_from or earliest}))
    note = {"asked": run.stages[run.stage].verb}
    return _revised(run, {i.vm: i.model_copy(update={**note, "since": i.since or now}) for i in _members(run, part)})


def started(run: Run, at: int, answer: StartAnswer, now: datetime) -> Run:
    """Take in what became of the start of a recovery plan."""
    part = run.parts[at]
    if answer.outcome == "started":
        return _with(run, at, part.model_copy(update={"state": "running", "job": answer.job, "since": now}))
    if answer.outcome == "refused":
        return _refused(run, at, answer)
    if part.since and now - part.since > run.limits.patience:
        late = f"no start within {run.limits.patience}: {answer.detail}"
        return _give_up(run, at, late, "starting" if answer.outcome == "unanswered" else "")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    return _with(run, at, part.model_copy(update={"state": state, "not_before": now + LATER, "detail": answer.detail}))


def _refused(run: Run, at: int, answer: StartAnswer) -> Run:
    """Where no order matters the machines go on by themselves, and what was tested is cleaned up in any case.

    Anything else, the recovery plan's actions with it, waits for a person to put it right.
    """
    detail = f"{answer.code}: {answer.detail}"
    stage = run.stages[run.stage]
    if (answer.code == NOT_READY and not stage.ordered) or stage.verb == "TestFailoverCleanup":
        return _with(run, at, run.parts[at].model_copy(update={"state": "apart", "detail": detail}))
    return _over(run, at, lambda _vm: detail)


def seen(run: Run, at: int, job: PlanJobSeen, now: datetime) -> Run:
    """Take in how a recovery plan's job stands: its machines go on with their own jobs."""
    part = run.parts[at]
    run = _revised(run, _with_jobs(run, part, job.children, now))
    if job.state == "ended" and job.end:
        return _ended(run, at, job, now)
    if job.state == "suspended" and not (part.resumed and now - part.resumed < TAKES_HOLD):
        since = part.since if part.state == "paused" else now
        paused = {"state": "paused", "since": since, "detail": job.waits_for, "resumed": None}
        return run if part.state == "resuming" else _with(run, at, part.model_copy(update=paused))
    if job.state == "running" and part.state == "paused":  # somebody resumed it elsewhere
        return _with(run, at, part.model_copy(update={"state": "running", "since": now, "detail": ""}))
    longest = run.limits.patience * max(part.groups, 1)
    if part.state == "running" and part.since and now - part.since > longest:
        return _give_up(run, at, f"job {part.job} of {part.name} still runs after {longest}", "running")
    return run


def _with_jobs(run: Run, part: PlanRun, children: Iterable[ChildJob], now: datetime) -> dict[str, RunItem]:
    jobs = {key: child.job for child in children if child.job for key in (child.vm.lower(), child.machine.lower())}
    changed = {}
    for item in _members(run, part):
        job = jobs.get(item.vm.lower()) or jobs.get(item.id.rpartition("/")[2].lower())
        if job and _is_left(item):
            changed[item.vm] = item.model_copy(update={"state": "running", "job": job, "since": now, "detail": ""})
    return changed


def _ended(run: Run, at: int, job: PlanJobSeen, now: datetime) -> Run:
    part, end = run.parts[at], job.end
    code, said = (end.code, end.detail or end.state) if end else ("", "")
    untouched = all(_is_left(item) for item in _members(run, part))
    if code == BUSY and untouched and part.attempt < run.limits.max_attempts:
        again = {"state": "waiting", "attempt": part.attempt + 1, "job": "", "asked_from": None, "detail": said}
        return _with(run, at, part.model_copy(update={**again, "not_before": now + LATER}))
    notes = {key: one.note for one in job.children if one.note for key in (one.vm.lower(), one.machine.lower())}
    reason = ": ".join(part for part in (code, said) if part)
    return _over(
        run, at, lambda vm: _passed_over(part, notes.get(vm.lower(), ""), reason), f"{end.state if end else ''}"
    )


def _passed_over(part: PlanRun, note: str, reason: str) -> str:
    if note:
        return f"the recovery plan {part.name} passed over it: {note}"
    return f"the job of the recovery plan {part.name} ended without coming to it ({reason})"


def _over(run: Run, at: int, why: Callable[[str], str], detail: str = "") -> Run:
    """Close a recovery plan: the machines that it did not come to have failed."""
    part, verb = run.parts[at], run.stages[run.stage].verb
    lost = {
        item.vm: item.model_copy(update={"state": "failed", "detail": f"{verb}: {why(item.vm)}"})
        for item in _members(run, part)
        if _is_left(item)
    }
    run = _revised(run, lost)
    return _with(run, at, part.model_copy(update={"state": "ended", "detail": detail}))


def _give_up(run: Run, at: int, why: str, given_up: Literal["", "starting", "running"]) -> Run:
    """Lose patience with a recovery plan; what it is at is kept, for whoever asks for a retry."""
    run = _over(run, at, lambda _vm: why)
    return _with(run, at, run.parts[at].model_copy(update={"given_up": given_up}))


def let_go(run: Run, now: datetime, vms: Iterable[str] = (), *, at_data_sync: bool = False) -> Run:
    """Let recovery plans go on; their machines go on with them, whoever is named.

    Args:
        at_data_sync: Only those that wait after a data synchronisation: no clock stands in for a manual action.
    """
    wanted = {vm.casefold() for vm in vms}
    for at, part in enumerate(run.parts):
        is_meant = not wanted or bool(wanted & {vm.casefold() for vm in part.vms})
        if at_data_sync:
            is_meant = any(item.state == "paused" for item in _members(run, part))
        if part.state == "paused" and is_meant:
            run = _with(run, at, part.model_copy(update={"state": "resuming", "not_before": None}))
            going = {"state": "running", "since": now, "resumed": now, "detail": ""}
            paused = [item for item in _members(run, part) if item.state == "paused"]
            run = _revised(run, {item.vm: item.model_copy(update=going) for item in paused})
    return run


def taken_up(run: Run, vms: Iterable[str], now: datetime) -> Run:
    """Go on with recovery plans that were given up, for machines that are to be tried again, and all others of theirs.

    A verb of its own would be a second one for a machine that the recovery plan's job may yet come to.
    """
    wanted = set(vms)
    for at, part in enumerate(run.parts):
        if not part.given_up or wanted.isdisjoint(part.vms):
            continue
        run = _with(
            run, at, part.model_copy(update={"state": part.given_up, "since": now, "given_up": "", "detail": ""})
        )
        left = [item for item in _members(run, part) if not item.job and item.state in {"failed", "waiting"}]
        fresh = {"state": "waiting", "attempt": 1, "adopts_from": 1, "since": now, "detail": ""}
        run = _revised(run, {item.vm: item.model_copy(update=fresh) for item in left})
    return run


def parts_resumed(run: Run, answers: Mapping[int, JobResumed], now: datetime) -> Run:
    """Take in what became of the recovery plans whose jobs were to go on."""
    for at, answer in answers.items():
        update: dict[str, object] = {"not_before": now + LATER, "detail": answer.detail}
        if answer.outcome == "resumed":
            update = {"state": "running", "since": now, "resumed": now, "detail": ""}
        elif answer.outcome == "refused":
            update = {"state": "paused", "since": now, "detail": answer.detail}
        run = _with(run, at, run.parts[at].model_copy(update=update))
    return run


def aborted(run: Run) -> Run:
    """A recovery plan that waits for a person would wait for ever: a rehearsal goes on to its end, to be cleaned up."""
    for at, part in enumerate(run.parts):
        if part.state != "paused" or not run.through_plans:
            continue
        if run.stages[run.stage].verb == "TestFailover":
            run = _with(run, at, part.model_copy(update={"state": "resuming", "not_before": None}))
        else:
            run = _over(run, at, _still_suspended(part))
    return run


def _still_suspended(part: PlanRun) -> Callable[[str], str]:
    return lambda _vm: f"the run was aborted; job {part.job} is still suspended"


def _with(run: Run, at: int, part: PlanRun) -> Run:
    return run.model_copy(update={"parts": (*run.parts[:at], part, *run.parts[at + 1 :])})


def _revised(run: Run, changed: Mapping[str, RunItem]) -> Run:
    return run.model_copy(update={"items": tuple(changed.get(item.vm, item) for item in run.items)})
