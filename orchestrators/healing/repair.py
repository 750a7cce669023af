"""Healing a node: from a failed ASR extension to the proof that node and cluster are registered again."""

from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import publish
from orchestrators.durable.steps import Steps, ask_entity, call, now
from orchestrators.healing.cure import await_cluster, await_point, heal
from orchestrators.healing.gate import give_turn, settled_look, take_turn
from orchestrators.healing.locks import put_own_back
from orchestrators.healing.progress import Diary
from shared.activity import Problem
from shared.arm_ids import key_of
from shared.errors import SiteRecoveryError, Transient
from shared.healing.contract import READ_NODES, ReadNodes
from shared.healing.node_record import Begin, End, Ending, LastRepair, NodeRecord
from shared.healing.proof import RUNGS
from shared.healing.repair import NeedsPerson, NothingToDo, NotNow, Progress, Repair
from shared.operations.contract import READ_RUNS, Publish, ReadRuns
from shared.operations.durable_names import NODES
from shared.recovery.outcome import Outcome
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument


def repair(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any] | None]:
    """Bring the ASR extension of one node back, and say "healed" only at the top of the proof."""
    order = Repair.model_validate(payload)
    progress = order.progress
    if progress is None:
        arrival = yield from _arrive(ctx, order)
        if isinstance(arrival, Outcome):
            return arrival.model_dump(mode="json")
        progress = arrival
    diary = Diary(ctx, progress)
    site = order.sites[progress.site]
    try:
        over = yield from _stages(ctx, order, site, diary)
    except SiteRecoveryError as failure:
        return (yield from _badly(ctx, order, site, diary, failure))
    if over:
        return (yield from _close(ctx, order, diary, _outcome(ctx, diary, "succeeded")))
    ctx.continue_as_new(order.model_copy(update={"progress": diary.progress}).model_dump(mode="json"), save_events=True)
    return None


def _arrive(ctx: task.OrchestrationContext, order: Repair) -> Steps[Progress | Outcome]:
    """See whose node it is, and enter the repair in its record: one at a time."""
    try:
        node = (yield from call(ctx, READ_NODES, ReadNodes(machine_id=order.machine_id))).nodes[0]
    except SiteRecoveryError as failure:
        return _refused("not-read", f"{order.machine_id} could not be read: {failure}")
    name = next((name for name, s in order.sites.items() if key_of(s.cluster) == key_of(node.cluster_id)), None)
    if name is None:
        return _refused("not-ours", f"{node.name} is a node of no declared site")
    if busy := (yield from _enter(ctx, order, node)):
        return _refused("held", f"{node.name} is being repaired by {busy}")
    began = now(ctx)
    facts = {"node": node.name, "site": order.sites[name].hyper_v_site}
    return Progress(site=name, node=node.name, cluster=node.cluster_id, began=began, since=began, facts=facts)


def _refused(code: str, detail: str) -> Outcome:
    return Outcome(state="refused", kind="repair", problems=(Problem(code=code, detail=detail),))


def _enter(ctx: task.OrchestrationContext, order: Repair, node: NodeView) -> Steps[str]:
    """Enter the repair; gives the living run that is in the way, if any."""
    ask = Begin(run=order.id, node=node.name, cluster=node.cluster_id, machine_id=order.machine_id)
    key = key_of(order.machine_id)
    busy: str = (yield from ask_entity(ctx, NODES, key, "begin", ask.model_dump(mode="json")))["busy"]
    if busy and (yield from call(ctx, READ_RUNS, ReadRuns(ids=(busy,)))).ended:
        again = ask.model_copy(update={"ended": (busy,)}).model_dump(mode="json")
        busy = (yield from ask_entity(ctx, NODES, key, "begin", again))["busy"]
    return busy


def _stages(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[bool]:
    """Go on from where the repair stands; False when it is time to continue as new."""
    if diary.progress.stage == "turn":
        if not diary.progress.phases:
            yield from settled_look(ctx, order, site, diary)  # what no turn would change is told at once
        if not (yield from take_turn(ctx, order, diary)):
            return False
        yield from _in_turn(ctx, order, site, diary)
        diary.go_to(stage="point")
    if diary.progress.stage == "point":
        if not (yield from await_point(ctx, site, diary)):
            return False
        yield from _record(ctx, order, diary, "healed")
        diary.go_to(stage="cluster")
    return (yield from await_cluster(ctx, site, diary))


def _in_turn(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[None]:
    try:
        yield from heal(ctx, order, site, diary)
    except Exception:
        yield from _make_way(ctx, order, site, diary)
        raise
    yield from _make_way(ctx, order, site, diary)


def _make_way(ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary) -> Steps[None]:
    yield from put_own_back(ctx, order, diary)
    yield from give_turn(ctx, order, site, diary)


def _badly(
    ctx: task.OrchestrationContext, order: Repair, site: SiteDocument, diary: Diary, failure: SiteRecoveryError
) -> Steps[dict[str, Any]]:
    """End a repair that did not get to its proof; what it means for the next one depends on why."""
    match failure:
        case NothingToDo() | NotNow():
            yield from _record(ctx, order, diary, "well" if isinstance(failure, NothingToDo) else "deferred")
            return _refused(failure.code, failure.detail).model_dump(mode="json")
        case NeedsPerson():
            diary.note(finding=True, evidence=list(failure.cause.evidence))
            diary.note(cause=failure.cause.code, remedy=failure.cause.remedy)
            yield from _record(ctx, order, diary, "finding")
        case Transient() if not diary.progress.touched:
            yield from _record(ctx, order, diary, "deferred")
        case _:
            record = yield from _record(ctx, order, diary, "failed", site)
            yield from _tell_of_pause(ctx, order, diary, record)
    return (yield from _close(ctx, order, diary, _outcome(ctx, diary, "failed", str(failure))))


def _record(
    ctx: task.OrchestrationContext, order: Repair, diary: Diary, ending: Ending, site: SiteDocument | None = None
) -> Steps[NodeRecord]:
    facts = diary.progress.facts
    last = LastRepair(
        run=order.id,
        ending=ending,
        at=now(ctx),
        cause=facts.get("cause", ""),
        remedy=facts.get("remedy", ""),
        rung=diary.progress.rung,
    )
    rules = (site or order.sites[diary.progress.site]).healing_rules
    ask = End(last=last, max_attempts=rules.max_attempts, pause=rules.pause).model_dump(mode="json")
    said = yield from ask_entity(ctx, NODES, key_of(order.machine_id), "end", ask)
    return NodeRecord.model_validate(said["record"])


def _tell_of_pause(ctx: task.OrchestrationContext, order: Repair, diary: Diary, record: NodeRecord) -> Steps[None]:
    """Say when the next attempt is, or that there is none: then it is for a person."""
    diary.note(attempts=record.attempts, quarantined=record.quarantined)
    if record.quarantined:
        remedy = f"{record.attempts} attempts did not help: see to the node, then ask for a repair."
        diary.note(finding=True, remedy=f"{remedy} {diary.progress.facts.get('remedy', '')}".strip())
        yield from _tell(ctx, order, diary, "Quarantined", {"attempts": record.attempts})
    elif record.not_before:
        diary.note(nextAttempt=record.not_before.isoformat())


def _outcome(ctx: task.OrchestrationContext, diary: Diary, state: str, *failures: str) -> Outcome:
    progress, ended = diary.progress, now(ctx)
    told = {"rung": progress.rung, "healed": progress.rung == RUNGS[-1], "timeline": diary.timeline(ended)}
    return Outcome.model_validate(
        {"state": state, "kind": "repair", "failures": failures, "began": progress.began, "ended": ended}
        | {"facts": {**progress.facts, **told}}
    )


def _close(ctx: task.OrchestrationContext, order: Repair, diary: Diary, outcome: Outcome) -> Steps[dict[str, Any]]:
    word = "Healed" if outcome.facts["healed"] else "Finding" if outcome.facts.get("finding") else "Finished"
    yield from _tell(ctx, order, diary, word, {"state": outcome.state, "failures": list(outcome.failures)})
    return outcome.model_dump(mode="json")


def _tell(ctx: task.OrchestrationContext, order: Repair, diary: Diary, word: str, more: dict[str, Any]) -> Steps[None]:
    facts = {key: diary.progress.facts[key] for key in ("cause", "remedy") if key in diary.progress.facts}
    event = Publish(
        id=f"{order.id}:{word}",
        type=f"HciSiteRecovery.Node.{word}",
        subject=f"nodes/{diary.progress.node}",
        at=now(ctx),
        data={"operation": order.id, "rung": diary.progress.rung, **facts, **more},
    )
    yield from publish(ctx, event)
