"""What stands in the way of each verb now, and whether the plan as it is was ever rehearsed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.previews import read_preview_facts
from activities.recovery_plans import read_items_and_plans
from shared.obstacle import Obstacle
from shared.plans.history import grounds_of
from shared.plans.next_steps import find_next_steps
from shared.plans.plan import PlanDocument
from shared.plans.plan_state import judge_plan, verb_applies
from shared.plans.preview import Preview, view_by_vm
from shared.plans.preview_kinds import PREVIEW_KINDS
from shared.plans.readiness import preview_with_readiness, verify_last_drill
from shared.recovery_plans.differences import difference_sentences
from shared.recovery_plans.mirror import survey_mirror
from shared.replication.health import replication_lag
from shared.site_recovery.views import ItemDetail
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.holds_in_effect import hold_views, read_holds_of
from triggers.http_endpoint import handle_for_role, json_response
from triggers.next_drills import read_next_drill

bp = df.Blueprint()


@bp.function_name("get_readiness")
@bp.route("plans/{plan}/readiness", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_readiness(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Per verb what stands in the way; per VM its health and how far its replica is behind; the newest good drill."""
    name = req.route_params["plan"]
    versioned = await declared_documents.read_document(client, "plan", name)
    plan = declared_documents.plan_of(versioned)
    sites = await declared_documents.sites_of_plan(client, plan)
    facts = await read_preview_facts(client, name, plan, sites, PREVIEW_KINDS)
    grounds = grounds_of(plan, sites, facts.items.values())
    last_drill = verify_last_drill(plan, facts.plan_history, facts.at, grounds, versioned.history)
    views = view_by_vm(plan, facts.items)
    next_steps = find_next_steps(views)
    previews = {kind: preview_with_readiness(plan, kind, sites, facts, name) for kind in PREVIEW_KINDS}
    return json_response(
        {
            "plan": name,
            "digest": plan.digest,
            **judge_plan(previews, views, next_steps, last_drill).model_dump(mode="json", by_alias=True),
            "readAt": facts.at.isoformat(),
            "holds": hold_views(await read_holds_of(client, sites)),
            "verbs": {
                kind: _verb_view(preview, applies=verb_applies(preview, views)) for kind, preview in previews.items()
            },
            "nextSteps": [step.model_dump(mode="json", by_alias=True) for step in next_steps],
            "items": [_item_view(vm, view, facts.at) for vm, view in views.items()],
            "lastDrill": last_drill.model_dump(mode="json", by_alias=True),
            **await read_next_drill(client, name, versioned),
            **await _recovery_plans_view(name, plan, sites),
        }
    )


async def _recovery_plans_view(name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> dict[str, Any]:
    """How the recovery plans differ from a plan that mirrors or runs them; nothing for others."""
    if plan.recovery_plan.mirroring == "off" and plan.engine == "scheduler":
        return {}
    items_by_vault, recovery_plans = await read_items_and_plans(name, plan, sites)
    differences = difference_sentences(survey_mirror(name, plan, sites, items_by_vault, recovery_plans).differences)
    return {"recoveryPlans": {"inSync": not differences, "differences": list(differences)}}


def _verb_view(preview: Preview, *, applies: bool) -> dict[str, Any]:
    """What stands in the way of a verb; one that would do nothing as the plan stands is neither ready nor not."""
    is_ready = not preview.blockers and not preview.concerns  # what needs no override
    return {
        "applies": applies,
        "ready": is_ready if applies else None,
        "blockers": _obstacle_views(preview.blockers),
        "concerns": _obstacle_views(preview.concerns),
        "warnings": _obstacle_views(preview.warnings),
    }


def _obstacle_views(obstacles: tuple[Obstacle, ...]) -> list[dict[str, Any]]:
    return [obstacle.model_dump(mode="json", by_alias=True) for obstacle in obstacles]


def _item_view(vm: str, view: ItemDetail | None, at: datetime) -> Mapping[str, Any]:
    if view is None:
        return {"vm": vm, "state": "Unprotected"}
    replica_age = replication_lag(view, at)
    return {
        "vm": vm,
        "state": view.protection_state,
        "replicationHealth": view.replication_health,
        "lastRpoSeconds": view.rpo.total_seconds() if view.rpo is not None else None,
        "replicaAgeSeconds": replica_age.total_seconds() if replica_age is not None else None,
        "lastRecoveryPoint": view.last_recovery_point.isoformat() if view.last_recovery_point else None,
        "lastTestFailover": view.last_test_failover.isoformat() if view.last_test_failover else None,
    }
