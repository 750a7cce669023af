"""Before a failback: a look at the nodes and their machines, and what stands in the way of each. It changes nothing."""

from collections.abc import Sequence
from typing import Any

from durabletask import task

from orchestrators.durable.cloud_events import publish_operation_event
from orchestrators.durable.entity_calls import find_unproven_sources
from orchestrators.durable.steps import Steps, call_all, now, show_status
from orchestrators.verbs.source_power import read_cluster_nodes, read_source_states, reopen_source_proof
from shared.failback.checks import SOURCE_GONE, ReturningVm, SiteState, check_failback
from shared.messages import VaultRef
from shared.obstacle import Obstacle
from shared.recovery.operation import Operation
from shared.recovery.run import Pause, Run, RunItem
from shared.recovery.status import join_details
from shared.site_recovery.contract import READ_PROVIDERS, ProvidersRead, ReadProviders

PHASE = "Premises"


def find_failback_obstacles(
    ctx: task.OrchestrationContext, operation: Operation, run: Run
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The run with what it knows of the machines' hosts, and what stands in the way of their failback."""
    unproven = yield from find_unproven_sources(ctx, operation.plan)
    if unproven:
        return run, unproven
    _show_waiting(ctx, run)
    providers: dict[str, str] = {}
    obstacles: list[Obstacle] = []
    for number, site_name in enumerate(dict.fromkeys(_site_of(operation, vm) for vm in _vms_to_fail_back(run))):
        site_providers, site_obstacles = yield from _judge_site(
            ctx, operation, run, site_name, f"home-{len(run.decisions)}-{number}"
        )
        providers |= site_providers
        obstacles += site_obstacles
    items = tuple(item.model_copy(update={"provider": providers.get(item.vm, "")}) for item in run.items)
    return run.model_copy(update={"items": items}), obstacles


def admit_failback(
    ctx: task.OrchestrationContext, operation: Operation, run: Run
) -> Steps[tuple[Run, Sequence[Obstacle]]]:
    """The same when a failback begins: what only a person can do by hand is waited for, all else refuses the run."""
    run, obstacles = yield from find_failback_obstacles(ctx, operation, run)
    if not obstacles:
        return run.model_copy(update={"passed": True}), ()
    if any(not obstacle.by_hand for obstacle in obstacles):
        return run, obstacles
    manual_steps = join_details([problem.detail for problem in obstacles])
    data = {"waitsFor": "resume", "vms": [problem.vm for problem in obstacles], "what": manual_steps}
    yield from publish_operation_event(ctx, operation, "waiting", data, key="by-hand")
    return run.model_copy(update={"pause": Pause(what=manual_steps, since=now(ctx))}), ()


def with_manual_steps(ctx: task.OrchestrationContext, operation: Operation, run: Run) -> Steps[Run]:
    """Where a failback failed for a machine that is gone: the run that says what to do by hand."""
    failed = {item.vm for item in run.items if any(s.verb == "Failback" and s.outcome == "failed" for s in item.steps)}
    if not failed or run.aborted:
        return run
    _, obstacles = yield from find_failback_obstacles(ctx, operation, _with_only_items_of(run, failed))
    manual_steps = tuple(f"{obstacle.vm}: {obstacle.detail}" for obstacle in obstacles if obstacle.code == SOURCE_GONE)
    return run.model_copy(update={"failures": (*run.failures, *manual_steps)})


def _with_only_items_of(run: Run, vms: set[str]) -> Run:
    items = tuple(item.model_copy(update={"state": "waiting", "skip": ()}) for item in run.items if item.vm in vms)
    return run.model_copy(update={"items": items})


def _show_waiting(ctx: task.OrchestrationContext, run: Run) -> None:
    custom_status: dict[str, Any] = {
        "phase": PHASE,
        "waitingFor": "the nodes to say whether the machines are off and have room",
    }
    show_status(ctx, {**custom_status, "total": len(run.items), "at": now(ctx).isoformat()})


def _vms_to_fail_back(run: Run) -> list[str]:
    return [item.vm for item in run.items if "Failback" not in item.skip and item.state in {"waiting", "done"}]


def _site_of(operation: Operation, vm: str) -> str:
    named = next(item.site for item in operation.document.items if item.vm == vm)
    return named or operation.document.site


def _judge_site(
    ctx: task.OrchestrationContext, operation: Operation, run: Run, site_name: str, mark: str
) -> Steps[tuple[dict[str, str], list[Obstacle]]]:
    """Look at one site, and say what stands in the way there; what runs twice is owed from then on."""
    site = operation.sites[site_name]
    wanted = [_wanted_of(item) for item in run.items if item.vm in _vms_of_site(operation, run, site_name)]
    nodes, unread = yield from read_cluster_nodes(ctx, (site.cluster,))
    provider_views = (yield from call_all(ctx, READ_PROVIDERS, [ReadProviders(vault=VaultRef.from_id(site.vault))]))[0]
    if unread or not isinstance(provider_views, ProvidersRead):
        detail = f"the nodes of {site_name} cannot be read now: {', '.join(unread) or provider_views}"
        return {}, [Obstacle(code="nodes-unreadable", detail=detail)]
    names = [machine.vm for machine in wanted]
    source_look = yield from read_source_states(ctx, operation.id, f"{mark}-{_time_mark(ctx)}", nodes, names)
    if source_look.running_vms:
        yield from reopen_source_proof(ctx, operation.plan, operation.id, source_look)
    ground = SiteState(site, nodes, provider_views.providers, source_look)
    providers, obstacles = check_failback(
        ground, wanted, create=bool(operation.options.create_vm), host=operation.options.host or ""
    )
    return (providers if operation.options.create_vm else {}), obstacles


def _time_mark(ctx: task.OrchestrationContext) -> str:
    """Tells the looks of one run apart."""
    return now(ctx).strftime("%m%d%H%M%S")


def _vms_of_site(operation: Operation, run: Run, site_name: str) -> set[str]:
    return {vm for vm in _vms_to_fail_back(run) if _site_of(operation, vm) == site_name}


def _wanted_of(item: RunItem) -> ReturningVm:
    return ReturningVm(vm=item.vm, provider=item.host_provider, mb=item.disk_mb)
