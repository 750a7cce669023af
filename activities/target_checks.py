"""Looking whether Azure has the sizes, runbooks and machines that a plan names, before a failover needs them."""

from collections.abc import Collection, Mapping, Sequence

from shared.azure.api_versions import AUTOMATION_API, HYBRID_COMPUTE_API
from shared.azure.arc_views import cluster_of
from shared.azure.arm import read_resource
from shared.azure.errors import unless_missing
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.vault import Vault
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.messages import VaultRef
from shared.plans.plan import PlanDocument
from shared.plans.target_checks import OCCASIONS, RunbookFacts, TargetFacts, hooks_with_fields, sized_items
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument


async def read_target_facts(
    plan: PlanDocument,
    sites: Mapping[str, SiteDocument],
    views: Mapping[str, Sequence[ItemView]],
    occasions: Collection[str] = OCCASIONS,
) -> TargetFacts:
    """Read the sizes that each vault offers to a VM of it, and the runbooks and machines of hooks.

    Args:
        views: The protected items, by key of their vault.
        occasions: Whose hooks are of interest.
    """
    keys = {VaultRef.from_id(sites[plan.site_name_of(item)].vault).key for _, item, _ in sized_items(plan)}
    asked = [(key, views[key][0].id) for key in sorted(keys) if views.get(key)]
    size_answers = await map_concurrently(asked, lambda one: _read_sizes(*one))
    hooks = [hook for occasion in occasions for _, hook in hooks_with_fields(plan, occasion)]
    runbooks = {hook.runbook.lower(): hook.runbook for hook in hooks if hook.runbook}
    found_runbooks = await _look_at_all(runbooks, AUTOMATION_API)
    found_machines = await _look_at_all(
        {hook.machine.lower(): hook.machine for hook in hooks if hook.machine}, HYBRID_COMPUTE_API
    )
    failed_sizes = [f"the sizes of VMs could not be read: {why}" for _, why in size_answers if _has_failed(why)]
    looked_at = [*found_runbooks.items(), *found_machines.items()]
    failed = [f"{arm_id} of a hook could not be read: {why}" for arm_id, why in looked_at if _has_failed(why)]
    return TargetFacts(
        sizes={key: found for key, found in size_answers if not isinstance(found, SiteRecoveryError)},
        runbooks={
            key: found and runbook_facts(found)
            for key, found in found_runbooks.items()
            if not isinstance(found, SiteRecoveryError)
        },
        missing_machines=tuple(key for key, found in found_machines.items() if found is None),
        cluster_nodes=tuple(
            key
            for key, found in found_machines.items()
            if found and not isinstance(found, SiteRecoveryError) and cluster_of(found)
        ),
        unread=(*failed_sizes, *failed),
    )


def _has_failed(answer: object) -> bool:
    return isinstance(answer, SiteRecoveryError)


async def _look_at_all(ids: Mapping[str, str], api: str) -> dict[str, Json | SiteRecoveryError | None]:
    """Each resource by its key; None for one that is not there, the failure for one that could not be read."""
    keys = sorted(ids)
    answers = await map_concurrently(keys, lambda key: _look_at(ids[key], api))
    return dict(zip(keys, answers, strict=True))


async def _look_at(arm_id: str, api: str) -> Json | SiteRecoveryError | None:
    try:
        return await unless_missing(read_resource(arm_id, api))
    except SiteRecoveryError as failure:
        return failure


def runbook_facts(runbook: Json) -> RunbookFacts:
    """What is of interest of a runbook. "New" has never been published; "Edit" has a draft beside what is published."""
    properties = object_at(runbook, "properties")
    declared = object_at(properties, "parameters")
    return RunbookFacts(
        published=text_of(properties.get("state")).lower() != "new",
        parameters={name: object_at(declared, name).get("isMandatory") is True for name in declared},
    )


async def _read_sizes(key: str, item_id: str) -> tuple[str, tuple[str, ...] | SiteRecoveryError]:
    try:
        return key, await Vault(VaultRef.from_id(item_id)).list_target_sizes(item_id)
    except SiteRecoveryError as failure:
        return key, failure
