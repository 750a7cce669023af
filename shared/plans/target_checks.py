"""What only a failover or a hook would use: sizes of VMs, runbooks, machines; whether Azure has them. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import Field

from shared.messages import Message, VaultRef
from shared.obstacle import Obstacle
from shared.plans.hooks import Hook
from shared.plans.plan import PlanDocument, PlanItem
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument

SHOWN = 8
OCCASIONS = ("drill", "failover", "failback")
MOMENTS = ("before", "after", "after-cleanup")


class RunbookFacts(Message):
    """A runbook that is there.

    Attributes:
        published: Whether there is a version of it that can be run.
        parameters: For each by its name, whether a job has to be given it.
    """

    published: bool = True
    parameters: dict[str, bool] = Field(default_factory=dict)


class TargetFacts(Message):
    """What was found of what a plan names.

    Attributes:
        sizes: By key of the vault, the sizes that a failover may choose; a vault that was not asked is left out.
        runbooks: By ARM id in lower case; None for one that is not there.
        missing_machines: ARM ids in lower case of the machines of scripts that are not there.
        cluster_nodes: ARM ids in lower case of machines of scripts that are nodes of a cluster.
        unread: What could not be looked at, one sentence each.
    """

    sizes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    runbooks: dict[str, RunbookFacts | None] = Field(default_factory=dict)
    missing_machines: tuple[str, ...] = ()
    cluster_nodes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class HookFault(NamedTuple):
    """Why a hook of a plan could not do what it is there for; `field` is the part of the plan that is wrong."""

    field: str
    hook: Hook
    obstacle: Obstacle


def hooks_with_fields(plan: PlanDocument, occasion: str) -> Iterator[tuple[str, Hook]]:
    """The hooks of an occasion, each with its place in the plan."""
    prefix = "drill.hooks" if occasion == "drill" else f"hooks.{occasion}"
    for moment in MOMENTS:
        for place, hook in enumerate(plan.hooks_at(occasion, moment)):
            yield f"{prefix}.{'afterCleanup' if moment == 'after-cleanup' else moment}[{place}]", hook


def _hook_faults(plan: PlanDocument, occasion: str, facts: TargetFacts) -> Iterator[HookFault]:
    given_by_plan = _CONTEXT if plan.engine == "site-recovery" else frozenset[str]()
    for place, hook in hooks_with_fields(plan, occasion):
        if hook.runbook.lower() in facts.runbooks:
            runbook = facts.runbooks[hook.runbook.lower()]
            for part, obstacle in _runbook_obstacles(hook, runbook, given_by_plan):
                yield HookFault(f"{place}.{part}", hook, obstacle)
        if hook.machine and hook.machine.lower() in facts.missing_machines:
            missing = Obstacle(code="hook-machine-missing", detail=f"the machine {hook.machine} does not exist")
            yield HookFault(f"{place}.machine", hook, missing)
        if hook.machine.lower() in facts.cluster_nodes:
            yield HookFault(f"{place}.machine", hook, cluster_node_obstacle(hook.machine))


def cluster_node_obstacle(machine: str) -> Obstacle:
    """Why no script of a plan runs there: it would be the system account under all VMs of the cluster."""
    detail = f"{machine} is a node of a cluster: have the script run on another Arc machine"
    return Obstacle(code="hook-machine-is-node", detail=detail)


_CONTEXT = frozenset({"recoveryplancontext"})
"""Documented: what a recovery plan gives to each runbook that it starts."""


def _runbook_obstacles(
    hook: Hook, runbook: RunbookFacts | None, given_by_plan: frozenset[str]
) -> Iterator[tuple[str, Obstacle]]:
    """Each with the part of the hook that is wrong."""
    if runbook is None:
        yield "runbook", Obstacle(code="runbook-missing", detail=f"the runbook {hook.runbook} does not exist")
        return
    if not runbook.published:
        detail = f"the runbook {hook.runbook} is not published"
        yield "runbook", Obstacle(code="runbook-not-published", detail=detail)
    given = {name.lower() for name in hook.parameters} | given_by_plan
    known = {name.lower() for name in runbook.parameters}
    missing = [name for name, mandatory in runbook.parameters.items() if mandatory and name.lower() not in given]
    strange = [name for name in hook.parameters if name.lower() not in known]
    for verb, names in (("needs", missing), ("has no", strange)):
        if names:
            detail = f"the runbook {hook.runbook} {verb} {', '.join(names)}"
            yield "parameters", Obstacle(code="runbook-parameters", detail=detail)


def sized_items(plan: PlanDocument) -> list[tuple[int, PlanItem, str]]:
    """The items that name a size: place, item, size."""
    return [(place, item, item.size) for place, item in enumerate(plan.items) if item.size]


def _unknown_sizes(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: TargetFacts
) -> Iterator[tuple[int, PlanItem, str]]:
    for place, item, size in sized_items(plan):
        site = sites.get(plan.site_name_of(item))
        offered = facts.sizes.get(VaultRef.from_id(site.vault).key) if site else None
        if offered and size.lower() not in {one.lower() for one in offered}:
            named = f"{', '.join(offered[:SHOWN])}{' and more' if len(offered) > SHOWN else ''}"
            yield place, item, f"{item.vm} cannot be a {size} in the vault's region; there are {named}"


def find_size_blockers(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: TargetFacts
) -> tuple[Obstacle, ...]:
    """VMs that a failover could not make, because their size does not exist."""
    return tuple(
        Obstacle(vm=item.vm, code="size-unknown", detail=detail)
        for _, item, detail in _unknown_sizes(plan, sites, facts)
    )


def unread_target_blockers(facts: TargetFacts) -> tuple[Obstacle, ...]:
    """What could not be looked at; it may be there all the same."""
    return tuple(Obstacle(code="target-unread", detail=detail) for detail in facts.unread)


def find_hook_blockers(plan: PlanDocument, occasion: str, facts: TargetFacts) -> tuple[Obstacle, ...]:
    """Hooks of an occasion that could not do what they are there for."""
    faults = _hook_faults(plan, occasion, facts)
    return tuple(
        fault.obstacle.model_copy(update={"detail": f"the hook {fault.hook.name}: {fault.obstacle.detail}"})
        for fault in faults
    )


def find_target_errors(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: TargetFacts
) -> Iterator[FieldError]:
    """The same as errors of the plan, with their fields."""
    for place, _, detail in _unknown_sizes(plan, sites, facts):
        yield FieldError(field=f"items[{place}].size", detail=detail)
    for occasion in OCCASIONS:
        for fault in _hook_faults(plan, occasion, facts):
            yield FieldError(field=fault.field, detail=fault.obstacle.detail)
