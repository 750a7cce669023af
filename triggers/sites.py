"""Onboarding over HTTP: prepare a site, and start, follow, change or end the replication of its VMs."""

import asyncio
import uuid
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.nodes import read_nodes
from activities.replication import read_copies, read_machines, read_points
from activities.vault import read_items, read_providers
from shared.arm_ids import segments
from shared.azure.errors import Missing
from shared.errors import SiteRecoveryError
from shared.healing.contract import ReadNodes
from shared.messages import Document, VaultRef
from shared.onboarding.preparation import PrepareOrder
from shared.onboarding.site_health import summary
from shared.operations.kinds import Kind
from shared.principals import require
from shared.problem_details import FieldError
from shared.replication.contract import MachinesRead, ReadCopies, ReadMachines, ReadPoints
from shared.replication.health import health
from shared.replication.schedule import ReplicationOrder
from shared.replication.settings import ReplicationRequest
from shared.request_ids import run_id
from shared.site_recovery.contract import ReadItems, ReadProviders
from shared.sites.operation import SiteOperation
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import Problem, answer, body_of, caller, handled, missing
from triggers.starting import accepted, admitted, start_once

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
    entry = await declared_documents.entry(client, "site", req.route_params["site"])
    return SiteDocument.model_validate(entry.document)


async def _health(site: SiteDocument) -> list[dict[str, Any]]:
    vault = VaultRef.from_id(site.vault)
    ask = ReadMachines(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    there: MachinesRead = await read_machines(ask)
    seen = await read_copies(ReadCopies(vault=vault))
    return health(there.machines, seen.copies, there.interval, seen.at)


class LookRequest(Document):
    """What can be said with a preflight or a verification: nothing."""


async def operation_of(req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind) -> SiteOperation:
    """The run that a request on a site asks for: its id is that of its Idempotency-Key.

    Raises:
        Problem: the site is not declared (404).
    """
    name = req.route_params["site"]
    entry = await declared_documents.entry(client, "site", name)
    return SiteOperation(
        id=run_id(kind, name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex),
        kind=kind,
        site=name,
        requested_by=caller(req).name,
        document=SiteDocument.model_validate(entry.document),
    )


async def _start_onboarding(req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind) -> func.HttpResponse:
    LookRequest.model_validate_json(body_of(req))
    operation = await operation_of(req, client, kind)
    await start_once(client, kind, operation.id, operation)
    return accepted(operation.id)


@bp.route("sites/{site}/preflight", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Operate")
async def start_preflight(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Check every prerequisite: 202; the operation fails when a check does. It runs a read-only script on each node."""
    return await _start_onboarding(req, client, "preflight")


@bp.route("sites/{site}/verify", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def start_verify(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Compare the declared site with what is there: 202; the operation fails when something is other than declared."""
    return await _start_onboarding(req, client, "verify")


async def health_of(site: SiteDocument) -> dict[str, Any]:
    """The site's health; {state: "unprepared" or "unknown", detail} without a vault, or when Azure does not say."""
    vault = VaultRef.from_id(site.vault)
    try:
        nodes, hosts, items = await asyncio.gather(
            read_nodes(ReadNodes(cluster_id=site.cluster)),
            read_providers(ReadProviders(vault=vault, fabric=site.hyper_v_site)),
            read_items(ReadItems(vault=vault)),
        )
    except Missing as missing:
        return {"state": "unprepared", "detail": missing.detail}
    except SiteRecoveryError as failure:
        return {"state": "unknown", "detail": str(failure)}
    fabrics = {site.hyper_v_site.lower(), *(_fabric_of(host.id) for host in hosts.providers)}
    ours = [item for item in items.items if _fabric_of(item.id) in fabrics]  # a vault may have several sites
    return summary(nodes.nodes, hosts.providers, ours, hosts.at)


def _fabric_of(arm_id: str) -> str:
    return segments(arm_id).get("replicationfabrics", "").lower()
