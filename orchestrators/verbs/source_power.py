"""After an unplanned failover: proof that the machines that run in Azure are off where they came from, and stay so."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from durabletask import task
from pydantic import Field

from orchestrators.durable.cloud_events import publish
from orchestrators.durable.node_scripts import run_scripts
from orchestrators.durable.steps import Steps, ask_entity, call, call_all, now
from shared.arm_ids import same_id
from shared.documents import CHECKED
from shared.failback.source_vms import Page, SourceLook, joined, page_of
from shared.healing.contract import READ_NODES, NodesRead, ReadNodes, RunScript, ScriptView
from shared.messages import Message, VaultRef
from shared.operations.contract import READ_RUNS, START_RUN, Publish, ReadRuns, StartRun
from shared.operations.durable_names import OBLIGATIONS, PROVE_SOURCES_OFF
from shared.operations.obligations import Left, Obligation, Tried, Watched, is_its_turn
from shared.plans.contract import BookRead
from shared.plans.machines import is_among, lease_keys
from shared.plans.plan import PlanDocument
from shared.request_ids import run_id
from shared.site_recovery.contract import READ_ITEMS, ItemsRead, ReadItems
from shared.sites.nodes import NodeView
from shared.sites.site import SiteDocument

BATCH = 100
"""Names a script: a node has some of them only, and says these in pages."""
MOST_PAGES = 20


def read_clusters(ctx: task.OrchestrationContext, clusters: Sequence[str]) -> Steps[tuple[list[NodeView], list[str]]]:
    """The nodes of these clusters, and the clusters that could not be read or show none."""
    seen = yield from call_all(ctx, READ_NODES, [ReadNodes(cluster_id=cluster) for cluster in clusters])
    nodes = [node for some in seen if isinstance(some, NodesRead) for node in some.nodes]
    unread = [
        cluster.rpartition("/")[2]
        for cluster, some in zip(clusters, seen, strict=True)
        if not isinstance(some, NodesRead) or not some.nodes
    ]
    return nodes, unread


def look_at_sources(
    ctx: task.OrchestrationContext, operation: str, mark: str, nodes: Sequence[NodeView], vms: Sequence[str]
) -> Steps[SourceLook]:
    """Ask every node of these for every machine of these.

    Args:
        operation: Whose look it is.
        mark: Tells the looks of one operation apart: a name of a run command is used once.
    """
    silent = {node.name: f"it is {node.status}" for node in nodes if node.status.lower() != "connected"}
    batches = [vms[first : first + BATCH] for first in range(0, len(vms), BATCH)]
    at = [(node, number, 0) for node in nodes if node.name not in silent for number in range(len(batches))]
    pages: list[Page] = []
    for _ in range(MOST_PAGES):
        if not at:
            break
        asks = [_script(operation, mark, node, number, first, batches[number]) for node, number, first in at]
        views = yield from run_scripts(ctx, asks)
        read = [_page(node.name, view) for (node, _, _), view in zip(at, views, strict=True)]
        silent |= {node.name: page for (node, _, _), page in zip(at, read, strict=True) if isinstance(page, str)}
        pages += [page for page in read if isinstance(page, Page)]
        at = [
            (node, number, page.following)
            for (node, number, _), page in zip(at, read, strict=True)
            if isinstance(page, Page) and page.following is not None
        ]
    silent |= {node.name: f"it has more than {MOST_PAGES} pages of machines" for node, _, _ in at}
    return joined(pages, silent)


def _script(operation: str, mark: str, node: NodeView, number: int, first: int, names: Sequence[str]) -> RunScript:
    return RunScript(
        machine_id=node.id,
        name=f"{operation}-{mark}-{number}-{first}",
        script="read-source",
        operation=operation,
        parameters={"Names": "/".join(names), "From": str(first)},
    )


def _page(node: str, view: ScriptView | str) -> Page | str:
    if isinstance(view, str):
        return view
    try:
        return page_of(node, view.result or {})
    except ValueError as wrong:
        return str(wrong)


OWED, AWAY = "source-off", "reprotect"
SHOWN = 8
WATCH_EVERY = timedelta(hours=1)
PROVEN_WITHIN = timedelta(days=2)
REMEDY = (
    "Turn them off on their nodes (Stop-VM), and leave them off: the next look proves it. The app turns nothing off by "
    "itself, and begins no failback before that, for it would overwrite what they do now."
)
AGAIN = f"machines that run in Azure were seen on at home after they had been proven off. {REMEDY}"


class SourceCheck(Message):
    """Look at the power of these VMs on every node of these clusters.

    Attributes:
        owner: The run that brought them to Azure.
        vaults: Those that protect them, and
        keys: under which they are leased there; only for a look that is taken again.
        homes: By VM name in lower case: the cluster that is its own, where another one may have a VM of that name.
        again: They were proven off before: only what is found to run is of interest now.
    """

    id: str
    plan: str
    vms: tuple[str, ...]
    clusters: tuple[str, ...]
    owner: str = ""
    vaults: tuple[VaultRef, ...] = ()
    keys: tuple[str, ...] = ()
    homes: dict[str, str] = Field(default_factory=dict)
    again: bool = False


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
        check = _check(seen, one, run_id("sources", one.plan, f"{one.owner}:{one.attempts}"))
        note = Tried(kind=OWED, run=check.id, at=now(ctx)).model_dump(mode="json")
        started.append((yield from _start(ctx, check, "tried", note)))
    return started


def watch_sources(ctx: task.OrchestrationContext, seen: BookRead) -> Steps[list[str]]:
    """Look once more, every hour, at machines that were proven off while they run in Azure."""
    known = [Obligation.model_validate(one) for one in seen.obligations]
    open_still = {one.plan for one in known if one.kind == OWED}
    started = []
    for one in known:
        if one.kind != AWAY or one.watched is None or one.plan in open_still or now(ctx) - one.watched < WATCH_EVERY:
            continue
        check = _check(seen, one, run_id("sources", one.plan, f"{one.owner}:{one.watched.isoformat()}"))
        again = check.model_copy(update={"again": True, **_protected_in(seen, one.plan)})
        note = Watched(kind=AWAY, at=now(ctx)).model_dump(mode="json")
        started.append((yield from _start(ctx, again, "watch", note)))
    return started


def _check(seen: BookRead, owed: Obligation, run: str) -> SourceCheck:
    sites, plan = _sites(seen, owed.plan), _plan(seen, owed.plan)
    named = [(item.vm.lower(), sites.get(item.site or plan.site)) for item in plan.items] if plan else []
    homes = {vm: site.cluster for vm, site in named if site}
    clusters = tuple(site.cluster for site in sites.values())
    return SourceCheck(id=run, plan=owed.plan, vms=owed.vms, clusters=clusters, homes=homes, owner=owed.owner)


def _start(ctx: task.OrchestrationContext, check: SourceCheck, what: str, note: dict[str, Any]) -> Steps[str]:
    ask = StartRun(id=check.id, orchestrator=PROVE_SOURCES_OFF, payload=check.model_dump(mode="json"))
    yield from call(ctx, START_RUN, ask)
    yield from ask_entity(ctx, OBLIGATIONS, check.plan, what, note)
    return check.id


def _plan(seen: BookRead, name: str) -> PlanDocument | None:
    """The plan as it is declared, None when it was withdrawn."""
    documents = [entry.document for entry in seen.plans if entry.name == name]
    return PlanDocument.model_validate(documents[0], context=CHECKED) if documents else None


def _sites(seen: BookRead, name: str) -> dict[str, SiteDocument]:
    """The plan's sites; all sites when the plan was withdrawn."""
    sites = {entry.name: SiteDocument.model_validate(entry.document) for entry in seen.sites}
    plan = _plan(seen, name)
    return {site: sites[site] for site in plan.site_names if site in sites} if plan else sites


def _protected_in(seen: BookRead, name: str) -> dict[str, Any]:
    """Where the plan's machines are protected."""
    sites, plan = _sites(seen, name), _plan(seen, name)
    refs = (VaultRef.from_id(site.vault) for site in sites.values())
    keys = lease_keys(plan, sites).values() if plan and all(site in sites for site in plan.site_names) else ()
    return {
        "vaults": tuple({ref.key: ref for ref in refs}.values()),
        "keys": tuple(key for some in keys for key in some),
    }


def prove_sources(ctx: task.OrchestrationContext, payload: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Cross the obligation out once every node has answered and none of the VMs runs on any; else say what is so."""
    check = SourceCheck.model_validate(payload)
    if check.again:
        return (yield from _look_again(ctx, check))
    look = yield from _look(ctx, check, check.vms)
    if not look.running and not look.silent:
        yield from proven_off(ctx, check.plan)
    else:
        unknown = tuple(f"{name}: not heard of" for name in sorted(look.silent))
        note = Left(kind=OWED, leftovers=(*look.running, *unknown)).model_dump(mode="json")
        yield from ask_entity(ctx, OBLIGATIONS, check.plan, "left", note)
        yield from _tell(ctx, check, look.running)
    return {"running": list(look.running), "silent": sorted(look.silent)}


def proven_off(ctx: task.OrchestrationContext, plan: str) -> Steps[None]:
    """Cross the obligation out, and have the machines watched from now on, as long as they are away."""
    yield from ask_entity(ctx, OBLIGATIONS, plan, "settle", [OWED])
    yield from ask_entity(ctx, OBLIGATIONS, plan, "watch", Watched(kind=AWAY, at=now(ctx)).model_dump(mode="json"))


def _look_again(ctx: task.OrchestrationContext, check: SourceCheck) -> Steps[dict[str, Any]]:
    """What runs at home although it runs in Azure; what came home meanwhile, or is on its way, runs there rightly."""
    away = yield from _away(ctx, check)
    look = (yield from _look(ctx, check, away)) if away else SourceLook()
    still = set((yield from _away(ctx, check))) if look.running else set()
    wrong = look.model_copy(update={"vms": tuple(one for one in look.vms if one.vm in still)})
    if wrong.running:
        yield from reopen(ctx, check.plan, check.owner, wrong)
        yield from _tell(ctx, check, wrong.running)
    return {"running": list(wrong.running), "silent": sorted(look.silent)}


def reopen(ctx: task.OrchestrationContext, plan: str, owner: str, look: SourceLook) -> Steps[None]:
    """Owe the proof once more, for the machines that were found to run."""
    names = dict.fromkeys(one.vm for one in look.vms if one.state != "Off")
    owed = Obligation(
        kind=OWED,
        plan=plan,
        owner=owner,
        opened=now(ctx),
        due=now(ctx) + PROVEN_WITHIN,
        vms=tuple(names),
        detail=AGAIN,
        provable=True,
        leftovers=look.running,
    )
    yield from ask_entity(ctx, OBLIGATIONS, plan, "open", owed.model_dump(mode="json"))


def _away(ctx: task.OrchestrationContext, check: SourceCheck) -> Steps[list[str]]:
    """Those that run in Azure, with nothing under way; none of a vault that cannot be read."""
    asks = [ReadItems(vault=vault, vms=check.vms) for vault in check.vaults]
    reads = [seen for seen in (yield from call_all(ctx, READ_ITEMS, asks)) if isinstance(seen, ItemsRead)]
    views = [view for seen in reads for view in seen.items if not check.keys or is_among(check.keys, view)]
    return [view.vm for view in views if view.active_location == "Recovery" and view.scenario in {"", "None"}]


def _look(ctx: task.OrchestrationContext, check: SourceCheck, vms: Sequence[str]) -> Steps[SourceLook]:
    nodes, unread = yield from read_clusters(ctx, check.clusters)
    away = {node.name: f"it is {node.status}" for node in nodes if node.status.lower() != "connected"}
    if unread or (away and not check.again):  # it cannot be proven now: no node need be asked
        return SourceLook(silent={**away, **dict.fromkeys(unread, "its nodes cannot be read")})
    return _at_home(check, nodes, (yield from look_at_sources(ctx, check.id, "look", nodes, vms)))


def _at_home(check: SourceCheck, nodes: Sequence[NodeView], look: SourceLook) -> SourceLook:
    """Without the machines of the plan's other clusters that are only called the same; where in doubt they count."""
    clusters = {node.name: node.cluster_id for node in nodes if node.cluster_id}
    homes = [(one, check.homes.get(one.vm.lower(), "")) for one in look.vms]
    mine = (one for one, home in homes if not home or same_id(home, clusters.get(one.node, home)))
    return look.model_copy(update={"vms": tuple(mine)})


def _tell(ctx: task.OrchestrationContext, check: SourceCheck, running: Sequence[str]) -> Steps[None]:
    """An event of what runs twice; the same again is the same event."""
    if not running:
        return
    event = Publish(
        id=f"{check.plan}:{check.owner}:source-running:{'/'.join(running)}",
        type="HciSiteRecovery.Source.Running",
        subject=f"plans/{check.plan}",
        at=now(ctx),
        data={"plan": check.plan, "owner": check.owner, "running": list(running[:SHOWN]), "remedy": REMEDY},
    )
    yield from publish(ctx, event)
