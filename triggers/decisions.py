"""A person's decisions on a run: approve or reject before it begins, retry, skip, resume or abort while it waits."""

from collections.abc import Mapping, Sequence
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field

from activities.durable_state import read_custom_status, read_input
from shared.messages import Document
from shared.operations.kinds import DECIDABLE_KINDS
from shared.principals import Principal, require_role, require_second_person
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.recovery.person_events import ApprovalGiven, DecisionGiven, Verdict
from shared.recovery.status import read_awaited_decision, read_item_states
from triggers import declared_documents
from triggers.endpoint_rules import Variant
from triggers.holds_in_effect import hold_views, read_holds_of, require_no_hold
from triggers.http_endpoint import (
    PREVIEW,
    HttpProblem,
    caller_of,
    handle_for_role,
    invalid_request,
    json_response,
    not_found,
    read_body,
)
from triggers.living_runs import require_living
from triggers.person_events import send_approval, send_decision
from triggers.request_checks import wants_preview
from triggers.starting import accepted_response

bp = df.Blueprint()
APPROVALS = ("approve", "reject")
VERDICTS: tuple[Verdict, ...] = ("abort", "retry", "skip", "resume")
BEGINNING = frozenset({"approve", "retry"})
"""Decisions that have a verb begin, and wait for the end of a hold; all others let a run go on, or end."""
STATE_NEEDED: Mapping[Verdict, str] = {"retry": "failed", "skip": "failed", "resume": "paused"}
"""In which state a VM is that can be decided on so."""
EFFECTS = {
    "approve": "The run begins once enough persons have approved it.",
    "reject": "The run ends, and nothing is done.",
    "abort": "Nothing new is started. Running jobs are followed to their end, and a drill is cleaned up.",
    "retry": "The verb that failed is sent to these VMs once more.",
    "skip": "The run goes on without these VMs.",
    "resume": "The run goes on.",
}
"""What each decision does."""


class ApprovalRequest(Document):
    """Agree to a run, or reject it.

    Attributes:
        digest: Of the plan that was reviewed; when given, it must be the one that the run was requested with.
        preview: Digest of the preview that was reviewed; when given, it must be the one that the run waits with.
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


VARIANTS: Mapping[str, Variant] = {
    **{verdict: Variant("Dr.Operate", DecisionRequest) for verdict in VERDICTS},
    **{approval: Variant("Dr.Approve", ApprovalRequest) for approval in APPROVALS},
}


@bp.function_name("decide_operation")
@bp.route("operations/{id}/{decision}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, variants=VARIANTS, statuses=(202,))
async def decide_operation(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Take a person's decision to a run: 202; 409 when the run does not wait for it."""
    decision, run = req.route_params["decision"], req.route_params["id"]
    verdict: Verdict | None = next((one for one in VERDICTS if one == decision), None)
    if verdict is None and decision not in APPROVALS:
        raise not_found("decision", decision)
    if not wants_preview(req):
        require_role(caller_of(req), VARIANTS[decision].role)
    given: DecisionGiven | ApprovalGiven
    if verdict:
        decision_request = read_body(req, DecisionRequest)
        operation, custom_status = await _read_deciding_run(req, client)
        given = _decision_of(caller_of(req), operation, custom_status, decision_request, verdict)
    else:
        approval_request = read_body(req, ApprovalRequest)
        operation, custom_status = await _read_deciding_run(req, client)
        is_approved = decision == "approve"
        given = await _approval_of(req, client, operation, custom_status, approval_request, approved=is_approved)
    if wants_preview(req):
        return json_response(await _preview_decision(client, operation, decision, given))
    if isinstance(given, DecisionGiven):
        await send_decision(client, run, given)
    else:
        await send_approval(client, run, given)
    return accepted_response(run)


async def _read_deciding_run(
    req: func.HttpRequest, client: df.DurableFunctionsClient
) -> tuple[Operation, Mapping[str, Any] | None]:
    """The run on a plan that is decided on, and what it says of itself.

    Raises:
        HttpProblem: there is none (404); it has ended, or the decision would have a verb begin that is on hold (409).
    """
    run = req.route_params["id"]
    state = await client.get_orchestration_state(run)
    if state is None or state.name not in DECIDABLE_KINDS:
        raise not_found("operation", run)
    require_living(run, state)
    operation = Operation.from_carried(read_input(state))
    if req.route_params["decision"] in BEGINNING and not wants_preview(req):
        await require_no_hold(client, operation.sites)
    return operation, read_custom_status(state)


async def _preview_decision(
    client: df.DurableFunctionsClient, operation: Operation, decision: str, given: DecisionGiven | ApprovalGiven
) -> dict[str, Any]:
    """Which run and which of its VMs a decision would reach, and what it would do."""
    named = given.vms if isinstance(given, DecisionGiven) else ()
    holds = await read_holds_of(client, operation.sites) if decision in BEGINNING else ()
    return {
        "operation": operation.id,
        "decision": decision,
        "vms": list(named or operation.vm_names),
        "detail": EFFECTS[decision],
        "holds": hold_views(holds),
    }


async def _approval_of(
    req: func.HttpRequest,
    client: df.DurableFunctionsClient,
    operation: Operation,
    custom_status: Mapping[str, Any] | None,
    request: ApprovalRequest,
    *,
    approved: bool,
) -> ApprovalGiven:
    """The approval or rejection. An approval is of the plan and the preview as they were when the run was requested.

    Raises:
        HttpProblem: the run waits for no approval, or what was reviewed is another plan or preview (409); the person
            is not one of the plan's approvers (403).
    """
    awaited = read_awaited_decision(custom_status)
    if awaited is None or awaited.kind != "approval":
        raise HttpProblem(409, "Not waiting", f"{operation.id} does not wait to be approved.")
    person, rules = caller_of(req), operation.document.approvals
    require_second_person(person, operation.requester_id, rules.approvers if rules else ())
    if approved:
        if rules and not rules.is_approver(person.id):
            detail = f"{person.name} is not one of the plan's approvers: {', '.join(rules.approvers)}."
            raise HttpProblem(403, "Not an approver", detail, [FieldError("approvals.approvers", detail)])
        declared = await declared_documents.read_plan(client, operation.plan)
        if operation.digest != declared.digest or request.digest not in {"", operation.digest}:
            raise _void_approval("digest", "The plan has changed since the run was requested: reject it and ask again.")
        if request.preview not in {"", awaited.preview_digest}:
            raise _void_approval("preview", "That is not the preview that the run was requested with: read the run's.")
    return ApprovalGiven(
        approved=approved,
        person=person.id,
        by=person.name,
        comment=request.comment,
        digest=operation.digest,
        preview=awaited.preview_digest,
    )


def _void_approval(field: str, detail: str) -> HttpProblem:
    return HttpProblem(409, "Approval is void", detail, [FieldError(field=field, detail=detail)])


def require_waiting(vms: Sequence[str], waiting_vms: Sequence[str]) -> None:
    """See that each of the named VMs is one of those that wait.

    Raises:
        HttpProblem: naming those that are not.
    """
    waiting = {vm.casefold() for vm in waiting_vms}
    unfit = [(index, vm) for index, vm in enumerate(vms) if vm.casefold() not in waiting]
    if unfit:
        raise invalid_request(*(FieldError(f"vms[{at}]", f"{vm} does not wait for a decision") for at, vm in unfit))


def _decision_of(
    person: Principal,
    operation: Operation,
    custom_status: Mapping[str, Any] | None,
    request: DecisionRequest,
    verdict: Verdict,
) -> DecisionGiven:
    """The decision on the run, or on some of its VMs.

    On failed VMs it is about those that wait now: what fails later the person did not see.

    Raises:
        HttpProblem: the run does not wait for it (409), or a VM that is named does not (400).
    """
    awaited, vms = read_awaited_decision(custom_status), request.vms
    if state_needed := STATE_NEEDED.get(verdict):
        if awaited is None or verdict not in awaited.choices:
            raise HttpProblem(409, "Not waiting", f"{operation.id} does not wait for {verdict!r}.")
        states = read_item_states(custom_status, operation.vm_names)
        waiting_vms = [vm for vm, state in states.items() if state == state_needed]
        require_waiting(vms, waiting_vms)
        vms = vms or (tuple(waiting_vms) if state_needed == "failed" else ())
    mark = awaited.mark if awaited else ""
    said = {"comment": request.comment, "about": mark}
    return DecisionGiven(verdict=verdict, by=person.name, person=person.id, vms=vms, **said)
