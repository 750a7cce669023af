"""Waiting for a second person: bound to the plan and to the preview as they were, and not for ever."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import tell
from orchestrators.durable.decisions import Ear, Waiting
from orchestrators.durable.steps import Steps, call, now, show_status
from shared.activity import Problem
from shared.errors import Refused, Transient
from shared.operations.kinds import EVENT
from shared.plans.plan import Approvals
from shared.plans.preview import Preview
from shared.plans.readiness import changes
from shared.recovery.contract import TAKE_PREVIEW, PreviewTaken, TakePreview
from shared.recovery.operation import Operation
from shared.recovery.run import Approval

CHANGED = "the plan has changed since the run was asked for"


class NotApproved(Exception):
    """The run may not begin; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def approved(ctx: task.OrchestrationContext, operation: Operation, waits: Waiting) -> Steps[tuple[Approval, ...]]:
    """Wait until enough persons other than the requester have agreed, and see that they agreed to what is still so.

    Raises:
        NotApproved: somebody rejected it, nobody came in time, or the plan or its preview is not the one that was
            asked for.
        Aborted: somebody ended the run meanwhile.
    """
    wish = operation.approvals
    if wish is None:
        return ()
    asked = operation.preview or (yield from _look(ctx, operation, waits)).preview  # a drill of the timer's brings none
    yield from _heard(ctx, operation, wish, asked, waits)
    found = yield from _look(ctx, operation, waits)
    if found.declared != operation.digest:
        raise _void(CHANGED)
    if differences := changes(asked, found.preview):
        raise _void(f"it would not do what was approved any more: {'; '.join(differences)}")
    return waits.approvals


def _look(ctx: task.OrchestrationContext, operation: Operation, waits: Waiting) -> Steps[PreviewTaken]:
    """See what it would do now.

    Raises:
        NotApproved: that could not be seen.
    """
    ask = TakePreview(operation=operation.model_copy(update={"preview": None, "run": None}))
    try:
        return (yield from waits.answered(lambda: call(ctx, TAKE_PREVIEW, ask), "what a preview of it asks"))
    except (Refused, Transient) as failure:
        detail = f"what it would do could not be seen: {failure}"
        raise NotApproved(Problem(code="preview-unreadable", detail=detail)) from failure


def _heard(
    ctx: task.OrchestrationContext, operation: Operation, wish: Approvals, asked: Preview, waits: Waiting
) -> Steps[None]:
    """Wait until enough persons have agreed."""
    deadline = now(ctx) + wish.expires
    ear = Ear(ctx, EVENT)
    data = {"waitsFor": "approval", "needed": wish.count, "until": deadline.isoformat()}
    yield from tell(ctx, operation, "waiting", {**data, "preview": asked.preview_digest}, key="approval")
    while len(waits.approvals) < wish.count:
        show_status(ctx, _waits(operation, wish, waits.approvals, deadline, asked))
        heard = yield from waits.word(ear, deadline - now(ctx))
        if heard is None:
            raise NotApproved(Problem(code="approval-expired", detail=f"not approved within {wish.expires}"))
        word = Approval.model_validate({**heard, "at": now(ctx)})
        _check(operation, wish, asked, word)
        waits.approvals = _with(waits.approvals, word)
    show_status(ctx, {"phase": "Approval", "waitingFor": "a look whether it is still as it was approved"})


def _with(given: tuple[Approval, ...], word: Approval) -> tuple[Approval, ...]:
    """The newest word of each person."""
    by_person = {one.person: one for one in given}
    return tuple({**by_person, word.person: word}.values())


def _check(operation: Operation, wish: Approvals, asked: Preview, word: Approval) -> None:
    if not word.approved:
        detail = f"rejected by {word.by}" + (f": {word.comment}" if word.comment else "")
        raise NotApproved(Problem(code="rejected", detail=detail))
    if word.digest != operation.digest:
        raise _void(CHANGED)
    if word.preview not in {"", asked.preview_digest}:
        raise _void(f"{word.by} has seen another preview")
    if word.person == operation.requester_id:
        raise NotApproved(Problem(code="same-person", detail=f"{word.by} cannot approve what {word.by} asked for"))
    if not wish.counts(word.person, word.by):
        raise NotApproved(Problem(code="not-an-approver", detail=f"{word.by} is none of the plan's approvers"))


def _void(why: str) -> NotApproved:
    return NotApproved(Problem(code="approval-void", detail=why))


def _waits(
    operation: Operation, wish: Approvals, given: Sequence[Approval], deadline: datetime, asked: Preview
) -> dict[str, Any]:
    names = [word.by for word in given]
    waits = {"for": "approval", "needed": wish.count, "given": names, "until": deadline.isoformat()}
    waits |= {"digest": operation.digest, "preview": asked.preview_digest, "approvers": list(wish.approvers)}
    return {"phase": "Approval", "waitingFor": f"approval by {wish.count - len(given)} more", "waits": waits}
