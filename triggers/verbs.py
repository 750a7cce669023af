"""The verbs on a plan, from drill to round trip. A request with `?preview=true` only says what would happen.

1. Read the plan, the request and the sites: the operation as it would run.
2. For a preview, say what it would do, and stop here.
3. Unless the request is a repetition: see that nothing is on hold, and who holds the VMs, judge whether the plan is
   ready, have drills make way.
4. Start the run, wait a moment for its admission, and answer.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.previews import preview_operation, preview_without_points
from activities.recovery_points import complete_with_points
from shared.operations.kinds import PLAN_KINDS, Kind
from shared.plans.preview import Preview
from shared.plans.preview_kinds import JUDGED_KINDS
from shared.plans.readiness import find_sources_last_seen
from shared.principals import Principal, require_role
from shared.problem_details import FieldError
from shared.recovery.operation import Operation, Override
from triggers import declared_documents
from triggers.approvals import find_required_for_run, require_requester, required_views
from triggers.drill_preemption import find_owed_cleanups, preempt_drills
from triggers.endpoint_rules import Variant
from triggers.holds_in_effect import hold_views, read_holds_of, require_no_hold
from triggers.http_endpoint import (
    PREVIEW,
    HttpProblem,
    body_of,
    caller_of,
    handle_for_role,
    json_response,
    not_found,
    request_key_of,
    require_confirmation,
    run_id_of,
)
from triggers.next_drills import read_next_drill
from triggers.request_checks import wants_preview
from triggers.scope_checks import require_allowed
from triggers.starting import admission_response, field_errors_of, find_holding_runs, has_started, start_once
from triggers.verb_requests import VerbRequest, foreign_options_of, options_of_request, parse_verb_request

bp = df.Blueprint()
VARIANTS: Mapping[str, Variant] = {
    kind: Variant("Dr.Drill" if kind == "drill" else "Dr.Operate", VerbRequest, foreign_options_of(kind))
    for kind in PLAN_KINDS
}


@bp.function_name("start_verb")
@bp.route("plans/{plan}/{verb}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, variants=VARIANTS, statuses=(202,))
async def start_verb(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a verb on a plan: 202 with its id; with `?preview=true` say what it would do and change nothing."""
    kind: Kind | None = next((kind for kind in PLAN_KINDS if kind == req.route_params["verb"]), None)
    if kind is None:
        raise not_found("verb", req.route_params["verb"])
    operation, request = await _read_operation(req, client, kind)
    if wants_preview(req):
        return json_response(await _preview_view(client, operation))
    require_role(caller_of(req), VARIANTS[kind].role)
    key = request_key_of(req, kind, operation.plan)
    if not await has_started(client, operation.id, key):  # a repetition is not judged anew
        operation = await _admit_request(client, operation, request, caller_of(req))
        await start_once(client, kind, operation.id, operation, key)
    return await admission_response(client, kind, operation.id, "plan")


async def _preview_view(client: df.DurableFunctionsClient, operation: Operation) -> dict[str, Any]:
    """What it would do, and what is on hold meanwhile."""
    preview = await preview_operation(client, operation)
    view = preview.model_dump(mode="json", by_alias=True)
    view |= {"holds": hold_views(await read_holds_of(client, operation.sites))}
    view |= {"requiredApprovals": required_views(await find_required_for_run(client, operation))}
    if operation.kind == "drill":
        versioned = await declared_documents.read_document(client, "plan", operation.plan)
        view |= await read_next_drill(client, operation.plan, versioned)
    return view


async def _read_operation(
    req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind
) -> tuple[Operation, VerbRequest]:
    name, person = req.route_params["plan"], caller_of(req)
    plan = await declared_documents.read_plan(client, name)
    request = parse_verb_request(kind, body_of(req))
    if kind == "drill" and plan.drill is None:
        detail = "The plan has no drill settings. Declare `drill.network`, an isolated network, first."
        raise HttpProblem(409, "No drill settings", detail, [FieldError(field="drill", detail=detail)])
    sites = await declared_documents.sites_of_plan(client, plan)
    require_allowed(sites, plan)
    operation = Operation(
        id=run_id_of(req, kind, name),
        kind=kind,
        plan=name,
        requested_by=person.name,
        requester_id=person.id,
        digest=plan.digest,
        document=plan,
        sites=sites,
        options=options_of_request(kind, request, plan, datetime.now(UTC)),
        confirmed=request.confirm or "",
    )
    return operation, request


async def _admit_request(
    client: df.DurableFunctionsClient, operation: Operation, request: VerbRequest, person: Principal
) -> Operation:
    """The operation as it may start: its plan is ready, or somebody says why it shall begin all the same."""
    await require_no_hold(client, operation.sites)
    required = await find_required_for_run(client, operation)
    require_requester(person, required)
    operation = operation.model_copy(update={"required_approvals": required})
    holding_runs = await find_holding_runs(client, operation)
    if holding_runs and request.drill is None:  # a busy plan is refused before anything else is checked
        await preempt_drills(client, operation, holding_runs, None)
    operation = await assess_readiness(client, operation, request, person)
    owed_cleanups = await find_owed_cleanups(client, operation) if request.drill else []
    if holding_runs or owed_cleanups:
        operation = await preempt_drills(client, operation, holding_runs, request.drill, owed_cleanups)
    return operation


def _unanswered_concern(operation: Operation, preview: Preview) -> HttpProblem:
    remedy = 'Resolve it, or give the reason to start anyway: "override": "<the reason>".'
    detail = f"{operation.plan} is not ready for a {operation.kind}, and nothing was done: "
    detail += f"{preview.concerns[0].detail}. {remedy}"
    return HttpProblem(409, "Not ready", detail, field_errors_of((*preview.blockers, *preview.concerns)))


async def assess_readiness(
    client: df.DurableFunctionsClient, operation: Operation, request: VerbRequest, person: Principal
) -> Operation:
    """The operation with what has to be kept of this moment: an override, and the preview that others will approve.

    Raises:
        HttpProblem: the plan is not ready and nobody overrides that, or its networks do not fit (409); what cannot be
            undone is not confirmed (400).
    """
    approvals = operation.required_approvals
    if operation.preview_kind not in JUDGED_KINDS and not approvals:
        return operation.model_copy(update={"override": _override_of(None, request, person)})
    preview, facts = await preview_without_points(client, operation)
    require_confirmation(request.confirm, preview.confirm)
    if facts.network_blockers:
        detail = f"Nothing was done: {facts.network_blockers[0].detail}."
        raise HttpProblem(409, "Not ready", detail, field_errors_of((*facts.network_blockers, *preview.concerns)))
    if preview.concerns and request.override is None:
        raise _unanswered_concern(operation, preview)
    approval_preview = await complete_with_points(operation, preview, facts.items) if approvals else None
    changes = {"override": _override_of(preview, request, person), "preview": approval_preview}
    return operation.model_copy(update=changes | {"sources_last_seen": find_sources_last_seen(preview)})


def _override_of(preview: Preview | None, request: VerbRequest, person: Principal) -> Override | None:
    if request.override is None:
        return None
    concerns = preview.concerns if preview else ()
    return Override(
        reason=request.override,
        person_name=person.name,
        person_id=person.id,
        was_needed=bool(concerns),
        concerns=concerns,
    )
