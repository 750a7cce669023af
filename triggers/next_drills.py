"""When the next drill of a plan begins by itself, judged as the timer does, and what the last good one is worth."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import azure.durable_functions as df

from activities.durable_state import list_entities, read_entity
from shared.operations.durable_names import PLAN_HISTORY
from shared.operations.holds import Hold, find_holds
from shared.plans.drill_schedule import find_next_drill
from shared.plans.history import PlanHistory
from shared.plans.readiness import verify_last_drill
from shared.plans.versions import VersionedDocument
from triggers.declared_documents import plan_of
from triggers.holds_in_effect import read_holds


async def read_next_drill(client: df.DurableFunctionsClient, name: str, versioned: VersionedDocument) -> dict[str, Any]:
    """{nextDrill} of one plan."""
    drill = plan_of(versioned).drill
    names = [name, *([drill.follows] if drill and drill.follows else ())]
    histories = {one: await read_entity(client, PLAN_HISTORY, one) for one in names}
    return _next_drill_view(name, versioned, histories, await read_holds(client))


async def read_drills(
    client: df.DurableFunctionsClient, plans: Mapping[str, VersionedDocument]
) -> dict[str, dict[str, Any]]:
    """{nextDrill, lastDrill} of each plan, by name; what drills rest on in Azure is not read for that."""
    histories, holds = await list_entities(client, PLAN_HISTORY), await read_holds(client)
    return {
        name: _next_drill_view(name, versioned, histories, holds) | _last_drill_view(versioned, histories.get(name))
        for name, versioned in plans.items()
    }


def _last_drill_view(versioned: VersionedDocument, history: Mapping[str, Any] | None) -> dict[str, Any]:
    plan_history = PlanHistory.model_validate(history or {})
    last_drill = verify_last_drill(plan_of(versioned), plan_history, datetime.now(UTC), versions=versioned.history)
    return {"lastDrill": last_drill.model_dump(mode="json", by_alias=True)}


def _next_drill_view(
    name: str, versioned: VersionedDocument, histories: Mapping[str, Mapping[str, Any] | None], holds: Sequence[Hold]
) -> dict[str, Any]:
    plan, declared = plan_of(versioned), versioned.history[-1].declared_at
    follows = plan.drill.follows if plan.drill else None
    next_drill = find_next_drill(
        plan.drill,
        declared,
        datetime.now(UTC),
        PlanHistory.model_validate(histories.get(name) or {}),
        PlanHistory.model_validate(histories.get(follows) or {}) if follows else None,
        find_holds(holds, plan.site_names),
    )
    return {"nextDrill": next_drill.model_dump(mode="json", by_alias=True)}
