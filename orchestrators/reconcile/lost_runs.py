"""What the timer does in place of runs that did not come to their own end.

1. Their end is published, remembered with their plan, and their leases are given back; what they owe stays owed.
2. Once no activity of theirs can be at work any more, what their hooks may have left in Azure is removed.
3. Their evidence is sealed, with how they ended as its last record.

Each step may be done twice: an event goes out once by its id, an ending is remembered once, a pack is sealed once.
"""

from datetime import datetime
from typing import Any

from orchestrators.durable.cloud_events import EVENT_TYPE_PREFIX, delivery_run_of
from orchestrators.durable.steps import Context, Steps, call, call_all, call_entity, now
from orchestrators.durable.timer_look import TimerLook, attempt_part
from shared.errors import SiteRecoveryError
from shared.evidence.chain import EvidenceEntry
from shared.evidence.contract import SEAL_LOST_PACK, SealLostPack
from shared.obstacle import Obstacle
from shared.operations.contract import READ_LOST_RUNS, START_RUN, PublishEvent, ReadLostRuns
from shared.operations.durable_names import LEASES, LOST_RUNS, PLAN_HISTORY
from shared.operations.kinds import PLAN_KINDS
from shared.operations.lost_runs import RUN_LOST, LostRun, LostRunNote
from shared.operations.pacing import LOST_HOOKS_TIDIED_WITHIN, STILL_WRITES_FOR
from shared.plans.history import PastRun, PlanHistory
from shared.recovery.contract import END_HOOK_WORK
from shared.recovery.outcome import Outcome

KEY = "timer"


def close_lost_runs(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Close runs that the engine ended, each for itself; none is started."""
    read = yield from call(ctx, READ_LOST_RUNS, ReadLostRuns())
    for lost in read.runs:
        yield from attempt_part(ctx, look, f"run {lost.id}", _close_run(ctx, look, lost))
    if read.forgotten:
        yield from call_entity(ctx, LOST_RUNS, KEY, "drop", list(read.forgotten))
    return []


def _close_run(ctx: Context, look: TimerLook, lost: LostRun) -> Steps[list[str]]:
    failures = lost.describe_failures(
        str(one.get("kind")) for one in look.documents.obligations if one.get("owner") == lost.id
    )
    if lost.published_at is None:
        yield from call(ctx, START_RUN, delivery_run_of(_finished_event(ctx, lost, failures)))
        yield from _remember_run(ctx, lost)
    for table in lost.lease_tables:
        yield from call_entity(ctx, LEASES, table, "release", lost.id)
    published_at = lost.published_at or now(ctx)
    is_still = now(ctx) - published_at >= STILL_WRITES_FOR
    if is_still:
        left = yield from _clean_up_hooks(ctx, lost, published_at)
        yield from call(ctx, SEAL_LOST_PACK, _seal_request(ctx, lost, (*failures, *left)))
    note = LostRunNote(run=lost.id, published_at=published_at, sealed=is_still).model_dump(mode="json")
    yield from call_entity(ctx, LOST_RUNS, KEY, "note", note)
    return []


def _clean_up_hooks(ctx: Context, lost: LostRun, published_at: datetime) -> Steps[list[Obstacle]]:
    """Remove what its hooks may have left; says what could not be removed.

    Raises:
        SiteRecoveryError: something is still there, and it is tried again at the next look.
    """
    answers = yield from call_all(ctx, END_HOOK_WORK, lost.hook_work)
    failed = [
        (work, answer)
        for work, answer in zip(lost.hook_work, answers, strict=True)
        if isinstance(answer, SiteRecoveryError)
    ]
    if failed and now(ctx) - published_at < LOST_HOOKS_TIDIED_WITHIN:
        raise failed[0][1]
    return [
        Obstacle(code="hook-left-behind", detail=f"what a hook left on {work.target} could not be removed: {answer}")
        for work, answer in failed
    ]


def _finished_event(ctx: Context, lost: LostRun, failures: tuple[Obstacle, ...]) -> PublishEvent:
    """As the run itself would have published it."""
    field, _, subject = lost.subject.partition("/")
    data: dict[str, Any] = {"operation": lost.id, "kind": lost.kind, field.removesuffix("s"): subject}
    data |= {"state": lost.state, "failures": len(failures)}
    if failures:
        data |= {"code": RUN_LOST, "ending": lost.ending, "detail": failures[0].detail}
    return PublishEvent(
        id=f"{lost.id}:finished",
        type=f"{EVENT_TYPE_PREFIX}.Finished",
        subject=lost.subject,
        at=now(ctx),
        data=data,
    )


def _remember_run(ctx: Context, lost: LostRun) -> Steps[None]:
    """Keep how it ended with its plan; what the run has kept of itself stays."""
    if lost.kind not in PLAN_KINDS or not lost.plan:
        return
    history = PlanHistory.model_validate((yield from call_entity(ctx, PLAN_HISTORY, lost.plan, "read")))
    if any(past.run == lost.id for past in history.past_runs):
        return
    past_run = PastRun(
        run=lost.id,
        kind=lost.kind,
        state=lost.state,
        began=lost.began or now(ctx),
        ended=now(ctx),
        digest=lost.digest,
        preview_kind=lost.preview_kind,
    )
    yield from call_entity(ctx, PLAN_HISTORY, lost.plan, "record_run", past_run.model_dump(mode="json"))


def _seal_request(ctx: Context, lost: LostRun, failures: tuple[Obstacle, ...]) -> SealLostPack:
    outcome = Outcome(
        state=lost.state,
        kind=lost.kind,
        plan=lost.plan,
        failures=failures,
        began=lost.began,
        ended=lost.published_at,
        facts={"ending": lost.ending},
    )
    known = {"planDigest": lost.digest} if lost.digest else {}  # of a run that is gone only its records say it
    return SealLostPack(
        pack=lost.id,
        last_entry=EvidenceEntry.of("outcome", now(ctx), outcome.model_dump(mode="json")),
        facts={
            "at": now(ctx).isoformat(),
            "kind": lost.kind,
            "state": lost.state,
            "code": "" if lost.ended_by_app else RUN_LOST,
        }
        | known,
    )
