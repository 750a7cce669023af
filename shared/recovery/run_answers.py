"""What came back of what a run requested: the starts, the jobs, the probes and the items' own states. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from shared.recovery.pacing import LATER, VIEW_STAYS_FRESH
from shared.recovery.pauses import pause_item
from shared.recovery.run import Run
from shared.recovery.run_item import ItemStep, RunItem
from shared.recovery.stage import Stage
from shared.site_recovery.contract import BUSY_CODE, JobEnd, ProbeAnswer, StartAnswer
from shared.site_recovery.views import ItemView

NOTHING_TO_UPDATE = "nothing-to-do"
"""Obstacle of an update that would change nothing."""
ALL_PERCENT = 100


def mark_requested(run: Run, vms: Iterable[str], now: datetime, earliest: datetime) -> Run:
    """Note that a verb is about to be sent: whatever is answered, from here on something may have begun.

    Args:
        earliest: No job that this attempt starts is older.
    """
    names = set(vms)
    going = {"state": "starting", "not_before": None, "found_ready": False, "requested_verb": run.stage.verb}
    return run.with_items_changed(
        {
            item.vm: item.model_copy(
                update={**going, "since": item.since or now, "jobs_since": item.jobs_since or earliest}
            )
            for item in run.items
            if item.vm in names
        }
    )


def with_starts_unanswered(run: Run, vms: Iterable[str], detail: str, now: datetime) -> Run:
    """Take in that a whole batch got no answer: the same request will find out what became of it."""
    return with_start_answers(run, [StartAnswer(vm=vm, outcome="unanswered", detail=detail) for vm in vms], now)


def with_start_answers(
    run: Run, answers: Iterable[StartAnswer], now: datetime, throttled: timedelta = timedelta(0)
) -> Run:
    """Take in what became of the starts; a vault that throttles holds back all further ones for a while."""
    items_by_vm = {item.vm: item for item in run.items}
    run = run.with_items_changed(
        {a.vm: _after_start(run, items_by_vm[a.vm], a, now) for a in answers if a.vm in items_by_vm}
    )
    if not throttled:
        return run
    return run.with_budget(run.budget.model_copy(update={"retry_until": now + throttled}))


def _after_refusal(run: Run, item: RunItem, answer: StartAnswer, now: datetime) -> RunItem:
    if run.stage.verb == "TestFailoverCleanup":  # perhaps there is nothing to clean up
        return item.in_state("settling", now, f"{answer.code}: {answer.detail}")
    if (run.stage.verb, answer.code) == ("UpdateVmProperties", NOTHING_TO_UPDATE):
        return item.in_state("done", now)
    if not item.unanswered:  # so nothing of this stage has begun, and there is nothing to clean up
        item = item.model_copy(update={"since": None, "requested_verb": item.steps[-1].verb if item.steps else ""})
    return _fail_item(run, item, f"{answer.code}: {answer.detail}")


def _after_start(run: Run, item: RunItem, answer: StartAnswer, now: datetime) -> RunItem:
    patience = run.limits.patience
    if answer.outcome == "started":
        begun = {"job": answer.job, "point": answer.point or item.point}
        return item.in_state("running", now).model_copy(update=begun)
    if answer.outcome == "refused":
        return _after_refusal(run, item, answer, now)
    since = item.since or now
    if now - since > patience:
        return _give_up_item(run, item, f"no start within {patience}: {answer.detail or answer.outcome}")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    wait = {"state": state, "since": since, "not_before": now + LATER, "detail": answer.detail}
    return item.model_copy(update={**wait, "unanswered": item.unanswered or answer.outcome == "unanswered"})


def _fail_item(run: Run, item: RunItem, detail: str) -> RunItem:
    return item.as_failed(run.progress.number, f"{run.stage.verb}: {detail}")


def _give_up_item(run: Run, item: RunItem, detail: str) -> RunItem:
    """Wait no longer for what it is at, which a person may still want to wait for."""
    return item.as_failed(run.progress.number, f"{run.stage.verb}: {detail}", given_up=True)


def with_jobs_ended(run: Run, ends: Iterable[JobEnd], now: datetime) -> Run:
    """Take in the jobs that ended, and give up on those that outlast all patience."""
    by_job, patience = {end.job: end for end in ends}, run.limits.patience
    changed = {}
    for item in run.items:
        if item.state not in {"running", "paused"}:
            continue
        if end := by_job.get(item.job):
            changed[item.vm] = _after_job(run, item, end, now)
        elif item.state == "running" and item.since and now - item.since > patience:
            changed[item.vm] = _give_up_item(run, item, f"job {item.job} still runs after {patience}")
    return run.with_items_changed(changed)


def _after_job(run: Run, item: RunItem, end: JobEnd, now: datetime) -> RunItem:
    stage = run.stage
    if end.outcome == "suspended" and stage.verb != "TestFailover":
        return pause_item(item, end.detail, now)
    if end.outcome == "failed":
        return _after_failure(run, item, end, now)
    note = "; ".join(end.warnings)
    named_in_azure = end.azure_vm or item.azure_vm
    update = {
        "state": "settling" if stage.settles else _state_before_probes(item, stage),
        "since": now,
        "azure_vm": end.azure_vm if stage.verb == "TestFailover" else named_in_azure,  # nothing else names a test VM
        "address": item.address if stage.verb == "Commit" else "",
        "detail": note,
        "steps": (*item.steps, _step_of(stage, end, note)),
    }
    return item.model_copy(update=update)


def _after_failure(run: Run, item: RunItem, end: JobEnd, now: datetime) -> RunItem:
    reason = f"{end.code}: {end.detail}" if end.code else end.detail or end.state
    if end.code == BUSY_CODE and item.attempt < run.limits.max_attempts:
        again = {"state": "waiting", "attempt": item.attempt + 1, "job": "", "not_before": now + LATER}
        return item.model_copy(update={**again, "detail": reason})
    steps = (*item.steps, _step_of(run.stage, end, reason))
    return _fail_item(run, item, reason).model_copy(update={"steps": steps})


def _step_of(stage: Stage, end: JobEnd, note: str) -> ItemStep:
    return ItemStep(
        verb=stage.verb,
        job=end.job,
        outcome="failed" if end.outcome == "failed" else "succeeded",
        began=end.began,
        ended=end.ended,
        point=end.point,
        note=note,
        renamed=end.renamed,
    )


def _state_before_probes(item: RunItem, stage: Stage) -> Literal["probing", "done"]:
    """What comes once the item's own state, which also names the machine in Azure, shows what its job promised."""
    return "probing" if stage.probed and item.probes else "done"


def with_probe_answers(run: Run, answers: Iterable[ProbeAnswer], now: datetime) -> Run:
    """Take in what the probes said; a machine that stays silent past its deadline has failed.

    What waits for a machine that takes long to pass its probes was read when that settled: by now it may be busy.
    """
    items_by_vm = {item.vm: item for item in run.items if item.state == "probing"}
    run = run.with_items_changed(
        {a.vm: _after_probe(run, items_by_vm[a.vm], a, now) for a in answers if a.vm in items_by_vm}
    )
    slow = {i.vm for i in run.items if i.state == "probing" and i.since and now - i.since > VIEW_STAYS_FRESH}
    old = [i for i in run.items if slow and i.found_ready and not slow.isdisjoint(i.after)]
    return run.with_items_changed({item.vm: item.as_unread() for item in old}) if old else run


def _after_probe(run: Run, item: RunItem, answer: ProbeAnswer, now: datetime) -> RunItem:
    if answer.passed:
        steps = (*item.steps[:-1], item.steps[-1].model_copy(update={"probed": item.steps[-1].probed or now}))
        done = item.in_state("done", now, steps[-1].note)
        return done.model_copy(update={"address": answer.address, "steps": steps})
    deadline = max(probe.deadline for probe in item.probes)
    if item.since and now - item.since > deadline:
        return _give_up_item(run, item, f"probe failed for {deadline}: {answer.detail}")
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
    stage, by_id = run.stage, {view.id.lower(): view for view in views}
    changed = {}
    for item in run.items:
        view = by_id.get(item.id.lower())
        if item.state == "waiting" and view:
            changed[item.vm] = item.model_copy(update={"found_ready": is_ready(view)})
        if item.state != "settling":
            continue
        missing = _not_shown_yet(item, view, stage, proved=view is not None and proves(view))
        if view and not missing:
            of_reprotect = stage.verb == "ReverseReplicate" and item.steps  # how far it was is of no interest any more
            detail = item.steps[-1].note if of_reprotect else item.detail
            settled = item.in_state(_state_before_probes(item, stage), now, detail)
            changed[item.vm] = settled.model_copy(update={"azure_vm": view.azure_vm or item.azure_vm})
        elif item.since and now - item.since > stage.settles_within:
            changed[item.vm] = _give_up_item(run, item, f"{_answer_got(item)}, but {missing}")
        elif view and stage.verb == "ReverseReplicate":
            changed[item.vm] = item.model_copy(update={"detail": _describe_progress(item, view, now)})
    return run.with_items_changed(changed)


def _answer_got(item: RunItem) -> str:
    """What its verb was answered: that its job succeeded, or why there is none."""
    return "the job succeeded" if item.job else item.detail or "nothing was answered"


def _not_shown_yet(item: RunItem, view: ItemView | None, stage: Stage, *, proved: bool) -> str:
    """What the item does not show yet, empty when it shows all.

    A machine that is to be probed has to be named: under the name that it was to have there may be another one.
    Source: 28175 says that Azure gave it another name, and the item has that name then.
    """
    if view is None:
        return "the item is still missing from the vault"
    if not proved:
        return f"the item is still {view.protection_state}, test failover {view.test_failover_state}"
    if _state_before_probes(item, stage) == "done":
        return ""
    renamed = bool(item.steps) and item.steps[-1].renamed
    is_named = view.azure_vm and not (renamed and view.azure_vm == item.azure_vm)
    return "" if is_named else "Azure does not tell the name of its machine, so that it was not probed"


def _describe_progress(item: RunItem, view: ItemView, now: datetime) -> str:
    """How far the replication is that follows a re-protect, and how long it takes yet at this pace."""
    if view.protection_state == "Protected" or view.percent is None:
        return view.protection_state
    progress = f"{view.protection_state}: {view.percent} %"
    if item.since is None or not 0 < view.percent < ALL_PERCENT:
        return progress
    left = (now - item.since) * ((ALL_PERCENT - view.percent) / view.percent)
    return f"{progress}, about {max(1, round(left.total_seconds() / 60))} min left"
