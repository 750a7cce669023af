"""Recovery plans in the vault: read, and each written exactly once."""

from collections.abc import Mapping
from functools import partial

from activities.vault import read_all_items_by_vault
from shared.azure.exactly_once import Attempt, ExactlyOnce, JobSignature, Send, Sent
from shared.azure.json_fields import Json, text_of
from shared.azure.vault import Vault
from shared.azure.vault_recovery_plans import (
    SCENARIOS,
    create_plan,
    delete_plan,
    find_plan,
    list_plans,
    replace_groups,
    running_scenario_of,
)
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.obstacle import Obstacle
from shared.plans.plan import PlanDocument
from shared.plans.preview import Preview
from shared.recovery.operation import Operation
from shared.recovery_plans.contract import MirrorRead, PartWritten, ReadMirror, WritePart
from shared.recovery_plans.limits import behaviour_notes, goes_through_plans, plan_obstacles
from shared.recovery_plans.mirror import FoundPart, PartWrite, base_name_of, is_in_step, survey_mirror
from shared.recovery_plans.parts import read_part
from shared.request_ids import client_request_id
from shared.site_recovery.contract import NOTHING_TO_DO_CODE
from shared.site_recovery.views import ItemDetail
from shared.sites.site import SiteDocument, vaults_of_sites


async def read_mirror(request: ReadMirror) -> MirrorRead:
    """Read the recovery plans whose names begin so; one that is deleted meanwhile is not there."""
    vault = Vault(request.vault)
    names = [text_of(plan["name"]) for plan in await list_plans(vault)]
    wanted = [name for name in names if name.lower().startswith(request.base.lower())]
    plans = await map_concurrently(wanted, lambda name: find_plan(vault, name))
    return MirrorRead(
        found=tuple(FoundPart(part=read_part(plan), busy_with=running_scenario_of(plan)) for plan in plans if plan)
    )


async def write_part(request: WritePart) -> PartWritten:
    """Make, change or delete a recovery plan, or adopt the job of an earlier run of this same call.

    1. Read the recovery plan.
    2. List the jobs.
    3. Adopt our job, or see whether there is something to write, and send it once (`shared.azure.exactly_once`).

    Raises:
        Refused: it is being run, or is not what the write was decided for.
        Transient: Azure did not answer; the job may have started all the same.
    """
    vault, write = Vault(request.write.part.vault), request.write
    existing = await find_plan(vault, write.part.name)
    once = ExactlyOnce(vault)
    await once.list_jobs(request.since)
    scenario = SCENARIOS[write.what]
    attempt = Attempt(
        request_ids=(client_request_id(request.operation, write.part.id, scenario, 1),),
        signature=JobSignature((scenario,), (write.part.name,), request.since),
        decide=lambda: _decide(vault, write, existing),
        reads_queued=True,
    )
    result = await once.adopt_or_send(attempt)
    if isinstance(result, Sent):
        return PartWritten(outcome="started", job=result.job)
    if result.code != NOTHING_TO_DO_CODE:
        raise Refused(result.code, result.detail)
    return PartWritten(outcome="kept")


def _decide(vault: Vault, write: PartWrite, existing: Json | None) -> Obstacle | Send:
    name = write.part.name
    if (existing is None) if write.what == "remove" else (existing and is_in_step(write.part, read_part(existing))):
        return Obstacle(code=NOTHING_TO_DO_CODE, detail=f"the recovery plan {name} is as it should be")
    if existing and (scenario := running_scenario_of(existing)):
        return Obstacle(code="recovery-plan-busy", detail=f"the recovery plan {name} is being run ({scenario})")
    if write.what != "remove" and (write.what == "save") is not (existing is None):
        now_is = "there now" if existing else "gone"
        return Obstacle(code="recovery-plan-changed", detail=f"the recovery plan {name} is {now_is}: read it again")
    return partial(_send_write, vault, write)


async def _send_write(vault: Vault, write: PartWrite, request_id: str) -> Sent:
    match write.what:
        case "save":
            return Sent(await create_plan(vault, write.part, request_id))
        case "replace":
            return Sent(await replace_groups(vault, write.part, request_id))
        case "remove":
            return Sent(await delete_plan(vault, write.part.name, request_id))


async def read_items_and_plans(
    name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[dict[str, list[ItemDetail]], list[FoundPart]]:
    """The protected items of the plan's vaults, by vault, and the recovery plans that may be the plan's."""
    vaults, base = vaults_of_sites(sites.values()), base_name_of(name, plan)
    items_by_vault, _ = await read_all_items_by_vault(vaults)
    mirrors = await map_concurrently(vaults, lambda vault: read_mirror(ReadMirror(vault=vault, base=base)))
    return items_by_vault, [part for mirror in mirrors for part in mirror.found]


async def with_recovery_plan_limits(operation: Operation, preview: Preview) -> Preview:
    """The preview with what is in the way of recovery plans and what they do otherwise, where the plan runs them."""
    if not goes_through_plans(operation, len(preview.items)):
        return preview
    plan, sites = operation.document, operation.sites
    items_by_vault, recovery_plans = await read_items_and_plans(operation.plan, plan, sites)
    mirror_survey = survey_mirror(operation.plan, plan, sites, items_by_vault, recovery_plans)
    blockers = (*preview.blockers, *plan_obstacles(operation, mirror_survey))
    return preview.model_copy(update={"blockers": blockers, "site_recovery_differences": behaviour_notes(operation)})
