"""What only a failover or a hook of a plan would use: sizes of VMs, and runbooks; whether Azure has them. Pure."""

from collections.abc import Iterator, Mapping

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


class TargetFacts(Message):
    """What was found of what a plan names.

    Attributes:
        sizes: By key of the vault, the sizes that a failover may choose; a vault that was not asked is left out.
        missing_runbooks: ARM ids in lower case of those that are not there.
        unread: What could not be looked at, one sentence each.
    """

    sizes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    missing_runbooks: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def runbook_hooks(plan: PlanDocument, occasion: str) -> Iterator[tuple[str, Hook]]:
    """The hooks of an occasion that run a runbook, each with its field in the plan."""
    prefix = "drill.hooks" if occasion == "drill" else f"hooks.{occasion}"
    for moment in MOMENTS:
        for place, hook in enumerate(plan.hooks_at(occasion, moment)):
            if hook.runbook:
                yield f"{prefix}.{'afterCleanup' if moment == 'after-cleanup' else moment}[{place}].runbook", hook


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


def find_runbook_blockers(plan: PlanDocument, occasion: str, facts: TargetFacts) -> tuple[Obstacle, ...]:
    """Hooks of an occasion whose runbook is not there."""
    return tuple(
        Obstacle(code="runbook-missing", detail=f"the hook {hook.name} runs {hook.runbook}, which does not exist")
        for _, hook in runbook_hooks(plan, occasion)
        if hook.runbook.lower() in facts.missing_runbooks
    )


def find_target_errors(
    plan: PlanDocument, sites: Mapping[str, SiteDocument], facts: TargetFacts
) -> Iterator[FieldError]:
    """The same as errors of the plan, with their fields."""
    for place, _, detail in _unknown_sizes(plan, sites, facts):
        yield FieldError(field=f"items[{place}].size", detail=detail)
    for occasion in OCCASIONS:
        for field, hook in runbook_hooks(plan, occasion):
            if hook.runbook.lower() in facts.missing_runbooks:
                yield FieldError(field=field, detail=f"the runbook {hook.runbook} does not exist")
