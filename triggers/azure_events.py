"""Event Grid: what failed on a node of a declared site starts one repair, however often it is told."""

import logging
import re
from datetime import datetime
from typing import Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func
from durabletask.entities import EntityInstanceId

from activities.durable_state import is_run_living
from activities.node_diagnosis import read_node_record
from activities.nodes import read_nodes
from shared.arm_ids import key_of, subscription_of
from shared.errors import Refused, Transient
from shared.healing.classifier import is_extension_well
from shared.healing.contract import CORRELATION_ID, ReadNodes
from shared.healing.node_record import NodeRecord, SymptomNotice, next_run_id, why_not_now
from shared.healing.repair import Repair
from shared.operations.durable_names import EVENT_COUNTS, NODES, WATCH_NODES
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.starting import start_once

FAILURE_EVENT_TYPES = frozenset(f"microsoft.resources.resource{deed}failure" for deed in ("write", "delete", "action"))
MAX_SUBJECT_LENGTH = 1000
_PROVIDERS_PATH = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
_MACHINE_SUBJECT = re.compile(
    rf"(?P<about>{_PROVIDERS_PATH}/Microsoft\.HybridCompute/machines/[^/]+)/(?P<kind>extensions|runCommands)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_CLUSTER_SUBJECT = re.compile(
    rf"(?P<about>{_PROVIDERS_PATH}/Microsoft\.AzureStackHCI/clusters/[^/]+)/arcSettings/[^/]+/(?P<kind>extensions)/(?P<name>[^/]+)",
    re.IGNORECASE,
)


class FailureEvent(NamedTuple):
    """Something failed on a machine or a cluster.

    Attributes:
        resource_id: ARM id of the machine or the cluster, in the casing it came in.
        name: Of the extension or the run command.
        correlation_id: The event's correlation id, empty where it has none that looks like one.
    """

    kind: Literal["extension", "run-command", "cluster-extension"]
    resource_id: str
    name: str
    correlation_id: str
    occurred_at: datetime

    @property
    def subscription_id(self) -> str:
        """In lower case."""
        return subscription_of(self.resource_id).lower()


def parse_failure_event(event_type: Any, subject: Any, at: datetime | None, data: Any) -> FailureEvent | str:
    """What an event tells, or in a word why it tells nothing. What is given may be anything."""
    if not isinstance(event_type, str) or not isinstance(subject, str) or len(subject) > MAX_SUBJECT_LENGTH:
        return "malformed"
    if event_type.lower() not in FAILURE_EVENT_TYPES:
        return "not-a-failure"
    if at is None or at.tzinfo is None:
        return "malformed"
    matched = _MACHINE_SUBJECT.fullmatch(subject) or _CLUSTER_SUBJECT.fullmatch(subject)
    if matched is None:
        return "not-a-node"
    return FailureEvent(_failure_kind_of(matched), matched["about"], matched["name"], _correlation_id_of(data), at)


def _failure_kind_of(matched: re.Match[str]) -> Literal["extension", "run-command", "cluster-extension"]:
    if matched.re is _CLUSTER_SUBJECT:
        return "cluster-extension"
    return "extension" if matched["kind"].lower() == "extensions" else "run-command"


def _correlation_id_of(data: Any) -> str:
    """It becomes part of a filter later on: anything that is not plainly an id is dropped."""
    given = str(data.get("correlationId") or "") if isinstance(data, dict) else ""
    return given if CORRELATION_ID.fullmatch(given) else ""


bp = df.Blueprint()
_LOG = logging.getLogger(__name__)
COUNTS = EntityInstanceId(EVENT_COUNTS, "events")
NO_CLUSTER = "none"
CLUSTER_UNKNOWN = "?"


@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def on_azure_event(event: func.EventGridEvent, client: df.DurableFunctionsClient) -> None:
    """Start a repair for a failure on a node of a declared site; every other event is counted and let pass.

    Events come at least once and in any order: what tells of the same trouble has the same run id.
    """
    failure = _failure_event_of(event)
    verdict = failure if isinstance(failure, str) else await _handle_failure(client, failure)
    if verdict == "not-a-failure":
        return
    _LOG.info("event %.100s: %s", event.id, verdict)
    await client.signal_entity(COUNTS, "add", verdict)


def _failure_event_of(event: object) -> FailureEvent | str:
    """What is sent may be a CloudEvent, or nothing of the kind."""
    if not isinstance(event, func.EventGridEvent):
        return "malformed"
    return parse_failure_event(event.event_type, event.subject, event.event_time, event.get_json())


async def _handle_failure(client: df.DurableFunctionsClient, failure: FailureEvent) -> str:
    """Do what the tidings ask for; gives the word under which they are counted."""
    documents = await declared_documents.read_documents(client, "site")
    sites = {name: SiteDocument.model_validate(entry.document) for name, entry in documents.items()}
    nearby_sites = {
        name: site for name, site in sites.items() if key_of(site.cluster).startswith(f"{failure.subscription_id}|")
    }
    if not nearby_sites:
        return "foreign-subscription"
    if failure.kind != "run-command" and failure.name.lower() not in {
        site.extension.lower() for site in nearby_sites.values()
    }:
        return "other-extension"
    if failure.kind == "cluster-extension":
        return await _start_watch(client, nearby_sites, failure.resource_id)
    node_record = await read_node_record(client, failure.resource_id)
    cluster = (
        node_record.cluster if node_record and node_record.cluster else await _find_cluster(client, failure.resource_id)
    )
    if failure.kind == "run-command":
        return await _start_watch(client, nearby_sites, cluster)
    return await _start_repair(client, nearby_sites, cluster, failure, node_record)


async def _find_cluster(client: df.DurableFunctionsClient, machine_id: str) -> str:
    """The cluster of a machine that nothing is known of yet, kept for the next event; UNKNOWN while Azure is silent."""
    try:
        node = (await read_nodes(ReadNodes(machine_id=machine_id))).nodes[0]
    except Refused:
        return ""
    except Transient:
        return CLUSTER_UNKNOWN
    notice = SymptomNotice(machine_id=machine_id, node=node.name, cluster=node.cluster_id or NO_CLUSTER)
    await client.signal_entity(EntityInstanceId(NODES, key_of(machine_id)), "notice", notice.model_dump(mode="json"))
    return node.cluster_id


async def _is_extension_well(machine_id: str) -> bool:
    """Whether the node's extension is well by now: what is told late is no reason for a run."""
    try:
        return is_extension_well((await read_nodes(ReadNodes(machine_id=machine_id))).nodes[0].extension)
    except (Refused, Transient):
        return False  # the repair has the patience to find out


async def _start_watch(client: df.DurableFunctionsClient, sites: dict[str, SiteDocument], cluster: str) -> str:
    """Look at all nodes of a cluster, of which this event names none; one look at a time."""
    name = next((name for name, site in sites.items() if key_of(site.cluster) == key_of(cluster)), None)
    if name is None:
        return "foreign-machine"
    run = f"watch-nodes-{name}"
    if not await is_run_living(client, run):
        await client.schedule_new_orchestration(WATCH_NODES, input={"site": name}, instance_id=run)
    return "looked"


async def _start_repair(
    client: df.DurableFunctionsClient,
    sites: dict[str, SiteDocument],
    cluster: str,
    failure: FailureEvent,
    node_record: NodeRecord | None,
) -> str:
    is_cluster_known = cluster != CLUSTER_UNKNOWN  # else the repair finds out whose node it is
    candidate_sites = {
        name: site for name, site in sites.items() if not is_cluster_known or key_of(site.cluster) == key_of(cluster)
    }
    if not candidate_sites:
        return "foreign-machine"
    if not any(site.healing for site in candidate_sites.values()):
        return "healing-off"
    if reason := why_not_now(node_record, failure.occurred_at):
        return reason
    if not (node_record and node_record.run) and await _is_extension_well(failure.resource_id):
        return "well"
    run = next_run_id(failure.resource_id, node_record)
    repair = Repair(
        id=run,
        machine_id=failure.resource_id,
        requested_by="event-grid",
        sites=candidate_sites,
        cause=failure.correlation_id,
        reported_at=failure.occurred_at,
    )
    return "started" if await start_once(client, "repair", run, repair) else "duplicate"
