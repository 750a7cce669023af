"""Healing a node: from a failed ASR extension to the proof that node and cluster are registered again."""

from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import publish_event
from orchestrators.durable.steps import Steps, call, call_entity, now
from orchestrators.healing.cure import heal_node, wait_for_cluster, wait_for_recovery_point
from orchestrators.healing.gate import diagnose_settled_node, release_cluster_turn, take_cluster_turn
from orchestrators.healing.locks import restore_own_locks
from orchestrators.healing.progress import ProgressTracker
from shared.arm_ids import key_of
from shared.errors import SiteRecoveryError, Transient
from shared.healing.contract import READ_NODES, ReadNodes
from shared.healing.node_record import BeginRepair, EndRepair, LastRepair, NodeRecord, RepairEnding
from shared.healing.proof import RUNGS
from shared.healing.repair import NeedsPerson, NothingToDo, Repair, RepairDeferred, RepairProgress
from shared.obstacle import Obstacle
from shared.operations.contract import READ_ENDED_RUNS, PublishEvent, ReadEndedRuns
from shared.operations.durable_names import NODES
from shared.recovery.outcome import Outcome
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument


def repair(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the ASR extension of one node back, and say "healed" only at the top of the proof."""
    order = Repair.model_validate(payload)
    progress = order.progress
    if progress is None:
        arrival = yield from _register_repair(ctx, order)
        if isinstance(arrival, Outcome):
            return arrival.model_dump(mode="json")
        progress = arrival
    tracker = ProgressTracker(ctx, progress)
    site = order.sites[progress.site]
    try:
        over = yield from _run_repair_stages(ctx, order, site, tracker)
    except SiteRecoveryError as failure:
        return (yield from _handle_failure(ctx, order, site, tracker, failure))
    if over:
        return (yield from _close_repair(ctx, order, tracker, _repair_outcome(ctx, tracker, "succeeded")))
    ctx.continue_as_new(
        order.model_copy(update={"progress": tracker.progress}).model_dump(mode="json"), save_events=True
    )
    return None


def _register_repair(ctx: task.OrchestrationContext, order: Repair) -> Steps[RepairProgress | Outcome]:
    """See whose node it is, and enter the repair in its record: one at a time."""
    try:
        node = (yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))).nodes[0]
    except SiteRecoveryError as failure:
        return _refused_outcome("not-read", f"{order.machine_id} could not be read: {failure}")
    name = next((name for name, s in order.sites.items() if key_of(s.cluster) == key_of(node.cluster_id)), None)
    if name is None:
        return _refused_outcome("not-ours", f"{node.name} is a node of no declared site")
    if busy := (yield from _enter_in_record(ctx, order, node)):
        return _refused_outcome("held", f"{node.name} is being repaired by {busy}")
    began = now(ctx)
    facts = {"node": node.name, "site": order.sites[name].hyper_v_site}
    return RepairProgress(site=name, node=node.name, cluster=node.cluster_id, began=began, since=began, facts=facts)


def _refused_outcome(code: str, detail: str) -> Outcome:
    return Outcome(state="refused", kind="repair", problems=(Obstacle(code=code, detail=detail),))


def _enter_in_record(ctx: task.OrchestrationContext, order: Repair, node: NodeView) -> Steps[str]:
    """Enter the repair; gives the living run that is in the way, if any."""
    request = BeginRepair(run=order.id, node=node.name, cluster=node.cluster_id, machine_id=order.machine_id)
    key = key_of(order.machine_id)
    busy: str = (yield from call_entity(ctx, NODES, key, "begin", request.model_dump(mode="json")))["busy"]
    if busy and (yield from call(ctx, READ_ENDED_RUNS, ReadEndedRuns(ids=(busy,)))).ended:
        second_request = request.model_copy(update={"ended": (busy,)}).model_dump(mode="json")
        busy = (yield from call_entity(ctx, NODES, key, "begin", second_request))["busy"]
    return busy


def _run_repair_stages(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[bool]:
    """Go on from where the repair stands; False when it is time to continue as new."""
    if tracker.progress.stage == "turn":
        if not tracker.progress.phases:
            yield from diagnose_settled_node(ctx, order, site, tracker)  # what no turn would change is told at once
        if not (yield from take_cluster_turn(ctx, order, tracker)):
            return False
        yield from _heal_in_turn(ctx, order, site, tracker)
        tracker.enter_stage(stage="point")
    if tracker.progress.stage == "point":
        if not (yield from wait_for_recovery_point(ctx, site, tracker)):
            return False
        yield from _record_ending(ctx, order, tracker, "healed")
        tracker.enter_stage(stage="cluster")
    return (yield from wait_for_cluster(ctx, site, tracker))


def _heal_in_turn(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[None]:
    try:
        yield from heal_node(ctx, order, site, tracker)
    except Exception:
        yield from _release_node(ctx, order, site, tracker)
        raise
    yield from _release_node(ctx, order, site, tracker)


def _release_node(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, tracker: ProgressTracker
) -> Steps[None]:
    yield from restore_own_locks(ctx, order, tracker)
    yield from release_cluster_turn(ctx, order, site, tracker)


def _handle_failure(
    ctx: task.OrchestrationContext,
    order: Repair,
    site: SiteDocument,
    tracker: ProgressTracker,
    failure: SiteRecoveryError,
) -> Steps[dict[str, Any]]:
    """End a repair that did not get to its proof; what it means for the next one depends on why."""
    match failure:
        case NothingToDo() | RepairDeferred():
            yield from _record_ending(ctx, order, tracker, "well" if isinstance(failure, NothingToDo) else "deferred")
            return _refused_outcome(failure.code, failure.detail).model_dump(mode="json")
        case NeedsPerson():
            tracker.note_facts(finding=True, evidence=list(failure.cause.evidence))
            tracker.note_facts(cause=failure.cause.code, remedy=failure.cause.remedy)
            yield from _record_ending(ctx, order, tracker, "finding")
        case Transient() if not tracker.progress.touched:
            yield from _record_ending(ctx, order, tracker, "deferred")
        case _:
            record = yield from _record_ending(ctx, order, tracker, "failed", site)
            yield from _note_next_attempt(ctx, order, tracker, record)
    return (yield from _close_repair(ctx, order, tracker, _repair_outcome(ctx, tracker, "failed", str(failure))))


def _record_ending(
    ctx: task.OrchestrationContext,
    order: Repair,
    tracker: ProgressTracker,
    ending: RepairEnding,
    site: SiteDocument | None = None,
) -> Steps[NodeRecord]:
    facts = tracker.progress.facts
    last = LastRepair(
        run=order.id,
        ending=ending,
        at=now(ctx),
        cause=facts.get("cause", ""),
        remedy=facts.get("remedy", ""),
        rung=tracker.progress.rung,
    )
    rules = (site or order.sites[tracker.progress.site]).healing_rules
    request = EndRepair(last=last, max_attempts=rules.max_attempts, pause=rules.pause).model_dump(mode="json")
    answer = yield from call_entity(ctx, NODES, key_of(order.machine_id), "end", request)
    return NodeRecord.model_validate(answer["record"])


def _note_next_attempt(
    ctx: task.OrchestrationContext, order: Repair, tracker: ProgressTracker, record: NodeRecord
) -> Steps[None]:
    """Say when the next attempt is, or that there is none: then it is for a person."""
    tracker.note_facts(attempts=record.attempts, quarantined=record.quarantined)
    if record.quarantined:
        remedy = f"{record.attempts} attempts did not help: see to the node, then ask for a repair."
        tracker.note_facts(finding=True, remedy=f"{remedy} {tracker.progress.facts.get('remedy', '')}".strip())
        yield from _publish_node_event(ctx, order, tracker, "Quarantined", {"attempts": record.attempts})
    elif record.not_before:
        tracker.note_facts(nextAttempt=record.not_before.isoformat())


def _repair_outcome(ctx: task.OrchestrationContext, tracker: ProgressTracker, state: str, *failures: str) -> Outcome:
    progress, ended = tracker.progress, now(ctx)
    proof_facts = {
        "rung": progress.rung,
        "healed": progress.rung == RUNGS[-1],
        "timeline": tracker.timeline_until(ended),
    }
    return Outcome.model_validate(
        {"state": state, "kind": "repair", "failures": failures, "began": progress.began, "ended": ended}
        | {"facts": {**progress.facts, **proof_facts}}
    )


def _close_repair(
    ctx: task.OrchestrationContext, order: Repair, tracker: ProgressTracker, outcome: Outcome
) -> Steps[dict[str, Any]]:
    event_name = "Healed" if outcome.facts["healed"] else "Finding" if outcome.facts.get("finding") else "Finished"
    yield from _publish_node_event(
        ctx, order, tracker, event_name, {"state": outcome.state, "failures": list(outcome.failures)}
    )
    return outcome.model_dump(mode="json")


def _publish_node_event(
    ctx: task.OrchestrationContext, order: Repair, tracker: ProgressTracker, event_name: str, details: dict[str, Any]
) -> Steps[None]:
    facts = {key: tracker.progress.facts[key] for key in ("cause", "remedy") if key in tracker.progress.facts}
    event = PublishEvent(
        id=f"{order.id}:{event_name}",
        type=f"HciSiteRecovery.Node.{event_name}",
        subject=f"nodes/{tracker.progress.node}",
        at=now(ctx),
        data={"operation": order.id, "rung": tracker.progress.rung, **facts, **details},
    )
    yield from publish_event(ctx, event)
