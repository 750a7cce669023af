"""Nodes as people read them: what each is like now, and what a repair of it would do. Pure."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import azure.durable_functions as df
import azure.functions as func

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
from shared.operations.obligations import Lock
from shared.principals import require_role
from shared.request_ids import run_id
from shared.site_recovery.contract import ReadItems, ReadProviders
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.node_health import has_fresh_heartbeat, is_provider_of_site, providers_on
from shared.sites.nodes import NodeView, same_host
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import caller_of, handle_for_role, is_true, json_response, not_found
from triggers.starting import accepted_response, start_once

bp = df.Blueprint()


@bp.route("sites/{site}/nodes", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_nodes(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The nodes of a site, live from Azure: extension, provider, what ails them, their VMs and their last repair."""
    snapshot = await _read_snapshot(client, await _read_site(req, client))
    return json_response({"value": node_views(snapshot), "at": snapshot.at.isoformat()})


async def _read_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> SiteDocument:
    versioned = await declared_documents.read_document(client, "site", req.route_params["site"])
    return SiteDocument.model_validate(versioned.document)


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


@bp.route("sites/{site}/nodes/{node}/repair", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def repair_node(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Heal a node: 202 with the repair's id; with `?preview=true` say what it would do, and change nothing.

    A person may ask for what the app would not do by itself: where healing is off, in a pause, out of quarantine.
    """
    site = await _read_site(req, client)
    snapshot = await _read_snapshot(client, site)
    node = _find_node(req, snapshot)
    if is_true(req, "preview"):
        locks = (await read_locks(ReadLocks(machine_id=node.id))).locks
        return json_response(preview_repair(snapshot, node, locks))
    require_role(caller_of(req), "Dr.Operate")
    repair_id = _repair_id_of(req, snapshot, node)
    requester = caller_of(req).name
    repair = Repair(
        id=repair_id,
        machine_id=node.id,
        requested_by=requester,
        sites={req.route_params["site"]: site},
        cause=requester,
    )
    await start_once(client, "repair", repair_id, repair)
    return accepted_response(repair_id)


def _find_node(req: func.HttpRequest, snapshot: SiteSnapshot) -> NodeView:
    name = req.route_params["node"]
    found = [node for node in snapshot.nodes if same_host(node.name, name)]
    if not found:
        raise not_found("node", name)
    return found[0]


def _repair_id_of(req: func.HttpRequest, snapshot: SiteSnapshot, node: NodeView) -> str:
    """The repair that goes on already, the one that this key asked for, or a new one."""
    if key := req.headers.get("Idempotency-Key"):
        return run_id("repair", node.name, key)
    living_repairs = [
        record.run for record in snapshot.records if record.run and key_of(record.machine_id) == key_of(node.id)
    ]
    return living_repairs[0] if living_repairs else run_id("repair", node.name, uuid.uuid4().hex)


def node_views(snapshot: SiteSnapshot) -> list[dict[str, Any]]:
    """Every node of the cluster, by name."""
    records = {key_of(record.machine_id): record for record in snapshot.records}
    return [_node_view(snapshot, node, records.get(key_of(node.id))) for node in snapshot.nodes]


def _node_view(snapshot: SiteSnapshot, node: NodeView, record: NodeRecord | None) -> dict[str, Any]:
    cause = find_cause(snapshot.site, node, snapshot.providers, snapshot.at)
    return {
        "node": node.name,
        "machineId": node.id,
        "agent": {"status": node.status, "version": node.agent_version},
        "extension": _extension_view(node),
        "provider": _provider_view(snapshot, node),
        "cause": _cause_view(cause),
        "vms": [vm.vm for vm in items_on_node(snapshot.item_views, snapshot.providers, node.name)],
        **_repair_history(record),
    }


def _extension_view(node: NodeView) -> dict[str, Any] | None:
    if node.extension is None:
        return None
    field_names = {
        "name": "name",
        "state": "provisioning_state",
        "version": "version",
        "code": "code",
        "message": "message",
    }
    return {name: getattr(node.extension, field) for name, field in field_names.items()}


def _provider_view(snapshot: SiteSnapshot, node: NodeView) -> dict[str, Any] | None:
    own_providers = [p for p in providers_on(node.name, snapshot.providers) if is_provider_of_site(p, snapshot.site)]
    provider = max(own_providers, key=lambda p: (has_fresh_heartbeat(p, snapshot.at), str(p.heartbeat)), default=None)
    if provider is None:
        return None
    beat = provider.heartbeat.isoformat() if provider.heartbeat else None
    return {
        "id": provider.id,
        "connected": provider.connected,
        "heartbeat": beat,
        "heard": has_fresh_heartbeat(provider, snapshot.at),
    }


def _cause_view(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {
        "code": cause.code,
        "curable": cause.curable,
        "evidence": list(cause.evidence),
        "remedy": cause.remedy,
    }


def _repair_history(record: NodeRecord | None) -> dict[str, Any]:
    if record is None:
        return {"repair": None, "lastRepair": None, "attempts": 0, "quarantined": False, "notBefore": None}
    return {
        "repair": record.run or None,
        "lastRepair": record.last.model_dump(mode="json") if record.last else None,
        "attempts": record.attempts,
        "quarantined": record.quarantined,
        "notBefore": record.not_before.isoformat() if record.not_before else None,
    }


def preview_repair(snapshot: SiteSnapshot, node: NodeView, locks: Sequence[Lock]) -> dict[str, Any]:
    """What a repair would do now, and what stands in its way; nothing is changed to find out."""
    cause = find_cause(snapshot.site, node, snapshot.providers, snapshot.at)
    blockers = list(_repair_blockers(snapshot, node, cause, locks))
    return {
        "node": node.name,
        "cause": _cause_view(cause),
        "blockers": [{"code": code, "detail": detail} for code, detail in blockers],
        "steps": [] if blockers else list(_repair_steps(snapshot, node, locks)),
    }


def _repair_blockers(
    snapshot: SiteSnapshot, node: NodeView, cause: Cause | None, locks: Sequence[Lock]
) -> Iterable[tuple[str, str]]:
    if cause is None:
        yield "nothing-to-do", f"{node.name} is well: registered, and heard of by the vault"
    elif not cause.curable:
        yield cause.code, cause.remedy
    if locks and not snapshot.site.healing_rules.allow_lock_removal:
        yield "resource-lock", f"{', '.join(lock.id for lock in locks)}: {cause_of('resource-lock').remedy}"
    for vm in items_on_node(snapshot.item_views, snapshot.providers, node.name):
        if vm.active_location != "Primary":
            yield "vms-in-azure", f"{vm.vm} runs in Azure: bring it home first"
        elif vm.scenario != "None":
            yield "vms-busy", f"{vm.scenario} runs on {vm.vm}"


def _repair_steps(snapshot: SiteSnapshot, node: NodeView, locks: Sequence[Lock]) -> Iterable[str]:
    helper = choose_helper(snapshot.nodes, node.name)
    if locks:
        yield f"take {len(locks)} locks off, to be put back at the end: {', '.join(lock.id for lock in locks)}"
    yield f"read registry, services, Hyper-V role and last boot of {node.name} with a read-only run command"
    if node.extension:
        yield f"save the settings of {node.extension.name} and uninstall it from {node.name}"
    if helper and may_run_sync(snapshot.nodes, node.name):
        yield f"run Sync-AzureStackHci on {helper.name}"
    if extension_to_install(snapshot.nodes, node.extension):
        yield "install the extension with the saved settings if it has not come by itself"
    yield "prove: extension, registry, service dra, provider, recovery point, cluster"
