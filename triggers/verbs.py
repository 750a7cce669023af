"""The verbs on a plan, from drill to round trip; each can be previewed."""

import uuid
from collections.abc import Sequence

import azure.durable_functions as df
import azure.functions as func

from shared.messages import Document
from shared.operations import PLAN_KINDS, Kind, Operation
from shared.plans import PlanDocument
from shared.preview import Blocker
from shared.principals import require
from shared.problems import FieldError
from shared.request_ids import run_id
from triggers import shelf
from triggers.homecoming import keeps_closed
from triggers.previews import misplaced, previewed, vaults_of
from triggers.starting import accepted, admitted, busy, holders, start_once, started_already
from triggers.web import Problem, answer, body_of, caller, handled, is_true, missing
from triggers.wishes import BODIES, FailoverRequest, VerbRequest, Way, chosen, require_confirmation
from triggers.yielding import make_way

bp = df.Blueprint()


@bp.route("plans/{plan}/{verb}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def start_verb(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a verb on a plan: 202 with its id; with `?preview=true` say what it would do and change nothing."""
    kind = _kind(req.route_params["verb"])
    entry = await shelf.entry(client, "plan", req.route_params["plan"])
    plan = PlanDocument.model_validate(entry.document)
    wish = BODIES.get(kind, VerbRequest).model_validate_json(body_of(req))
    operation = await _operation(req, client, kind, plan, wish)
    if is_true(req, "preview"):
        seen = await previewed(operation)
        if kind == "failback":
            closed = await keeps_closed(client, operation.plan)
            seen = seen.model_copy(update={"blockers": (*closed, *seen.blockers)})
        return answer(seen.model_dump(mode="json", by_alias=True))
    require(caller(req), "Dr.Drill" if kind == "drill" else "Dr.Operate")
    if kind == "cancel" and not await started_already(client, operation.id):
        require_confirmation(wish, (await previewed(operation)).confirm)
    if kind in {"failover", "roundtrip"} and not await started_already(client, operation.id):
        _require_places(await misplaced(operation.document, operation.sites))
    return await _start(client, operation, wish.drill if isinstance(wish, FailoverRequest) else None)


def _require_places(wrong: Sequence[Blocker]) -> None:
    """See that the machines have somewhere to go.

    Raises:
        Problem: each that has not (409).
    """
    if wrong:
        errors = [FieldError(field=f"items[{one.vm}]" if one.vm else "plan", detail=one.detail) for one in wrong]
        raise Problem(409, "Not ready", f"Nothing was done: {wrong[0].detail}.", errors)


def _kind(verb: str) -> Kind:
    for kind in PLAN_KINDS:
        if kind == verb:
            return kind
    raise missing("verb", verb)


async def _operation(
    req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind, plan: PlanDocument, wish: Document
) -> Operation:
    if kind == "drill" and plan.drill is None:
        detail = "The plan has no drill settings: it needs an isolated network."
        raise Problem(409, "No drill settings", detail, [FieldError(field="drill", detail=detail)])
    name = req.route_params["plan"]
    return Operation.model_validate(
        {"id": run_id(kind, name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex), "kind": kind, "plan": name}
        | {"requested_by": caller(req).name, "requester_id": caller(req).id, "digest": plan.digest, "document": plan}
        | {"sites": await shelf.sites_of(client, plan), **chosen(wish, plan)}
    )


async def _start(client: df.DurableFunctionsClient, operation: Operation, way: Way | None) -> func.HttpResponse:
    others = await holders(client, operation, vaults_of(operation.sites.values()))
    if others and not await started_already(client, operation.id):
        operation = await make_way(client, operation, others, way)
    await start_once(client, operation.kind, operation.id, operation)
    refusal = await admitted(client, operation.id)
    if refusal is None:
        return accepted(operation.id)
    if held := [problem for problem in refusal.problems if problem.code == "held"]:
        raise busy(operation.plan, held[0].detail.rsplit(" ", 1)[-1])
    errors = [FieldError(field=f"items[{p.vm}]" if p.vm else "plan", detail=p.detail) for p in refusal.problems]
    detail = f"The {operation.kind} was refused and nothing was done: {refusal.problems[0].detail}"
    raise Problem(409, "Not ready", detail, errors, operation=operation.id)
