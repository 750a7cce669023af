"""After an unplanned failover: proof that the machines that run in Azure are off where they came from, and stay so."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrators.durable.cloud_events import publish_event
from orchestrators.durable.entity_calls import note_on_obligation, settle_obligations
from orchestrators.durable.node_scripts import PagedScript, read_pages
from orchestrators.durable.steps import Context, Steps, call, call_all, call_entity, now
from orchestrators.durable.timer_look import TimerLook, attempt_part, describe_obligation, readable_obligations
from shared.arm_ids import name_of
from shared.failback.source_vms import SourceVms, join_source_parts, read_source_page
from shared.healing.contract import READ_NODES, NodesRead, ReadNodes, RunScript
from shared.messages import Message, VaultRef
from shared.operations.contract import READ_ENDED_RUNS, START_RUN, PublishEvent, ReadEndedRuns, StartRun
from shared.operations.durable_names import OBLIGATIONS, PROVE_SOURCES_OFF
from shared.operations.obligation_table import Attempted, Checked, LeftBehind
from shared.operations.obligations import Home, Machines, Obligation, ObligationKind, is_attempt_due
from shared.plans.contract import DocumentsRead
from shared.plans.machines import is_at_home_in
from shared.recovery.pacing import RECHECK_SOURCES_EVERY, SOURCES_PROVEN_WITHIN
from shared.request_ids import run_id
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.sites.lost_nodes import LostNode, split_lost_nodes
from shared.sites.node_health import disconnected_nodes
from shared.sites.nodes import NodeView

BATCH = 100
"""Names a script: a node has some of them only, and says these in pages."""


def read_cluster_nodes(ctx: Context, clusters: Sequence[str]) -> Steps[tuple[list[NodeView], list[str]]]:
    """The nodes of these clusters, and the clusters that could not be read or show none."""
    answers = yield from call_all(ctx, READ_NODES, [ReadNodes(cluster_id=cluster) for cluster in clusters])
    nodes = [node for answer in answers if isinstance(answer, NodesRead) for node in answer.nodes]
    unread = [
        name_of(cluster)
        for cluster, answer in zip(clusters, answers, strict=True)
        if not isinstance(answer, NodesRead) or not answer.nodes
    ]
    return nodes, unread


def _source_script(operation: str, mark: str, node: NodeView, vms: Sequence[str]) -> PagedScript:
    request = RunScript(
        machine_id=node.id,
        name=f"{operation}-{mark}",
        script="read-source",
        operation=operation,
        parameters={"Names": "/".join(vms)},
    )
    return PagedScript(node.name, request)


def read_source_states(
    ctx: Context, operation: str, mark: str, nodes: Sequence[NodeView], vms: Sequence[str]
) -> Steps[SourceVms]:
    """Ask every node of these for every machine of these.

    Args:
        operation: Whose look it is.
        mark: Tells the looks of one operation apart: a name of a run command is used once.
    """
    disconnected = disconnected_nodes(nodes)
    batches = [vms[first : first + BATCH] for first in range(0, len(vms), BATCH)]
    connected = [node for node in nodes if node.name not in disconnected]
    scripts = [
        _source_script(operation, f"{mark}-{number}", node, batch)
        for node in connected
        for number, batch in enumerate(batches)
    ]
    answers = yield from read_pages(ctx, scripts, read_source_page)
    parts = (part for node_parts in answers.by_node.values() for part in node_parts)
    return join_source_parts(parts, {**disconnected, **answers.silent})


SOURCE_OFF_KIND: ObligationKind = "source-off"
REPROTECT_KIND: ObligationKind = "reprotect"
SHOWN = 8
REMEDY = (
    "Turn them off on their nodes (Stop-VM), and leave them off: the next look proves it. The app turns nothing off by "
    "itself, and begins no failback before that, for it would overwrite what they do now."
)
RUNNING_AGAIN = f"machines that run in Azure were seen on at home after they had been proven off. {REMEDY}"


class SourceCheck(Message):
    """Look at the power of these VMs on every node of their cluster.

    Attributes:
        owner: The run that brought them to Azure; empty where none is known.
        obligation: Id of the one that asks for it.
        again: They were proven off before: only what is found to run is of interest now.
        lost_nodes: Of their site: for those that do not answer a person has answered.
    """

    id: str
    plan: str
    vms: tuple[str, ...]
    home: Home
    owner: str = ""
    obligation: str = ""
    again: bool = False
    lost_nodes: tuple[LostNode, ...] = ()

    @property
    def machines(self) -> Machines:
        """Whose power it is about."""
        return Machines(home=self.home, vms=self.vms)


def start_source_proofs(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Start the proof for each failover that owes it and is over, again and again until it is there."""
    started = []
    for owed in look.owed_of_kind(SOURCE_OFF_KIND):
        started += yield from attempt_part(ctx, look, describe_obligation(owed), _start_proof(ctx, look, owed))
    return started


def _start_proof(ctx: Context, look: TimerLook, owed: Mapping[str, Any]) -> Steps[list[str]]:
    obligation = Obligation.model_validate(owed)
    if not is_attempt_due(obligation, now(ctx)) and not _is_node_lost_since(look.documents, obligation):
        return []
    request = ReadEndedRuns(ids=(obligation.owner,))
    if (
        not obligation.provable
        and not obligation.is_found
        and not (yield from call(ctx, READ_ENDED_RUNS, request)).ended
    ):
        return []
    check = _source_check_of(look.documents, obligation, str(obligation.attempts))
    note = Attempted(id=obligation.id, run=check.id, at=now(ctx))
    return [(yield from _start_check(ctx, check, "note_attempt", note))]


def _is_node_lost_since(documents: DocumentsRead, obligation: Obligation) -> bool:
    """Whether a node was declared lost after the last attempt, which may have waited for it."""
    last = obligation.last_attempt_at
    return last is not None and any(lost.at > last for lost in _lost_nodes_of(documents, obligation))


def _lost_nodes_of(documents: DocumentsRead, obligation: Obligation) -> tuple[LostNode, ...]:
    return tuple(lost for lost in documents.lost_nodes if obligation.home and lost.site == obligation.home.site)


def start_source_rechecks(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Look once more, every hour, at machines that were proven off while they run in Azure."""
    started = []
    for owed in look.owed_of_kind(REPROTECT_KIND):
        started += yield from attempt_part(ctx, look, describe_obligation(owed), _start_recheck(ctx, look, owed))
    return started


def _start_recheck(ctx: Context, look: TimerLook, owed: Mapping[str, Any]) -> Steps[list[str]]:
    obligation = Obligation.model_validate(owed)
    last = obligation.last_checked_at
    if last is None or now(ctx) - last < RECHECK_SOURCES_EVERY:
        return []
    for unproven in readable_obligations(look.owed_of_kind(SOURCE_OFF_KIND)):
        if unproven.home:
            obligation = obligation.without_vms(Machines(home=unproven.home, vms=unproven.vms))
    if not obligation.vms:
        return []
    recheck = _source_check_of(look.documents, obligation, last.isoformat()).model_copy(update={"again": True})
    return [(yield from _start_check(ctx, recheck, "note_check", Checked(machines=recheck.machines, at=now(ctx))))]


def _source_check_of(documents: DocumentsRead, obligation: Obligation, mark: str) -> SourceCheck:
    """The check that an obligation calls for; the mark tells it from the others of the same obligation."""
    if obligation.home is None:
        raise ValueError(f"it is not known where the machines of {obligation.id} are at home")
    return SourceCheck(
        id=run_id("sources", obligation.plan, f"{obligation.id}:{mark}"),
        plan=obligation.plan,
        vms=obligation.vms,
        home=obligation.home,
        owner=obligation.owner,
        obligation=obligation.id,
        lost_nodes=_lost_nodes_of(documents, obligation),
    )


def _start_check(ctx: Context, check: SourceCheck, note_kind: str, note: Message) -> Steps[str]:
    request = StartRun(id=check.id, orchestrator=PROVE_SOURCES_OFF, payload=check.model_dump(mode="json"))
    yield from call(ctx, START_RUN, request)
    yield from note_on_obligation(ctx, check.home.vault_key, note_kind, note)
    return check.id


def prove_sources(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Cross the obligation out once each VM was seen off, or is on no node at all; else keep what it saw.

    A VM that is off on a node that answers is on no other node of its cluster. Of one that is seen nowhere only the
    nodes that do not answer could say more.
    """
    check = SourceCheck.model_validate(payload)
    if check.again:
        return (yield from _recheck_sources(ctx, check))
    source_look = yield from _read_sources(ctx, check, check.vms)
    unknown_vms = [vm for vm in check.vms if not source_look.find_vms(vm)] if source_look.silent else []
    if not source_look.running_vms and not unknown_vms:
        yield from settle_source_proof(ctx, check.machines)
    else:
        unknown = [f"{vm}: seen on no node that has answered" for vm in unknown_vms]
        silent = source_look.silent_nodes if unknown_vms else ()
        left = LeftBehind(id=check.obligation, leftovers=(*source_look.running_vms, *unknown, *silent))
        yield from note_on_obligation(ctx, check.home.vault_key, "note_leftovers", left)
        yield from _publish_source_running(ctx, check, source_look.running_vms)
    return {"running": list(source_look.running_vms), "silent": sorted(source_look.silent)}


def settle_source_proof(ctx: Context, machines: Machines) -> Steps[None]:
    """Cross the obligation out, and have the machines watched from now on, as long as they are away."""
    yield from settle_obligations(ctx, [machines], (SOURCE_OFF_KIND,))
    check = Checked(machines=machines, at=now(ctx))
    yield from note_on_obligation(ctx, machines.home.vault_key, "note_check", check)


def _recheck_sources(ctx: Context, check: SourceCheck) -> Steps[dict[str, Any]]:
    """What runs at home although it runs in Azure; what came home meanwhile, or is on its way, runs there rightly."""
    vms_in_azure = yield from _vms_in_azure(ctx, check)
    source_look = (yield from _read_sources(ctx, check, vms_in_azure)) if vms_in_azure else SourceVms()
    still_in_azure = set((yield from _vms_in_azure(ctx, check))) if source_look.running_vms else set()
    wrongly_running = source_look.model_copy(
        update={"vms": tuple(state for state in source_look.vms if state.vm in still_in_azure)}
    )
    if wrongly_running.running_vms:
        yield from reopen_source_proof(ctx, check.plan, check.owner, check.home, wrongly_running)
        yield from _publish_source_running(ctx, check, wrongly_running.running_vms)
    return {"running": list(wrongly_running.running_vms), "silent": sorted(source_look.silent)}


def reopen_source_proof(ctx: Context, plan: str, owner: str, home: Home, source_look: SourceVms) -> Steps[None]:
    """Owe the proof once more, for the machines that were found to run."""
    names = dict.fromkeys(state.vm for state in source_look.vms if state.state != "Off")
    obligation = Obligation(
        kind=SOURCE_OFF_KIND,
        plan=plan,
        owner=owner,
        opened=now(ctx),
        due=now(ctx) + SOURCES_PROVEN_WITHIN,
        vms=tuple(names),
        home=home,
        detail=RUNNING_AGAIN,
        provable=True,
        leftovers=source_look.running_vms,
    )
    yield from call_entity(ctx, OBLIGATIONS, obligation.table, "open", obligation.model_dump(mode="json"))


def _vms_in_azure(ctx: Context, check: SourceCheck) -> Steps[list[str]]:
    """Those that run in Azure, with nothing under way; none of a vault that cannot be read."""
    requests = [ReadItems(vault=VaultRef.from_id(check.home.vault), vms=check.vms)]
    reads = [answer for answer in (yield from call_all(ctx, READ_ITEMS, requests)) if isinstance(answer, ItemsRead)]
    views = [view for answer in reads for view in answer.items if is_at_home_in(check.home, view)]
    return [view.vm for view in views if view.is_in_azure and not view.is_busy]


def _read_sources(ctx: Context, check: SourceCheck, vms: Sequence[str]) -> Steps[SourceVms]:
    """The machines as the nodes of their own cluster show them now."""
    cluster_nodes, unread = yield from read_cluster_nodes(ctx, [check.home.cluster])
    nodes, _ = split_lost_nodes(cluster_nodes, check.lost_nodes)
    if unread:  # it cannot be proven now: no node need be asked
        return SourceVms(silent={**disconnected_nodes(nodes), **dict.fromkeys(unread, "its nodes cannot be read")})
    return (yield from read_source_states(ctx, check.id, "look", nodes, vms))


def _publish_source_running(ctx: Context, check: SourceCheck, running: Sequence[str]) -> Steps[None]:
    """An event of what runs twice; the same again is the same event."""
    if not running:
        return
    event = PublishEvent(
        id=f"{check.plan}:{check.owner}:source-running:{'/'.join(running)}",
        type="HciSiteRecovery.Source.Running",
        subject=f"plans/{check.plan}",
        at=now(ctx),
        data={"plan": check.plan, "owner": check.owner, "running": list(running[:SHOWN]), "remedy": REMEDY},
    )
    yield from publish_event(ctx, event)
