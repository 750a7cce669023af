"""The nodes of a site over HTTP: how they are now, and the repair of one."""

import uuid

import azure.durable_functions as df
import azure.functions as func

from activities.contract import ReadItems, ReadProviders
from activities.locks import read_locks
from activities.node_contract import ReadLocks, ReadNodes, ReadRecords
from activities.nodes import read_nodes
from activities.records import read_records
from activities.vault import read_items, read_providers
from shared.classifier import same_host
from shared.messages import NodeView, VaultRef
from shared.operations import Repair
from shared.principals import require
from shared.records import key_of
from shared.request_ids import run_id
from shared.sites import SiteDocument
from triggers import shelf
from triggers.node_views import Scene, node_views, preview_of
from triggers.starting import accepted, start_once
from triggers.web import answer, caller, handled, is_true, missing

bp = df.Blueprint()


@bp.route("sites/{site}/nodes", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def list_nodes(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The nodes of a site, live from Azure: extension, provider, what ails them, their VMs and their last repair."""
    scene = await _scene(client, await _site(req, client))
    return answer({"value": node_views(scene), "at": scene.at.isoformat()})


async def _site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> SiteDocument:
    entry = await shelf.entry(client, "site", req.route_params["site"])
    return SiteDocument.model_validate(entry.document)


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
