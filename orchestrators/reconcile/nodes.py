"""The timer's look at nodes: what no event told of, repairs that are due again, and locks that a dead run left off."""

import logging
from datetime import timedelta
from typing import Any

from durabletask import task

from orchestrators.durable.steps import Steps, ask_entity, call, now
from orchestrators.healing.locks import put_back
from shared.arm_ids import key_of
from shared.errors import SiteRecoveryError
from shared.healing.contract import READ_NODES, READ_RECORDS, ReadNodes, ReadRecords
from shared.healing.node_record import End, LastRepair, NodeRecord, Notice, is_due, next_run, notice
from shared.healing.proof import symptom_of
from shared.healing.repair import Repair
from shared.messages import VaultRef
from shared.operations.contract import READ_RUNS, START_RUN, ReadRuns, StartRun
from shared.operations.durable_names import CLUSTER_QUEUE, NODES
from shared.operations.obligations import Obligation
from shared.plans.contract import READ_BOOK, BookRead, ReadBook
from shared.site_recovery.contract import READ_PROVIDERS, ReadProviders
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

_LOG = logging.getLogger(__name__)
AT_ONCE = timedelta(0)


def watch_nodes(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Look at one site's nodes now, because an event hinted at it, and repair what is found without further waiting."""
    seen = yield from call(ctx, READ_BOOK, ReadBook())
    hinted = seen.model_copy(update={"sites": tuple(site for site in seen.sites if site.name == payload["site"])})
    return {"started": (yield from look_after_nodes(ctx, hinted, notice_after=AT_ONCE))}


def look_after_nodes(
    ctx: task.OrchestrationContext, seen: BookRead, notice_after: timedelta | None = None
) -> Steps[list[str]]:
    """Start the repairs that are due, and put locks back for runs that cannot any more.

    Args:
        notice_after: How long a node must look unwell; None for what its site says.
    """
    yield from _put_locks_back(ctx, seen)
    started: list[str] = []
    for entry in seen.sites:
        site = SiteDocument.model_validate(entry.document)
        if site.healing:
            patience = site.healing_rules.notice_after if notice_after is None else notice_after
            started += yield from _look_after(ctx, entry.name, site, patience)
    return started


def _put_locks_back(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[None]:
    owed = [one for one in map(Obligation.model_validate, seen.obligations) if one.kind == "restore-lock"]
    if not owed:
        return
    ended = (yield from call(ctx, READ_RUNS, ReadRuns(ids=tuple(one.owner for one in owed)))).ended
    for one in owed:
        if one.owner in ended:
            try:
                yield from put_back(ctx, one)
            except SiteRecoveryError as failure:
                _warn(ctx, "the locks of %s are still owed: %s", one.plan, failure)


def _warn(ctx: task.OrchestrationContext, text: str, *about: object) -> None:
    ctx.create_replay_safe_logger(_LOG).warning(text, *about)


def _look_after(ctx: task.OrchestrationContext, name: str, site: SiteDocument, patience: timedelta) -> Steps[list[str]]:
    """One site; where Azure does not answer for it the others are looked after all the same."""
    try:
        nodes = (yield from call(ctx, READ_NODES, ReadNodes(cluster_id=site.cluster))).nodes
        hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=VaultRef.from_id(site.vault)))
    except SiteRecoveryError as failure:
        _warn(ctx, "the nodes of %s could not be looked at: %s", name, failure)
        return []
    known = yield from call(ctx, READ_RECORDS, ReadRecords(machines=tuple(node.id for node in nodes)))
    records = {key_of(record.machine_id): record for record in known.records}
    started = []
    for node in nodes:
        record = records.get(key_of(node.id))
        if record and record.run in known.ended:
            record = yield from _bury(ctx, site, record)
        symptom = symptom_of(site, node, nodes, hosts.providers, hosts.at)
        record = yield from _notice(ctx, node, symptom, record)
        if record and is_due(record, now(ctx), patience):
            start = _repair(name, site, node, record)
            yield from call(ctx, START_RUN, start)
            started.append(start.id)
    return started


def _bury(ctx: task.OrchestrationContext, site: SiteDocument, record: NodeRecord) -> Steps[NodeRecord]:
    """A run that ended without saying so counts as an attempt that failed: nobody knows how far it got."""
    last = LastRepair(run=record.run, ending="failed", at=now(ctx), cause="run-lost")
    rules = site.healing_rules
    ask = End(last=last, max_attempts=rules.max_attempts, pause=rules.pause).model_dump(mode="json")
    yield from ask_entity(ctx, CLUSTER_QUEUE, key_of(record.cluster), "leave", record.run)
    said = yield from ask_entity(ctx, NODES, key_of(record.machine_id), "end", ask)
    return NodeRecord.model_validate(said["record"])


def _notice(
    ctx: task.OrchestrationContext, node: NodeView, symptom: str, record: NodeRecord | None
) -> Steps[NodeRecord | None]:
    """Write down what changed, and only that: a cluster that is well costs nothing here."""
    seen = Notice(machine_id=node.id, node=node.name, cluster=node.cluster_id, symptom=symptom, at=now(ctx))
    if (record is None and not symptom) or (record and notice(record, seen) == record):
        return record
    said = yield from ask_entity(ctx, NODES, key_of(node.id), "notice", seen.model_dump(mode="json"))
    return NodeRecord.model_validate(said["record"])


def _repair(name: str, site: SiteDocument, node: NodeView, record: NodeRecord) -> StartRun:
    run = next_run(node.id, record)
    order = Repair(id=run, machine_id=node.id, requested_by="timer", sites={name: site}, cause=record.symptom)
    return StartRun(id=run, orchestrator="repair", payload=order.model_dump(mode="json"))
