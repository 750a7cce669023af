"""What the timer does for nodes: it finds what no event reported, repairs what is due again, and puts locks back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from orchestrators.durable.cloud_events import publish_event
from orchestrators.durable.cluster_turns import leave_cluster_queue
from orchestrators.durable.steps import Context, Steps, call, now
from orchestrators.durable.timer_look import TimerLook, attempt_part, describe_obligation
from orchestrators.healing.locks import restore_locks
from orchestrators.healing.node_records import ask_node_record, record_ending
from shared.arm_ids import key_of
from shared.healing.contract import (
    READ_NODE_RECORDS,
    READ_NODES,
    REMOVE_SCRIPT,
    NodeRecordsRead,
    ReadNodeRecords,
    ReadNodes,
    RemoveScript,
)
from shared.healing.node_record import (
    LastRepair,
    LeftScripts,
    NodeRecord,
    SymptomNotice,
    is_due,
    next_run_id,
    record_symptom,
)
from shared.healing.proof import symptom_of
from shared.healing.repair import Repair
from shared.messages import VaultRef
from shared.operations.contract import READ_ENDED_RUNS, START_RUN, PublishEvent, ReadEndedRuns, StartRun
from shared.operations.kinds import REQUESTED_BY_TIMER
from shared.operations.obligations import Obligation
from shared.plans.contract import READ_DOCUMENTS, DeclaredDocument, ReadDocuments
from shared.site_recovery.contract import READ_PROVIDERS, ProvidersRead, ReadProviders
from shared.sites.node_health import extension_state
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

AT_ONCE = timedelta(0)


class SiteLook(NamedTuple):
    """What was read of a site to look after its nodes.

    Attributes:
        patience: How long one must look unwell.
        held: No repair may begin: what is seen is only written down.
    """

    name: str
    site: SiteDocument
    nodes: Sequence[NodeView]
    provider_views: ProvidersRead
    records_read: NodeRecordsRead
    patience: timedelta
    held: bool


def watch_nodes(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Look at one site's nodes now, because of an event, and repair what is found without waiting any longer.

    What could not be done is named in the output; the timer sees to it.
    """
    documents = yield from call(ctx, READ_DOCUMENTS, ReadDocuments())
    sites = tuple(site for site in documents.sites if site.name == payload["site"])
    look = TimerLook(documents.model_copy(update={"sites": sites}))
    started = yield from look_after_nodes(ctx, look, notice_after=AT_ONCE)
    return {"started": started, "failures": [f"{failure.about}: {failure.detail}" for failure in look.failures]}


def look_after_nodes(ctx: Context, look: TimerLook, notice_after: timedelta | None = None) -> Steps[list[str]]:
    """Start the repairs that are due, and put locks back for runs that cannot any more.

    Args:
        notice_after: How long a node must look unwell; None for what its site declares.
    """
    for owed in look.owed_of_kind("restore-lock"):
        yield from attempt_part(ctx, look, describe_obligation(owed), _restore_if_owed(ctx, owed))
    started: list[str] = []
    for entry in look.documents.sites:
        part = _look_after_site(ctx, look, entry, notice_after)
        started += yield from attempt_part(ctx, look, f"site {entry.name}", part)
    return started


def _restore_if_owed(ctx: Context, owed: Mapping[str, Any]) -> Steps[list[str]]:
    obligation = Obligation.model_validate(owed)
    if (yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=(obligation.owner,)))).ended:
        yield from restore_locks(ctx, obligation)
    return []


def record_lost_run(ctx: Context, site: SiteDocument, record: NodeRecord) -> Steps[NodeRecord]:
    """A run that ended without saying so counts as an attempt that failed: nobody knows how far it got."""
    yield from leave_cluster_queue(ctx, record.cluster, record.run)
    last = LastRepair(run=record.run, ending="failed", at=now(ctx), cause="run-lost")
    return (yield from record_ending(ctx, record.machine_id, last, site.healing_rules))


def _look_after_site(
    ctx: Context, look: TimerLook, entry: DeclaredDocument, notice_after: timedelta | None
) -> Steps[list[str]]:
    """The nodes of one site, each for itself."""
    site = SiteDocument.model_validate(entry.document)
    if not site.healing:
        return []
    nodes = (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=site.cluster))).nodes
    provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    records_read = yield from call(ctx, READ_NODE_RECORDS, ReadNodeRecords(machines=tuple(node.id for node in nodes)))
    patience = site.healing_rules.notice_after if notice_after is None else notice_after
    held = look.is_held((entry.name,), now(ctx))
    site_look = SiteLook(entry.name, site, nodes, provider_views, records_read, patience, held)
    started = []
    for record in (one for one in records_read.records if one.left_scripts):
        yield from attempt_part(ctx, look, f"run commands of {record.node}", _remove_left_scripts(ctx, record))
    for node in nodes:
        started += yield from attempt_part(ctx, look, f"node {node.name}", _look_after_node(ctx, site_look, node))
    return started


def _remove_left_scripts(ctx: Context, record: NodeRecord) -> Steps[list[str]]:
    """Remove the run commands that runs could not; what cannot be removed is reported, and tried at the next look."""
    for name in record.left_scripts:
        removal = RemoveScript(machine_id=record.machine_id, name=name, operation=f"left:{name}")
        yield from call(ctx, REMOVE_SCRIPT, removal)
        removed = LeftScripts(machine_id=record.machine_id, removed=(name,))
        yield from ask_node_record(ctx, record.machine_id, "note_left_scripts", removed)
    return []


def _look_after_node(ctx: Context, site_look: SiteLook, node: NodeView) -> Steps[list[str]]:
    name, site, nodes, provider_views, records_read, patience, held = site_look
    record = next((one for one in records_read.records if key_of(one.machine_id) == key_of(node.id)), None)
    if record and record.run in records_read.ended_runs:
        record = yield from record_lost_run(ctx, site, record)
    symptom = symptom_of(site, node, nodes, provider_views.providers, provider_views.at)
    record = yield from _record_symptom(ctx, node, symptom, record)
    if record and not held and is_due(record, now(ctx), patience):
        return [(yield from _start_repair(ctx, name, site, node, record))]
    return []


def _start_repair(ctx: Context, name: str, site: SiteDocument, node: NodeView, record: NodeRecord) -> Steps[str]:
    order = Repair(
        id=next_run_id(node.id, record),
        machine_id=node.id,
        requested_by=REQUESTED_BY_TIMER,
        sites={name: site},
        cause=record.symptom,
    )
    yield from call(ctx, START_RUN, StartRun(id=order.id, orchestrator="repair", payload=order.model_dump(mode="json")))
    return order.id


def _record_symptom(ctx: Context, node: NodeView, symptom: str, record: NodeRecord | None) -> Steps[NodeRecord | None]:
    """Write down what changed, and only that: for a cluster that is well nothing is called."""
    notice = SymptomNotice(
        machine_id=node.id,
        node=node.name,
        cluster=node.cluster_id,
        symptom=symptom,
        condition=f"extension {extension_state(node.extension)}, agent {node.agent_version}",
        at=now(ctx),
    )
    if (record is None and not symptom) or (record and record_symptom(record, notice) == record):
        return record
    noted = (yield from ask_node_record(ctx, node.id, "note_symptom", notice)).record
    if record and record.quarantined and not noted.quarantined:
        yield from _publish_quarantine_ended(ctx, node, record, symptom)
    return noted


def _publish_quarantine_ended(ctx: Context, node: NodeView, record: NodeRecord, symptom: str) -> Steps[None]:
    """Say why a node that was left alone is looked after again."""
    event = PublishEvent(
        id=f"quarantine:{key_of(node.id)}:{record.episode}",
        type="HciSiteRecovery.Node.QuarantineEnded",
        subject=f"nodes/{node.name}",
        at=now(ctx),
        data={"was": record.condition, "cause": symptom, "extension": extension_state(node.extension)},
    )
    yield from publish_event(ctx, event)
