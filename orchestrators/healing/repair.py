"""The repair of a node: from a failed ASR extension to the proof that node and cluster are registered again.

1. Admit: find the site whose cluster the node belongs to, and enter the repair in the node's record, one at a time.
2. Diagnose: what no turn would change (the node is well, or only a person can help) ends the repair here.
3. Wait for the cluster's turn; where that took a while, diagnose again.
4. Gate: lease the cluster and the node's machines; none of them may run in Azure or be on its way.
5. Take locks off, where the site allows it; they are owed from before the first one goes.
6. Cure: examine, uninstall, install again (`cure.py`), and prove extension, registry, service and provider.
7. Put the locks back and give the turn away, whatever happened.
8. Wait for a new recovery point of one of the node's machines: then the node's record says healed.
9. Wait for the rest of the cluster: only then the repair says healed.
"""

from datetime import datetime
from typing import Any

from orchestrators.durable.cloud_events import publish_event
from orchestrators.durable.dead_runs import ask_past_dead_runs
from orchestrators.durable.steps import Context, Steps, now
from orchestrators.healing.cure import CuredNode, examine_node, reinstall_extension
from orchestrators.healing.gate import claim_node, release_cluster_turn, take_cluster_turn
from orchestrators.healing.locks import find_locks, remove_locks, restore_own_locks
from orchestrators.healing.look import NodeDiagnosis, diagnose_settled_node, read_node
from orchestrators.healing.node_records import ask_node_record, record_ending
from orchestrators.healing.progress import ProgressTracker
from orchestrators.healing.prove import prove_registration, wait_for_cluster, wait_for_recovery_point
from shared.arm_ids import same_id
from shared.errors import SiteRecoveryError
from shared.healing.node_record import BeginRepair, LastRepair, NodeRecord, RepairEnding
from shared.healing.pacing import DEFERRALS_UNTOLD
from shared.healing.proof import RUNGS
from shared.healing.repair import (
    NeedsPerson,
    NothingToDo,
    Repair,
    RepairDeferred,
    RepairFacts,
    RepairProgress,
    failure_of,
)
from shared.obstacle import Obstacle
from shared.operations.contract import PublishEvent
from shared.operations.kinds import REQUESTED_BY_TIMER
from shared.operations.run_timeline import RunTimeline
from shared.recovery.outcome import Outcome
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument


class RepairNotAdmitted(Exception):
    """The repair may not begin."""

    def __init__(self, code: str, detail: str, holder: str = "") -> None:
        super().__init__(detail)
        self.obstacle = Obstacle(code=code, detail=detail, holder=holder)


def refused_outcome(obstacle: Obstacle) -> dict[str, Any]:
    """The outcome of a repair that was not done."""
    return Outcome(state="refused", kind="repair", problems=(obstacle,)).model_dump(mode="json")


def repair(ctx: Context, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the ASR extension of one node back, and say "healed" only at the top of the proof."""
    order = Repair.model_validate(payload)
    progress, node = order.progress, None
    if progress is None:
        try:
            progress, node = yield from _admit(ctx, order)
        except RepairNotAdmitted as verdict:
            return refused_outcome(verdict.obstacle)
    tracker = ProgressTracker(ctx, progress)
    site = order.sites[progress.site]
    try:
        is_over = yield from _run_stages(ctx, order, site, tracker, node)
    except SiteRecoveryError as failure:
        return (yield from _end_without_proof(ctx, order, tracker, failure))
    if is_over:
        return (yield from _close_repair(ctx, order, tracker))
    continued = order.model_copy(update={"progress": tracker.progress})
    ctx.continue_as_new(continued.model_dump(mode="json"), save_events=True)
    return None


def _admit(ctx: Context, order: Repair) -> Steps[tuple[RepairProgress, NodeView]]:
    """Find the node's site, and enter the repair in the node's record; gives the node as it was read.

    Raises:
        RepairNotAdmitted: the node cannot be read, is no declared site's, or is being repaired by a run that lives.
    """
    try:
        node = yield from read_node(ctx, order.machine_id)
    except SiteRecoveryError as failure:
        raise RepairNotAdmitted("not-read", f"{order.machine_id} could not be read: {failure}") from failure
    name = next((name for name, site in order.sites.items() if same_id(site.cluster, node.cluster_id)), None)
    if name is None:
        raise RepairNotAdmitted(
            "not-ours", f"{node.name} is a node of no declared site. Declare the site of its cluster."
        )

    yield from enter_node_record(ctx, order, node)
    facts = RepairFacts(node=node.name, site=order.sites[name].hyper_v_site)
    progress = RepairProgress(
        site=name, node=node.name, host=node.host, cluster=node.cluster_id, began=now(ctx), since=now(ctx), facts=facts
    )
    return progress, node


def enter_node_record(ctx: Context, order: Repair, node: NodeView) -> Steps[None]:
    """Have the node to itself.

    Raises:
        RepairNotAdmitted: a run that lives is repairing it.
    """

    def begin(ended: tuple[str, ...]) -> Steps[str]:
        request = BeginRepair(
            run=order.id, node=node.name, cluster=node.cluster_id, machine_id=order.machine_id, ended=ended
        )
        return (yield from ask_node_record(ctx, order.machine_id, "begin_repair", request)).busy

    if busy := (yield from ask_past_dead_runs(ctx, begin, lambda run: (run,) if run else ())):
        raise RepairNotAdmitted("held", f"{node.name} is being repaired by {busy}. Wait for it to end.", busy)


def _run_stages(
    ctx: Context, order: Repair, site: SiteDocument, tracker: ProgressTracker, node: NodeView | None
) -> Steps[bool]:
    """Go on from where the repair stands; False when it is time to continue as new.

    Args:
        node: The node as it was read on admission; None in a later generation.
    """
    if tracker.progress.stage == "turn":
        diagnosis = (yield from diagnose_settled_node(ctx, order, site, tracker, node)) if node else None
        waited = yield from take_cluster_turn(ctx, order, tracker)
        if waited is None:
            return False
        yield from _heal_in_turn(ctx, order, site, tracker, None if waited else diagnosis)
        tracker.enter_stage("point")
    if tracker.progress.stage == "point":
        if not (yield from wait_for_recovery_point(ctx, site, tracker)):
            return False
        yield from _record_ending(ctx, order, tracker, "healed")
        tracker.enter_stage("cluster")
    return (yield from wait_for_cluster(ctx, site, tracker))


def _heal_in_turn(
    ctx: Context, order: Repair, site: SiteDocument, tracker: ProgressTracker, diagnosis: NodeDiagnosis | None
) -> Steps[None]:
    """Take the node from its failure to its registration in the vault, then give the turn away, whatever happens.

    Args:
        diagnosis: What was found just before the turn; None where it may have changed meanwhile.
    """
    try:
        if diagnosis is None:
            diagnosis = yield from diagnose_settled_node(ctx, order, site, tracker)
        locks = yield from find_locks(ctx, order, site)
        nodes = yield from claim_node(ctx, order, site, diagnosis, tracker)
        yield from remove_locks(ctx, order, locks, tracker)
        registration = yield from examine_node(ctx, order, site, diagnosis, nodes, tracker)
        cured_node = CuredNode(diagnosis.node, nodes, registration)
        yield from reinstall_extension(ctx, order, site, cured_node, tracker)
        yield from prove_registration(ctx, order, site, tracker)
    except Exception:  # not `finally`: that also runs each time the host sets us aside
        yield from _release_node(ctx, order, site, tracker)
        raise
    yield from _release_node(ctx, order, site, tracker)


def _release_node(ctx: Context, order: Repair, site: SiteDocument, tracker: ProgressTracker) -> Steps[None]:
    yield from restore_own_locks(ctx, order, tracker)
    yield from release_cluster_turn(ctx, order, site, tracker)


def _end_without_proof(
    ctx: Context, order: Repair, tracker: ProgressTracker, failure: SiteRecoveryError
) -> Steps[dict[str, Any]]:
    """End a repair that did not get to its proof; what it means for the next one depends on why."""
    match failure:
        case NothingToDo() | RepairDeferred():
            yield from _record_ending(ctx, order, tracker, "well" if isinstance(failure, NothingToDo) else "deferred")
            return refused_outcome(Obstacle(code=failure.code, detail=failure.detail))
        case NeedsPerson():
            tracker.note_cause(failure.cause)
            tracker.note_facts(RepairFacts(finding=True))
            record = yield from _record_ending(ctx, order, tracker, "finding")
            if record.findings > 1 and order.requested_by == REQUESTED_BY_TIMER:
                reported_before = _outcome_of(tracker, (failure_of(failure, tracker.progress.node),), now(ctx))
                return reported_before.model_dump(mode="json")
        case _ if not tracker.progress.touched:
            record = yield from _record_ending(ctx, order, tracker, "deferred")
            is_to_be_told = record.deferrals == DEFERRALS_UNTOLD + 1
            tracker.note_facts(RepairFacts(next_attempt=record.not_before, finding=is_to_be_told or None))
        case _:
            record = yield from _record_ending(ctx, order, tracker, "failed")
            yield from _note_next_attempt(ctx, order, tracker, record)
    return (yield from _close_repair(ctx, order, tracker, failure_of(failure, tracker.progress.node)))


def _record_ending(ctx: Context, order: Repair, tracker: ProgressTracker, ending: RepairEnding) -> Steps[NodeRecord]:
    last = LastRepair(
        run=order.id,
        ending=ending,
        at=now(ctx),
        cause=tracker.facts.cause or "",
        remedy=tracker.facts.remedy or "",
        rung=tracker.progress.rung,
        changed=tracker.progress.touched,
    )
    rules = order.sites[tracker.progress.site].healing_rules
    return (yield from record_ending(ctx, order.machine_id, last, rules))


def _note_next_attempt(ctx: Context, order: Repair, tracker: ProgressTracker, record: NodeRecord) -> Steps[None]:
    """Note when the next attempt is, or that there is none: then a person has to act."""
    tracker.note_facts(RepairFacts(attempts=record.attempts, quarantined=record.quarantined))
    if record.quarantined:
        remedy = f"{record.attempts} attempts did not help: see to the node, then ask for a repair."
        tracker.note_facts(RepairFacts(finding=True, remedy=f"{remedy} {tracker.facts.remedy or ''}".strip()))
        yield from _publish_node_event(ctx, order, tracker, "Quarantined", {"attempts": record.attempts})
    elif record.not_before:
        tracker.note_facts(RepairFacts(next_attempt=record.not_before))


def _outcome_of(tracker: ProgressTracker, failures: tuple[Obstacle, ...], ended: datetime) -> Outcome:
    progress, is_healed = tracker.progress, tracker.progress.rung == RUNGS[-1]
    proof = {"rung": progress.rung, "healed": is_healed, "timeline": tracker.timeline_until(ended)}
    return Outcome(
        state="failed" if failures else "succeeded",
        kind="repair",
        failures=failures,
        began=progress.began,
        ended=ended,
        facts={**progress.facts.to_json(), **proof},
    )


def _close_repair(ctx: Context, order: Repair, tracker: ProgressTracker, *failures: Obstacle) -> Steps[dict[str, Any]]:
    """The outcome, and the event that says it; without a failure the proof stands."""
    is_healed = tracker.progress.rung == RUNGS[-1]
    outcome = _outcome_of(tracker, failures, now(ctx))
    event_name = "Healed" if is_healed else "Finding" if tracker.facts.finding else "Finished"
    details = {"state": outcome.state, "failures": [failure.to_json() for failure in failures]}
    yield from _publish_node_event(ctx, order, tracker, event_name, details, tracker.spans_until(order.id, outcome))
    return outcome.model_dump(mode="json")


def _publish_node_event(
    ctx: Context,
    order: Repair,
    tracker: ProgressTracker,
    event_name: str,
    details: dict[str, Any],
    timeline: RunTimeline | None = None,
) -> Steps[None]:
    facts = {key: value for key, value in tracker.facts.to_json().items() if key in {"cause", "remedy"}}
    event = PublishEvent(
        id=f"{order.id}:{event_name}",
        type=f"HciSiteRecovery.Node.{event_name}",
        subject=f"nodes/{tracker.progress.node}",
        at=now(ctx),
        data={"operation": order.id, "rung": tracker.progress.rung, **facts, **details},
        timeline=timeline,
    )
    yield from publish_event(ctx, event)
