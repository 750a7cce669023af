"""What a run's evidence has to record: the difference that one tick made. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from shared.evidence.chain import EvidenceEntry, job_attachments
from shared.messages import VaultRef
from shared.recovery.run import RecoveryPlanRun, Run
from shared.recovery.run_item import RunItem
from shared.request_ids import client_request_id

BAD_STATES = frozenset({"failed", "blocked", "skipped"})


def entries_of_tick(before: Run, after: Run, now: datetime) -> tuple[EvidenceEntry, ...]:
    """One entry for each verb that was sent, job that ended, probe that answered and finding, in the run's order."""
    verb = before.current.verb if before.current else ""
    items_before = {item.vm: item for item in before.items}
    entries: list[EvidenceEntry] = []
    for old, new in zip(before.plan_runs, after.plan_runs, strict=False):
        entries += _plan_run_entries(old, new, after, verb, now)
    for item in after.items:
        entries += _job_entries(items_before[item.vm], item, after, verb, now)
        entries += _probe_entries(items_before[item.vm], item, now)
        if item.state in BAD_STATES and item.state != items_before[item.vm].state:
            body = {"vm": item.vm, "state": item.state, "code": item.code, "detail": item.detail}
            entries.append(EvidenceEntry.of("finding", now, body))
    for decision in after.people.decisions[len(before.people.decisions) :]:
        entries.append(EvidenceEntry.of("decision", now, decision.model_dump(mode="json")))
    if after.progress.number != before.progress.number:
        failures = [failure.to_json() for failure in after.results.failures]
        entries.append(EvidenceEntry.of("phase", now, {"ended": verb, "failures": failures}))
    return tuple(entries)


def _plan_run_entries(
    old: RecoveryPlanRun, new: RecoveryPlanRun, run: Run, verb: str, now: datetime
) -> Iterator[EvidenceEntry]:
    """A recovery plan whose job began, or ended."""
    about = {"recoveryPlan": new.name, "verb": verb, "attempt": new.attempt, "job": new.job}
    if new.job and new.job != old.job:
        yield EvidenceEntry.of("verb", now, {**about, "status": 202})
    if old.job and old.is_in_hand and not new.is_in_hand:
        body = {**about, "job": old.job, "attempt": old.attempt, "detail": new.detail}
        yield _job_entry(run.vaults[new.vault], now, body)


def _job_entry(vault: VaultRef, now: datetime, body: dict[str, Any]) -> EvidenceEntry:
    return EvidenceEntry(kind="job", at=now, body=body, attach=job_attachments(body["job"]), vault=vault)


def origin_of_job(item: RunItem, run: Run, verb: str) -> dict[str, str]:
    """By which recovery plan's job it was begun, or by which request of ours."""
    plan_run = next((one for one in run.plan_runs if item.vm in one.vms and one.job), None)
    if plan_run and item.attempt == 1:
        return {"recoveryPlan": plan_run.name, "planJob": plan_run.job}
    return {"requestId": client_request_id(run.request_scope, item.id, verb, item.attempt)}


def _job_entries(old: RunItem, new: RunItem, run: Run, verb: str, now: datetime) -> Iterator[EvidenceEntry]:
    if new.job and new.job != old.job:
        about = {"vm": new.vm, "item": new.id, "verb": verb, "attempt": new.attempt}
        body = {**about, "status": 202, "job": new.job, **origin_of_job(new, run, verb)}
        yield EvidenceEntry.of("verb", now, body)
    for step in new.steps[len(old.steps) :]:
        body = {"vm": new.vm, **step.model_dump(mode="json")}
        yield _job_entry(run.vaults[new.vault], now, body)
    if old.job and new.attempt > old.attempt and len(new.steps) == len(old.steps):  # 532: it will be sent again
        body = {"vm": new.vm, "verb": verb, "job": old.job, "outcome": "failed", "note": new.detail}
        yield _job_entry(run.vaults[new.vault], now, body)


def _probe_entries(old: RunItem, new: RunItem, now: datetime) -> Iterator[EvidenceEntry]:
    """Probes that passed, for the first time after a job or once more after the soak time; and what else they say."""
    first = sum(step.probed is not None for step in new.steps) > sum(step.probed is not None for step in old.steps)
    passed = first or (old.state == "probing" and new.state not in {"probing", "failed"})
    says_more = old.state == "probing" and new.detail and new.detail != old.detail
    if not passed and not says_more:
        return
    probes = [probe.model_dump(mode="json") for probe in new.probes]
    result: dict[str, object] = {"passed": True} if passed else {"passed": False, "detail": new.detail}
    result |= {"output": new.probe_output} if new.probe_output and not passed else {}
    yield EvidenceEntry.of("probe", now, {"vm": new.vm, "address": new.address, "probes": probes, **result})
