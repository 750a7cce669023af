"""Event Grid: what failed on a node of a declared site starts one repair, however often the event is sent.

1. `parse_failure_event`: is it a failure of an extension or a run command, on a machine or a cluster?
2. `_handle_failure`: is that the cluster of a declared site, and its Site Recovery extension? On the node publisher and
   type say so; a name that a site declares needs no look.
3. An event of a cluster, or of a run command, names no node: all nodes of the site are checked, once at a time.
4. An event of a node's extension starts its repair, unless the node's record or the extension itself says otherwise.
   At a site on hold nothing is started.
5. What became of the event is counted; `GET /api/health` shows the counts.
"""

import logging
import re
import uuid
from datetime import datetime
from typing import Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func
from durabletask.entities import EntityInstanceId

from activities.durable_runs import schedule_own
from activities.durable_state import is_run_living, own_message
from activities.node_diagnosis import read_node_record
from activities.nodes import read_nodes
from shared.arm_ids import key_of, subscription_of
from shared.errors import Refused, Transient
from shared.healing.contract import CORRELATION_ID, ReadNodes
from shared.healing.node_record import NodeRecord, SymptomNotice, next_run_id, why_not_now
from shared.healing.repair import Repair
from shared.operations.durable_names import EVENT_COUNTS, NODES, WATCH_NODES
from shared.operations.entity_messages import MessageStamp
from shared.operations.holds import find_holds
from shared.operations.kinds import REQUESTED_BY_EVENT_GRID
from shared.sites.node_health import is_extension_well
from shared.sites.site import SiteDocument
from shared.telemetry.spans import start_span
from triggers import declared_documents
from triggers.holds_in_effect import read_holds, read_holds_of
from triggers.starting import start_once

FAILURE_EVENT_TYPES = frozenset(f"microsoft.resources.resource{deed}failure" for deed in ("write", "delete", "action"))
MAX_SUBJECT_LENGTH = 1000
_PROVIDERS_PATH = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers"
_MACHINE_SUBJECT = re.compile(
    rf"(?P<resource_id>{_PROVIDERS_PATH}/Microsoft\.HybridCompute/machines/[^/]+)/(?P<kind>extensions|runCommands)/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_CLUSTER_SUBJECT = re.compile(
    rf"(?P<resource_id>{_PROVIDERS_PATH}/Microsoft\.AzureStackHCI/clusters/[^/]+)/arcSettings/[^/]+/(?P<kind>extensions)/(?P<name>[^/]+)",
    re.IGNORECASE,
)


type FailureKind = Literal["extension", "run-command", "cluster-extension"]


class FailureEvent(NamedTuple):
    """Something failed on a machine or a cluster.

    Attributes:
        resource_id: ARM id of the machine or the cluster, in the casing it came in.
        name: Of the extension or the run command.
        correlation_id: The event's correlation id, empty where it has none that looks like one.
    """

    kind: FailureKind
    resource_id: str
    name: str
    correlation_id: str
    occurred_at: datetime

    @property
    def subscription_id(self) -> str:
        """In lower case."""
        return subscription_of(self.resource_id).lower()


class IgnoredEvent(NamedTuple):
    """An event that is none of ours, and the word under which it is counted."""

    outcome: Literal["malformed", "not-a-failure", "other-resource"]


def parse_failure_event(event_type: Any, subject: Any, at: datetime | None, data: Any) -> FailureEvent | IgnoredEvent:
    """What an event says failed. What is given may be anything."""
    if not isinstance(event_type, str) or not isinstance(subject, str) or len(subject) > MAX_SUBJECT_LENGTH:
        return IgnoredEvent("malformed")
    if event_type.lower() not in FAILURE_EVENT_TYPES:
        return IgnoredEvent("not-a-failure")
    if at is None or at.tzinfo is None:
        return IgnoredEvent("malformed")
    matched = _MACHINE_SUBJECT.fullmatch(subject) or _CLUSTER_SUBJECT.fullmatch(subject)
    if matched is None:
        return IgnoredEvent("other-resource")
    kind: FailureKind = "extension" if matched["kind"].lower() == "extensions" else "run-command"
    if matched.re is _CLUSTER_SUBJECT:
        kind = "cluster-extension"
    return FailureEvent(kind, matched["resource_id"], matched["name"], parse_correlation_id(data), at)


def parse_correlation_id(data: Any) -> str:
    """The correlation id of an event; empty for what is not plainly one: it becomes part of a filter later on."""
    correlation_id = str(data.get("correlationId") or "") if isinstance(data, dict) else ""
    return correlation_id if CORRELATION_ID.fullmatch(correlation_id) else ""


def parse_either_schema(event: func.EventGridEvent | func.CloudEvent | object) -> FailureEvent | IgnoredEvent:
    """What an event of Event Grid's own schema, or of CloudEvents 1.0, says failed. What is given may be anything."""
    if isinstance(event, func.EventGridEvent):
        return parse_failure_event(event.event_type, event.subject, event.event_time, event.get_json())
    if isinstance(event, func.CloudEvent):
        return parse_failure_event(event.type, event.subject, event.time, event.get_json())
    return IgnoredEvent("malformed")


bp = df.Blueprint()
_LOG = logging.getLogger(__name__)
COUNTS = EntityInstanceId(EVENT_COUNTS, "events")
NO_CLUSTER = "none"


@bp.function_name("on_azure_event")
@bp.event_grid_trigger(arg_name="event")
@bp.durable_client_input(client_name="client")
async def on_azure_event(event: func.EventGridEvent, client: df.DurableFunctionsClient) -> None:
    """Start a repair for a failure on a node of a declared site; every other event is counted and let pass.

    Events come at least once and in any order: those of the same trouble start a run with the same id. A subscription
    may have either schema of Event Grid, whose events come as one type or the other.
    """
    failure = parse_either_schema(event)
    with start_span("on_azure_event") as span:
        outcome = failure.outcome if isinstance(failure, IgnoredEvent) else await _handle_failure(client, failure)
        span.set_attribute("hci.outcome", outcome)
        if outcome == "not-a-failure":
            return
        _LOG.info("event %.100s: %s", event.id, outcome)
        await client.signal_entity(COUNTS, "add", _message_of_its_own(COUNTS, "add", outcome))


def _message_of_its_own(entity: EntityInstanceId, operation: str, request: Any) -> dict[str, Any]:
    """A message with no time: that of an event is anybody's, and one in the future would make all others late."""
    return own_message(entity, operation, MessageStamp(sender=uuid.uuid4().hex, number=1), request)


async def _handle_failure(client: df.DurableFunctionsClient, failure: FailureEvent) -> str:
    """Start what the event calls for; gives the word under which it is counted."""
    sites = await declared_documents.read_sites(client)
    nearby_sites = {
        name: site for name, site in sites.items() if key_of(site.cluster).startswith(f"{failure.subscription_id}|")
    }
    if not nearby_sites:
        return "other-subscription"
    return await start_for_failure(client, nearby_sites, failure)


async def start_for_failure(
    client: df.DurableFunctionsClient, nearby_sites: dict[str, SiteDocument], failure: FailureEvent
) -> str:
    """Watch the cluster that the failure belongs to, or repair the node."""
    if failure.kind == "cluster-extension":
        return await _start_watch(client, nearby_sites, failure.resource_id)
    node_record = await read_node_record(client, failure.resource_id)
    known_cluster = node_record.cluster if node_record else ""
    cluster = known_cluster or await _find_cluster(client, failure.resource_id)
    if failure.kind == "run-command":
        return await _start_watch(client, nearby_sites, cluster)
    return await _start_repair(client, nearby_sites, cluster, failure, node_record)


async def _find_cluster(client: df.DurableFunctionsClient, machine_id: str) -> str | None:
    """ARM id of the cluster of a machine that nothing is known of yet, kept for the next event.

    Empty for a machine that is in none, None while Azure does not answer.
    """
    try:
        node = (await read_nodes(ReadNodes(machine_id=machine_id))).nodes[0]
    except Refused:
        return ""
    except Transient:
        return None
    notice = SymptomNotice(machine_id=machine_id, node=node.name, cluster=node.cluster_id or NO_CLUSTER)
    record = EntityInstanceId(NODES, key_of(machine_id))
    message = _message_of_its_own(record, "note_symptom", notice.model_dump(mode="json"))
    await client.signal_entity(record, "note_symptom", message)
    return node.cluster_id


async def _start_watch(client: df.DurableFunctionsClient, sites: dict[str, SiteDocument], cluster: str | None) -> str:
    """Check all nodes of a cluster, as the event names none of them; one run at a time."""
    name = next((name for name, site in sites.items() if key_of(site.cluster) == key_of(cluster or "")), None)
    if name is None:
        return "other-cluster"
    if await read_holds_of(client, [name]):
        return "site-on-hold"
    run = f"watch-nodes-{name}"
    if not await is_run_living(client, run):
        await schedule_own(client, WATCH_NODES, run, {"site": name})
    return "watch-started"


async def _without_held(client: df.DurableFunctionsClient, sites: dict[str, SiteDocument]) -> dict[str, SiteDocument]:
    """The sites at which something may begin: the timer finds what fails at others, once they are held no longer."""
    holds = await read_holds(client)
    return {name: site for name, site in sites.items() if not find_holds(holds, [name])}


def _is_declared_name(name: str, sites: dict[str, SiteDocument]) -> bool:
    return name.lower() in {site.extension.lower() for site in sites.values()}


async def _is_site_recovery(failure: FailureEvent) -> bool:
    """Whether the node's Site Recovery extension has this name; where Azure is silent, the timer sees to the node."""
    try:
        extension = (await read_nodes(ReadNodes(machine_id=failure.resource_id))).nodes[0].extension
    except (Refused, Transient):
        return False
    return extension is not None and extension.name.lower() == failure.name.lower()


async def _start_repair(
    client: df.DurableFunctionsClient,
    sites: dict[str, SiteDocument],
    cluster: str | None,
    failure: FailureEvent,
    node_record: NodeRecord | None,
) -> str:
    candidate_sites = {  # while the cluster is not known, the repair finds out whose node it is
        name: site for name, site in sites.items() if cluster is None or key_of(site.cluster) == key_of(cluster)
    }
    if not candidate_sites:
        return "other-cluster"
    if not any(site.healing for site in candidate_sites.values()):
        return "healing-disabled"
    if not (candidate_sites := await _without_held(client, candidate_sites)):
        return "site-on-hold"
    if not (_is_declared_name(failure.name, candidate_sites) or await _is_site_recovery(failure)):
        return "other-extension"
    if reason := why_not_now(node_record, failure.occurred_at):
        return reason
    if not (node_record and node_record.run):
        try:
            if is_extension_well((await read_nodes(ReadNodes(machine_id=failure.resource_id))).nodes[0].extension):
                return "already-healthy"  # an event that comes late is no reason for a run
        except (Refused, Transient):
            _LOG.info("the extension of %s could not be read: its repair reads it again", failure.resource_id)
    run = next_run_id(failure.resource_id, node_record)
    repair = Repair(
        id=run,
        machine_id=failure.resource_id,
        requested_by=REQUESTED_BY_EVENT_GRID,
        sites=candidate_sites,
        cause=failure.correlation_id,
        reported_at=failure.occurred_at,
    )
    return "repair-started" if await start_once(client, "repair", run, repair) else "duplicate"
