"""The verbs on a plan, from drill to round trip; each can be previewed."""

import uuid
from collections.abc import Iterable

import azure.durable_functions as df
import azure.functions as func

from activities.previews import preview_operation, preview_without_points
from activities.recovery_points import complete_with_points
from shared.obstacle import Obstacle
from shared.operations.kinds import PLAN_KINDS, Kind
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.plans.readiness import JUDGED_KINDS
from shared.principals import Principal, require_role, require_signed_in
from shared.problem_details import FieldError
from shared.recovery.operation import Operation, Override
from shared.request_ids import run_id
from triggers import declared_documents
from triggers.drill_preemption import find_owed_cleanups, preempt_drills
from triggers.http_endpoint import HttpProblem, body_of, caller_of, handle_for_role, is_true, json_response, not_found
from triggers.starting import (
    accepted_response,
    busy_plan_problem,
    find_holders,
    has_started,
    start_once,
    wait_for_admission,
)
from triggers.verb_requests import (
    REQUEST_OF_KIND,
    FailoverRequest,
    VerbRequest,
    operation_options,
    require_confirmation,
)


async def assess_readiness(
    client: df.DurableFunctionsClient, operation: Operation, request: VerbRequest, person: Principal
) -> Operation:
    """The operation with what has to be kept of this moment: an override, and the preview that others will approve.

    Raises:
        Problem: the plan is not ready and nobody overrides that, or its networks do not fit (409); what cannot be
            undone is not confirmed (400).
    """
    approvals = operation.approvals_required
    if operation.preview_kind not in JUDGED_KINDS and approvals is None:
        return operation.model_copy(update={"override": _override_of(None, request, person)})
    preview, facts = await preview_without_points(client, operation)
    require_confirmation(request, preview.confirm)
    if facts.network_blockers:
        detail = f"Nothing was done: {facts.network_blockers[0].detail}."
        raise HttpProblem(409, "Not ready", detail, field_errors_of((*facts.network_blockers, *preview.concerns)))
    if preview.concerns and request.override is None and not await has_started(client, operation.id):
        raise _not_ready_problem(operation, preview)
    updates = {"override": _override_of(preview, request, person)}
    approval_preview = await complete_with_points(operation, preview, facts.items) if approvals else None
    return operation.model_copy(update={**updates, "preview": approval_preview})


def _not_ready_problem(operation: Operation, preview: Preview) -> HttpProblem:
    remedy = 'Cure it, or say why it shall begin all the same: "override": "<the reason>".'
    concern = preview.concerns[0].detail
    detail = f"{operation.plan} is not ready for a {operation.kind}, and nothing was done: {concern}. {remedy}"
    return HttpProblem(409, "Not ready", detail, field_errors_of((*preview.blockers, *preview.concerns)))


def _override_of(preview: Preview | None, request: VerbRequest, person: Principal) -> Override | None:
    if request.override is None:
        return None
    concerns = preview.concerns if preview else ()
    return Override(reason=request.override, by=person.name, person=person.id, needed=bool(concerns), concerns=concerns)


def field_errors_of(obstacles: Iterable[Obstacle]) -> list[FieldError]:
    """Each thing in the way, by the item or the plan that it is about."""
    return [
        FieldError(field=f"items[{obstacle.vm}]" if obstacle.vm else "plan", detail=obstacle.detail)
        for obstacle in obstacles
    ]


bp = df.Blueprint()


@bp.route("plans/{plan}/{verb}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def start_verb(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a verb on a plan: 202 with its id; with `?preview=true` say what it would do and change nothing."""
    kind = _kind_of(req.route_params["verb"])
    versioned = await declared_documents.read_document(client, "plan", req.route_params["plan"])
    plan = PlanDocument.model_validate(versioned.document)
    request = REQUEST_OF_KIND.get(kind, VerbRequest).model_validate_json(body_of(req))
    operation = await _operation_of(req, client, kind, plan, request)
    if is_true(req, "preview"):
        return json_response((await preview_operation(client, operation)).model_dump(mode="json", by_alias=True))
    require_role(caller_of(req), "Dr.Drill" if kind == "drill" else "Dr.Operate")
    if not await has_started(client, operation.id):  # a repetition is not judged anew
        await _start_operation(client, operation, request, caller_of(req))
    return await _admission_response(client, operation)


async def _start_operation(
    client: df.DurableFunctionsClient, operation: Operation, request: VerbRequest, person: Principal
) -> None:
    """Start the operation when its plan is ready, or somebody says why it shall begin all the same."""
    if operation.approvals_required:
        require_signed_in(person)
    drill_handling = request.drill if isinstance(request, FailoverRequest) else None
    holding_runs = await find_holders(client, operation)
    if holding_runs and drill_handling is None:  # whoever comes second hears that, and not what else is in the way
        await preempt_drills(client, operation, holding_runs, None)
    operation = await assess_readiness(client, operation, request, person)
    owed_cleanups = await find_owed_cleanups(client, operation) if drill_handling else []
    if holding_runs or owed_cleanups:
        operation = await preempt_drills(client, operation, holding_runs, drill_handling, owed_cleanups)
    await start_once(client, operation.kind, operation.id, operation)


def _kind_of(verb: str) -> Kind:
    for kind in PLAN_KINDS:
        if kind == verb:
            return kind
    raise not_found("verb", verb)


async def _operation_of(
    req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind, plan: PlanDocument, request: VerbRequest
) -> Operation:
    if kind == "drill" and plan.drill is None:
        detail = "The plan has no drill settings: it needs an isolated network."
        raise HttpProblem(409, "No drill settings", detail, [FieldError(field="drill", detail=detail)])
    name = req.route_params["plan"]
    return Operation.model_validate(
        {"id": run_id(kind, name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex), "kind": kind, "plan": name}
        | {
            "requested_by": caller_of(req).name,
            "requester_id": caller_of(req).id,
            "digest": plan.digest,
            "document": plan,
        }
        | {"sites": await declared_documents.sites_of_plan(client, plan), **operation_options(request, plan)}
    )


async def _admission_response(client: df.DurableFunctionsClient, operation: Operation) -> func.HttpResponse:
    """202, or why its admission refused it.

    Raises:
        Problem: what is in the way (409).
    """
    refusal = await wait_for_admission(client, operation.id)
    if refusal is None:
        return accepted_response(operation.id)
    if held_obstacles := [obstacle for obstacle in refusal.problems if obstacle.code == "held"]:
        raise busy_plan_problem(operation.plan, held_obstacles[0].holder)
    detail = f"The {operation.kind} was refused and nothing was done: {refusal.problems[0].detail}"
    raise HttpProblem(409, "Not ready", detail, field_errors_of(refusal.problems), operation=operation.id)
