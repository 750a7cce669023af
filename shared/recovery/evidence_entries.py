"""What a run's evidence has to tell of, seen from the difference that one tick made. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.evidence.chain import Entry, attachments_of
from shared.recovery.run import IN_HAND, PlanRun, Run, RunItem
from shared.request_ids import client_request_id

BAD = frozenset({"failed", "blocked", "skipped"})


def entries(before: Run, after: Run, now: datetime) -> tuple[Entry, ...]:
    """One entry for each verb that was sent, job that ended, probe that answered and finding, in the run's order."""
    verb = before.current.verb if before.current else ""
    known = {item.vm: item for item in before.items}
    told = [entry for one in zip(before.parts, after.parts, strict=False) for entry in _of_plan(*one, verb, now)]
    told += [entry for item in after.items for entry in _of_item(known[item.vm], item, after, verb, now)]
    told += [Entry(kind="decision", at=now, body=one.model_dump(mode="json")) for one in _decisions(before, after)]
    if after.stage != before.stage:
        told.append(Entry(kind="phase", at=now, body={"ended": verb, "failures": list(after.failures)}))
    return tuple(told)


def _decisions(before: Run, after: Run) -> tuple[Any, ...]:
    return after.decisions[len(before.decisions) :]


def _of_plan(old: PlanRun, new: PlanRun, verb: str, now: datetime) -> Iterator[Entry]:
    """A recovery plan whose job began, or ended."""
    about = {"recoveryPlan": new.name, "verb": verb, "attempt": new.attempt, "job": new.job}
    if new.job and new.job != old.job:
        yield Entry(kind="verb", at=now, body={**about, "status": 202})
    if old.job and old.state in IN_HAND and new.state not in IN_HAND:
        body = {**about, "job": old.job, "attempt": old.attempt, "said": new.detail}
        yield Entry(kind="job", at=now, body=body, attach=attachments_of(old.job))


def _of_item(old: RunItem, new: RunItem, run: Run, verb: str, now: datetime) -> Iterator[Entry]:
    if old is new:
        return
    yield from _jobs(old, new, run, verb, now)
    yield from _probes(old, new, now)
    if new.state in BAD and new.state != old.state:
        yield Entry(kind="finding", at=now, body={"vm": new.vm, "state": new.state, "detail": new.detail})


def _jobs(old: RunItem, new: RunItem, run: Run, verb: str, now: datetime) -> Iterator[Entry]:
    if new.job and new.job != old.job:
        about = {"vm": new.vm, "item": new.id, "verb": verb, "attempt": new.attempt}
        yield Entry(kind="verb", at=now, body={**about, "status": 202, "job": new.job, **_sent_by(new, run, verb)})
    for step in new.steps[len(old.steps) :]:
        body = {"vm": new.vm, **step.model_dump(mode="json")}
        yield Entry(kind="job", at=now, body=body, attach=attachments_of(step.job))
    if old.job and new.attempt > old.attempt and len(new.steps) == len(old.steps):  # 532: it will be asked for again
        body = {"vm": new.vm, "verb": verb, "job": old.job, "outcome": "failed", "note": new.detail}
        yield Entry(kind="job", at=now, body=body, attach=attachments_of(old.job))


def _sent_by(item: RunItem, run: Run, verb: str) -> dict[str, str]:
    """By which request of ours, or by which recovery plan's job."""
    plan = next((part for part in run.parts if item.vm in part.vms and part.job), None)
    if plan and item.attempt == 1:
        return {"recoveryPlan": plan.name, "planJob": plan.job}
    return {"requestId": client_request_id(run.scope, item.id, verb, item.attempt)}


def _probes(old: RunItem, new: RunItem, now: datetime) -> Iterator[Entry]:
    body = {"vm": new.vm, "address": new.address, "probes": [probe.model_dump(mode="json") for probe in new.probes]}
    if _passed(old, new):
        yield Entry(kind="probe", at=now, body={**body, "passed": True})
    elif old.state == "probing" and new.detail and new.detail != old.detail:
        yield Entry(kind="probe", at=now, body={**body, "passed": False, "said": new.detail})


def _passed(old: RunItem, new: RunItem) -> bool:
    """For the first time after its job, or once more after the soak time."""
    first = sum(step.probed is not None for step in new.steps) > sum(step.probed is not None for step in old.steps)
    return first or (old.state == "probing" and new.state not in {"probing", "failed"})
