"""The verbs on a plan: drill, failover, commit, failback, re-protect; each can be previewed."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import azure.durable_functions as df
import azure.functions as func
from pydantic import StringConstraints

from activities.contract import ReadItems, ReadNetwork
from activities.inventory import read_network
from activities.vault import read_items
from shared.documents import Span
from shared.isolation import flaws
from shared.messages import Document, ItemView, VaultRef
from shared.operations import PLAN_KINDS, Kind, Operation
from shared.plans import PlanDocument
from shared.preview import Blocker, preview
from shared.principals import require
from shared.problems import FieldError
from shared.recovery_points import CONSISTENT, LATEST, PROCESSED, PointWish
from shared.request_ids import run_id
from shared.sites import SiteDocument
from triggers import shelf
from triggers.starting import accepted, admitted, busy, holder, start_once
from triggers.web import Problem, answer, body_of, caller, handled, is_true, missing

bp = df.Blueprint()


type PointRule = Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class VerbRequest(Document):
    """What can be said with any verb: nothing yet."""


class PointRequest(Document):
    """Ask for a verb that starts from a recovery point.

    Attributes:
        recovery_point: "latest", "latestProcessed", "latestAppConsistent", or for a plan of one VM the name or ARM id
            of a point; or each VM's own, the others taking the latest.
        max_age: Of the point, when the verb is sent: one that is older is refused for its VM.
    """

    recovery_point: PointRule | dict[str, PointRule] = LATEST
    max_age: Span | None = None


class FailoverRequest(PointRequest):
    """Ask for a failover.

    Attributes:
        type: "planned" shuts the source down first and loses nothing; "unplanned" is for a site that is lost.
        shut_down_source: For "unplanned": try to shut the source VMs down first; goes on when that fails.
    """

    type: Literal["planned", "unplanned"] = "planned"
    shut_down_source: bool = True


BODIES: Mapping[Kind, type[Document]] = {"failover": FailoverRequest, "drill": PointRequest}


@bp.route("plans/{plan}/{verb}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def start_verb(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Start a verb on a plan: 202 with its id; with `?preview=true` say what it would do and change nothing."""
    kind = _kind(req.route_params["verb"])
    entry = await shelf.entry(client, "plan", req.route_params["plan"])
    plan = PlanDocument.model_validate(entry.document)
    operation = await _operation(req, client, kind, plan)
    if is_true(req, "preview"):
        return answer(await _preview(operation))
    require(caller(req), "Dr.Drill" if kind == "drill" else "Dr.Operate")
    return await _start(client, operation)


def _kind(verb: str) -> Kind:
    for kind in PLAN_KINDS:
        if kind == verb:
            return kind
    raise missing("verb", verb)


async def _preview(operation: Operation) -> dict[str, Any]:
    production = [site.network for site in operation.sites.values()]
    views = await views_of(list(operation.sites.values()))
    seen = preview(operation.document, _what(operation), views, name=operation.plan, production=production)
    more = await _network_blockers(operation, production) if operation.kind == "drill" else ()
    return seen.model_copy(update={"blockers": (*seen.blockers, *more)}).model_dump(mode="json", by_alias=True)


async def _network_blockers(operation: Operation, production: list[str]) -> tuple[Blocker, ...]:
    """What speaks against the drill's network as it is now."""
    settings = operation.document.drill
    if settings is None:
        return ()
    seen = await read_network(ReadNetwork(network=settings.network))
    found = flaws(settings, production, found=seen.found, peered=seen.peered, cards=seen.cards)
    return tuple(Blocker(code=flaw.code, detail=flaw.detail) for flaw in found if flaw.code != "drill-in-production")


def _what(operation: Operation) -> str:
    return f"{operation.failover_type}-failover" if operation.kind == "failover" else operation.kind


async def _operation(
    req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind, plan: PlanDocument
) -> Operation:
    wish = BODIES.get(kind, VerbRequest).model_validate_json(body_of(req))
    if kind == "drill" and plan.drill is None:
        detail = "The plan has no drill settings: it needs an isolated network."
        raise Problem(409, "No drill settings", detail, [FieldError(field="drill", detail=detail)])
    name = req.route_params["plan"]
    chosen: dict[str, Any] = {}
    if isinstance(wish, PointRequest):
        chosen = {"points": _points(wish, plan)}
    if isinstance(wish, FailoverRequest):
        chosen |= {"failover_type": wish.type, "shut_down_source": wish.shut_down_source}
    return Operation.model_validate(
        {"id": run_id(kind, name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex), "kind": kind, "plan": name}
        | {"requested_by": caller(req).name, "requester_id": caller(req).id, "digest": plan.digest, "document": plan}
        | {"sites": await shelf.sites_of(client, plan), **chosen}
    )


def _points(wish: PointRequest, plan: PlanDocument) -> PointWish:
    """Which points were asked for.

    Raises:
        Problem: a point of one VM is meant for several, or one for a VM that the plan has not.
    """
    known = {item.vm.lower() for item in plan.items}
    if isinstance(wish.recovery_point, dict):
        strangers = [vm for vm in wish.recovery_point if vm.lower() not in known]
        _refuse([(f"recoveryPoint.{vm}", f"no item of this plan is called {vm!r}") for vm in strangers])
        by_vm = {vm.lower(): rule for vm, rule in wish.recovery_point.items()}
        return PointWish(by_vm=by_vm, max_age=wish.max_age)
    if wish.recovery_point not in {LATEST, PROCESSED, CONSISTENT} and len(known) > 1:
        detail = f"{wish.recovery_point!r} is a point of one VM, and the plan has more: give each its own, by its name"
        _refuse([("recoveryPoint", detail)])
    return PointWish(rule=wish.recovery_point, max_age=wish.max_age)


def _refuse(wrong: list[tuple[str, str]]) -> None:
    if wrong:
        errors = [FieldError(field=field, detail=detail) for field, detail in wrong]
        raise Problem(400, "Invalid request", "The request has fields that are wrong.", errors)


async def views_of(sites: Sequence[SiteDocument]) -> dict[str, ItemView]:
    """The protected items of these sites' vaults, by VM name; one list a vault."""
    found: dict[str, ItemView] = {}
    for vault in _vaults(sites):
        found |= {view.vm: view for view in (await read_items(ReadItems(vault=vault))).items}
    return found


def _vaults(sites: Iterable[SiteDocument]) -> list[VaultRef]:
    refs = (VaultRef.from_id(site.vault) for site in sites)
    return list({ref.key: ref for ref in refs}.values())


async def _start(client: df.DurableFunctionsClient, operation: Operation) -> func.HttpResponse:
    if other := await holder(client, operation, _vaults(operation.sites.values())):
        raise busy(operation.plan, other)
    await start_once(client, operation.kind, operation.id, operation)
    refusal = await admitted(client, operation.id)
    if refusal is None:
        return accepted(operation.id)
    if held := [problem for problem in refusal.problems if problem.code == "held"]:
        raise busy(operation.plan, held[0].detail.rsplit(" ", 1)[-1])
    errors = [FieldError(field=f"items[{p.vm}]" if p.vm else "plan", detail=p.detail) for p in refusal.problems]
    detail = f"The {operation.kind} was refused and nothing was done: {refusal.problems[0].detail}"
    raise Problem(409, "Not ready", detail, errors, operation=operation.id)
