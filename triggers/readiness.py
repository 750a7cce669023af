"""What stands in the way of each verb now, and whether the plan as it is was ever rehearsed."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationQuery, OrchestrationState

from shared.messages import ItemView
from shared.operations import Operation
from shared.plans import PlanDocument
from shared.preview import Blocker, preview
from shared.sites import SiteDocument
from triggers import shelf
from triggers.homecoming import keeps_closed
from triggers.previews import misplaced, views_of
from triggers.views import state_of, utc
from triggers.web import answer, handled

bp = df.Blueprint()
VERBS = (
    "drill",
    "planned-failover",
    "unplanned-failover",
    "commit",
    "cancel",
    "change-point",
    "failback",
    "reprotect",
)


@bp.route("plans/{plan}/readiness", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_readiness(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Per verb what stands in the way; per VM its health and how far its replica is behind; the newest good drill."""
    name = req.route_params["plan"]
    plan = PlanDocument.model_validate((await shelf.entry(client, "plan", name)).document)
    sites = await shelf.sites_of(client, plan)
    views = await views_of(list(sites.values()))
    misplacements = await misplaced(plan, sites)
    drill = await _newest_good_drill(client, name)
    more = dict.fromkeys(("planned-failover", "unplanned-failover"), misplacements)
    more["failback"] = await keeps_closed(client, name)
    return answer(
        {
            "plan": name,
            "digest": plan.digest,
            "verbs": {verb: _verb(plan, verb, views, list(sites.values()), more.get(verb, ())) for verb in VERBS},
            "items": [_item(item.vm, views) for item in plan.items],
            "rehearsal": _rehearsal(plan, drill),
        }
    )


def _verb(
    plan: PlanDocument, verb: str, views: dict[str, ItemView], sites: list[SiteDocument], more: tuple[Blocker, ...]
) -> dict[str, Any]:
    seen = preview(plan, verb, views, production=[site.network for site in sites])
    blockers = [blocker.model_dump(mode="json", by_alias=True) for blocker in (*seen.blockers, *more)]
    return {"ready": not blockers, "blockers": blockers}


def _item(vm: str, views: dict[str, ItemView]) -> dict[str, Any]:
    view = next((view for name, view in views.items() if name.casefold() == vm.casefold()), None)
    if view is None:
        return {"vm": vm, "state": "NotProtected"}
    return {
        "vm": vm,
        "state": view.protection_state,
        "replicationHealth": view.replication_health,
        "rpoSeconds": view.rpo.total_seconds() if view.rpo is not None else None,
        "lastRecoveryPoint": view.last_recovery_point.isoformat() if view.last_recovery_point else None,
        "lastTestFailover": view.last_test_failover.isoformat() if view.last_test_failover else None,
    }


async def _newest_good_drill(client: df.DurableFunctionsClient, plan: str) -> OrchestrationState | None:
    query = OrchestrationQuery(instance_id_prefix=f"drill-{plan}-", fetch_inputs_and_outputs=True)
    runs = [run for run in await client.get_all_orchestration_states(query) if run.name == "drill"]
    good = [run for run in runs if state_of(run) == "succeeded"]
    return max(good, default=None, key=lambda run: run.created_at)


def _rehearsal(plan: PlanDocument, drill: OrchestrationState | None) -> dict[str, Any]:
    """VERIFIED holds for the very plan that was rehearsed; a changed one needs a drill of its own."""
    if drill is None:
        return {"status": "NEVER VERIFIED", "operation": None}
    rehearsed = Operation.carried(drill.get_input() or {})
    status = "VERIFIED" if rehearsed.digest == plan.digest else "NEEDS VERIFICATION"
    return {"status": status, "operation": drill.instance_id, "at": utc(drill.created_at)}
