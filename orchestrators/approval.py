"""Waiting for a second person: bound to the plan as it was previewed, and not for ever."""

from datetime import datetime
from typing import Any

from durabletask import task

from orchestrators.steps import Steps, hear, now
from orchestrators.telling import tell
from shared.operations import Operation, Problem
from shared.plans import Approvals
from shared.runs import Approval

EVENT = "approve"


class NotApproved(Exception):
    """The run may not begin; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def approved(ctx: task.OrchestrationContext, operation: Operation) -> Steps[tuple[Approval, ...]]:
    """Wait until enough persons other than the requester have agreed.

    Raises:
        NotApproved: somebody rejected it, nobody came in time, or the plan is not the one that was asked for.
    """
    wish = operation.document.approvals
    if wish is None or not wish.concern(operation.kind):
        return ()
    deadline = now(ctx) + wish.expires
    given: dict[str, Approval] = {}
    data = {"waitsFor": "approval", "needed": wish.count, "until": deadline.isoformat()}
    yield from tell(ctx, operation, "waiting", data, key="approval")
    while len(given) < wish.count:
        ctx.set_custom_status(_waits(wish, given, deadline))
        heard = yield from hear(ctx, ctx.wait_for_external_event(EVENT), deadline - now(ctx))
        if heard is None:
            raise NotApproved(Problem(code="approval-expired", detail=f"not approved within {wish.expires}"))
        word = Approval.model_validate({**heard, "at": now(ctx)})
        _check(operation, word)
        given[word.person] = word
    return tuple(given.values())


def _check(operation: Operation, word: Approval) -> None:
    if not word.approved:
        detail = f"rejected by {word.by}" + (f": {word.comment}" if word.comment else "")
        raise NotApproved(Problem(code="rejected", detail=detail))
    if word.digest != operation.digest:
        raise NotApproved(Problem(code="approval-void", detail="the plan has changed since the run was asked for"))
    if word.person == operation.requester_id:
        raise NotApproved(Problem(code="same-person", detail=f"{word.by} cannot approve what {word.by} asked for"))


def _waits(wish: Approvals, given: dict[str, Approval], deadline: datetime) -> dict[str, Any]:
    names = [word.by for word in given.values()]
    waits = {"for": "approval", "needed": wish.count, "given": names, "until": deadline.isoformat()}
    return {"phase": "Approval", "waitingFor": f"approval by {wish.count - len(given)} more", "waits": waits}
