"""Verbs through recovery plans, each sent exactly once (`shared.azure.exactly_once`), and their jobs followed."""

from activities.evidence import keep_job
from shared.azure.errors import NotFound
from shared.azure.exactly_once import Attempt, ExactlyOnce, JobSignature, Send, Sent
from shared.azure.jobs import plan_job_view
from shared.azure.json_fields import Json, object_at
from shared.azure.protected_items import current_job, item_view
from shared.azure.vault import Vault
from shared.azure.vault_recovery_plans import find_plan, running_scenario_of, start_plan_verb
from shared.azure.verb_bodies import plan_verb_body, require_drill_network
from shared.obstacle import Obstacle
from shared.recovery.contract import ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery_plans.parts import read_part, shape_digest
from shared.request_ids import client_request_id
from shared.site_recovery.contract import NOT_READY_CODE, RecoveryPlanJobView, RecoveryPlanStarted
from shared.site_recovery.item_words import scenario_words
from shared.site_recovery.verb_rules import RULES, find_refusal


async def start_recovery_plan(request: StartRecoveryPlan) -> RecoveryPlanStarted:
    """Start a verb on a recovery plan, or adopt its job.

    1. Read the recovery plan, and the items of the vault: what a recovery plan allows does not tell directions apart,
       so that its machines are asked one by one.
    2. List the jobs on the recovery plan.
    3. Adopt our job, or see whether the verb may be sent, and send it once.

    Raises:
        Transient: the vault could not be read; nothing was sent.

    Source: the inputs of recovery plans, api-version 2025-08-01; what they allow as specified.
    """
    vault = Vault(request.vault)
    plan, items = await find_plan(vault, request.name), await vault.list_items()
    once = ExactlyOnce(vault, only_adopt=request.only_adopt)
    await once.list_jobs(request.since, target=request.name)
    subject = f"{request.vault.arm_id}/{request.name}"
    attempt = Attempt(
        request_ids=(client_request_id(request.operation, subject, request.verb, request.attempt),),
        signature=JobSignature(RULES[request.verb].scenarios, (request.name,), request.since),
        decide=lambda: _decide(vault, request, plan, items),
        busy_with=current_job(plan) if plan else "",
    )
    answer = await once.start(request.name, attempt)
    return RecoveryPlanStarted(**dict(answer), calls=vault.calls_made)


def _decide(vault: Vault, request: StartRecoveryPlan, plan: Json | None, items: list[Json]) -> Obstacle | Send:
    """What keeps the recovery plan, or one of its machines, from being started; or else how it is.

    Raises:
        NotFound: the vault has no such recovery plan, or does not show it.
    """
    if plan is None:
        raise NotFound("no-recovery-plan", f"the vault has no recovery plan {request.name}")
    if shape_digest(read_part(plan)) != request.shape:
        detail = f"the recovery plan {request.name} is not as it was when the run began: repair it, and ask for a retry"
        return Obstacle(code="recovery-plan-drifted", detail=detail)
    allowed = object_at(plan, "properties").get("allowedOperations") or ()
    is_ready_for_cleanup = request.verb == "TestFailoverCleanup" and request.verb in allowed
    if (scenario := running_scenario_of(plan)) and not is_ready_for_cleanup:
        detail = f"{scenario_words(scenario)} runs on the recovery plan {request.name}: wait until it has ended"
        return Obstacle(code="recovery-plan-busy", detail=detail, passing=True)
    members = {member.id.lower() for member in read_part(plan).members}
    views = (item_view(item) for item in items if item["id"].lower() in members)
    refusals = [refusal for view in views if (refusal := find_refusal(request.verb, view))]
    if lasting := [refusal for refusal in refusals if not refusal.passing]:
        return Obstacle(code=NOT_READY_CODE, detail=lasting[0].detail)
    if refusals:
        return refusals[0]
    require_drill_network(request)

    async def send(request_id: str) -> Sent:
        return Sent(await start_plan_verb(vault, request.verb, request.name, plan_verb_body(request), request_id))

    return send


async def read_recovery_plan_job(request: ReadRecoveryPlanJob) -> RecoveryPlanJobView:
    """Read the job of a recovery plan with its machines' own jobs.

    Raises:
        SiteRecoveryError: it could not be read, gone or not: that says nothing of how it ended.
    """
    vault = Vault(request.vault)
    job = await vault.read_job(request.job)
    plan_job = plan_job_view(job).model_copy(update={"calls": vault.calls_made})
    if plan_job.end and request.pack:
        await keep_job(request.pack, job, plan_job.end)
    return plan_job
