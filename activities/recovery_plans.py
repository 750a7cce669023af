"""Recovery plans in the vault: read, and written after a look at what is there."""

from collections.abc import Mapping, Sequence

from activities.vault import read_items
from shared.azure.json_fields import Json, part, text
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_recovery_plans import SCENARIOS, PlansVault
from shared.azure.vault_setup import Sign
from shared.concurrency import each
from shared.errors import Refused
from shared.plans.plan import PlanDocument
from shared.plans.preview import Blocker, Preview
from shared.recovery.operation import Operation
from shared.recovery_plans.contract import MirrorRead, PartWritten, ReadMirror, WritePart
from shared.recovery_plans.limits import goes_through_plans, in_the_way, otherwise
from shared.recovery_plans.mirror import RUNNING, Found, base_of, in_step, survey, vaults_in
from shared.recovery_plans.parts import read_part
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument


async def read_mirror(ask: ReadMirror) -> MirrorRead:
    """Read the recovery plans whose names begin so; one that is deleted meanwhile is not there."""
    vault = PlansVault(ask.vault)
    names = [text(plan["name"]) for plan in await vault.list_plans()]
    shown = await each([name for name in names if name.lower().startswith(ask.base.lower())], vault.find_plan)
    return MirrorRead(found=tuple(_found(plan) for plan in shown if plan))


def _found(plan: Json) -> Found:
    return Found(part=read_part(plan), busy=_busy(plan))


def _busy(plan: Json) -> str:
    properties = part(plan, "properties")
    is_run = text(properties.get("currentScenarioStatus")) in RUNNING
    return (text(part(properties, "currentScenario").get("scenarioName")) or "a job") if is_run else ""


async def write_part(ask: WritePart) -> PartWritten:
    """Make, change or delete a recovery plan, or adopt the job of an earlier run of this same call.

    Raises:
        Refused: it is being run, or is not what the write was decided for.
        Transient: Azure did not answer; the job may have started all the same.
    """
    vault, write = PlansVault(ask.write.part.vault), ask.write
    there = await vault.find_plan(write.part.name)
    scenario = SCENARIOS[write.what]
    request_id = client_request_id(ask.operation, write.part.id, scenario, 1)
    jobs = await vault.list_jobs(ask.since - CLOCKS_APART)
    if ours := await vault.find_ours(jobs, request_id, Sign((scenario,), (write.part.name,), ask.since)):
        return PartWritten(outcome="started", job=ours)
    if _is_done(ask, there):
        return PartWritten(outcome="kept")
    if there and (busy := _busy(there)):
        raise Refused("recovery-plan-busy", f"the recovery plan {write.part.name} is being run ({busy})")
    return PartWritten(outcome="started", job=await _send(vault, ask, there, request_id))


def _is_done(ask: WritePart, there: Json | None) -> bool:
    if ask.write.what == "remove":
        return there is None
    return there is not None and in_step(ask.write.part, read_part(there))


async def _send(vault: PlansVault, ask: WritePart, there: Json | None, request_id: str) -> str:
    write = ask.write
    if write.what == "remove":
        return await vault.delete_plan(write.part.name, request_id)
    if write.what == "save" and there is None:
        return await vault.save_plan(write.part, request_id)
    if write.what == "replace" and there is not None:
        return await vault.replace_groups(write.part, request_id)
    now_is = "there now" if there else "gone"
    raise Refused("recovery-plan-changed", f"the recovery plan {write.part.name} is {now_is}: look again")


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
