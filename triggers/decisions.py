"""A person's decisions on a run: approve or reject before it begins, retry, skip, resume or abort while it waits."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState
from pydantic import Field

from activities.durable_state import read_custom_status, read_entity, read_input
from shared.messages import Document
from shared.operations.durable_names import DOCUMENTS
from shared.operations.kinds import DECIDABLE_KINDS
from shared.plans.versions import VersionedDocument
from shared.principals import Principal, require_role, require_second_person
from shared.problem_details import FieldError
from shared.recovery.guarded_change import GuardedChange
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
        deciding = await _read_deciding_run(req, client)
        given = _decision_of(caller_of(req), deciding, decision_request, verdict)
    else:
        approval_request = read_body(req, ApprovalRequest)
        deciding = await _read_deciding_run(req, client)
        given = await _approval_of(req, client, deciding, approval_request, approved=decision == "approve")
    if wants_preview(req):
        return json_response(await _preview_decision(client, deciding, decision, given))
    if isinstance(given, DecisionGiven):
        await send_decision(client, run, given)
    else:
        await send_approval(client, run, given)
    return accepted_response(run)


class DecidingRun(NamedTuple):
    """A run that is decided on.

    Attributes:
        digest: Of its plan, or of the change that it waits to make.
        sites: Those whose holds keep it from beginning.
        vm_names: The VMs that it has, in the order of their states.
        change: What it waits to do, where it is a guarded change.
        plan: Its plan, where it is a run on one.
        custom_status: What it says of itself.
    """

    id: str
    digest: str
    sites: tuple[str, ...]
    vm_names: tuple[str, ...]
    change: GuardedChange | None
    plan: str
    custom_status: Mapping[str, Any] | None


async def _read_deciding_run(req: func.HttpRequest, client: df.DurableFunctionsClient) -> DecidingRun:
    """The run that is decided on, and what it says of itself.

    Raises:
        HttpProblem: there is none (404); it has ended, or the decision would have something begin that is on hold
            (409).
    """
    run = req.route_params["id"]
    state = await client.get_orchestration_state(run)
    if state is None or state.name not in DECIDABLE_KINDS:
        raise not_found("operation", run)
    require_living(run, state)
    deciding = _deciding_run_of(run, state)
    if req.route_params["decision"] in BEGINNING and not wants_preview(req):
        await require_no_hold(client, deciding.sites)
    return deciding


def _deciding_run_of(run: str, state: OrchestrationState) -> DecidingRun:
    custom_status = read_custom_status(state)
    if state.name == "change":
        change = GuardedChange.model_validate(read_input(state))
        return DecidingRun(run, change.digest, change.sites, (), change, "", custom_status)
    operation = Operation.from_carried(read_input(state))
    sites = tuple(operation.sites)
    return DecidingRun(run, operation.digest, sites, operation.vm_names, None, operation.plan, custom_status)


async def _preview_decision(
    client: df.DurableFunctionsClient, deciding: DecidingRun, decision: str, given: DecisionGiven | ApprovalGiven
) -> dict[str, Any]:
    """Which run and which of its VMs a decision would reach, and what it would do."""
    named = given.vms if isinstance(given, DecisionGiven) else ()
    holds = await read_holds_of(client, deciding.sites) if decision in BEGINNING else ()
    return {
        "operation": deciding.id,
        "decision": decision,
        "vms": list(named or deciding.vm_names),
        "detail": EFFECTS[decision],
        "holds": hold_views(holds),
    }


async def _approval_of(
    req: func.HttpRequest,
    client: df.DurableFunctionsClient,
    deciding: DecidingRun,
    request: ApprovalRequest,
    *,
    approved: bool,
) -> ApprovalGiven:
    """The approval or rejection. An approval is of what was asked for as it was then.

    Raises:
        HttpProblem: the run waits for no approval, or what was reviewed is something else by now (409); the person
            is none of those whose approval is asked for (403).
    """
    awaited = read_awaited_decision(deciding.custom_status)
    if awaited is None or awaited.kind != "approval":
        raise HttpProblem(409, "Not waiting", f"{deciding.id} does not wait to be approved.")
    person = caller_of(req)
    named = [approver for rule in awaited.required for approver in rule.approvers]
    require_second_person(person, awaited.requester_id, named)
    given = ApprovalGiven(
        approved=approved,
        person=person.id,
        by=person.name,
        is_app=person.is_app,
        comment=request.comment,
        digest=deciding.digest,
        preview=awaited.preview_digest,
    )
    if approved:
        if not any(rule.counts(given) for rule in awaited.required):
            detail = f"{person.name} is none of the approvers: {', '.join(named) or 'no app is one here'}."
            raise HttpProblem(403, "Not an approver", detail, [FieldError("approvals.approvers", detail)])
        await _require_unchanged(client, deciding, request.digest)
        if request.preview not in {"", awaited.preview_digest}:
            raise _void_approval("preview", "That is not the preview that the run was requested with: read the run's.")
    return given


async def _require_unchanged(client: df.DurableFunctionsClient, deciding: DecidingRun, reviewed: str) -> None:
    """See that what is approved is what was asked for, and still applies.

    Raises:
        HttpProblem: the plan or document has changed since, or another one was reviewed (409).
    """
    if deciding.change is None:
        declared = await declared_documents.read_plan(client, deciding.plan)
        is_unchanged = deciding.digest == declared.digest
    else:
        document = deciding.change.document
        state = await read_entity(client, DOCUMENTS, document.key) if document else None
        is_unchanged = document is None or (
            bool(state) and VersionedDocument.model_validate(state).etag == document.if_match
        )
    if not is_unchanged or reviewed not in {"", deciding.digest}:
        what = deciding.change.subject if deciding.change else "The plan"
        detail = f"{what} has changed since the run was requested: reject it and ask again."
        raise _void_approval("digest", detail)


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
    deciding: DecidingRun,
    request: DecisionRequest,
    verdict: Verdict,
) -> DecisionGiven:
    """The decision on the run, or on some of its VMs.

    On failed VMs it is about those that wait now: what fails later the person did not see.

    Raises:
        HttpProblem: the run does not wait for it (409), or a VM that is named does not (400).
    """
    awaited, vms = read_awaited_decision(deciding.custom_status), request.vms
    if state_needed := STATE_NEEDED.get(verdict):
        if awaited is None or verdict not in awaited.choices:
            raise HttpProblem(409, "Not waiting", f"{deciding.id} does not wait for {verdict!r}.")
        states = read_item_states(deciding.custom_status, deciding.vm_names)
        waiting_vms = [vm for vm, state in states.items() if state == state_needed]
        require_waiting(vms, waiting_vms)
        vms = vms or (tuple(waiting_vms) if state_needed == "failed" else ())
    mark = awaited.mark if awaited else ""
    said = {"comment": request.comment, "about": mark}
    return DecisionGiven(verdict=verdict, by=person.name, person=person.id, vms=vms, **said)
