"""Before a failback: a look at the nodes and their machines, and what stands in the way of each. It changes nothing."""

from collections.abc import Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import tell
from orchestrators.durable.entity_calls import sources_unproven
from orchestrators.durable.steps import Steps, call_all, now, show_status
from orchestrators.verbs.source_power import look_at_sources, read_clusters, reopen
from shared.activity import Problem
from shared.failback.checks import GONE, Ground, Wanted, judge
from shared.messages import VaultRef
from shared.recovery.operation import Operation
from shared.recovery.run import Pause, Run, RunItem
from shared.recovery.status import joined
from shared.site_recovery.contract import READ_PROVIDERS, ProvidersRead, ReadProviders

PHASE = "Premises"


def ready_to_go_home(
    ctx: task.OrchestrationContext, operation: Operation, run: Run
) -> Steps[tuple[Run, Sequence[Problem]]]:
    """The run with what it knows of the machines' hosts, and what stands in the way of their failback."""
    unproven = yield from sources_unproven(ctx, operation.plan)
    if unproven:
        return run, unproven
    _show(ctx, run)
    providers: dict[str, str] = {}
    problems: list[Problem] = []
    for number, name in enumerate(dict.fromkeys(_site_of(operation, vm) for vm in _to_come(run))):
        found, wrong = yield from _judged(ctx, operation, run, name, f"home-{len(run.decisions)}-{number}")
        providers |= found
        problems += wrong
    items = tuple(item.model_copy(update={"provider": providers.get(item.vm, "")}) for item in run.items)
    return run.model_copy(update={"items": items}), problems


def admitted_home(
    ctx: task.OrchestrationContext, operation: Operation, run: Run
) -> Steps[tuple[Run, Sequence[Problem]]]:
    """The same when a failback begins: what only a person can do by hand is waited for, all else refuses the run."""
    run, problems = yield from ready_to_go_home(ctx, operation, run)
    if not problems:
        return run.model_copy(update={"passed": True}), ()
    if any(not problem.by_hand for problem in problems):
        return run, problems
    what = joined([problem.detail for problem in problems])
    data = {"waitsFor": "resume", "vms": [problem.vm for problem in problems], "what": what}
    yield from tell(ctx, operation, "waiting", data, key="by-hand")
    return run.model_copy(update={"pause": Pause(what=what, since=now(ctx))}), ()


def told_by_hand(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Where a failback failed for a machine that is gone: the run that says what to do by hand."""
    failed = {item.vm for item in run.items if any(s.verb == "Failback" and s.outcome == "failed" for s in item.steps)}
    if not failed or run.aborted:
        return run
    _, problems = yield from ready_to_go_home(ctx, operation, _only(run, failed))
    said = tuple(f"{problem.vm}: {problem.detail}" for problem in problems if problem.code == GONE)
    return run.model_copy(update={"failures": (*run.failures, *said)})


def _only(run: Run, vms: set[str]) -> Run:
    items = tuple(item.model_copy(update={"state": "waiting", "skip": ()}) for item in run.items if item.vm in vms)
    return run.model_copy(update={"items": items})


def _show(ctx: task.OrchestrationContext, run: Run) -> None:
    told: dict[str, Any] = {"phase": PHASE, "waitingFor": "the nodes to say whether the machines are off and have room"}
    show_status(ctx, {**told, "total": len(run.items), "at": now(ctx).isoformat()})


def _to_come(run: Run) -> list[str]:
    return [item.vm for item in run.items if "Failback" not in item.skip and item.state in {"waiting", "done"}]


def _site_of(operation: Operation, vm: str) -> str:
    named = next(item.site for item in operation.document.items if item.vm == vm)
    return named or operation.document.site


def _judged(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, name: str, mark: str
) -> Steps[tuple[dict[str, str], list[Problem]]]:
    """Look at one site, and say what stands in the way there; what runs twice is owed from then on."""
    site = operation.sites[name]
    wanted = [_wanted(item) for item in run.items if item.vm in _of_site(operation, run, name)]
    nodes, unread = yield from read_clusters(ctx, (site.cluster,))
    hosts = (yield from call_all(ctx, READ_PROVIDERS, [ReadProviders(vault=VaultRef.from_id(site.vault))]))[0]
    if unread or not isinstance(hosts, ProvidersRead):
        detail = f"the nodes of {name} cannot be read now: {', '.join(unread) or hosts}"
        return {}, [Problem(code="nodes-unreadable", detail=detail)]
    names = [one.vm for one in wanted]
    look = yield from look_at_sources(ctx, operation.id, f"{mark}-{_clock(ctx)}", nodes, names)
    if look.running:
        yield from reopen(ctx, operation.plan, operation.id, look)
    ground = Ground(site, nodes, hosts.providers, look)
    found, problems = judge(ground, wanted, create=operation.create_vm, host=operation.host)
    return (found if operation.create_vm else {}), problems


def _clock(ctx: task.OrchestrationContext) -> str:
    """Tells the looks of one run apart."""
    return now(ctx).strftime("%m%d%H%M%S")


def _of_site(operation: Operation, run: Run, name: str) -> set[str]:
    return {vm for vm in _to_come(run) if _site_of(operation, vm) == name}


def _wanted(item: RunItem) -> Wanted:
    return Wanted(vm=item.vm, provider=item.host_provider, mb=item.disk_mb)
