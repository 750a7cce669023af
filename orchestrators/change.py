"""A guarded change: it waits until others have approved it, and is made then, exactly as it was asked for.

1. Publish that persons are waited for, and wait: for approvals, a rejection, an abort, or the end of the time.
2. Declare or withdraw the document, unless it has changed since; or start the run that was asked for.
3. Publish how it ended, and have it written down as an act of administration.
"""

from datetime import datetime
from typing import Any

from orchestrators.durable.administration import record_act
from orchestrators.durable.cloud_events import publish_run_event
from orchestrators.durable.decisions import Aborted, DecisionInbox
from orchestrators.durable.steps import Context, Steps, call, call_entity, now, show_status
from orchestrators.run.approval import ApprovalRequest, NotApproved, collect_approvals, event_data_of
from shared.errors import SiteRecoveryError
from shared.evidence.administration import Act
from shared.obstacle import Obstacle
from shared.operations.contract import START_RUN
from shared.operations.durable_names import DOCUMENTS
from shared.operations.run_timeline import RunTimeline
from shared.plans.versions import Declaration, DeclarationOutcome, DocumentChange
from shared.recovery.document_acts import approvals_in_words, document_act
from shared.recovery.guarded_change import GuardedChange
from shared.recovery.outcome import Outcome
from shared.recovery.timeline import bare_timeline

CHANGED_MEANWHILE = "it has changed since this was asked for, and this would undo that: read it again, and ask again"


def change(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Wait for approvals, then make the change; nothing is done without them."""
    asked, began = GuardedChange.model_validate(payload), now(ctx)
    request = ApprovalRequest(asked.required, asked.requester_id, asked.digest)
    yield from _publish(ctx, asked, "waiting", event_data_of(ctx, request))
    inbox = DecisionInbox(ctx, asked.id, ())
    try:
        yield from collect_approvals(ctx, request, inbox)
    except NotApproved as verdict:
        outcome = Outcome(state="refused", kind=asked.kind, problems=(verdict.obstacle,))
    except Aborted as abort:
        outcome = Outcome(state="aborted", kind=asked.kind, decisions=(abort.decision,))
    else:
        show_status(ctx, {"phase": "Change", "waitingFor": "the change to be made"})
        outcome = yield from _make(ctx, asked)
    times: dict[str, datetime] = {"began": began, "ended": now(ctx)}
    outcome = outcome.model_copy(update={"approvals": inbox.approvals, "findings": inbox.take_findings(), **times})
    yield from record_act(ctx, _act_of(asked, outcome, now(ctx)))
    timeline = bare_timeline(asked.id, asked.subject, outcome)
    yield from _publish(ctx, asked, "finished", {"state": outcome.state, **outcome.facts}, timeline)
    return outcome.model_dump(mode="json")


def _make(ctx: Context, asked: GuardedChange) -> Steps[Outcome]:
    """Do what was approved: the document's entity and the start of a run each take a repetition as what it is."""
    if asked.start is not None:
        try:
            yield from call(ctx, START_RUN, asked.start)
        except SiteRecoveryError as failure:
            return Outcome(state="failed", kind=asked.kind, failures=(Obstacle.of_error(failure),))
        return Outcome(state="succeeded", kind=asked.kind, facts={"operation": asked.start.id})
    declared = DocumentChange.model_validate(asked.document)
    declaration = Declaration(**dict(declared), at=now(ctx)).model_dump(mode="json")
    answer = yield from call_entity(ctx, DOCUMENTS, declared.key, declared.action, declaration)
    result = DeclarationOutcome.model_validate(answer)
    if result.outcome in {"conflict", "missing"}:
        conflict = Obstacle(code="changed-meanwhile", subject=asked.subject, detail=CHANGED_MEANWHILE)
        return Outcome(state="failed", kind=asked.kind, failures=(conflict,))
    return Outcome(state="succeeded", kind=asked.kind, facts=result.model_dump(mode="json", exclude_defaults=True))


def _act_of(asked: GuardedChange, outcome: Outcome, at: datetime) -> Act:
    """What was done, or was not, with whom asked for it and whose approvals were there."""
    if outcome.state == "succeeded" and asked.document is not None:
        result = DeclarationOutcome.model_validate(outcome.facts)
        if act := document_act(asked.document, result, at, outcome.approvals):
            return act
    is_started = outcome.state == "succeeded" and asked.start is not None
    facts: dict[str, Any] = {"detail": asked.detail, "approvals": approvals_in_words(outcome.approvals)}
    facts |= {"outcome": outcome.state, "codes": [one.code for one in (*outcome.problems, *outcome.failures)]}
    return Act(
        act="start-approved" if is_started else "change-not-made",
        subject=asked.subject,
        at=at,
        by=asked.requested_by,
        by_id=asked.requester_id,
        facts=facts | ({"operation": asked.start.id} if asked.start else {}),
    )


def _publish(
    ctx: Context, asked: GuardedChange, event_name: str, data: dict[str, Any], timeline: RunTimeline | None = None
) -> Steps[None]:
    facts = {"kind": asked.kind, "detail": asked.detail}
    yield from publish_run_event(ctx, asked.id, asked.subject, event_name, {**facts, **data}, timeline)
