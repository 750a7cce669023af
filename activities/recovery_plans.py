"""Recovery plans in the vault: read, and written after a look at what is there."""

from collections.abc import Mapping, Sequence

from activities.vault import read_items
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_recovery_plans import SCENARIOS, RecoveryPlansVault
from shared.azure.vault_setup import JobSignature
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.obstacle import Obstacle
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.recovery.operation import Operation
from shared.recovery_plans.contract import MirrorRead, PartWritten, ReadMirror, WritePart
from shared.recovery_plans.limits import behaviour_notes, goes_through_plans, plan_obstacles
from shared.recovery_plans.mirror import RUNNING, FoundPart, base_name_of, is_in_step, survey_mirror, vaults_of_sites
from shared.recovery_plans.parts import read_part
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument


async def read_mirror(request: ReadMirror) -> MirrorRead:
    """Read the recovery plans whose names begin so; one that is deleted meanwhile is not there."""
    vault = RecoveryPlansVault(request.vault)
    names = [text_of(plan["name"]) for plan in await vault.list_plans()]
    plans = await map_concurrently(
        [name for name in names if name.lower().startswith(request.base.lower())], vault.find_plan
    )
    return MirrorRead(found=tuple(_found_plan_of(plan) for plan in plans if plan))


def _found_plan_of(plan: Json) -> FoundPart:
    return FoundPart(part=read_part(plan), busy_with=_running_scenario_of(plan))


def _running_scenario_of(plan: Json) -> str:
    properties = object_at(plan, "properties")
    is_running = text_of(properties.get("currentScenarioStatus")) in RUNNING
    return (text_of(object_at(properties, "currentScenario").get("scenarioName")) or "a job") if is_running else ""


async def write_part(request: WritePart) -> PartWritten:
    """Make, change or delete a recovery plan, or adopt the job of an earlier run of this same call.

    Raises:
        Refused: it is being run, or is not what the write was decided for.
        Transient: Azure did not answer; the job may have started all the same.
    """
    vault, write = RecoveryPlansVault(request.write.part.vault), request.write
    existing = await vault.find_plan(write.part.name)
    scenario = SCENARIOS[write.what]
    request_id = client_request_id(request.operation, write.part.id, scenario, 1)
    jobs = await vault.list_jobs(request.since - CLOCKS_APART)
    if own_job := await vault.find_our_job(
        jobs, request_id, JobSignature((scenario,), (write.part.name,), request.since)
    ):
        return PartWritten(outcome="started", job=own_job)
    if _is_done(request, existing):
        return PartWritten(outcome="kept")
    if existing and (running_scenario := _running_scenario_of(existing)):
        raise Refused("recovery-plan-busy", f"the recovery plan {write.part.name} is being run ({running_scenario})")
    return PartWritten(outcome="started", job=await _send_write(vault, request, existing, request_id))


def _is_done(request: WritePart, existing: Json | None) -> bool:
    if request.write.what == "remove":
        return existing is None
    return existing is not None and is_in_step(request.write.part, read_part(existing))


async def _send_write(vault: RecoveryPlansVault, request: WritePart, existing: Json | None, request_id: str) -> str:
    write = request.write
    if write.what == "remove":
        return await vault.delete_plan(write.part.name, request_id)
    if write.what == "save" and existing is None:
        return await vault.create_plan(write.part, request_id)
    if write.what == "replace" and existing is not None:
        return await vault.replace_groups(write.part, request_id)
    now_is = "there now" if existing else "gone"
    raise Refused("recovery-plan-changed", f"the recovery plan {write.part.name} is {now_is}: look again")


async def read_items_and_plans(
    name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[dict[str, Sequence[ItemView]], list[FoundPart]]:
    """The protected items of the plan's vaults, by vault, and the recovery plans that may be the plan's."""
    recovery_plans: list[FoundPart] = []
    items_by_vault: dict[str, Sequence[ItemView]] = {}
    for vault in vaults_of_sites(sites.values()):
        recovery_plans += (await read_mirror(ReadMirror(vault=vault, base=base_name_of(name, plan)))).found
        items_by_vault[vault.key] = (await read_items(ReadItems(vault=vault))).items
    return items_by_vault, recovery_plans


async def with_recovery_plan_limits(operation: Operation, preview: Preview) -> Preview:
    """The preview with what is in the way of recovery plans and what they do otherwise, where the plan runs them."""
    if not goes_through_plans(operation):
        return preview
    plan, sites = operation.document, operation.sites
    items_by_vault, recovery_plans = await read_items_and_plans(operation.plan, plan, sites)
    mirror_survey = survey_mirror(operation.plan, plan, sites, items_by_vault, recovery_plans)
    limit_blockers = tuple(
        Obstacle(code=code, detail=detail) for code, detail in plan_obstacles(operation, mirror_survey)
    )
    return preview.model_copy(
        update={
            "blockers": (*preview.blockers, *limit_blockers),
            "site_recovery_differences": behaviour_notes(operation),
        }
    )
