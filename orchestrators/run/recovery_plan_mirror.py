"""The mirror of a plan: its recovery plans in Site Recovery are made, put right, or taken away."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, ask_entity, call, now, show_status, sleep
from shared.activity import Problem
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.operations.durable_names import RECOVERY_PLAN_MIRRORS
from shared.recovery.outcome import Outcome
from shared.recovery_plans.contract import READ_MIRROR, WRITE_PART, ReadMirror, WritePart
from shared.recovery_plans.differences import sentences
from shared.recovery_plans.mirror import (
    Found,
    Mirror,
    MirrorOrder,
    Survey,
    Write,
    base_of,
    busy,
    confirmation,
    removals,
    survey,
    vaults_in,
    writes,
)
from shared.site_recovery.contract import READ_ITEMS, WATCH_JOBS, ReadItems, WatchJobs
from shared.site_recovery.views import ItemView

LOOK_EVERY, PATIENCE = timedelta(seconds=5), timedelta(minutes=30)


def mirror(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Write the plan's recovery plans, one after the other, and prove that they are as they should be."""
    order = MirrorOrder.model_validate(payload)
    began = now(ctx)
    outcome: dict[str, Any] = {"kind": order.kind, "plan": order.plan, "began": began}
    try:
        seen, todo = yield from _decide(ctx, order)
    except Refused as no:
        problems = (Problem(code=no.code, detail=no.detail),)
        return _told({**outcome, "state": "refused", "problems": problems, "ended": now(ctx)})
    except SiteRecoveryError as failure:
        return _told({**outcome, "state": "failed", "failures": (str(failure),), "ended": now(ctx)})
    done: list[str] = []
    try:
        for write in todo:
            show_status(ctx, {"phase": "Writing", "waitingFor": f"the recovery plan {write.part.name}"})
            yield from _write(ctx, order, write, began)
            done.append(f"{write.what} {write.part.name}")
        failures = yield from _prove(ctx, order)
    except SiteRecoveryError as failure:
        failures = (str(failure),)
    facts = {"written": done, "differences": [one.model_dump(mode="json") for one in seen.differences]}
    outcome |= {"state": "failed" if failures else "succeeded", "failures": failures, "facts": facts}
    return _told({**outcome, "ended": now(ctx)})


def _told(outcome: dict[str, Any]) -> dict[str, Any]:
    return Outcome.model_validate(outcome).model_dump(mode="json")


def _decide(ctx: task.OrchestrationContext, order: MirrorOrder) -> Steps[tuple[Survey, tuple[Write, ...]]]:
    """What is there and what is to be written.

    Raises:
        Refused: something would be lost that nobody named, a recovery plan is being run, or no VM is protected.
    """
    show_status(ctx, {"phase": "Reading", "waitingFor": "the vault's recovery plans"})
    known = yield from known_of(ctx, order.plan)
    seen = yield from look(ctx, order, known)
    todo = removals(seen) if order.action == "remove" else writes(order.plan, order.document, seen)
    if order.action != "remove" and not seen.wanted:
        raise Refused("not-protected", f"no VM of {order.plan} is protected: a recovery plan needs at least one")
    if running := busy(seen, todo):
        raise Refused("recovery-plan-busy", "; ".join(running))
    word = confirmation(order.action, order.plan, seen, known)
    if word != order.confirm and word:
        raise Refused("not-confirmed", f"this has to be confirmed first: {word}")
    return seen, todo


def known_of(ctx: task.OrchestrationContext, plan: str) -> Steps[tuple[str, ...]]:
    """ARM ids of the recovery plans that this app made for the plan."""
    state = yield from ask_entity(ctx, RECOVERY_PLAN_MIRRORS, plan, "read")
    return Mirror.model_validate(state or {}).known


def look(ctx: task.OrchestrationContext, order: MirrorOrder, known: Sequence[str]) -> Steps[Survey]:
    """The plan and its recovery plans side by side, as Azure shows them now."""
    vaults: dict[str, Sequence[ItemView]] = {}
    found: list[Found] = []
    base = base_of(order.plan, order.document)
    for vault in vaults_in(order.sites[name] for name in order.document.site_names):
        found += (yield from call(ctx, READ_MIRROR, ReadMirror(vault=vault, base=base))).found
        vaults[vault.key] = (yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items
    return survey(order.plan, order.document, order.sites, vaults, found, known)


def _write(ctx: task.OrchestrationContext, order: MirrorOrder, write: Write, since: datetime) -> Steps[None]:
    """Write one and follow its job to the end.

    Raises:
        Refused: it was declined, or its job failed.
        Transient: Azure did not say in time how it ended.
    """
    written = yield from call(ctx, WRITE_PART, WritePart(operation=order.id, write=write, since=since))
    if written.job:
        yield from _finished(ctx, write, written.job)
    what = "removed" if write.what == "remove" else "saved"
    yield from ask_entity(ctx, RECOVERY_PLAN_MIRRORS, order.plan, what, [write.part.id.lower()])


def _finished(ctx: task.OrchestrationContext, write: Write, job: str) -> Steps[None]:
    since = now(ctx)
    while now(ctx) - since < PATIENCE:
        ends = (yield from call(ctx, WATCH_JOBS, WatchJobs(vault=write.part.vault, jobs=(job,), since=since))).ended
        for end in ends:
            if end.outcome != "succeeded":
                raise Refused("recovery-plan-not-written", f"{write.part.name}: {end.code} {end.detail or end.state}")
            return
        yield from sleep(ctx, LOOK_EVERY)
    raise Transient(f"the job {job} for the recovery plan {write.part.name} still runs after {PATIENCE}")


def _prove(ctx: task.OrchestrationContext, order: MirrorOrder) -> Steps[tuple[str, ...]]:
    """What is still not as it should be; where VMs run, and that some are not protected, is no fault of the mirror."""
    known = yield from known_of(ctx, order.plan)
    seen = yield from look(ctx, order, known)
    if order.action == "remove":
        return tuple(f"the recovery plan {one.part.name} is still there" for one in seen.found)
    yield from ask_entity(ctx, RECOVERY_PLAN_MIRRORS, order.plan, "saved", [part.id.lower() for part in seen.wanted])
    left = [one for one in seen.differences if one.what not in {"location-mixed", "vm-not-protected"}]
    return sentences(left)
