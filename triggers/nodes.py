"""Nodes as people read them: what each is like now, and what a repair of it would do. Pure."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import azure.durable_functions as df
import azure.functions as func

from activities.locks import read_locks
from activities.node_diagnosis import read_records
from activities.nodes import read_nodes
from activities.vault import read_items, read_providers
from shared.arm_ids import key_of
from shared.healing.classifier import Cause, ailment, cause_of, in_site, is_heard
from shared.healing.contract import ReadLocks, ReadNodes, ReadRecords
from shared.healing.node_record import NodeRecord
from shared.healing.proof import choose_helper, may_sync, settings_for, vms_of
from shared.healing.repair import Repair
from shared.messages import VaultRef
from shared.operations.obligations import Lock
from shared.principals import require
from shared.request_ids import run_id
from shared.site_recovery.contract import ReadItems, ReadProviders
from shared.site_recovery.views import ItemView, ProviderView
from shared.sites.nodes import NodeView, same_host
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import answer, caller, handled, is_true, missing
from triggers.starting import accepted, start_once

bp = df.Blueprint()


@bp.route("sites/{site}/nodes", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def list_nodes(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The nodes of a site, live from Azure: extension, provider, what ails them, their VMs and their last repair."""
    scene = await _scene(client, await _site(req, client))
    return answer({"value": node_views(scene), "at": scene.at.isoformat()})


async def _site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> SiteDocument:
    entry = await declared_documents.entry(client, "site", req.route_params["site"])
    return SiteDocument.model_validate(entry.document)


class Scene(NamedTuple):
    """A site's cluster as it is now.

    Attributes:
        at: By Azure's clock.
    """

    site: SiteDocument
    nodes: Sequence[NodeView]
    providers: Sequence[ProviderView]
    items: Sequence[ItemView]
    records: Iterable[NodeRecord]
    at: datetime


async def _scene(client: df.DurableFunctionsClient, site: SiteDocument) -> Scene:
    vault = VaultRef.from_id(site.vault)
    seen = await read_nodes(ReadNodes(cluster_id=site.cluster))
    hosts = await read_providers(ReadProviders(vault=vault))
    items = await read_items(ReadItems(vault=vault))
    known = await read_records(client, ReadRecords(machines=tuple(node.id for node in seen.nodes)))
    records = [r.model_copy(update={"run": ""}) if r.run in known.ended else r for r in known.records]
    return Scene(site, seen.nodes, hosts.providers, items.items, records, hosts.at)


@bp.route("sites/{site}/nodes/{node}/repair", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def repair_node(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Heal a node: 202 with the repair's id; with `?preview=true` say what it would do, and change nothing.

    A person may ask for what the app would not do by itself: where healing is off, in a pause, out of quarantine.
    """
    site = await _site(req, client)
    scene = await _scene(client, site)
    node = _node(req, scene)
    if is_true(req, "preview"):
        locks = (await read_locks(ReadLocks(machine_id=node.id))).locks
        return answer(preview_of(scene, node, locks))
    require(caller(req), "Dr.Operate")
    run = _run(req, scene, node)
    who = caller(req).name
    order = Repair(id=run, machine_id=node.id, requested_by=who, sites={req.route_params["site"]: site}, cause=who)
    await start_once(client, "repair", run, order)
    return accepted(run)


def _node(req: func.HttpRequest, scene: Scene) -> NodeView:
    name = req.route_params["node"]
    found = [node for node in scene.nodes if same_host(node.name, name)]
    if not found:
        raise missing("node", name)
    return found[0]


def _run(req: func.HttpRequest, scene: Scene, node: NodeView) -> str:
    """The repair that goes on already, the one that this key asked for, or a new one."""
    if key := req.headers.get("Idempotency-Key"):
        return run_id("repair", node.name, key)
    living = [record.run for record in scene.records if record.run and key_of(record.machine_id) == key_of(node.id)]
    return living[0] if living else run_id("repair", node.name, uuid.uuid4().hex)


def node_views(scene: Scene) -> list[dict[str, Any]]:
    """Every node of the cluster, by name."""
    records = {key_of(record.machine_id): record for record in scene.records}
    return [_view(scene, node, records.get(key_of(node.id))) for node in scene.nodes]


def _view(scene: Scene, node: NodeView, record: NodeRecord | None) -> dict[str, Any]:
    cause = ailment(scene.site, node, scene.providers, scene.at)
    return {
        "node": node.name,
        "machineId": node.id,
        "agent": {"status": node.status, "version": node.agent_version},
        "extension": _extension(node),
        "provider": _provider(scene, node),
        "cause": _cause(cause),
        "vms": [vm.vm for vm in vms_of(scene.items, scene.providers, node.name)],
        **_past(record),
    }


def _extension(node: NodeView) -> dict[str, Any] | None:
    if node.extension is None:
        return None
    shown = {"name": "name", "state": "provisioning_state", "version": "version", "code": "code", "message": "message"}
    return {name: getattr(node.extension, field) for name, field in shown.items()}


def _provider(scene: Scene, node: NodeView) -> dict[str, Any] | None:
    mine = [p for p in scene.providers if same_host(p.host, node.name) and in_site(p, scene.site)]
    best = max(mine, key=lambda p: (is_heard(p, scene.at), str(p.heartbeat)), default=None)
    if best is None:
        return None
    beat = best.heartbeat.isoformat() if best.heartbeat else None
    return {"id": best.id, "connected": best.connected, "heartbeat": beat, "heard": is_heard(best, scene.at)}


def _cause(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {
        "code": cause.code,
        "curable": cause.curable,
        "evidence": list(cause.evidence),
        "remedy": cause.remedy,
    }


def _past(record: NodeRecord | None) -> dict[str, Any]:
    if record is None:
        return {"repair": None, "lastRepair": None, "attempts": 0, "quarantined": False, "notBefore": None}
    return {
        "repair": record.run or None,
        "lastRepair": record.last.model_dump(mode="json") if record.last else None,
        "attempts": record.attempts,
        "quarantined": record.quarantined,
        "notBefore": record.not_before.isoformat() if record.not_before else None,
    }


def preview_of(scene: Scene, node: NodeView, locks: Sequence[Lock]) -> dict[str, Any]:
    """What a repair would do now, and what stands in its way; nothing is changed to find out."""
    cause = ailment(scene.site, node, scene.providers, scene.at)
    blockers = list(_blockers(scene, node, cause, locks))
    return {
        "node": node.name,
        "cause": _cause(cause),
        "blockers": [{"code": code, "detail": detail} for code, detail in blockers],
        "steps": [] if blockers else list(_steps(scene, node, locks)),
    }


def _blockers(scene: Scene, node: NodeView, cause: Cause | None, locks: Sequence[Lock]) -> Iterable[tuple[str, str]]:
    if cause is None:
        yield "nothing-to-do", f"{node.name} is well: registered, and heard of by the vault"
    elif not cause.curable:
        yield cause.code, cause.remedy
    if locks and not scene.site.healing_rules.allow_lock_removal:
        yield "resource-lock", f"{', '.join(lock.id for lock in locks)}: {cause_of('resource-lock').remedy}"
    for vm in vms_of(scene.items, scene.providers, node.name):
        if vm.active_location != "Primary":
            yield "vms-in-azure", f"{vm.vm} runs in Azure: bring it home first"
        elif vm.scenario != "None":
            yield "vms-busy", f"{vm.scenario} runs on {vm.vm}"


def _steps(scene: Scene, node: NodeView, locks: Sequence[Lock]) -> Iterable[str]:
    helper = choose_helper(scene.nodes, node.name)
    if locks:
        yield f"take {len(locks)} locks off, to be put back at the end: {', '.join(lock.id for lock in locks)}"
    yield f"read registry, services, Hyper-V role and last boot of {node.name} with a read-only run command"
    if node.extension:
        yield f"save the settings of {node.extension.name} and uninstall it from {node.name}"
    if helper and may_sync(scene.nodes, node.name):
        yield f"run Sync-AzureStackHci on {helper.name}"
    if settings_for(scene.nodes, node.extension):
        yield "install the extension with the saved settings if it has not come by itself"
    yield "prove: extension, registry, service dra, provider, recovery point, cluster"
