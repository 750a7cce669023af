"""What a run's evidence has to tell of, seen from the difference that one tick made. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.evidence.chain import EvidenceEntry, job_attachments
from shared.recovery.run import IN_HAND_STATES, RecoveryPlanRun, Run, RunItem
from shared.request_ids import client_request_id

BAD_STATES = frozenset({"failed", "blocked", "skipped"})


def entries_of_tick(before: Run, after: Run, now: datetime) -> tuple[EvidenceEntry, ...]:
    """One entry for each verb that was sent, job that ended, probe that answered and finding, in the run's order."""
    verb = before.current.verb if before.current else ""
    items_before = {item.vm: item for item in before.items}
    entries = [
        entry for one in zip(before.parts, after.parts, strict=False) for entry in _plan_run_entries(*one, verb, now)
    ]
    entries += [entry for item in after.items for entry in _item_entries(items_before[item.vm], item, after, verb, now)]
    entries += [
        EvidenceEntry(kind="decision", at=now, body=one.model_dump(mode="json"))
        for one in _new_decisions(before, after)
    ]
    if after.stage != before.stage:
        entries.append(EvidenceEntry(kind="phase", at=now, body={"ended": verb, "failures": list(after.failures)}))
    return tuple(entries)


def _new_decisions(before: Run, after: Run) -> tuple[Any, ...]:
    return after.decisions[len(before.decisions) :]


def _plan_run_entries(old: RecoveryPlanRun, new: RecoveryPlanRun, verb: str, now: datetime) -> Iterator[EvidenceEntry]:
    """A recovery plan whose job began, or ended."""
    about = {"recoveryPlan": new.name, "verb": verb, "attempt": new.attempt, "job": new.job}
    if new.job and new.job != old.job:
        yield EvidenceEntry(kind="verb", at=now, body={**about, "status": 202})
    if old.job and old.state in IN_HAND_STATES and new.state not in IN_HAND_STATES:
        body = {**about, "job": old.job, "attempt": old.attempt, "said": new.detail}
        yield EvidenceEntry(kind="job", at=now, body=body, attach=job_attachments(old.job))


def _item_entries(old: RunItem, new: RunItem, run: Run, verb: str, now: datetime) -> Iterator[EvidenceEntry]:
    if old is new:
        return
    yield from _job_entries(old, new, run, verb, now)
    yield from _probe_entries(old, new, now)
    if new.state in BAD_STATES and new.state != old.state:
        yield EvidenceEntry(kind="finding", at=now, body={"vm": new.vm, "state": new.state, "detail": new.detail})


def _job_entries(old: RunItem, new: RunItem, run: Run, verb: str, now: datetime) -> Iterator[EvidenceEntry]:
    if new.job and new.job != old.job:
        about = {"vm": new.vm, "item": new.id, "verb": verb, "attempt": new.attempt}
        yield EvidenceEntry(
            kind="verb", at=now, body={**about, "status": 202, "job": new.job, **_origin_of_job(new, run, verb)}
        )
    for step in new.steps[len(old.steps) :]:
        body = {"vm": new.vm, **step.model_dump(mode="json")}
        yield EvidenceEntry(kind="job", at=now, body=body, attach=job_attachments(step.job))
    if old.job and new.attempt > old.attempt and len(new.steps) == len(old.steps):  # 532: it will be asked for again
        body = {"vm": new.vm, "verb": verb, "job": old.job, "outcome": "failed", "note": new.detail}
        yield EvidenceEntry(kind="job", at=now, body=body, attach=job_attachments(old.job))


def _origin_of_job(item: RunItem, run: Run, verb: str) -> dict[str, str]:
    """By which request of ours, or by which recovery plan's job."""
    plan_run = next((part for part in run.parts if item.vm in part.vms and part.job), None)
    if plan_run and item.attempt == 1:
        return {"recoveryPlan": plan_run.name, "planJob": plan_run.job}
    return {"requestId": client_request_id(run.request_scope, item.id, verb, item.attempt)}


def _probe_entries(old: RunItem, new: RunItem, now: datetime) -> Iterator[EvidenceEntry]:
    body = {"vm": new.vm, "address": new.address, "probes": [probe.model_dump(mode="json") for probe in new.probes]}
    if _has_passed_probes(old, new):
        yield EvidenceEntry(kind="probe", at=now, body={**body, "passed": True})
    elif old.state == "probing" and new.detail and new.detail != old.detail:
        yield EvidenceEntry(kind="probe", at=now, body={**body, "passed": False, "said": new.detail})


def _has_passed_probes(old: RunItem, new: RunItem) -> bool:
    """For the first time after its job, or once more after the soak time."""
    first = sum(step.probed is not None for step in new.steps) > sum(step.probed is not None for step in old.steps)
    return first or (old.state == "probing" and new.state not in {"probing", "failed"})
