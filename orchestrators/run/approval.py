"""Waiting for a second person: bound to what was asked for as it was, and not for ever."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import DecisionInbox, EventQueue
from orchestrators.durable.steps import Context, Steps, call, now, show_status
from shared.errors import Refused, Transient
from shared.obstacle import Obstacle
from shared.operations.kinds import APPROVAL_EVENT
from shared.plans.approvals import RequiredApprovals
from shared.plans.readiness import describe_differences
from shared.recovery.contract import TAKE_PREVIEW, PreviewTaken, TakePreview
from shared.recovery.operation import Operation
from shared.recovery.people import Approval
from shared.recovery.run_steps import describe_approval
from shared.recovery.status import AwaitedDecision

PLAN_CHANGED = "the plan has changed since the run was asked for"


class NotApproved(Exception):
    """The run may not begin; `obstacle` says why."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.detail)
        self.obstacle = obstacle


class ApprovalRequest(NamedTuple):
    """What persons are asked to approve.

    Attributes:
        required: Who asks for approvals, how many, and from whom; there is at least one.
        requester_id: Who asked, as Entra knows them: their own word does not count.
        digest: Of the plan, or of the change.
        preview_digest: Of what they are shown that it does; empty where the digest says it all.
    """

    required: Sequence[RequiredApprovals]
    requester_id: str
    digest: str
    preview_digest: str = ""


def wait_for_approvals(ctx: Context, operation: Operation, inbox: DecisionInbox) -> Steps[tuple[Approval, ...]]:
    """Wait until enough persons other than the requester have agreed, and see that they agreed to what is still so.

    Raises:
        NotApproved: somebody rejected it, nobody came in time, or the plan or its preview is not the one that was
            asked for.
        Aborted: somebody ended the run meanwhile.
    """
    if not operation.required_approvals:
        return ()
    requested_preview = (
        operation.preview or (yield from _take_preview(ctx, operation, inbox)).preview
    )  # a drill of the timer's brings none
    request = ApprovalRequest(
        operation.required_approvals, operation.requester_id, operation.digest, requested_preview.preview_digest
    )
    data = {**event_data_of(ctx, request), "preview": requested_preview.preview_digest}
    yield from publish_operation_event(ctx, operation, "waiting", data, key="approval")
    yield from collect_approvals(ctx, request, inbox)
    current = yield from _take_preview(ctx, operation, inbox)
    if current.declared_digest != operation.digest:
        raise _void_approval(PLAN_CHANGED)
    if differences := describe_differences(requested_preview, current.preview):
        raise _void_approval(f"it would not do what was approved any more: {'; '.join(differences)}")
    return inbox.approvals


def _take_preview(ctx: Context, operation: Operation, inbox: DecisionInbox) -> Steps[PreviewTaken]:
    """See what it would do now.

    Raises:
        NotApproved: that could not be seen.
    """
    request = TakePreview(operation=operation.model_copy(update={"preview": None, "run": None}))
    try:
        return (yield from inbox.read_patiently(lambda: call(ctx, TAKE_PREVIEW, request), "what a preview of it asks"))
    except (Refused, Transient) as failure:
        detail = f"what it would do could not be seen: {failure}"
        raise NotApproved(Obstacle(code="preview-unreadable", detail=detail)) from failure


def event_data_of(ctx: Context, request: ApprovalRequest) -> dict[str, Any]:
    """What an event says of the wait that begins now."""
    until = now(ctx) + min(rule.expires for rule in request.required)
    needed = max(rule.count for rule in request.required)
    return {"waitsFor": "approval", "needed": needed, "until": until.isoformat()}


def collect_approvals(ctx: Context, request: ApprovalRequest, inbox: DecisionInbox) -> Steps[None]:
    """Wait until enough persons have agreed for each of those who ask for it; whoever asks for the least time rules.

    Raises:
        NotApproved: somebody rejected it, or nobody came in time.
        Aborted: somebody ended the run meanwhile.
    """
    began = now(ctx)
    deadline = began + min(rule.expires for rule in request.required)
    approval_queue = EventQueue(ctx, APPROVAL_EVENT)
    while missing := [rule for rule in request.required if rule.missing(inbox.approvals)]:
        awaited = AwaitedDecision(
            kind="approval",
            instructions=", and ".join(rule.describe_missing(inbox.approvals) for rule in missing),
            approvals_needed=len(inbox.approvals) + max(rule.missing(inbox.approvals) for rule in missing),
            approvals_given=tuple(approval.by for approval in inbox.approvals),
            required=tuple(request.required),
            since=began,
            until=deadline,
            plan_digest=request.digest,
            preview_digest=request.preview_digest,
            requester_id=request.requester_id,
        )
        show_status(ctx, {"phase": "Approval", "waitingFor": describe_approval(awaited), "waits": awaited.to_json()})
        event_data = yield from inbox.wait_for_event(approval_queue, deadline - now(ctx))
        if event_data is None:
            detail = f"not approved within {deadline - began}"
            raise NotApproved(Obstacle(code="approval-expired", detail=detail))
        approval = Approval.model_validate({**event_data, "at": now(ctx)})
        _require_valid(request, approval)
        newest = {given.person.lower(): given for given in (*inbox.approvals, approval)}  # of each person
        inbox.approvals = tuple(newest.values())
    show_status(ctx, {"phase": "Approval", "waitingFor": "a look whether it is still as it was approved"})


def _require_valid(request: ApprovalRequest, approval: Approval) -> None:
    if not approval.approved:
        detail = f"rejected by {approval.by}" + (f": {approval.comment}" if approval.comment else "")
        raise NotApproved(Obstacle(code="rejected", detail=detail))
    if approval.digest != request.digest:
        raise _void_approval(PLAN_CHANGED)
    if approval.preview not in {"", request.preview_digest}:
        raise _void_approval(f"{approval.by} has seen another preview")
    if approval.person.lower() == request.requester_id.lower():
        raise NotApproved(
            Obstacle(code="same-person", detail=f"{approval.by} cannot approve what {approval.by} asked for")
        )
    if not any(rule.counts(approval) for rule in request.required):
        raise NotApproved(Obstacle(code="not-an-approver", detail=f"{approval.by} is none of the approvers"))


def _void_approval(detail: str) -> NotApproved:
    return NotApproved(Obstacle(code="approval-void", detail=detail))
