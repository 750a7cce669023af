"""What stands in the way of each verb now, and whether the plan as it is was ever rehearsed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

import azure.durable_functions as df
import azure.functions as func

from activities.previews import look
from activities.recovery_plans import read_vaults
from shared.plans.history import grounds_of
from shared.plans.plan import PlanDocument
from shared.plans.preview import Blocker, Preview, What
from shared.plans.readiness import Seen, foretell, rehearsal
from shared.recovery_plans.differences import sentences
from shared.recovery_plans.mirror import survey
from shared.replication.health import behind
from shared.site_recovery.views import ItemDetail
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import answer, handled

bp = df.Blueprint()
VERBS: tuple[What, ...] = get_args(What)


@bp.route("plans/{plan}/readiness", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_readiness(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Per verb what stands in the way; per VM its health and how far its replica is behind; the newest good drill."""
    name = req.route_params["plan"]
    plan = PlanDocument.model_validate((await declared_documents.entry(client, "plan", name)).document)
    sites = await declared_documents.sites_of(client, plan)
    seen = await look(client, name, plan, sites, VERBS)
    views = {vm.casefold(): view for vm, view in seen.items.items()}
    return answer(
        {
            "plan": name,
            "digest": plan.digest,
            "at": seen.at.isoformat(),
            "verbs": {verb: _verb(foretell(plan, verb, sites, seen, name)) for verb in VERBS},
            "items": [_item(item.vm, views.get(item.vm.casefold()), seen.at) for item in plan.items],
            "rehearsal": _rehearsal(plan, sites, seen),
            **await _recovery_plans(name, plan, sites),
        }
    )


def _rehearsal(plan: PlanDocument, sites: Mapping[str, SiteDocument], seen: Seen) -> dict[str, Any]:
    grounds = grounds_of(plan, sites, seen.items.values())
    return rehearsal(plan, seen.track, seen.at, grounds).model_dump(mode="json", by_alias=True)


async def _recovery_plans(name: str, plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> dict[str, Any]:
    """How the recovery plans differ from a plan that keeps them, or runs them; nothing for others."""
    if plan.recovery_plan.keep == "off" and plan.engine == "scheduler":
        return {}
    vaults, found = await read_vaults(name, plan, sites)
    told = sentences(survey(name, plan, sites, vaults, found).differences)
    return {"recoveryPlans": {"inStep": not told, "differences": list(told)}}


def _verb(told: Preview) -> dict[str, Any]:
    """Ready is what needs no override; what is only told does not count."""
    return {
        "ready": not told.blockers and not told.concerns,
        "blockers": _plain(told.blockers),
        "concerns": _plain(told.concerns),
        "warnings": _plain(told.warnings),
    }


def _plain(found: tuple[Blocker, ...]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json", by_alias=True) for one in found]


def _item(vm: str, view: ItemDetail | None, at: datetime) -> Mapping[str, Any]:
    if view is None:
        return {"vm": vm, "state": "NotProtected"}
    late = behind(view, at)
    return {
        "vm": vm,
        "state": view.protection_state,
        "replicationHealth": view.replication_health,
        "rpoSeconds": view.rpo.total_seconds() if view.rpo is not None else None,
        "behindSeconds": late.total_seconds() if late is not None else None,
        "lastRecoveryPoint": view.last_recovery_point.isoformat() if view.last_recovery_point else None,
        "lastTestFailover": view.last_test_failover.isoformat() if view.last_test_failover else None,
    }
