"""Verbs through recovery plans: look, adopt what runs already under our name, else send once; then follow the job."""

from typing import Any, Literal

from activities.evidence import keep_job
from shared.azure.errors import NotFound
from shared.azure.jobs import plan_job_view
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.protected_items import current_job, item_view
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_recovery_plans import RecoveryPlansVault
from shared.azure.vault_setup import JobSignature
from shared.errors import Refused, Transient
from shared.recovery.contract import ReadRecoveryPlanJob, StartRecoveryPlan
from shared.recovery_plans.mirror import RUNNING
from shared.recovery_plans.parts import TO_AZURE, TO_PRIMARY, read_part, shape_digest
from shared.request_ids import client_request_id
from shared.site_recovery.contract import (
    ABORTED_CODE,
    NOT_READY_CODE,
    JobEnd,
    RecoveryPlanJobView,
    RecoveryPlanStarted,
    StartAnswer,
)
from shared.site_recovery.verb_options import AZURE_DATA_SYNC
from shared.site_recovery.verb_rules import RULES, find_refusal
from shared.site_recovery.views import Verb


async def start_recovery_plan(request: StartRecoveryPlan) -> RecoveryPlanStarted:
    """Start a verb on a recovery plan, or adopt its job.

    What a recovery plan allows does not tell directions apart, so that its machines are asked one by one.

    Raises:
        Transient: the vault could not be read; nothing was sent.

    Source: the inputs of recovery plans, api-version 2025-08-01; what they allow as specified.
    """
    vault = RecoveryPlansVault(request.vault)
    answer = await _adopt_or_start(vault, request)
    return RecoveryPlanStarted(**dict(answer), calls=vault.calls_made)


async def _adopt_or_start(vault: RecoveryPlansVault, request: StartRecoveryPlan) -> StartAnswer:
    plan = await vault.find_plan(request.name)
    if plan is None:
        detail = f"the vault has no recovery plan {request.name}"
        return StartAnswer(vm=request.name, outcome="refused", code="no-recovery-plan", detail=detail)
    request_id = client_request_id(
        request.operation, f"{request.vault.arm_id}/{request.name}", request.verb, request.attempt
    )
    views = {item["id"].lower(): item_view(item) for item in await vault.list_items()}
    if own_job := await _find_own_job(vault, request, plan, request_id):
        return StartAnswer(vm=request.name, outcome="started", job=own_job)
    if request.only_adopt:
        detail = "the run was aborted before this was sent"
        return StartAnswer(vm=request.name, outcome="refused", code=ABORTED_CODE, detail=detail)
    members = {member.id.lower() for member in read_part(plan).members}
    if blocking_answer := _find_blocking_answer(request, plan, [view for key, view in views.items() if key in members]):
        return blocking_answer
    try:
        job = await vault.start_plan_verb(request.verb, request.name, _verb_body(request), request_id)
    except Refused as refusal:
        return StartAnswer(vm=request.name, outcome="refused", code=refusal.code, detail=refusal.detail)
    except Transient as no_answer:
        return StartAnswer(vm=request.name, outcome="unanswered", detail=str(no_answer))
    return StartAnswer(vm=request.name, outcome="started", job=job)


async def _find_own_job(vault: RecoveryPlansVault, request: StartRecoveryPlan, plan: Json, request_id: str) -> str:
    """Name of the job of ours, empty without one; jobs of its machines are none of these, whoever began them."""
    jobs = await vault.list_jobs(request.since - CLOCKS_APART)  # after the recovery plan: no job slips in between
    plan_jobs = [job for job in jobs if _target_name_of(job) in {"", request.name.lower()}]
    sign = JobSignature(tuple(RULES[request.verb].scenarios), (request.name,), request.since)
    return await vault.find_our_job(plan_jobs, request_id, sign, current_job(plan))


def _target_name_of(job: Json) -> str:
    return text_of(object_at(job, "properties").get("targetObjectName")).lower()


def _find_blocking_answer(request: StartRecoveryPlan, plan: Json, views: list[Any]) -> StartAnswer | None:
    if shape_digest(read_part(plan)) != request.shape:
        detail = f"the recovery plan {request.name} is not as it was when the run began: repair it, and ask for a retry"
        return StartAnswer(vm=request.name, outcome="refused", code="recovery-plan-drifted", detail=detail)
    properties = object_at(plan, "properties")
    can_clean = request.verb == "TestFailoverCleanup" and request.verb in (properties.get("allowedOperations") or ())
    if text_of(properties.get("currentScenarioStatus")) in RUNNING and not can_clean:
        scenario = text_of(object_at(properties, "currentScenario").get("scenarioName"))
        detail = f"the recovery plan {request.name} is busy with {scenario}"
        return StartAnswer(vm=request.name, outcome="busy", code="recovery-plan-busy", detail=detail)
    refusals = [no for view in views if (no := find_refusal(request.verb, view))]
    if not refusals:
        return None
    final_refusal = next((no for no in refusals if not no.passing), refusals[0])
    outcome: Literal["busy", "refused"] = "busy" if final_refusal.passing else "refused"
    code = final_refusal.code if final_refusal.passing else NOT_READY_CODE
    return StartAnswer(vm=request.name, outcome=outcome, code=code, detail=final_refusal.detail)


def _verb_body(request: StartRecoveryPlan) -> Json | None:
    """What the verb is sent with; at the level of a recovery plan its details are a list."""
    if request.verb in {"Commit", "CancelFailover", "ReverseReplicate"}:
        return None
    if request.verb == "TestFailoverCleanup":
        return {"properties": {"comments": request.operation}}
    if request.verb == "TestFailover" and not request.network_id:
        raise Refused("no-drill-network", "a test failover without a network would tell nothing")
    details = {"instanceType": "HyperVReplicaAzure", "recoveryPointType": request.point_type}
    failback_details = {
        "instanceType": "HyperVReplicaAzureFailback",
        "dataSyncOption": AZURE_DATA_SYNC[request.options.data_sync],
    }
    bodies: dict[Verb, dict[str, Any]] = {
        "TestFailover": {"networkType": "VmNetworkAsInput", "networkId": request.network_id},
        "PlannedFailover": {},
        "UnplannedFailover": {
            "sourceSiteOperations": "Required" if request.options.shuts_down_source else "NotRequired"
        },
        "Failback": {
            "failoverDirection": TO_PRIMARY,
            "providerSpecificDetails": [failback_details | {"recoveryVmCreationOption": "NoAction"}],
        },
    }
    common = {"failoverDirection": TO_AZURE, "providerSpecificDetails": [details]}
    return {"properties": common | bodies[request.verb]}


async def read_recovery_plan_job(request: ReadRecoveryPlanJob) -> RecoveryPlanJobView:
    """Read the job of a recovery plan with its machines' own jobs; one that is gone has failed."""
    vault = RecoveryPlansVault(request.vault)
    try:
        job = await vault.read_job(request.job)
    except NotFound as absent:
        gone = JobEnd(job=request.job, outcome="failed", state="Missing", code="job-not-found", detail=absent.detail)
        return RecoveryPlanJobView(state="ended", end=gone, calls=vault.calls_made)
    plan_job = plan_job_view(job).model_copy(update={"calls": vault.calls_made})
    if plan_job.end and request.pack:
        await keep_job(request.pack, job, plan_job.end)
    return plan_job
