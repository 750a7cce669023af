"""After an unplanned failover: proof that the machines that run in Azure stay off where they came from."""

from datetime import timedelta
from typing import Any

from durabletask import task

from activities.contract import (
    READ_NODES,
    READ_RUNS,
    READ_SCRIPT,
    REMOVE_SCRIPT,
    RUN_SCRIPT,
    START_RUN,
    BookRead,
    NodesRead,
    Nothing,
    ReadNodes,
    ReadRuns,
    ReadScript,
    RemoveScript,
    RunScript,
    ScriptView,
    StartRun,
)
from orchestrators.entities import OBLIGATIONS
from orchestrators.steps import Steps, ask_entity, call, call_all, now, sleep
from shared.messages import Message
from shared.obligations import Left, Obligation, Tried, is_its_turn
from shared.plans import CHECKED, PlanDocument
from shared.request_ids import run_id
from shared.sites import SiteDocument

OWED = "source-off"
BATCH = 30
"""Names a script: what Azure keeps of its output is short."""
LOOK_EVERY, PATIENCE = timedelta(seconds=30), timedelta(minutes=20)


class SourceCheck(Message):
    """Look at the power of these VMs on every node of these clusters."""

    id: str
    plan: str
    vms: tuple[str, ...]
    clusters: tuple[str, ...]


def prove_sources_owed(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Start the proof for each failover that owes it and is over, again and again until it is there."""
    owed = [one for one in map(Obligation.model_validate, seen.obligations) if one.kind == OWED]
    turn = [one for one in owed if is_its_turn(one, now(ctx))]
    if not turn:
        return []
    ended = (yield from call(ctx, READ_RUNS, ReadRuns(ids=tuple(one.owner for one in turn)))).ended
    started = []
    for one in turn:
        if one.owner not in ended and not one.provable:
            continue
        run = run_id("sources", one.plan, f"{one.owner}:{one.attempts}")
        check = SourceCheck(id=run, plan=one.plan, vms=one.vms, clusters=_clusters(seen, one.plan))
        ask = StartRun(id=run, orchestrator=prove_sources.__name__, payload=check.model_dump(mode="json"))
        yield from call(ctx, START_RUN, ask)
        note = Tried(kind=OWED, run=run, at=now(ctx)).model_dump(mode="json")
        yield from ask_entity(ctx, OBLIGATIONS, one.plan, "tried", note)
        started.append(run)
    return started


def _clusters(seen: BookRead, plan: str) -> tuple[str, ...]:
    """Of the plan's sites; of all sites when the plan was withdrawn."""
    sites = {entry.name: SiteDocument.model_validate(entry.document).cluster for entry in seen.sites}
    documents = [entry.document for entry in seen.plans if entry.name == plan]
    named = [site for doc in documents for site in PlanDocument.model_validate(doc, context=CHECKED).site_names]
    return tuple(sites[name] for name in named or sites if name in sites)


def prove_sources(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Cross the obligation out once every node has answered and none of the VMs runs on any; else say what is so."""
    check = SourceCheck.model_validate(payload)
    states, silent = yield from _ask_all(ctx, check)
    running = tuple(f"{vm}: {state}" for vm, state in sorted(states.items()) if state != "Off")
    if not running and not silent:
        yield from ask_entity(ctx, OBLIGATIONS, check.plan, "settle", [OWED])
    else:
        unknown = tuple(f"{name}: not heard of" for name in silent)
        note = Left(kind=OWED, leftovers=(*running, *unknown)).model_dump(mode="json")
        yield from ask_entity(ctx, OBLIGATIONS, check.plan, "left", note)
    return {"running": list(running), "silent": list(silent)}


def _ask_all(ctx: task.OrchestrationContext, check: SourceCheck) -> Steps[tuple[dict[str, str], list[str]]]:
    """The power of each VM that is on a node, and the nodes that did not say."""
    seen = yield from call_all(ctx, READ_NODES, [ReadNodes(cluster_id=cluster) for cluster in check.clusters])
    nodes = [node for some in seen if isinstance(some, NodesRead) for node in some.nodes]
    away = [node.name for node in nodes if node.status != "Connected"]
    if away or not nodes or not all(isinstance(some, NodesRead) and some.nodes for some in seen):
        return {}, away or ["a cluster whose nodes cannot be read"]
    asks = [
        _script(check, node.id, f"{at}-{first}", first) for at, node in enumerate(nodes) for first in _firsts(check)
    ]
    taken = yield from call_all(ctx, RUN_SCRIPT, asks)
    told = yield from _read(ctx, [ask for ask, answer in zip(asks, taken, strict=True) if isinstance(answer, Nothing)])
    yield from call_all(ctx, REMOVE_SCRIPT, [_removal(ask) for ask in asks])
    names = {node.id: node.name for node in nodes}
    silent = {names[ask.machine_id] for ask in asks if ask.name not in told}
    return {vm: state for view in told.values() for vm, state in _machines(view).items()}, sorted(silent)


def _firsts(check: SourceCheck) -> range:
    return range(0, len(check.vms), BATCH)


def _script(check: SourceCheck, machine: str, mark: str, first: int) -> RunScript:
    parameters = {"Names": "/".join(check.vms[first : first + BATCH])}
    name = f"{check.id}-{mark}"
    return RunScript(machine_id=machine, name=name, script="read-power", operation=check.id, parameters=parameters)


def _removal(ask: RunScript) -> RemoveScript:
    return RemoveScript(machine_id=ask.machine_id, name=ask.name, operation=ask.operation)


def _read(ctx: task.OrchestrationContext, asks: list[RunScript]) -> Steps[dict[str, ScriptView]]:
    """What the scripts said that succeeded, by name."""
    told: dict[str, ScriptView] = {}
    deadline = now(ctx) + PATIENCE
    left = asks
    while left and now(ctx) < deadline:
        yield from sleep(ctx, LOOK_EVERY)
        views = yield from call_all(ctx, READ_SCRIPT, [ReadScript(machine_id=a.machine_id, name=a.name) for a in left])
        told |= {a.name: v for a, v in zip(left, views, strict=True) if isinstance(v, ScriptView) and v.ended}
        left = [ask for ask in left if ask.name not in told]
    return {name: view for name, view in told.items() if view.state == "Succeeded" and view.result is not None}


def _machines(view: ScriptView) -> dict[str, str]:
    return {str(vm): str(state) for vm, state in ((view.result or {}).get("machines") or {}).items()}
