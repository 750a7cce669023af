"""Verbs through recovery plans: look, adopt what runs already under our name, else send once; then follow the job."""

from typing import Any, Literal

from activities.evidence import keep_job
from shared.azure.errors import Missing
from shared.azure.jobs import plan_job_seen
from shared.azure.json_fields import Json, part, text
from shared.azure.protected_items import current_job, item_view
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_recovery_plans import PlansVault
from shared.azure.vault_setup import Sign
from shared.errors import Refused, Transient
from shared.recovery.contract import ReadPlanJob, StartPlan
from shared.recovery_plans.mirror import RUNNING
from shared.recovery_plans.parts import TO_AZURE, TO_PRIMARY, read_part, shape_of
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ABORTED, NOT_READY, JobEnd, PlanJobSeen, PlanStart, StartAnswer
from shared.site_recovery.verb_rules import RULES, ready
from shared.site_recovery.views import Verb


async def start_plan(ask: StartPlan) -> PlanStart:
    """Start a verb on a recovery plan, or adopt its job.

    What a recovery plan allows does not tell directions apart, so that its machines are asked one by one.

    Raises:
        Transient: the vault could not be read; nothing was sent.

    Source: the inputs of recovery plans, api-version 2025-08-01; what they allow as specified.
    """
    vault = PlansVault(ask.vault)
    answer = await _start(vault, ask)
    return PlanStart(**dict(answer), calls=vault.calls)


async def _start(vault: PlansVault, ask: StartPlan) -> StartAnswer:
    plan = await vault.find_plan(ask.name)
    if plan is None:
        detail = f"the vault has no recovery plan {ask.name}"
        return StartAnswer(vm=ask.name, outcome="refused", code="no-recovery-plan", detail=detail)
    request_id = client_request_id(ask.operation, f"{ask.vault.arm_id}/{ask.name}", ask.verb, ask.attempt)
    views = {item["id"].lower(): item_view(item) for item in await vault.list_items()}
    if ours := await _find_ours(vault, ask, plan, request_id):
        return StartAnswer(vm=ask.name, outcome="started", job=ours)
    if ask.only_adopt:
        detail = "the run was aborted before this was sent"
        return StartAnswer(vm=ask.name, outcome="refused", code=ABORTED, detail=detail)
    members = {member.id.lower() for member in read_part(plan).members}
    if no := _in_the_way(ask, plan, [view for key, view in views.items() if key in members]):
        return no
    try:
        job = await vault.start_plan(ask.verb, ask.name, _body(ask), request_id)
    except Refused as declined:
        return StartAnswer(vm=ask.name, outcome="refused", code=declined.code, detail=declined.detail)
    except Transient as silence:
        return StartAnswer(vm=ask.name, outcome="unanswered", detail=str(silence))
    return StartAnswer(vm=ask.name, outcome="started", job=job)


async def _find_ours(vault: PlansVault, ask: StartPlan, plan: Json, request_id: str) -> str:
    """Name of the job of ours, empty without one; jobs of its machines are none of these, whoever began them."""
    jobs = await vault.list_jobs(ask.since - CLOCKS_APART)  # after the recovery plan: no job slips in between
    about = [job for job in jobs if _target(job) in {"", ask.name.lower()}]
    sign = Sign(tuple(RULES[ask.verb].scenarios), (ask.name,), ask.since)
    return await vault.find_ours(about, request_id, sign, current_job(plan))


def _target(job: Json) -> str:
    return text(part(job, "properties").get("targetObjectName")).lower()


def _in_the_way(ask: StartPlan, plan: Json, views: list[Any]) -> StartAnswer | None:
    if shape_of(read_part(plan)) != ask.shape:
        detail = f"the recovery plan {ask.name} is not as it was when the run began: repair it, and ask for a retry"
        return StartAnswer(vm=ask.name, outcome="refused", code="recovery-plan-drifted", detail=detail)
    properties = part(plan, "properties")
    can_clean = ask.verb == "TestFailoverCleanup" and ask.verb in (properties.get("allowedOperations") or ())
    if text(properties.get("currentScenarioStatus")) in RUNNING and not can_clean:
        detail = (
            f"the recovery plan {ask.name} is busy with {text(part(properties, 'currentScenario').get('scenarioName'))}"
        )
        return StartAnswer(vm=ask.name, outcome="busy", code="recovery-plan-busy", detail=detail)
    refusals = [no for view in views if (no := ready(ask.verb, view))]
    if not refusals:
        return None
    final = next((no for no in refusals if not no.passing), refusals[0])
    outcome: Literal["busy", "refused"] = "busy" if final.passing else "refused"
    code = final.code if final.passing else NOT_READY
    return StartAnswer(vm=ask.name, outcome=outcome, code=code, detail=final.detail)


def _body(ask: StartPlan) -> Json | None:
    """What the verb is sent with; at the level of a recovery plan its details are a list."""
    if ask.verb in {"Commit", "CancelFailover", "ReverseReplicate"}:
        return None
    if ask.verb == "TestFailoverCleanup":
        return {"properties": {"comments": ask.operation}}
    if ask.verb == "TestFailover" and not ask.network_id:
        raise Refused("no-drill-network", "a test failover without a network would tell nothing")
    details = {"instanceType": "HyperVReplicaAzure", "recoveryPointType": ask.point_type}
    back = {"instanceType": "HyperVReplicaAzureFailback", "dataSyncOption": ask.data_sync}
    bodies: dict[Verb, dict[str, Any]] = {
        "TestFailover": {"networkType": "VmNetworkAsInput", "networkId": ask.network_id},
        "PlannedFailover": {},
        "UnplannedFailover": {"sourceSiteOperations": "Required" if ask.shut_down_source else "NotRequired"},
        "Failback": {
            "failoverDirection": TO_PRIMARY,
            "providerSpecificDetails": [back | {"recoveryVmCreationOption": "NoAction"}],
        },
    }
    common = {"failoverDirection": TO_AZURE, "providerSpecificDetails": [details]}
    return {"properties": common | bodies[ask.verb]}


async def read_plan_job(ask: ReadPlanJob) -> PlanJobSeen:
    """Read the job of a recovery plan with its machines' own jobs; one that is gone has failed."""
    vault = PlansVault(ask.vault)
    try:
        job = await vault.read_job(ask.job)
    except Missing as missing:
        gone = JobEnd(job=ask.job, outcome="failed", state="Missing", code="job-not-found", detail=missing.detail)
        return PlanJobSeen(state="ended", end=gone, calls=vault.calls)
    seen = plan_job_seen(job).model_copy(update={"calls": vault.calls})
    if seen.end and ask.pack:
        await keep_job(ask.pack, job, seen.end)
    return seen
