"""Onboarding over HTTP: prepare a site, and start, follow, change or end the replication of its VMs."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.protection import read_copies, read_machines, read_points
from activities.site_contract import MachinesRead, ReadCopies, ReadMachines, ReadPoints
from shared.copying import ReplicationOrder
from shared.messages import Document, VaultRef
from shared.operations import SiteOperation
from shared.preparation import PrepareOrder
from shared.principals import require
from shared.problems import FieldError
from shared.replication import ReplicationRequest
from shared.replication_health import health
from shared.sites import SiteDocument
from triggers import shelf
from triggers.onboarding import operation_of
from triggers.starting import accepted, admitted, start_once
from triggers.web import Problem, answer, body_of, caller, handled, missing

bp = df.Blueprint()


class PrepareRequest(Document):
    """What can be said with a preparation: nothing, it is all in the site."""


@bp.route("sites/{site}/prepare", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Admin")
async def start_prepare(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Create or adopt what the site needs: 202 with the operation's id; 409 while another run prepares it."""
    PrepareRequest.model_validate_json(body_of(req))
    operation = await operation_of(req, client, "prepare")
    return await _start(client, PrepareOrder.model_validate(operation.model_dump()))


@bp.route("sites/{site}/replication", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Operate")
async def start_replication(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Enable, update, disable or resynchronise the replication of VMs: 202; 409 when another run holds one of them."""
    request = ReplicationRequest.model_validate_json(body_of(req))
    if request.action in {"disable", "resynchronise"} and not request.vms:
        detail = f"To {request.action} name each VM that is meant."
        raise Problem(400, "Invalid request", detail, [FieldError(field="vms", detail=detail)])
    if request.action == "disable":
        require(caller(req), "Dr.Admin")
    operation = await operation_of(req, client, "replication")
    return await _start(client, ReplicationOrder.model_validate(operation.model_dump() | {"request": request}))


async def _start(client: df.DurableFunctionsClient, order: SiteOperation) -> func.HttpResponse:
    await start_once(client, order.kind, order.id, order)
    refusal = await admitted(client, order.id)
    if refusal is None:
        return accepted(order.id)
    errors = [FieldError(field="vms" if p.vm else "site", detail=p.detail) for p in refusal.problems]
    first = refusal.problems[0]
    if first.code == "held":
        run = first.detail.rsplit(" ", 1)[-1]
        raise Problem(409, "Site is busy", first.detail, errors, operation=run, statusUrl=f"/api/operations/{run}")
    detail = f"The {order.kind} was refused and nothing was done: {first.detail}"
    raise Problem(409, "Not ready", detail, errors, operation=order.id)


@bp.route("sites/{site}/replication", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_replication(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The replication of each VM now: state, how far behind, and whether that is well; read from the vault."""
    return answer({"value": await _health(await _site(req, client))})


@bp.route("sites/{site}/replication/{vm}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_replication_of_vm(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The same for one VM, with its last recovery points, newest first."""
    site, name = await _site(req, client), req.route_params["vm"]
    found = [each for each in await _health(site) if name.lower() in {each["vm"].lower(), each["id"].lower()}]
    if not found or not found[0]["itemId"]:
        raise missing("replicating VM", name)
    points = await read_points(ReadPoints(vault=VaultRef.from_id(site.vault), item_id=found[0]["itemId"]))
    return answer({**found[0], "recoveryPoints": [point.model_dump(mode="json") for point in points.points]})


async def _site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> SiteDocument:
    entry = await shelf.entry(client, "site", req.route_params["site"])
    return SiteDocument.model_validate(entry.document)


async def _health(site: SiteDocument) -> list[dict[str, Any]]:
    vault = VaultRef.from_id(site.vault)
    ask = ReadMachines(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    there: MachinesRead = await read_machines(ask)
    seen = await read_copies(ReadCopies(vault=vault))
    return health(there.machines, seen.copies, there.interval, seen.at)
