"""What a run does next: a pure function of where it stands and what time it is."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from shared.recovery.pauses import pause_item
from shared.recovery.run import (
    ALL_PERCENT,
    LATER,
    VIEW_STAYS_FRESH,
    ItemStep,
    Limits,
    Run,
    RunItem,
    Stage,
    _with_items_changed,
)
from shared.site_recovery.contract import BUSY_CODE, RENAMED_CODE, JobEnd, ProbeAnswer, StartAnswer
from shared.site_recovery.views import ItemView

NOTHING_TO_UPDATE = "nothing-to-do"
"""Obstacle of an update that would change nothing."""


def mark_requested(run: Run, vms: Iterable[str], now: datetime, earliest: datetime) -> Run:
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
    return _with_items_changed(run, changed)


def with_starts_unanswered(run: Run, vms: Iterable[str], detail: str, now: datetime) -> Run:
    """Take in that a whole batch got no answer: the same ask will find out what became of it."""
    return with_start_answers(run, [StartAnswer(vm=vm, outcome="unanswered", detail=detail) for vm in vms], now)


def with_start_answers(
    run: Run, answers: Iterable[StartAnswer], now: datetime, throttled: timedelta = timedelta(0)
) -> Run:
    """Take in what became of the starts; a vault that throttles holds back all further ones for a while."""
    items_by_vm = {item.vm: item for item in run.items}
    stage = run.stages[run.stage]
    changed = {a.vm: _after_start(items_by_vm[a.vm], a, stage, run.limits, now) for a in answers if a.vm in items_by_vm}
    run = _with_items_changed(run, changed)
    return run.model_copy(update={"retry_until": now + throttled}) if throttled else run


def _after_start(item: RunItem, answer: StartAnswer, stage: Stage, limits: Limits, now: datetime) -> RunItem:
    since = item.since or now
    if answer.outcome == "started":
        begun = {"state": "running", "job": answer.job, "since": now, "detail": "", "point": answer.point or item.point}
        return item.model_copy(update=begun)
    if answer.outcome == "refused" and stage.verb == "TestFailoverCleanup":  # perhaps there is nothing to clean up
        return item.model_copy(update={"state": "settling", "since": now, "detail": answer.detail})
    if answer.outcome == "refused" and (stage.verb, answer.code) == ("UpdateVmProperties", NOTHING_TO_UPDATE):
        return item.model_copy(update={"state": "done", "since": now, "detail": ""})
    if answer.outcome == "refused":
        return _fail_item(item, stage, f"{answer.code}: {answer.detail}")
    if now - since > limits.patience:
        return _give_up_item(item, stage, f"no start within {limits.patience}: {answer.detail or answer.outcome}")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    wait = {"state": state, "since": since, "not_before": now + LATER, "detail": answer.detail}
    return item.model_copy(update=wait)


def _fail_item(item: RunItem, stage: Stage, detail: str, at: str = "") -> RunItem:
    return item.model_copy(update={"state": "failed", "detail": f"{stage.verb}: {detail}", "failed_in": at})


def _give_up_item(item: RunItem, stage: Stage, detail: str) -> RunItem:
    """Wait no longer for what it is at, which a person may still want to wait for."""
    return _fail_item(item, stage, detail, item.state)


def with_jobs_ended(run: Run, ends: Iterable[JobEnd], now: datetime) -> Run:
    """Take in the jobs that ended, and give up on those that outlast all patience."""
    stage, by_job = run.stages[run.stage], {end.job: end for end in ends}
    changed = {}
    for item in run.items:
        if item.state not in {"running", "paused"}:
            continue
        if end := by_job.get(item.job):
            changed[item.vm] = _after_job(item, end, stage, run.limits, now)
        elif item.state == "running" and item.since and now - item.since > run.limits.patience:
            changed[item.vm] = _give_up_item(item, stage, f"job {item.job} still runs after {run.limits.patience}")
    return _with_items_changed(run, changed)


def _after_job(item: RunItem, end: JobEnd, stage: Stage, limits: Limits, now: datetime) -> RunItem:
    if end.outcome == "suspended" and stage.verb != "TestFailover":
        return pause_item(item, end.detail, now)
    if end.outcome == "failed":
        return _after_failure(item, end, stage, limits, now)
    step = _step_of(stage, end, "succeeded", "; ".join(end.warnings))
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
    reason = f"{end.code}: {end.detail}" if end.code else end.detail or end.state
    if end.code == BUSY_CODE and item.attempt < limits.max_attempts:
        again = {
            "state": "waiting",
            "attempt": item.attempt + 1,
            "job": "",
            "not_before": now + LATER,
            "detail": reason,
        }
        return item.model_copy(update=again)
    return _fail_item(item, stage, reason).model_copy(
        update={"steps": (*item.steps, _step_of(stage, end, "failed", reason))}
    )


def _step_of(stage: Stage, end: JobEnd, outcome: str, note: str) -> ItemStep:
    facts = {"verb": stage.verb, "job": end.job, "outcome": outcome, "began": end.began, "ended": end.ended}
    facts["point"] = end.point
    return ItemStep.model_validate({**facts, "note": note})


def _next_state(item: RunItem, stage: Stage, now_in: str) -> str:
    """What comes after a job: the item's own state, which also names the machine in Azure, and only then its probes."""
    rest = {"running": ("settling", "probing"), "settling": ("probing",), "probing": ()}[now_in]
    if "settling" in rest and stage.settles:
        return "settling"
    return "probing" if "probing" in rest and stage.probed and item.probes else "done"


def with_probe_answers(run: Run, answers: Iterable[ProbeAnswer], now: datetime) -> Run:
    """Take in what the probes said; a machine that stays silent past its deadline has failed."""
    stage, items_by_vm = run.stages[run.stage], {item.vm: item for item in run.items if item.state == "probing"}
    changed = {a.vm: _after_probe(items_by_vm[a.vm], a, stage, now) for a in answers if a.vm in items_by_vm}
    return _forget_old_views(_with_items_changed(run, changed), now)


def _forget_old_views(run: Run, now: datetime) -> Run:
    """What waits for a machine that takes long to pass its probes was read when that settled: by now it may be busy."""
    slow = {i.vm for i in run.items if i.state == "probing" and i.since and now - i.since > VIEW_STAYS_FRESH}
    old = [i for i in run.items if slow and i.seen and not slow.isdisjoint(i.after)]
    return _with_items_changed(run, {i.vm: i.model_copy(update={"seen": False}) for i in old}) if old else run


def _after_probe(item: RunItem, answer: ProbeAnswer, stage: Stage, now: datetime) -> RunItem:
    if answer.passed:
        steps = (*item.steps[:-1], item.steps[-1].model_copy(update={"probed": item.steps[-1].probed or now}))
        fresh = {"state": _next_state(item, stage, "probing"), "since": now, "detail": steps[-1].note}
        return item.model_copy(update={**fresh, "address": answer.address, "steps": steps})
    deadline = max(probe.deadline for probe in item.probes)
    if item.since and now - item.since > deadline:
        return _give_up_item(item, stage, f"probe failed for {deadline}: {answer.detail}")
    return item.model_copy(update={"address": answer.address, "detail": answer.detail})


def with_items_read(
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
        missing = _not_shown_yet(item, view, stage, proved=view is not None and proves(view))
        if view and not missing:
            going = {"state": _next_state(item, stage, "settling"), "azure_vm": view.azure_vm or item.azure_vm}
            changed[item.vm] = item.model_copy(update={**going, "since": now, "detail": _note_when_done(item, stage)})
        elif item.since and now - item.since > stage.settles_within:
            changed[item.vm] = _give_up_item(item, stage, f"the job succeeded, but {missing}")
        elif view and stage.verb == "ReverseReplicate":
            changed[item.vm] = item.model_copy(update={"detail": _describe_progress(item, view, now)})
    return _with_items_changed(run, changed)


def _not_shown_yet(item: RunItem, view: ItemView | None, stage: Stage, *, proved: bool) -> str:
    """What the item does not show yet, empty when it shows all.

    A machine that is to be probed has to be named: under the name that it was to have there may be another one.
    Source: 28175 says that Azure gave it another name, and the item has that name then.
    """
    if view is None or not proved:
        return f"the item is still {_describe_view(view)}"
    if _next_state(item, stage, "settling") == "done":
        return ""
    renamed = bool(item.steps) and RENAMED_CODE in item.steps[-1].note
    is_told = view.azure_vm and not (renamed and view.azure_vm == item.azure_vm)
    return "" if is_told else "Azure does not tell the name of its machine, so that it was not probed"


def _note_when_done(item: RunItem, stage: Stage) -> str:
    """What is left to be said of an item that is done: not how far it was, but what Azure warned of."""
    return item.steps[-1].note if stage.verb == "ReverseReplicate" and item.steps else item.detail


def _describe_progress(item: RunItem, view: ItemView, now: datetime) -> str:
    """How far the replication is that follows a re-protect, and how long it takes yet at this pace."""
    if view.protection_state == "Protected" or view.percent is None:
        return view.protection_state
    progress = f"{view.protection_state}: {view.percent} %"
    if item.since is None or not 0 < view.percent < ALL_PERCENT:
        return progress
    left = (now - item.since) * ((ALL_PERCENT - view.percent) / view.percent)
    return f"{progress}, about {max(1, round(left.total_seconds() / 60))} min left"


def _describe_view(view: ItemView | None) -> str:
    return f"{view.protection_state}, test failover {view.test_failover_state}" if view else "missing from the vault"
