"""What came back of what a run requested: the starts, the jobs, the probes and the items' own states. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from shared.errors import Refused
from shared.recovery.pacing import ADDRESS_READ_WITHIN, LATER, VIEW_STAYS_FRESH
from shared.recovery.pauses import pause_item
from shared.recovery.run import Run
from shared.recovery.run_item import NO_ANSWERS, ItemStep, RunItem
from shared.recovery.stage import Stage
from shared.site_recovery.contract import BUSY_CODE, JobEnd, ProbeAnswer, StartAnswer
from shared.site_recovery.item_words import describe_stand, state_words
from shared.site_recovery.open_answer import answered_again
from shared.site_recovery.pacing import ITEM_FOLLOWS_WITHIN
from shared.site_recovery.verb_rules import RULES
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


def with_starts_unsent(run: Run, vms: Iterable[str], refusal: Refused, now: datetime) -> Run:
    """Take in that nothing of a batch was sent, because what has to be read first was declined.

    Where an earlier request is unanswered that still says nothing of it.
    """
    names = set(vms)
    answers = [
        StartAnswer(
            vm=item.vm,
            outcome="unanswered" if item.unanswered else "put-off",
            code=refusal.code,
            detail=refusal.detail,
        )
        for item in run.items
        if item.vm in names
    ]
    return with_start_answers(run, answers, now)


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
    return _fail_item(run, _without_refused_verb(item), answer.code, answer.detail)


def _without_refused_verb(item: RunItem) -> RunItem:
    """The item whose verb was not taken: nothing of this stage has begun, unless an earlier answer is still open."""
    if item.unanswered:
        return item
    return item.model_copy(update={"since": None, "requested_verb": item.steps[-1].verb if item.steps else ""})


def _after_put_off(run: Run, item: RunItem, answer: StartAnswer, now: datetime) -> RunItem:
    """The item whose verb may be taken in a while; what Azure does not take for long it has refused."""
    verb_answer = answered_again(item.verb_answer, f"{answer.code}: {answer.detail}", now)
    if verb_answer.is_overdue:
        return _after_refusal(
            run, item, answer.model_copy(update={"detail": f"{answer.detail} ({verb_answer.span})"}), now
        )
    state = "starting" if item.unanswered else "waiting"
    wait = {"state": state, "not_before": now + LATER, "verb_answer": verb_answer, "detail": verb_answer.detail}
    return _without_refused_verb(item).model_copy(update=wait)


def _after_start(run: Run, item: RunItem, answer: StartAnswer, now: datetime) -> RunItem:
    patience = run.limits.patience
    if answer.outcome == "started":
        begun = {"job": answer.job, "point": answer.point or item.point}
        return item.in_state("running", now).model_copy(update=begun)
    if answer.outcome == "refused":
        return _after_refusal(run, item, answer, now)
    if answer.outcome == "put-off":
        return _after_put_off(run, item, answer, now)
    since = item.since or now
    if now - since > patience:
        return _give_up_item(run, item, "not-started", f"no start within {patience}: {answer.detail or answer.outcome}")
    state = "starting" if answer.outcome == "unanswered" else "waiting"
    wait = {"state": state, "since": since, "not_before": now + LATER, "detail": answer.detail}
    return item.model_copy(update={**wait, "unanswered": item.unanswered or answer.outcome == "unanswered"})


def _fail_item(run: Run, item: RunItem, code: str, detail: str) -> RunItem:
    return item.as_failed(run.progress.number, code, f"{RULES[run.stage.verb].label}: {detail}")


def _give_up_item(run: Run, item: RunItem, code: str, detail: str) -> RunItem:
    """Wait no longer for what it is at, which a person may still want to wait for."""
    return item.as_failed(run.progress.number, code, f"{RULES[run.stage.verb].label}: {detail}", given_up=True)


def with_jobs_unread(run: Run, vault: int, details: Mapping[str, str] | str, now: datetime) -> Run:
    """Take in which jobs of a vault could not be read: by job, or all of them for one reason; the others could be."""
    changed = {}
    for item in run.items:
        if item.vault != vault or item.state not in {"running", "paused"}:
            continue
        if detail := details if isinstance(details, str) else details.get(item.job, ""):
            changed[item.vm] = item.with_job_unread(detail, now)
        elif item.job_answer:
            changed[item.vm] = item.model_copy(update={"job_answer": None})
    return run.with_items_changed(changed) if changed else run


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
            stands = f"cannot be read, {item.job_answer}" if item.job_answer else "still runs"
            changed[item.vm] = _give_up_item(run, item, "job-overdue", f"job {item.job} {stands}, after {patience}")
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
        return _try_anew(item, now, reason)
    steps = (*item.steps, _step_of(run.stage, end, reason))
    return _fail_item(run, item, end.code or "job-failed", end.detail or end.state).model_copy(update={"steps": steps})


def _try_anew(item: RunItem, now: datetime, detail: str) -> RunItem:
    """The item whose verb is sent once more in a while, as another request."""
    again = {"state": "waiting", "attempt": item.attempt + 1, "job": "", "not_before": now + LATER}
    return item.model_copy(update={**again, "detail": detail, **NO_ANSWERS})


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
    return "probing" if stage.probed and (item.probes or item.asked_address) else "done"


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
        step = _seen_to_work(item, answer.address, now)
        done = item.in_state("done", now, step.note)
        return done.model_copy(update={"address": answer.address, "steps": (*item.steps[:-1], step)})
    item = item.model_copy(update={"probe_output": answer.output})
    deadline = max((probe.deadline for probe in item.probes), default=ADDRESS_READ_WITHIN)
    if item.since and now - item.since > deadline:
        if not item.probes:  # it is up as far as anybody knows
            return item.in_state("done", now, "; ".join(filter(None, (item.steps[-1].note, answer.detail))))
        return _give_up_item(run, item, "probes-failed", f"probe failed for {deadline}: {answer.detail}")
    return item.model_copy(update={"address": answer.address, "detail": answer.detail})


def _seen_to_work(item: RunItem, address: str, now: datetime) -> ItemStep:
    """The last step of a machine that passed its probes, with what Azure made of the address that it asked for."""
    step = item.steps[-1]
    changes: dict[str, Any] = {"probed": step.probed or now} if item.probes else {}
    if item.asked_address not in {"", address} and not step.other_address:
        note = f"its address is {address}: {item.asked_address}, which it asks for, was taken or is not in its subnet"
        changes |= {"other_address": address, "note": "; ".join(filter(None, (step.note, note)))}
    return step.model_copy(update=changes)


def with_items_read(
    run: Run,
    views: Iterable[ItemView],
    proves: Callable[[ItemView], bool],
    is_ready: Callable[[ItemView], bool],
    now: datetime,
    unread: Mapping[int, str] | None = None,
) -> Run:
    """Take in the items' own states; one that never shows what its job promised has failed.

    Args:
        proves: Whether a state shows the end of the stage's verb.
        is_ready: Whether it lets the verb be sent.
        unread: By vault: why its items could not be read.
    """
    by_id = {view.id.lower(): view for view in views}
    changed = {}
    for item in run.items:
        view = by_id.get(item.id.lower())
        if item.state == "waiting" and view:
            changed[item.vm] = item.model_copy(update={"found_ready": is_ready(view)})
        if not item.asks_item:
            continue
        sight = ItemSight(
            view,
            (unread or {}).get(item.vault, ""),
            proved=view is not None and proves(view),
            may_be_sent=view is not None and is_ready(view),
        )
        changed[item.vm] = _after_look(run, item, sight, now)
    return run.with_items_changed(changed)


class ItemSight(NamedTuple):
    """What was seen of an item.

    Attributes:
        view: None where the vault does not list it, or could not be read.
        unread: Why it could not be read.
        proved: It shows the end of the stage's verb.
        may_be_sent: It lets the verb be sent, so that nothing has come of it.
    """

    view: ItemView | None
    unread: str
    proved: bool
    may_be_sent: bool


def _after_look(run: Run, item: RunItem, sight: ItemSight, now: datetime) -> RunItem:
    """The item by what it shows; while it is busy a job that cannot be read may still run."""
    if item.job_answer and sight.proved:
        item = _with_unread_job_over(run, item, "succeeded", now)
    if item.state == "settling":
        return _settle_item(run, item, sight, now)
    if sight.unread or (sight.view and sight.view.is_busy):
        return item
    return item.in_state("settling", now).model_copy(update={"job_answer": item.job_answer})


def _with_unread_job_over(run: Run, item: RunItem, outcome: Literal["succeeded", "failed"], now: datetime) -> RunItem:
    """The item with the step of a job that could not be read, whose outcome it shows itself.

    Source: recorded: Azure names the machine of a test failover after the other one, with "-test" behind it; else only
    the job names it.
    """
    note = f"{_answer_got(item)}; the item itself shows that it {outcome}"
    step = ItemStep(verb=run.stage.verb, job=item.job, outcome=outcome, began=item.since, note=note)
    name = f"{item.azure_vm or item.vm}-test" if run.stage.verb == "TestFailover" else item.azure_vm
    over = item.in_state("settling", now, note).model_copy(update={"azure_vm": name})
    return over.model_copy(update={"steps": (*item.steps, step)})


def _settle_item(run: Run, item: RunItem, sight: ItemSight, now: datetime) -> RunItem:
    """The item by what it shows itself, once its job has ended or cannot be read."""
    stage, view = run.stage, sight.view
    missing = _not_shown_yet(item, sight, stage)
    if view and not missing:
        of_reprotect = stage.verb == "ReverseReplicate" and item.steps  # how far it was is of no interest any more
        detail = item.steps[-1].note if of_reprotect else item.detail
        settled = item.in_state(_state_before_probes(item, stage), now, detail)
        is_test = stage.verb == "TestFailover"  # the item names another machine
        return settled if is_test else settled.model_copy(update={"azure_vm": view.azure_vm or item.azure_vm})
    waited = now - item.since if item.since else timedelta(0)
    if item.job_answer and sight.may_be_sent and waited > ITEM_FOLLOWS_WITHIN:
        if stage.verb == "UpdateVmProperties" and item.attempt < run.limits.max_attempts:  # it compares before it sends
            return _try_anew(item, now, _answer_got(item))
        failed = _with_unread_job_over(run, item, "failed", now)
        return _fail_item(run, failed, "job-not-read", f"{_answer_got(item)}; {missing}")
    if waited > stage.settles_within:
        return _give_up_item(run, item, "end-not-shown", f"{_answer_got(item)}, but {missing}")
    if view and stage.verb == "ReverseReplicate":
        return item.model_copy(update={"detail": _describe_progress(item, view, now)})
    return item


def _answer_got(item: RunItem) -> str:
    """What its verb was answered: that its job succeeded or cannot be read, or why there is none."""
    if item.job_answer:
        return f"job {item.job} could not be read, {item.job_answer}"
    return "the job succeeded" if item.job else item.detail or "nothing was answered"


def _not_shown_yet(item: RunItem, sight: ItemSight, stage: Stage) -> str:
    """What the item does not show yet, empty when it shows all.

    A machine that is to be probed has to be named: under the name that it was to have there may be another one.
    Source: 28175 says that Azure gave it another name, and the item has that name then.
    """
    view = sight.view
    if view is None:
        return (
            f"the item cannot be read: {sight.unread}" if sight.unread else "the item is still missing from the vault"
        )
    if not sight.proved:
        return f"the item does not show it: {describe_stand(view)}"
    if _state_before_probes(item, stage) == "done":
        return ""
    renamed = bool(item.steps) and item.steps[-1].renamed
    is_named = view.azure_vm and not (renamed and view.azure_vm == item.azure_vm)
    return "" if is_named else "Azure does not tell the name of its machine, so that it was not probed"


def _describe_progress(item: RunItem, view: ItemView, now: datetime) -> str:
    """How far the replication is that follows a re-protect, and how long it takes yet at this pace."""
    if view.protection_state == "Protected" or view.percent is None:
        return state_words(view.protection_state)
    progress = f"{state_words(view.protection_state)}: {view.percent} %"
    if item.since is None or not 0 < view.percent < ALL_PERCENT:
        return progress
    left = (now - item.since) * ((ALL_PERCENT - view.percent) / view.percent)
    return f"{progress}, about {max(1, round(left.total_seconds() / 60))} min left"
