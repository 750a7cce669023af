"""Waiting for a second person: bound to the plan and to the preview as they were, and not for ever."""

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.decisions import DecisionInbox, EventQueue
from orchestrators.durable.steps import Context, Steps, call, now, show_status
from shared.errors import Refused, Transient
from shared.obstacle import Obstacle
from shared.operations.kinds import APPROVAL_EVENT
from shared.plans.approvals import Approvals
from shared.plans.preview import Preview
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


def wait_for_approvals(ctx: Context, operation: Operation, inbox: DecisionInbox) -> Steps[tuple[Approval, ...]]:
    """Wait until enough persons other than the requester have agreed, and see that they agreed to what is still so.

    Raises:
        NotApproved: somebody rejected it, nobody came in time, or the plan or its preview is not the one that was
            asked for.
        Aborted: somebody ended the run meanwhile.
    """
    rule = operation.approvals_required
    if rule is None:
        return ()
    requested_preview = (
        operation.preview or (yield from _take_preview(ctx, operation, inbox)).preview
    )  # a drill of the timer's brings none
    yield from _collect_approvals(ctx, operation, rule, requested_preview, inbox)
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


def _collect_approvals(
    ctx: Context, operation: Operation, rule: Approvals, requested_preview: Preview, inbox: DecisionInbox
) -> Steps[None]:
    """Wait until enough persons have agreed."""
    began = now(ctx)
    deadline = began + rule.expires
    approval_queue = EventQueue(ctx, APPROVAL_EVENT)
    data = {"waitsFor": "approval", "needed": rule.count, "until": deadline.isoformat()}
    yield from publish_operation_event(
        ctx, operation, "waiting", {**data, "preview": requested_preview.preview_digest}, key="approval"
    )
    while len(inbox.approvals) < rule.count:
        awaited = AwaitedDecision(
            kind="approval",
            approvals_needed=rule.count,
            approvals_given=tuple(approval.by for approval in inbox.approvals),
            since=began,
            until=deadline,
            plan_digest=operation.digest,
            preview_digest=requested_preview.preview_digest,
            approvers=rule.approvers,
        )
        show_status(ctx, {"phase": "Approval", "waitingFor": describe_approval(awaited), "waits": awaited.to_json()})
        event_data = yield from inbox.wait_for_event(approval_queue, deadline - now(ctx))
        if event_data is None:
            raise NotApproved(Obstacle(code="approval-expired", detail=f"not approved within {rule.expires}"))
        approval = Approval.model_validate({**event_data, "at": now(ctx)})
        _require_valid(operation, rule, requested_preview, approval)
        newest = {given.person.lower(): given for given in (*inbox.approvals, approval)}  # of each person
        inbox.approvals = tuple(newest.values())
    show_status(ctx, {"phase": "Approval", "waitingFor": "a look whether it is still as it was approved"})


def _require_valid(operation: Operation, rule: Approvals, requested_preview: Preview, approval: Approval) -> None:
    if not approval.approved:
        detail = f"rejected by {approval.by}" + (f": {approval.comment}" if approval.comment else "")
        raise NotApproved(Obstacle(code="rejected", detail=detail))
    if approval.digest != operation.digest:
        raise _void_approval(PLAN_CHANGED)
    if approval.preview not in {"", requested_preview.preview_digest}:
        raise _void_approval(f"{approval.by} has seen another preview")
    if approval.person.lower() == operation.requester_id.lower():
        raise NotApproved(
            Obstacle(code="same-person", detail=f"{approval.by} cannot approve what {approval.by} asked for")
        )
    if not rule.is_approver(approval.person):
        raise NotApproved(Obstacle(code="not-an-approver", detail=f"{approval.by} is none of the plan's approvers"))


def _void_approval(detail: str) -> NotApproved:
    return NotApproved(Obstacle(code="approval-void", detail=detail))
