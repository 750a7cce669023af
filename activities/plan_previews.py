"""A plan beside its recovery plans while a caller waits, and what that means for a run through them."""

from collections.abc import Mapping, Sequence

from activities.contract import ReadItems
from activities.mirror_contract import ReadMirror
from activities.mirroring import read_mirror
from activities.vault import read_items
from shared.engine_limits import goes_through_plans, in_the_way, otherwise
from shared.messages import ItemView
from shared.mirrors import Found, base_of, survey, vaults_in
from shared.operations import Operation
from shared.plans import PlanDocument
from shared.preview import Blocker, Preview
from shared.sites import SiteDocument


async def read_vaults(
    name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[dict[str, Sequence[ItemView]], list[Found]]:
    """The protected items of the plan's vaults, by vault, and the recovery plans that may be the plan's."""
    found: list[Found] = []
    vaults: dict[str, Sequence[ItemView]] = {}
    for vault in vaults_in(sites.values()):
        found += (await read_mirror(ReadMirror(vault=vault, base=base_of(name, plan)))).found
        vaults[vault.key] = (await read_items(ReadItems(vault=vault))).items
    return vaults, found


async def through_plans(operation: Operation, told: Preview) -> Preview:
    """The preview with what is in the way of recovery plans and what they do otherwise, where the plan runs them."""
    if not goes_through_plans(operation):
        return told
    plan, sites = operation.document, operation.sites
    vaults, found = await read_vaults(operation.plan, plan, sites)
    seen = survey(operation.plan, plan, sites, vaults, found)
    more = tuple(Blocker(code=code, detail=detail) for code, detail in in_the_way(operation, seen))
    return told.model_copy(update={"blockers": (*told.blockers, *more), "otherwise": otherwise(operation)})
