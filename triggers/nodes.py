"""The nodes of a site over HTTP: what each is like now, what a repair of it would do, and starting one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import read_entity
from activities.locks import read_locks
from activities.node_diagnosis import read_node_records
from activities.nodes import read_nodes
from activities.vault import read_items, read_providers
from shared.arm_ids import key_of
from shared.healing.classifier import Cause, cause_of, find_cause
from shared.healing.contract import ReadLocks, ReadNodeRecords, ReadNodes
from shared.healing.node_record import NodeRecord
from shared.healing.proof import choose_helper, extension_to_install, items_on_node, may_run_sync
from shared.healing.repair import Repair
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.operations.durable_names import LOST_NODES
from shared.operations.obligations import Lock
from shared.principals import require_role
from shared.site_recovery.contract import ReadItems, ReadProviders
from shared.site_recovery.item_words import describe_busy
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.lost_nodes import read_lost_nodes
from shared.sites.node_health import has_fresh_heartbeat, is_provider_of_site, providers_on
from shared.sites.nodes import NodeView, same_host, short_host_name
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.holds_in_effect import require_no_hold
from triggers.http_endpoint import (
    PREVIEW,
    EmptyRequest,
    caller_of,
    handle_for_role,
    json_response,
    not_found,
    read_body,
    request_key_of,
    run_id_of,
)
from triggers.lost_nodes import lost_node_view
from triggers.request_checks import IDEMPOTENCY_KEY, wants_preview
from triggers.scope_checks import require_allowed
from triggers.starting import accepted_response, admission_response, has_started, start_once

bp = df.Blueprint()


@bp.function_name("list_nodes")
@bp.route("sites/{site}/nodes", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_nodes(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The nodes of a site, live from Azure: extension, provider, what ails them, their VMs and their last repair."""
    site = await declared_documents.read_site(client, req.route_params["site"])
    snapshot = await _read_snapshot(client, site)
    lost_nodes = read_lost_nodes(await read_entity(client, LOST_NODES, req.route_params["site"]))
    words = {lost.key: lost_node_view(lost) for lost in lost_nodes}
    views = [view | {"lost": words.get(short_host_name(view["node"]))} for view in node_views(snapshot)]
    return json_response({"value": views, "readAt": snapshot.at.isoformat()})


class SiteSnapshot(NamedTuple):
    """A site's cluster as it is now.

    Attributes:
        at: By Azure's clock.
    """

    site: SiteDocument
    nodes: Sequence[NodeView]
    providers: Sequence[ProviderView]
    item_views: Sequence[ItemView]
    records: Iterable[NodeRecord]
    at: datetime


async def _read_snapshot(client: df.DurableFunctionsClient, site: SiteDocument) -> SiteSnapshot:
    vault = VaultRef.from_id(site.vault)
    nodes_read = await read_nodes(ReadNodes(cluster_id=site.cluster))
    providers_read = await read_providers(ReadProviders(vault=vault))
    items_read = await read_items(ReadItems(vault=vault))
    records_read = await read_node_records(
        client, ReadNodeRecords(machines=tuple(node.id for node in nodes_read.nodes))
    )
    records = [
        r.model_copy(update={"run": ""}) if r.run in records_read.ended_runs else r for r in records_read.records
    ]
    return SiteSnapshot(site, nodes_read.nodes, providers_read.providers, items_read.items, records, providers_read.at)


@bp.function_name("repair_node")
@bp.route("sites/{site}/nodes/{node}/repair", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, body=EmptyRequest, action_roles=("Dr.Operate",), statuses=(202,))
async def repair_node(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Heal a node: 202 with the repair's id, or 409; with `?preview=true` say what it would do, and change nothing.

    A person may start what the app would not do by itself: where healing is off, in a pause, out of quarantine. A
    repair of the node that runs already is followed instead.
    """
    read_body(req, EmptyRequest)
    site = await declared_documents.read_site(client, req.route_params["site"])
    require_allowed({req.route_params["site"]: site})
    snapshot = await _read_snapshot(client, site)
    node = next((one for one in snapshot.nodes if same_host(one.name, req.route_params["node"])), None)
    if node is None:
        raise not_found("node", req.route_params["node"])
    if wants_preview(req):
        locks = (await read_locks(ReadLocks(machine_id=node.id))).locks
        return json_response(preview_repair(snapshot, node, locks))
    require_role(caller_of(req), "Dr.Operate")
    going = [one.run for one in snapshot.records if one.run and key_of(one.machine_id) == key_of(node.id)]
    join_running = bool(going) and IDEMPOTENCY_KEY not in req.headers
    repair_id = going[0] if join_running else run_id_of(req, "repair", node.name)
    requester = caller_of(req)
    repair = Repair(
        id=repair_id,
        machine_id=node.id,
        requested_by=requester.name,
        requester_id=requester.id,
        sites={req.route_params["site"]: site},
        cause=requester.name,
    )
    if join_running:
        return accepted_response(repair_id)
    key = request_key_of(req, "repair", node.name)
    if not await has_started(client, repair_id, key):
        await require_no_hold(client, repair.sites)
    await start_once(client, "repair", repair_id, repair, key)
    return await admission_response(client, "repair", repair_id, "node")


def node_views(snapshot: SiteSnapshot) -> list[dict[str, Any]]:
    """Every node of the cluster, by name."""
    records = {key_of(record.machine_id): record for record in snapshot.records}
    return [_node_view(snapshot, node, records.get(key_of(node.id))) for node in snapshot.nodes]


def _node_view(snapshot: SiteSnapshot, node: NodeView, record: NodeRecord | None) -> dict[str, Any]:
    cause = find_cause(snapshot.site, node, snapshot.providers, snapshot.at)
    extension = node.extension
    return {
        "node": node.name,
        "machineId": node.id,
        "agent": {"status": node.status, "version": node.agent_version},
        "extension": extension
        and {
            "name": extension.name,
            "state": extension.provisioning_state,
            "version": extension.version,
            "code": extension.code,
            "message": extension.message,
        },
        "provider": _provider_view(snapshot, node),
        "cause": _cause_view(cause),
        "vms": [vm.vm for vm in items_on_node(snapshot.item_views, snapshot.providers, node.host)],
        "currentRepair": (record and record.run) or None,
        "lastRepair": record.last.model_dump(mode="json") if record and record.last else None,
        "attempts": record.attempts if record else 0,
        "quarantined": bool(record and record.quarantined),
        "nextRepairNotBefore": record.not_before.isoformat() if record and record.not_before else None,
    }


def _provider_view(snapshot: SiteSnapshot, node: NodeView) -> dict[str, Any] | None:
    own_providers = [p for p in providers_on(node.host, snapshot.providers) if is_provider_of_site(p, snapshot.site)]
    provider = max(own_providers, key=lambda p: (has_fresh_heartbeat(p, snapshot.at), str(p.heartbeat)), default=None)
    if provider is None:
        return None
    beat = provider.heartbeat.isoformat() if provider.heartbeat else None
    return {
        "id": provider.id,
        "connected": provider.connected,
        "lastHeartbeat": beat,
        "isReporting": has_fresh_heartbeat(provider, snapshot.at),
    }


def _cause_view(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {
        "code": cause.code,
        "repairable": cause.curable,
        "evidence": list(cause.evidence),
        "remedy": cause.remedy,
    }


def preview_repair(snapshot: SiteSnapshot, node: NodeView, locks: Sequence[Lock]) -> dict[str, Any]:
    """What a repair would do now, and what stands in its way; nothing is changed to find out."""
    cause = find_cause(snapshot.site, node, snapshot.providers, snapshot.at)
    blockers = list(_repair_blockers(snapshot, node, cause, locks))
    steps = [] if blockers else _repair_steps(snapshot, node, locks)
    return {
        "node": node.name,
        "cause": _cause_view(cause),
        "blockers": [blocker.model_dump(mode="json", by_alias=True) for blocker in blockers],
        "steps": [{"code": code, "detail": detail} for code, detail in steps],
    }


def _repair_blockers(
    snapshot: SiteSnapshot, node: NodeView, cause: Cause | None, locks: Sequence[Lock]
) -> Iterable[Obstacle]:
    if cause is None:
        detail = f"Nothing to do: {node.name} is registered, and the vault hears of it"
        yield Obstacle(code="nothing-to-do", detail=detail)
    elif not cause.curable:
        yield Obstacle(code=cause.code, detail=cause.remedy)
    if locks and not snapshot.site.healing_rules.allow_lock_removal:
        detail = f"{', '.join(lock.id for lock in locks)}: {cause_of('resource-lock').remedy}"
        yield Obstacle(code="resource-lock", detail=detail)
    yield from find_moving_vms(snapshot, node)


def find_moving_vms(snapshot: SiteSnapshot, node: NodeView) -> Iterable[Obstacle]:
    """The machines of a node that keep it from being repaired now."""
    for vm in items_on_node(snapshot.item_views, snapshot.providers, node.host):
        if vm.active_location != "Primary":
            detail = f"{vm.vm} runs in Azure: fail it back first"
            yield Obstacle(vm=vm.vm, code="vms-in-azure", detail=detail)
        elif vm.scenario != "None":
            yield Obstacle(vm=vm.vm, code="vms-busy", detail=describe_busy(vm.vm, vm.scenario))


def _repair_steps(snapshot: SiteSnapshot, node: NodeView, locks: Sequence[Lock]) -> Iterable[tuple[str, str]]:
    """What a repair would do: code and sentence of each step."""
    helper = choose_helper(snapshot.nodes, node.name)
    if locks:
        lock_ids = ", ".join(lock.id for lock in locks)
        yield "remove-locks", f"remove {len(locks)} locks, and put them back at the end: {lock_ids}"
    subject = f"registry, services, Hyper-V role and last boot of {node.name}"
    yield "examine-node", f"read {subject} with a read-only run command"
    if node.extension:
        yield "uninstall-extension", f"save the settings of {node.extension.name} and uninstall it from {node.name}"
    if helper and may_run_sync(snapshot.nodes, node.name):
        yield "sync-cluster", f"run Sync-AzureStackHci on {helper.name}"
    if extension_to_install(snapshot.nodes, node.extension):
        yield "install-extension", "install the extension with the saved settings if it has not come back by itself"
    yield "verify-node", "check extension, registry, service dra, provider, recovery point and cluster"
