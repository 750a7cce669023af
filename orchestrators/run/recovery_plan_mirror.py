"""The mirror of a plan: its recovery plans in Site Recovery are made, put right, or taken away.

1. Read the vaults' items and the recovery plans that are there, and see what is to be written.
2. Refuse what nobody has confirmed, and what is being run now.
3. Write one recovery plan after the other, each to the end of its job, and remember it.
4. Read once more, and say what is still not as it should be.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrators.durable.steps import Context, Steps, call, call_entity, now, show_status, sleep
from shared.errors import Refused, SiteRecoveryError, Transient
from shared.obstacle import Obstacle
from shared.operations.durable_names import RECOVERY_PLAN_MIRRORS
from shared.recovery.outcome import Outcome
from shared.recovery.pacing import MIRROR_WRITTEN_WITHIN, WATCH_MIRROR_EVERY
from shared.recovery_plans.contract import READ_MIRROR, WRITE_PART, ReadMirror, WritePart
from shared.recovery_plans.mirror import (
    FoundPart,
    Mirror,
    MirrorOrder,
    MirrorSurvey,
    PartWrite,
    base_name_of,
    find_busy_plans,
    required_confirmation,
    survey_mirror,
    writes_needed,
    writes_to_remove,
)
from shared.site_recovery.contract import READ_ITEMS, WATCH_JOBS, ReadItems, WatchJobs
from shared.site_recovery.open_answer import answered_again
from shared.site_recovery.views import ItemView
from shared.sites.site import vaults_of_sites


def mirror(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Write the plan's recovery plans, one after the other, and prove that they are as they should be."""
    order = MirrorOrder.model_validate(payload)
    outcome = yield from _write_mirror(ctx, order, now(ctx))
    return outcome.model_copy(update={"ended": now(ctx)}).model_dump(mode="json")


def _write_mirror(ctx: Context, order: MirrorOrder, began: datetime) -> Steps[Outcome]:
    try:
        mirror_survey, todo = yield from _plan_writes(ctx, order)
    except Refused as refusal:
        obstacle = Obstacle(code=refusal.code, detail=refusal.detail)
        return Outcome(state="refused", kind=order.kind, plan=order.plan, began=began, problems=(obstacle,))
    except SiteRecoveryError as failure:
        unread = Obstacle.of_error(failure)
        return Outcome(state="failed", kind=order.kind, plan=order.plan, began=began, failures=(unread,))
    done: list[str] = []
    try:
        for write in todo:
            yield from write_part(ctx, order, write, began)
            done.append(f"{write.what} {write.part.name}")
        failures = yield from _find_remaining_gaps(ctx, order)
    except SiteRecoveryError as failure:
        failures = (Obstacle.of_error(failure),)
    differences = [difference.model_dump(mode="json") for difference in mirror_survey.differences]
    return Outcome(
        state="failed" if failures else "succeeded",
        kind=order.kind,
        plan=order.plan,
        began=began,
        failures=failures,
        facts={"written": done, "differences": differences},
    )


def write_part(ctx: Context, order: MirrorOrder, write: PartWrite, since: datetime) -> Steps[None]:
    """Write one recovery plan to the end of its job, and remember it."""
    show_status(ctx, {"phase": "Writing", "waitingFor": f"the recovery plan {write.part.name}"})
    written = yield from call(ctx, WRITE_PART, WritePart(operation=order.id, write=write, since=since))
    if written.job:
        yield from _wait_for_job(ctx, write, written.job)
    note = "removed" if write.what == "remove" else "saved"
    yield from call_entity(ctx, RECOVERY_PLAN_MIRRORS, order.plan, note, [write.part.id.lower()])


def _plan_writes(ctx: Context, order: MirrorOrder) -> Steps[tuple[MirrorSurvey, tuple[PartWrite, ...]]]:
    """What is there and what is to be written.

    Raises:
        Refused: something would be lost that nobody named, a recovery plan is being run, or no VM is protected.
    """
    show_status(ctx, {"phase": "Reading", "waitingFor": "the vault's recovery plans"})
    known_ids = yield from read_known_ids(ctx, order.plan)
    mirror_survey = yield from read_survey(ctx, order, known_ids)
    removes = order.action == "remove"
    todo = writes_to_remove(mirror_survey) if removes else writes_needed(order.plan, order.document, mirror_survey)
    if not removes and not mirror_survey.wanted:
        raise Refused("not-protected", f"no VM of {order.plan} is protected: a recovery plan needs at least one")
    if busy_plans := find_busy_plans(mirror_survey, todo):
        raise Refused(busy_plans[0].code, " ".join(busy.detail for busy in busy_plans))
    needed_confirmation = required_confirmation(order.action, order.plan, mirror_survey, known_ids)
    if needed_confirmation != order.confirm and needed_confirmation:
        raise Refused("not-confirmed", f"this has to be confirmed first: {needed_confirmation}")
    return mirror_survey, todo


def read_known_ids(ctx: Context, plan: str) -> Steps[tuple[str, ...]]:
    """ARM ids of the recovery plans that this app made for the plan."""
    state = yield from call_entity(ctx, RECOVERY_PLAN_MIRRORS, plan, "read")
    return Mirror.model_validate(state or {}).known_ids


def read_survey(ctx: Context, order: MirrorOrder, known_ids: Sequence[str]) -> Steps[MirrorSurvey]:
    """The plan and its recovery plans side by side, as Azure shows them now."""
    vaults: dict[str, Sequence[ItemView]] = {}
    found: list[FoundPart] = []
    base = base_name_of(order.plan, order.document)
    for vault in vaults_of_sites(order.sites[name] for name in order.document.site_names):
        found += (yield from call(ctx, READ_MIRROR, ReadMirror(vault=vault, base=base))).found
        vaults[vault.key] = (yield from call(ctx, READ_ITEMS, ReadItems(vault=vault))).items
    return survey_mirror(order.plan, order.document, order.sites, vaults, found, known_ids)


def _wait_for_job(ctx: Context, write: PartWrite, job: str) -> Steps[None]:
    """Follow the job of a write to its end.

    Raises:
        Refused: it failed.
        Transient: Azure did not say in time how it ended.
    """
    since, answer = now(ctx), None
    watch = WatchJobs(vault=write.part.vault, jobs=(job,), since=since)
    while now(ctx) - since < MIRROR_WRITTEN_WITHIN:
        watched = yield from call(ctx, WATCH_JOBS, watch)
        answer = answered_again(answer, watched.unreadable[0].detail, now(ctx)) if watched.unreadable else None
        if answer and answer.is_overdue:
            return  # the recovery plan itself says whether it was written
        for end in watched.ended:
            if end.outcome != "succeeded":
                raise Refused("recovery-plan-not-written", f"{write.part.name}: {end.code} {end.detail or end.state}")
            return
        yield from sleep(ctx, WATCH_MIRROR_EVERY)
    raise Transient(f"the job {job} for the recovery plan {write.part.name} still runs after {MIRROR_WRITTEN_WITHIN}")


def _find_remaining_gaps(ctx: Context, order: MirrorOrder) -> Steps[tuple[Obstacle, ...]]:
    """What is still not as it should be; where VMs run, and that some are not protected, is no fault of the mirror."""
    known_ids = yield from read_known_ids(ctx, order.plan)
    mirror_survey = yield from read_survey(ctx, order, known_ids)
    if order.action == "remove":
        return tuple(_still_there(found.part.name) for found in mirror_survey.found)
    yield from call_entity(
        ctx, RECOVERY_PLAN_MIRRORS, order.plan, "saved", [part.id.lower() for part in mirror_survey.wanted]
    )
    left = [
        difference
        for difference in mirror_survey.differences
        if difference.what not in {"location-mixed", "vm-not-protected"}
    ]
    return tuple(Obstacle(subject=one.part, code=one.what, detail=one.detail) for one in left)


def _still_there(name: str) -> Obstacle:
    return Obstacle(subject=name, code="recovery-plan-still-there", detail=f"the recovery plan {name} is still there")
