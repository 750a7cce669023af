"""A person's decisions on a run: approve or reject before it begins, retry, skip or abort while it waits."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState
from pydantic import Field

from activities.durable_state import is_living
from shared.messages import Document
from shared.operations.kinds import APPROVAL_EVENT as APPROVE
from shared.operations.kinds import DECISION_EVENT, PLAN_KINDS
from shared.plans.plan import PlanDocument
from shared.principals import Principal, require_role, require_second_person
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.recovery.status import item_states
from triggers import declared_documents
from triggers.http_endpoint import HttpProblem, body_of, caller_of, handle_for_role, not_found
from triggers.starting import accepted_response

bp = df.Blueprint()
VM_DECISIONS = ("retry", "skip", "resume")
STATE_NEEDED = {"retry": "failed", "skip": "failed", "resume": "paused"}
"""In which state a VM is that can be decided on so."""


class ApprovalRequest(Document):
    """Agree to a run, or reject it.

    Attributes:
        digest: Of the plan as it was looked at; when given, it must be the one that the run was asked for with.
        preview: The digest of the preview that was looked at; when given, it must be the one that the run waits with.
    """

    digest: str = ""
    preview: str = ""
    comment: str = Field("", max_length=500)


class DecisionRequest(Document):
    """Say how a run goes on.

    Attributes:
        vms: Whom it concerns; empty for all that wait for a decision.
    """

    vms: tuple[str, ...] = ()
    comment: str = Field("", max_length=500)


@bp.route("operations/{id}/{decision}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def decide_operation(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Take a person's decision to a run: 202; 409 when the run does not wait for it."""
    decision = req.route_params["decision"]
    if decision not in {"approve", "reject", "abort", *VM_DECISIONS}:
        raise not_found("decision", decision)
    require_role(caller_of(req), "Dr.Approve" if decision in {"approve", "reject"} else "Dr.Operate")
    state = await client.get_orchestration_state(req.route_params["id"])
    if state is None or state.name not in {*PLAN_KINDS, "cleanup"}:
        raise not_found("operation", req.route_params["id"])
    if not is_living(state):
        raise HttpProblem(409, "Run has ended", f"{state.instance_id} has ended: there is nothing to decide any more.")
    if decision in {"approve", "reject"}:
        await _send_approval(req, client, state, approved=decision == "approve")
    else:
        await _send_decision(req, client, state, decision)
    return accepted_response(state.instance_id)


async def _send_approval(
    req: func.HttpRequest, client: df.DurableFunctionsClient, state: OrchestrationState, *, approved: bool
) -> None:
    request = ApprovalRequest.model_validate_json(body_of(req))
    operation = Operation.from_carried(state.get_input())
    _require_awaited(state, "approval")
    person = caller_of(req)
    require_second_person(person, operation.requester_id)
    preview = _awaited_decision(state).get("preview", "")
    if approved:
        _require_approver(operation, person)
        await _require_plan_unchanged(client, operation, request.digest)
        _require_requested_preview(request.preview, preview)
    approval_event = {"approved": approved, "person": person.id, "by": person.name, "comment": request.comment}
    approval_event |= {"digest": operation.digest, "preview": preview}
    await client.raise_orchestration_event(state.instance_id, APPROVE, data=approval_event)


def _require_approver(operation: Operation, person: Principal) -> None:
    """See that the plan lets this person's word count.

    Raises:
        Problem: it names others (403).
    """
    rules = operation.document.approvals
    if rules and not rules.is_approver(person.id, person.name):
        detail = f"{person.name} is none of the plan's approvers: {', '.join(rules.approvers)}."
        raise HttpProblem(403, "Not an approver", detail, [FieldError(field="approvals.approvers", detail=detail)])


def _require_requested_preview(reviewed_digest: str, requested_digest: str) -> None:
    """An approval is of the preview as it was when the run was asked for.

    Raises:
        Problem: another one was looked at (409).
    """
    if reviewed_digest not in {"", requested_digest}:
        detail = "That is not the preview that the run was asked for with: look at the operation's own."
        raise HttpProblem(409, "Approval is void", detail, [FieldError(field="preview", detail=detail)])


async def _require_plan_unchanged(
    client: df.DurableFunctionsClient, operation: Operation, reviewed_digest: str
) -> None:
    """An approval is of the plan as it was asked for; a plan that changed meanwhile voids it."""
    versioned = await declared_documents.read_document(client, "plan", operation.plan)
    current_digest = PlanDocument.model_validate(versioned.document).digest
    if operation.digest == current_digest and reviewed_digest in {"", operation.digest}:
        return
    detail = "The plan has changed since the run was asked for: reject it, and ask again."
    raise HttpProblem(409, "Approval is void", detail, [FieldError(field="digest", detail=detail)])


async def _send_decision(
    req: func.HttpRequest, client: df.DurableFunctionsClient, state: OrchestrationState, decision: str
) -> None:
    request = DecisionRequest.model_validate_json(body_of(req))
    vms = request.vms
    if decision in VM_DECISIONS:
        _require_awaited(state, decision)
        waiting_vms = _find_waiting_vms(request, state, STATE_NEEDED[decision])
        if STATE_NEEDED[decision] == "failed":  # what fails while the word is on its way is not what was seen
            vms = vms or waiting_vms
    decision_event = {"verdict": decision, "by": caller_of(req).name, "vms": list(vms), "comment": request.comment}
    decision_event["about"] = _awaited_decision(state).get("mark", "")
    await client.raise_orchestration_event(state.instance_id, DECISION_EVENT, data=decision_event)


def _require_awaited(state: OrchestrationState, decision: str) -> None:
    """See that the run waits for this word: "approval", or one of the verdicts that it names."""
    awaited = _awaited_decision(state)
    if decision not in {awaited.get("for"), *awaited.get("verdicts", ())}:
        raise HttpProblem(409, "Not waiting", f"{state.instance_id} does not wait for {_with_article(decision)}.")


def _awaited_decision(state: OrchestrationState) -> dict[str, Any]:
    awaited: dict[str, Any] = (state.get_custom_status() or {}).get("waits") or {}
    return awaited


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun.startswith("a") else f"a {noun}"


def _find_waiting_vms(request: DecisionRequest, state: OrchestrationState, state_needed: str) -> tuple[str, ...]:
    """The VMs that wait; each that is named must be one of them.

    Raises:
        Problem: names others (400).
    """
    names = [item.vm for item in Operation.from_carried(state.get_input() or {}).document.items]
    states = item_states((state.get_custom_status() or {}).get("codes", ""))
    waiting = tuple(vm for vm, item_state in zip(names, states, strict=False) if item_state == state_needed)
    waiting_names = {vm.casefold() for vm in waiting}
    errors = [
        FieldError(field=f"vms[{index}]", detail=f"{vm} does not wait for a decision")
        for index, vm in enumerate(request.vms)
        if vm.casefold() not in waiting_names
    ]
    if errors:
        raise HttpProblem(400, "Invalid request", "The request has fields that are wrong.", errors)
    return waiting
