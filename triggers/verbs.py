"""The verbs on a plan, from drill to round trip; each can be previewed."""

import uuid
from collections.abc import Iterable

import azure.durable_functions as df
import azure.functions as func

from activities.previews import foretold, previewed
from activities.recovery_points import with_points
from shared.activity import Problem as Obstacle
from shared.operations.kinds import PLAN_KINDS, Kind
from shared.plans.plan import PlanDocument
from shared.plans.preview import Blocker, Preview
from shared.plans.readiness import JUDGED
from shared.principals import Principal, require, require_somebody
from shared.problem_details import FieldError
from shared.recovery.operation import Operation, Override
from shared.request_ids import run_id
from triggers import declared_documents
from triggers.drill_preemption import cleanups_owed, make_way
from triggers.http_endpoint import Problem, answer, body_of, caller, handled, is_true, missing
from triggers.starting import accepted, admitted, busy, holders, start_once, started_already
from triggers.verb_requests import BODIES, FailoverRequest, VerbRequest, chosen, require_confirmation


async def judged(
    client: df.DurableFunctionsClient, operation: Operation, wish: VerbRequest, person: Principal
) -> Operation:
    """The operation with what has to be kept of this moment: an override, and the preview that others will approve.

    Raises:
        Problem: the plan is not ready and nobody overrides that, or its networks do not fit (409); what cannot be
            undone is not confirmed (400).
    """
    approvals = operation.approvals
    if operation.what not in JUDGED and approvals is None:
        return operation.model_copy(update={"override": _override(None, wish, person)})
    told, seen = await foretold(client, operation)
    require_confirmation(wish, told.confirm)
    if seen.places:
        detail = f"Nothing was done: {seen.places[0].detail}."
        raise Problem(409, "Not ready", detail, errors_of((*seen.places, *told.concerns)))
    if told.concerns and wish.override is None and not await started_already(client, operation.id):
        raise _unready(operation, told)
    kept = {"override": _override(told, wish, person)}
    preview = await with_points(operation, told, seen.items) if approvals else None
    return operation.model_copy(update={**kept, "preview": preview})


def _unready(operation: Operation, told: Preview) -> Problem:
    how = 'Cure it, or say why it shall begin all the same: "override": "<the reason>".'
    detail = (
        f"{operation.plan} is not ready for a {operation.kind}, and nothing was done: {told.concerns[0].detail}. {how}"
    )
    return Problem(409, "Not ready", detail, errors_of((*told.blockers, *told.concerns)))


def _override(told: Preview | None, wish: VerbRequest, person: Principal) -> Override | None:
    if wish.override is None:
        return None
    concerns = told.concerns if told else ()
    return Override(reason=wish.override, by=person.name, person=person.id, needed=bool(concerns), concerns=concerns)


def errors_of(found: Iterable[Blocker | Obstacle]) -> list[FieldError]:
    """Each thing in the way, by the item or the plan that it is about."""
    return [FieldError(field=f"items[{one.vm}]" if one.vm else "plan", detail=one.detail) for one in found]


bp = df.Blueprint()


@bp.route("plans/{plan}/{verb}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def start_verb(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a verb on a plan: 202 with its id; with `?preview=true` say what it would do and change nothing."""
    kind = _kind(req.route_params["verb"])
    entry = await declared_documents.entry(client, "plan", req.route_params["plan"])
    plan = PlanDocument.model_validate(entry.document)
    wish = BODIES.get(kind, VerbRequest).model_validate_json(body_of(req))
    operation = await _operation(req, client, kind, plan, wish)
    if is_true(req, "preview"):
        return answer((await previewed(client, operation)).model_dump(mode="json", by_alias=True))
    require(caller(req), "Dr.Drill" if kind == "drill" else "Dr.Operate")
    if not await started_already(client, operation.id):  # a repetition is not judged anew
        await _begin(client, operation, wish, caller(req))
    return await _answer(client, operation)


async def _begin(client: df.DurableFunctionsClient, operation: Operation, wish: VerbRequest, person: Principal) -> None:
    """Start the operation when its plan is ready, or somebody says why it shall begin all the same."""
    if operation.approvals:
        require_somebody(person)
    way = wish.drill if isinstance(wish, FailoverRequest) else None
    others = await holders(client, operation)
    if others and way is None:  # whoever comes second hears that, and not what else is in the way
        await make_way(client, operation, others, None)
    operation = await judged(client, operation, wish, person)
    owed = await cleanups_owed(client, operation) if way else []
    if others or owed:
        operation = await make_way(client, operation, others, way, owed)
    await start_once(client, operation.kind, operation.id, operation)


def _kind(verb: str) -> Kind:
    for kind in PLAN_KINDS:
        if kind == verb:
            return kind
    raise missing("verb", verb)


async def _operation(
    req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind, plan: PlanDocument, wish: VerbRequest
) -> Operation:
    if kind == "drill" and plan.drill is None:
        detail = "The plan has no drill settings: it needs an isolated network."
        raise Problem(409, "No drill settings", detail, [FieldError(field="drill", detail=detail)])
    name = req.route_params["plan"]
    return Operation.model_validate(
        {"id": run_id(kind, name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex), "kind": kind, "plan": name}
        | {"requested_by": caller(req).name, "requester_id": caller(req).id, "digest": plan.digest, "document": plan}
        | {"sites": await declared_documents.sites_of(client, plan), **chosen(wish, plan)}
    )


async def _answer(client: df.DurableFunctionsClient, operation: Operation) -> func.HttpResponse:
    """202, or why its admission refused it.

    Raises:
        Problem: what is in the way (409).
    """
    refusal = await admitted(client, operation.id)
    if refusal is None:
        return accepted(operation.id)
    if held := [problem for problem in refusal.problems if problem.code == "held"]:
        raise busy(operation.plan, held[0].detail.rsplit(" ", 1)[-1])
    detail = f"The {operation.kind} was refused and nothing was done: {refusal.problems[0].detail}"
    raise Problem(409, "Not ready", detail, errors_of(refusal.problems), operation=operation.id)
