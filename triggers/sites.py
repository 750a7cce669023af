"""Onboarding over HTTP: prepare a site, and start, follow, change or end the replication of its VMs."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import read_entity
from activities.nodes import read_nodes
from activities.replication import (
    list_site_machines,
    read_protectable_items,
    read_recovery_points,
    read_replicated_items,
)
from activities.vault import read_items, read_providers
from shared.arm_ids import names_by_type
from shared.azure.errors import NotFound
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.healing.contract import ReadNodes
from shared.messages import VaultRef
from shared.onboarding.preparation import PrepareOrder
from shared.onboarding.site_health import Coverage, find_unread_nodes, is_newer_than_lists, summarise_site
from shared.operations.contract import StartRun
from shared.operations.durable_names import CLUSTER_VMS
from shared.operations.kinds import Kind
from shared.plans.approvals import RequiredApprovals
from shared.plans.plan import PlanDocument
from shared.principals import require_role
from shared.problem_details import FieldError
from shared.replication.contract import (
    ProtectableItemsRead,
    ReadProtectableItems,
    ReadRecoveryPoints,
    ReadReplicatedItems,
)
from shared.replication.coverage import find_unplanned, find_unprotected
from shared.replication.health import list_vm_health
from shared.replication.run import ReplicationOrder
from shared.replication.settings import ReplicationRequest
from shared.site_recovery.contract import ReadItems, ReadProviders
from shared.sites.cluster_vms import read_cluster_vms
from shared.sites.node_health import providers_on
from shared.sites.operation import SiteOperation
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.approvals import find_required_for_vms, guarded_start, start_change
from triggers.holds_in_effect import hold_views, read_holds_of, require_no_hold
from triggers.http_endpoint import (
    PREVIEW,
    EmptyRequest,
    RequestKey,
    caller_of,
    handle_for_role,
    invalid_request,
    json_response,
    not_found,
    read_body,
    request_key_of,
    require_confirmation,
    run_id_of,
)
from triggers.request_checks import wants_preview
from triggers.scope_checks import require_allowed
from triggers.site_previews import READS, preview_prepare, preview_replication_order
from triggers.starting import accepted_response, admission_response, has_started, start_once

bp = df.Blueprint()


@bp.function_name("start_prepare")
@bp.route("sites/{site}/prepare", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", PREVIEW, body=EmptyRequest, statuses=(202,))
async def start_prepare(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Create or adopt what the site needs: 202 with the operation's id; 409 while another run prepares it."""
    read_body(req, EmptyRequest)
    order = PrepareOrder(**dict(await site_operation_of(req, client, "prepare")))
    if wants_preview(req):
        return json_response(await preview_prepare(order) | await _holds_view(client, order))
    return await _start_holding_run(client, order, request_key_of(req, order.kind, order.site))


@bp.function_name("start_replication")
@bp.route("sites/{site}/replication", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate", PREVIEW, body=ReplicationRequest, action_roles=("Dr.Admin",), statuses=(202,))
async def start_replication(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Enable, update, disable or resynchronise the replication of VMs: 202; 409 when another run holds one of them.

    To disable takes the sentence that `?preview=true` shows, word for word.
    """
    request = read_body(req, ReplicationRequest)
    if request.action in {"disable", "resynchronise"} and not request.vms:
        raise invalid_request(FieldError(field="vms", detail=f"name each VM to {request.action}"))
    if request.action == "disable" and not wants_preview(req):
        require_role(caller_of(req), "Dr.Admin")
    operation = await site_operation_of(req, client, "replication")
    order = ReplicationOrder(**dict(operation), request=request)
    if wants_preview(req):
        preview = (await preview_replication_order(client, order)).model_dump(mode="json", by_alias=True)
        return json_response({"kind": order.kind, "site": order.site, **preview, **await _holds_view(client, order)})
    key = request_key_of(req, order.kind, order.site)
    if request.action == "disable" and not await has_started(client, order.id, key):
        require_confirmation(request.confirm, (await preview_replication_order(client, order)).confirm)
        if required := await find_required_for_vms(client, "disable", order.document, [one.vm for one in request.vms]):
            return await _ask_to_disable(req, client, order, required)
    return await _start_holding_run(client, order, key)


async def _ask_to_disable(
    req: func.HttpRequest,
    client: df.DurableFunctionsClient,
    order: ReplicationOrder,
    required: tuple[RequiredApprovals, ...],
) -> func.HttpResponse:
    """202 with the run that waits for approvals, and then starts the order."""
    await require_no_hold(client, (order.site,))
    start = StartRun(id=order.id, orchestrator=order.kind, payload=order.model_dump(mode="json"))
    person, subject = caller_of(req), f"sites/{order.site}"
    asked = guarded_start(start, person, subject, order.request.confirm, required, (order.site,))
    return await start_change(client, asked, person)


async def _holds_view(client: df.DurableFunctionsClient, order: SiteOperation) -> dict[str, Any]:
    """What keeps it from beginning."""
    return {"holds": hold_views(await read_holds_of(client, [order.site]))}


async def _start_holding_run(
    client: df.DurableFunctionsClient, order: SiteOperation, key: RequestKey
) -> func.HttpResponse:
    if not await has_started(client, order.id, key):
        await require_no_hold(client, (order.site,))
    await start_once(client, order.kind, order.id, order, key)
    return await admission_response(client, order.kind, order.id, "site")


@bp.function_name("get_replication")
@bp.route("sites/{site}/replication", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_replication(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The replication of each VM now: state, how far behind, and whether that is well; read from the vault."""
    return json_response(
        {"value": await _read_replication_health(await declared_documents.read_site(client, req.route_params["site"]))}
    )


@bp.function_name("get_replication_of_vm")
@bp.route("sites/{site}/replication/{vm}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_replication_of_vm(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The same for one VM, with its last recovery points, newest first."""
    site, name = await declared_documents.read_site(client, req.route_params["site"]), req.route_params["vm"]
    matching = [
        vm_view
        for vm_view in await _read_replication_health(site)
        if name.lower() in {vm_view["vm"].lower(), vm_view["id"].lower()}
    ]
    if not matching or not matching[0]["itemId"]:
        raise not_found("replicating VM", name)
    points_read = await read_recovery_points(
        ReadRecoveryPoints(vault=VaultRef.from_id(site.vault), item_id=matching[0]["itemId"])
    )
    return json_response(
        {**matching[0], "recoveryPoints": [point.model_dump(mode="json") for point in points_read.points]}
    )


async def _read_replication_health(site: SiteDocument) -> list[dict[str, Any]]:
    vault = VaultRef.from_id(site.vault)
    request = ReadProtectableItems(vault=vault, site=site.hyper_v_site, policy=site.policy_name)
    protectable: ProtectableItemsRead = await read_protectable_items(request)
    replicated = await read_replicated_items(ReadReplicatedItems(vault=vault))
    return list_vm_health(protectable.machines, replicated.items, protectable.interval, replicated.at, site)


async def site_operation_of(req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind) -> SiteOperation:
    """The run that a request on a site asks for: its id is that of its Idempotency-Key.

    Raises:
        HttpProblem: the site is not declared (404), or lies outside of the allowed scopes (400).
    """
    name, requester = req.route_params["site"], caller_of(req)
    site = await declared_documents.read_site(client, name)
    require_allowed({name: site})
    return SiteOperation(
        id=run_id_of(req, kind, name),
        kind=kind,
        site=name,
        requested_by=requester.name,
        requester_id=requester.id,
        document=site,
    )


async def _start_check(req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind) -> func.HttpResponse:
    read_body(req, EmptyRequest)
    operation = await site_operation_of(req, client, kind)
    if wants_preview(req):
        return json_response({"kind": kind, "site": operation.site, "detail": READS[kind]})
    await start_once(client, kind, operation.id, operation, request_key_of(req, kind, operation.site))
    return accepted_response(operation.id)


@bp.function_name("start_preflight")
@bp.route("sites/{site}/preflight", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate", PREVIEW, body=EmptyRequest, statuses=(202,))
async def start_preflight(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Check every prerequisite: 202; the operation fails when a check does. It runs a read-only script on each node."""
    return await _start_check(req, client, "preflight")


@bp.function_name("start_verify")
@bp.route("sites/{site}/verify", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate", PREVIEW, body=EmptyRequest, statuses=(202,))
async def start_verify(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Compare the declared site with what is there: 202; the operation fails when something is other than declared."""
    return await _start_check(req, client, "verify")


async def read_site_health(
    client: df.DurableFunctionsClient, name: str, site: SiteDocument, plans: Mapping[str, PlanDocument]
) -> dict[str, Any]:
    """The site's health; {state: "unprepared" or "unknown", detail} without a vault, or when Azure does not say.

    Args:
        plans: All that are declared: what they have of the site's VMs.
    """
    vault = VaultRef.from_id(site.vault)
    try:
        nodes_read, providers_read, items_read, machines = await asyncio.gather(
            read_nodes(ReadNodes(cluster_id=site.cluster)),
            read_providers(ReadProviders(vault=vault, fabric=site.hyper_v_site)),
            read_items(ReadItems(vault=vault)),
            list_site_machines(site),
        )
    except NotFound as absent:
        return {"state": "unprepared", "detail": absent.detail}
    except SiteRecoveryError as failure:
        return {"state": "unknown", "detail": str(failure)}
    fabrics = {site.hyper_v_site.lower(), *(_fabric_of(host.id) for host in providers_read.providers)}
    own_items = [item for item in items_read.items if _fabric_of(item.id) in fabrics]  # a vault may have several sites
    kept = read_cluster_vms(await read_entity(client, CLUSTER_VMS, name))
    unregistered = [node.name for node in nodes_read.nodes if not providers_on(node.host, providers_read.providers)]
    named = kept.vms if is_newer_than_lists(kept.at, providers_read.at) else kept.vms_of_nodes(unregistered)
    coverage = Coverage(
        unprotected=find_unprotected(site, machines, own_items, named),
        unplanned=find_unplanned(site, own_items, _planned_vms(name, plans)),
        unread_nodes=find_unread_nodes(unregistered, kept),
        nodes_read_at=kept.at,
    )
    return summarise_site(nodes_read.nodes, providers_read.providers, own_items, providers_read.at, coverage)


async def read_site_healths(
    client: df.DurableFunctionsClient, sites: Mapping[str, SiteDocument], plans: Mapping[str, PlanDocument]
) -> dict[str, dict[str, Any]]:
    """The health of each of these sites, by name, some at a time."""

    async def read_health(name: str) -> dict[str, Any]:
        return await read_site_health(client, name, sites[name], plans)

    return dict(zip(sites, await map_concurrently(list(sites), read_health), strict=True))


def _planned_vms(site: str, plans: Mapping[str, PlanDocument]) -> Iterator[str]:
    """The VMs that plans have at a site."""
    for plan in plans.values():
        yield from (item.vm for item in plan.items if plan.site_name_of(item) == site)


def _fabric_of(arm_id: str) -> str:
    return names_by_type(arm_id).get("replicationfabrics", "").lower()
