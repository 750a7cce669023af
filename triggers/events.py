"""Event Grid: what failed on a node of a declared site starts one repair, however often it is told."""

import logging

import azure.durable_functions as df
import azure.functions as func
from durabletask.entities import EntityInstanceId

from activities.node_contract import ReadNodes
from activities.nodes import read_nodes
from activities.records import read_record
from activities.runs import LIVING
from shared.classifier import is_well
from shared.errors import Refused, Transient
from shared.operations import Repair
from shared.records import NodeRecord, Notice, key_of, next_run, why_not_now
from shared.sites import SiteDocument
from triggers import shelf, tidings
from triggers.starting import start_once
from triggers.tidings import Tidings

bp = df.Blueprint()
_LOG = logging.getLogger(__name__)
TALLY = EntityInstanceId("tally", "events")
NO_CLUSTER = "none"
UNKNOWN = "?"


@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def on_azure_event(event: func.EventGridEvent, client: df.DurableFunctionsClient) -> None:
    """Start a repair for a failure on a node of a declared site; every other event is counted and let pass.

    Events come at least once and in any order: what tells of the same trouble has the same run id.
    """
    told = _read(event)
    verdict = told if isinstance(told, str) else await _heed(client, told)
    if verdict == "not-a-failure":
        return
    _LOG.info("event %.100s: %s", event.id, verdict)
    await client.signal_entity(TALLY, "add", verdict)


def _read(event: object) -> Tidings | str:
    """What is sent may be a CloudEvent, or nothing of the kind."""
    if not isinstance(event, func.EventGridEvent):
        return "malformed"
    return tidings.read(event.event_type, event.subject, event.event_time, event.get_json())


async def _heed(client: df.DurableFunctionsClient, told: Tidings) -> str:
    """Do what the tidings ask for; gives the word under which they are counted."""
    entries = await shelf.entries(client, "site")
    sites = {name: SiteDocument.model_validate(entry.document) for name, entry in entries.items()}
    near = {name: site for name, site in sites.items() if key_of(site.cluster).startswith(f"{told.subscription}|")}
    if not near:
        return "foreign-subscription"
    if told.kind != "run-command" and told.name.lower() not in {site.extension.lower() for site in near.values()}:
        return "other-extension"
    if told.kind == "cluster-extension":
        return await _watch(client, near, told.about)
    record = await read_record(client, told.about)
    cluster = record.cluster if record and record.cluster else await _whose(client, told.about)
    if told.kind == "run-command":
        return await _watch(client, near, cluster)
    return await _repair(client, near, cluster, told, record)


async def _whose(client: df.DurableFunctionsClient, machine_id: str) -> str:
    """The cluster of a machine that nothing is known of yet, kept for the next event; UNKNOWN while Azure is silent."""
    try:
        node = (await read_nodes(ReadNodes(machine_id=machine_id))).nodes[0]
    except Refused:
        return ""
    except Transient:
        return UNKNOWN
    seen = Notice(machine_id=machine_id, node=node.name, cluster=node.cluster_id or NO_CLUSTER)
    await client.signal_entity(EntityInstanceId("nodes", key_of(machine_id)), "notice", seen.model_dump(mode="json"))
    return node.cluster_id


async def _is_well(machine_id: str) -> bool:
    """Whether the node's extension is well by now: what is told late is no reason for a run."""
    try:
        return is_well((await read_nodes(ReadNodes(machine_id=machine_id))).nodes[0].extension)
    except (Refused, Transient):
        return False  # the repair has the patience to find out


async def _watch(client: df.DurableFunctionsClient, sites: dict[str, SiteDocument], cluster: str) -> str:
    """Look at all nodes of a cluster, of which this event names none; one look at a time."""
    name = next((name for name, site in sites.items() if key_of(site.cluster) == key_of(cluster)), None)
    if name is None:
        return "foreign-machine"
    run = f"watch-nodes-{name}"
    state = await client.get_orchestration_state(run, fetch_payloads=False)
    if state is None or state.runtime_status not in LIVING:
        await client.schedule_new_orchestration("watch_nodes", input={"site": name}, instance_id=run)
    return "looked"


async def _repair(
    client: df.DurableFunctionsClient,
    sites: dict[str, SiteDocument],
    cluster: str,
    told: Tidings,
    record: NodeRecord | None,
) -> str:
    known = cluster != UNKNOWN  # else the repair finds out whose node it is
    wanted = {name: site for name, site in sites.items() if not known or key_of(site.cluster) == key_of(cluster)}
    if not wanted:
        return "foreign-machine"
    if not any(site.healing for site in wanted.values()):
        return "healing-off"
    if reason := why_not_now(record, told.at):
        return reason
    if not (record and record.run) and await _is_well(told.about):
        return "well"
    run = next_run(told.about, record)
    order = Repair(
        id=run, machine_id=told.about, requested_by="event-grid", sites=wanted, cause=told.cause, told_at=told.at
    )
    return "started" if await start_once(client, "repair", run, order) else "duplicate"
