"""What is on hold now, and refusing what may not begin meanwhile."""

import uuid
from collections.abc import Iterable
from typing import Any

import azure.durable_functions as df

from activities.durable_state import read_entity
from shared.operations.durable_names import CHANGE_HOLD, HOLDS
from shared.operations.holds import HOLDS_KEY, Hold, HoldChange, HoldOutcome, find_holds, read_kept_holds
from shared.problem_details import FieldError
from triggers.failures import Outage
from triggers.http_endpoint import HttpProblem, outage_problem
from triggers.short_runs import ShortRun, await_short_run

GIVEN_UP = Outage(code="hold-failed", detail="The durable engine gave the change of the hold up; the log says why.")
CHANGE = ShortRun(CHANGE_HOLD, HoldOutcome, GIVEN_UP)
UNCONFIRMED = "A change of the hold may be made all the same: GET /api/hold shows it then. It is safe to send it again."


async def read_holds(client: df.DurableFunctionsClient) -> tuple[Hold, ...]:
    """Those that are in effect; whether one is over only the engine's own time can say.

    Raises:
        HttpProblem: the engine did not say (503).
    """
    kept_holds = read_kept_holds(await read_entity(client, HOLDS, HOLDS_KEY))
    if not any(hold.until for hold in kept_holds):
        return kept_holds
    return (await make_change(client, HoldChange(id=uuid.uuid4().hex, action="expire"))).holds


async def read_holds_of(client: df.DurableFunctionsClient, sites: Iterable[str]) -> tuple[Hold, ...]:
    """Those that hold any of these sites."""
    return find_holds(await read_holds(client), sites)


async def make_change(client: df.DurableFunctionsClient, change: HoldChange) -> HoldOutcome:
    """Have holds changed, and wait for what becomes of it.

    Raises:
        HttpProblem: nobody can say yet (503).
    """
    return await await_short_run(client, CHANGE, change, lambda outage: outage_problem(outage, UNCONFIRMED))


def hold_views(holds: Iterable[Hold]) -> list[dict[str, Any]]:
    """As people read them."""
    return [hold.to_view() for hold in holds]


async def require_no_hold(client: df.DurableFunctionsClient, sites: Iterable[str]) -> None:
    """Let something begin at these sites.

    Raises:
        HttpProblem: one of them is on hold (409).
    """
    if holds := await read_holds_of(client, sites):
        remedy = f"Wait until it ends, or lift it (DELETE {holds[0].url}) and ask again."
        detail = f"Nothing was done: {holds[0].describe()}. {remedy}"
        errors = [FieldError("hold", hold.describe()) for hold in holds]
        raise HttpProblem(409, "On hold", detail, errors, code="on-hold", hold=holds[0].to_view())
