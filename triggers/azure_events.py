"""Event Grid: what failed on a node of a declared site starts one repair, however often it is told."""

import logging
import re
from datetime import datetime
from typing import Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func
from durabletask.entities import EntityInstanceId

from activities.durable_state import is_run_living
from activities.node_diagnosis import read_record
from activities.nodes import read_nodes
from shared.arm_ids import key_of
from shared.errors import Refused, Transient
from shared.healing.classifier import is_well
from shared.healing.contract import ReadNodes
from shared.healing.node_record import NodeRecord, Notice, next_run, why_not_now
from shared.healing.repair import Repair
from shared.operations.durable_names import EVENT_COUNTS, NODES, WATCH_NODES
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.starting import start_once

FAILURES = frozenset(f"microsoft.resources.resource{deed}failure" for deed in ("write", "delete", "action"))
LONGEST_ID = 1000
_GROUP = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
_MACHINE = re.compile(
    rf"(?P<about>{_GROUP}/Microsoft\.HybridCompute/machines/[^/]+)/(?P<kind>extensions|runCommands)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_CLUSTER = re.compile(
    rf"(?P<about>{_GROUP}/Microsoft\.AzureStackHCI/clusters/[^/]+)/arcSettings/[^/]+/(?P<kind>extensions)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_CORRELATION = re.compile(r"[0-9A-Fa-f-]{8,64}")


class Tidings(NamedTuple):
    """Something failed on a machine or a cluster.

    Attributes:
        about: ARM id of the machine or the cluster, in the casing it came in.
        name: Of the extension or the run command.
        cause: The event's correlation id, empty where it has none that looks like one.
    """

    kind: Literal["extension", "run-command", "cluster-extension"]
    about: str
    name: str
    cause: str
    at: datetime

    @property
    def subscription(self) -> str:
        """In lower case."""
        return self.about.split("/")[2].lower()


def read(event_type: Any, subject: Any, at: datetime | None, data: Any) -> Tidings | str:
    """What an event tells, or in a word why it tells nothing. What is given may be anything."""
    if not isinstance(event_type, str) or not isinstance(subject, str) or len(subject) > LONGEST_ID:
        return "malformed"
    if event_type.lower() not in FAILURES:
        return "not-a-failure"
    if at is None or at.tzinfo is None:
        return "malformed"
    found = _MACHINE.fullmatch(subject) or _CLUSTER.fullmatch(subject)
    if found is None:
        return "not-a-node"
    return Tidings(_kind(found), found["about"], found["name"], _correlation(data), at)


def _kind(found: re.Match[str]) -> Literal["extension", "run-command", "cluster-extension"]:
    if found.re is _CLUSTER:
        return "cluster-extension"
    return "extension" if found["kind"].lower() == "extensions" else "run-command"


def _correlation(data: Any) -> str:
    """It becomes part of a filter later on: anything that is not plainly an id is dropped."""
    given = str(data.get("correlationId") or "") if isinstance(data, dict) else ""
    return given if _CORRELATION.fullmatch(given) else ""


bp = df.Blueprint()
_LOG = logging.getLogger(__name__)
COUNTS = EntityInstanceId(EVENT_COUNTS, "events")
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
    await client.signal_entity(COUNTS, "add", verdict)


def _read(event: object) -> Tidings | str:
    """What is sent may be a CloudEvent, or nothing of the kind."""
    if not isinstance(event, func.EventGridEvent):
        return "malformed"
    return read(event.event_type, event.subject, event.event_time, event.get_json())


async def _heed(client: df.DurableFunctionsClient, told: Tidings) -> str:
    """Do what the tidings ask for; gives the word under which they are counted."""
    entries = await declared_documents.entries(client, "site")
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
    await client.signal_entity(EntityInstanceId(NODES, key_of(machine_id)), "notice", seen.model_dump(mode="json"))
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
    if not await is_run_living(client, run):
        await client.schedule_new_orchestration(WATCH_NODES, input={"site": name}, instance_id=run)
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
