"""What the timer does for nodes: it finds what no event reported, repairs what is due again, and puts locks back."""

import logging
from datetime import timedelta
from typing import Any

from orchestrators.durable.cluster_turns import leave_cluster_queue
from orchestrators.durable.steps import Context, Steps, call, now
from orchestrators.healing.locks import restore_locks
from orchestrators.healing.node_records import ask_node_record, record_ending
from shared.arm_ids import key_of
from shared.errors import SiteRecoveryError
from shared.healing.contract import READ_NODE_RECORDS, READ_NODES, ReadNodeRecords, ReadNodes
from shared.healing.node_record import (
    LastRepair,
    NodeRecord,
    SymptomNotice,
    is_due,
    next_run_id,
    record_symptom,
)
from shared.healing.proof import symptom_of
from shared.healing.repair import Repair
from shared.messages import VaultRef
from shared.operations.contract import READ_ENDED_RUNS, START_RUN, ReadEndedRuns, StartRun
from shared.operations.kinds import REQUESTED_BY_TIMER
from shared.operations.obligations import obligations_of_kind
from shared.plans.contract import READ_DOCUMENTS, DocumentsRead, ReadDocuments
from shared.site_recovery.contract import READ_PROVIDERS, ReadProviders
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

_LOG = logging.getLogger(__name__)
AT_ONCE = timedelta(0)


def watch_nodes(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Look at one site's nodes now, because of an event, and repair what is found without waiting any longer."""
    documents = yield from call(ctx, READ_DOCUMENTS, ReadDocuments())
    sites = tuple(site for site in documents.sites if site.name == payload["site"])
    site_only = documents.model_copy(update={"sites": sites})
    return {"started": (yield from look_after_nodes(ctx, site_only, notice_after=AT_ONCE))}


def look_after_nodes(ctx: Context, documents: DocumentsRead, notice_after: timedelta | None = None) -> Steps[list[str]]:
    """Start the repairs that are due, and put locks back for runs that cannot any more.

    Args:
        notice_after: How long a node must look unwell; None for what its site declares.
    """
    yield from _restore_owed_locks(ctx, documents)
    started: list[str] = []
    for entry in documents.sites:
        site = SiteDocument.model_validate(entry.document)
        if site.healing:
            patience = site.healing_rules.notice_after if notice_after is None else notice_after
            started += yield from _look_after_site(ctx, entry.name, site, patience)
    return started


def _restore_owed_locks(ctx: Context, documents: DocumentsRead) -> Steps[None]:
    owed = obligations_of_kind(documents.obligations, "restore-lock")
    if not owed:
        return
    request = ReadEndedRuns(ids=tuple(obligation.owner for obligation in owed))
    ended = (yield from call(ctx, READ_ENDED_RUNS, request)).ended
    for obligation in owed:
        if obligation.owner in ended:
            try:
                yield from restore_locks(ctx, obligation)
            except SiteRecoveryError as failure:
                _log_warning(ctx, "the locks of %s are still owed: %s", obligation.plan, failure)


def _log_warning(ctx: Context, text: str, *about: object) -> None:
    ctx.create_replay_safe_logger(_LOG).warning(text, *about)


def record_lost_run(ctx: Context, site: SiteDocument, record: NodeRecord) -> Steps[NodeRecord]:
    """A run that ended without saying so counts as an attempt that failed: nobody knows how far it got."""
    yield from leave_cluster_queue(ctx, record.cluster, record.run)
    last = LastRepair(run=record.run, ending="failed", at=now(ctx), cause="run-lost")
    return (yield from record_ending(ctx, record.machine_id, last, site.healing_rules))


def _look_after_site(ctx: Context, name: str, site: SiteDocument, patience: timedelta) -> Steps[list[str]]:
    """One site; where Azure does not answer for it the others are looked after all the same."""
    try:
        nodes = (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=site.cluster))).nodes
        provider_views = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    except SiteRecoveryError as failure:
        _log_warning(ctx, "the nodes of %s could not be looked at: %s", name, failure)
        return []
    records_read = yield from call(ctx, READ_NODE_RECORDS, ReadNodeRecords(machines=tuple(node.id for node in nodes)))
    records = {key_of(record.machine_id): record for record in records_read.records}
    started = []
    for node in nodes:
        record = records.get(key_of(node.id))
        if record and record.run in records_read.ended_runs:
            record = yield from record_lost_run(ctx, site, record)
        symptom = symptom_of(site, node, nodes, provider_views.providers, provider_views.at)
        record = yield from _record_symptom(ctx, node, symptom, record)
        if record and is_due(record, now(ctx), patience):
            started.append((yield from _start_repair(ctx, name, site, node, record)))
    return started


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
    notice = SymptomNotice(machine_id=node.id, node=node.name, cluster=node.cluster_id, symptom=symptom, at=now(ctx))
    if (record is None and not symptom) or (record and record_symptom(record, notice) == record):
        return record
    return (yield from ask_node_record(ctx, node.id, "note_symptom", notice)).record
