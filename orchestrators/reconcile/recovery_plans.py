"""What the timer does for recovery plans: it publishes drift once, and puts it right where the plan says so."""

from datetime import datetime, timedelta

from orchestrators.durable.cloud_events import delivery_run_of
from orchestrators.durable.steps import Context, Steps, call, call_entity, now
from orchestrators.durable.timer_look import TimerLook, attempt_part, sites_of_plan
from orchestrators.run.recovery_plan_mirror import read_survey
from shared.documents import CHECKED
from shared.operations.contract import START_RUN, PublishEvent, StartRun
from shared.operations.durable_names import RECOVERY_PLAN_MIRRORS
from shared.operations.kinds import REQUESTED_BY_TIMER
from shared.plans.contract import DeclaredDocument
from shared.plans.plan import PlanDocument
from shared.recovery_plans.differences import difference_sentences, digest_of_differences
from shared.recovery_plans.mirror import Mirror, MirrorOrder, MirrorSurvey, required_confirmation, writes_needed
from shared.request_ids import run_id
from shared.sites.site import SiteDocument

LOOK_EVERY = timedelta(minutes=15)
SHOWN = 8


def keep_mirrors(ctx: Context, look: TimerLook) -> Steps[list[str]]:
    """Look after the recovery plans of each plan that wants it."""
    started: list[str] = []
    for entry in look.documents.plans:
        started += yield from attempt_part(ctx, look, f"plan {entry.name}", _keep_if_wanted(ctx, look, entry))
    return started


def _keep_if_wanted(ctx: Context, look: TimerLook, entry: DeclaredDocument) -> Steps[list[str]]:
    plan = PlanDocument.model_validate(entry.document, context=CHECKED)
    if plan.recovery_plan.mirroring == "off":
        return []
    held = look.is_held(plan.site_names, now(ctx))
    return (yield from _keep_mirror(ctx, entry, plan, sites_of_plan(look.documents, plan), held=held))


def _mirror_order(name: str, plan: PlanDocument, sites: dict[str, SiteDocument], at: datetime) -> MirrorOrder:
    return MirrorOrder(
        id=run_id("mirror", name, at.isoformat()),
        plan=name,
        requested_by=REQUESTED_BY_TIMER,
        action="repair",
        document=plan,
        sites=sites,
        confirm="",
    )


def _keep_mirror(
    ctx: Context, entry: DeclaredDocument, plan: PlanDocument, sites: dict[str, SiteDocument], *, held: bool
) -> Steps[list[str]]:
    mirror = Mirror.model_validate((yield from call_entity(ctx, RECOVERY_PLAN_MIRRORS, entry.name, "read")) or {})
    at = now(ctx)
    if mirror.checked_at and at - datetime.fromisoformat(mirror.checked_at) < LOOK_EVERY:
        return []
    order = _mirror_order(entry.name, plan, sites, at)
    survey = yield from read_survey(ctx, order, mirror.known_ids)
    drift_digest = digest_of_differences(survey.differences)
    if drift_digest and drift_digest != mirror.reported_digest:
        yield from _publish_drift(ctx, order, survey, drift_digest)
    yield from call_entity(ctx, RECOVERY_PLAN_MIRRORS, entry.name, "checked", [drift_digest, at.isoformat()])
    wanted = plan.recovery_plan.mirroring == "repair" and survey.wanted and not survey.away and not held
    todo = writes_needed(order.plan, plan, survey) if wanted else ()
    if not todo or required_confirmation(order.action, order.plan, survey, mirror.known_ids):
        return []  # somebody else's work would be lost, or a machine is in Azure or on its way: a person has to ask
    yield from call(ctx, START_RUN, StartRun(id=order.id, orchestrator="mirror", payload=order.model_dump(mode="json")))
    return [order.id]


def _publish_drift(ctx: Context, order: MirrorOrder, survey: MirrorSurvey, drift_digest: str) -> Steps[None]:
    """Publish drift, once for each sort of it; what went away and is there again is published again."""
    drift_sentences = difference_sentences(survey.differences)
    event = PublishEvent(
        id=f"{order.id}:drifted:{drift_digest}",
        type="HciSiteRecovery.RecoveryPlan.Drifted",
        subject=f"plans/{order.plan}",
        at=now(ctx),
        data={"plan": order.plan, "differences": list(drift_sentences[:SHOWN]), "count": len(drift_sentences)},
    )
    yield from call(ctx, START_RUN, delivery_run_of(event))
