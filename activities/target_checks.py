"""Looking whether Azure has the sizes and the runbooks that a plan names, before a failover needs them."""

from collections.abc import Collection, Mapping, Sequence

from shared.azure.api_versions import AUTOMATION_API
from shared.azure.arm import read_resource
from shared.azure.errors import unless_missing
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.plans.target_checks import OCCASIONS, TargetFacts, runbook_hooks, sized_items
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument


async def read_target_facts(
    plan: PlanDocument,
    sites: Mapping[str, SiteDocument],
    views: Mapping[str, Sequence[ItemView]],
    occasions: Collection[str] = OCCASIONS,
) -> TargetFacts:
    """Read the sizes that each vault offers to a VM of it, and which runbooks there are.

    Args:
        views: The protected items, by key of their vault.
        occasions: Whose hooks are of interest.
    """
    keys = {VaultRef.from_id(sites[plan.site_name_of(item)].vault).key for _, item, _ in sized_items(plan)}
    asked = [(key, views[key][0].id) for key in sorted(keys) if views.get(key)]
    size_answers = await map_concurrently(asked, lambda one: _read_sizes(*one))
    hooks = (hook for occasion in occasions for _, hook in runbook_hooks(plan, occasion))
    runbooks = sorted({hook.runbook.lower(): hook.runbook for hook in hooks}.values())
    runbook_answers = dict(zip(runbooks, await map_concurrently(runbooks, _is_there), strict=True))
    return TargetFacts(
        sizes={key: found for key, found in size_answers if not isinstance(found, SiteRecoveryError)},
        missing_runbooks=tuple(runbook.lower() for runbook, found in runbook_answers.items() if found is False),
        unread=(
            *(
                f"the sizes of VMs could not be read: {why}"
                for _, why in size_answers
                if isinstance(why, SiteRecoveryError)
            ),
            *(
                f"the runbook {runbook} could not be read: {why}"
                for runbook, why in runbook_answers.items()
                if isinstance(why, SiteRecoveryError)
            ),
        ),
    )


async def _read_sizes(key: str, item_id: str) -> tuple[str, tuple[str, ...] | SiteRecoveryError]:
    try:
        return key, await Vault(VaultRef.from_id(item_id)).list_target_sizes(item_id)
    except SiteRecoveryError as failure:
        return key, failure


async def _is_there(runbook: str) -> bool | SiteRecoveryError:
    try:
        return await unless_missing(read_resource(runbook, AUTOMATION_API)) is not None
    except SiteRecoveryError as failure:
        return failure
