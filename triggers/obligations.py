"""What is owed, over HTTP: listed and explained, and settled by a person where only a person can know."""

from typing import Annotated, Any

import azure.durable_functions as df
import azure.functions as func
from pydantic import Field, StringConstraints

from activities.durable_state import list_entities
from activities.owed import read_all_owed
from shared.documents import CHECKED
from shared.messages import Document
from shared.operations.durable_names import DOCUMENTS, OBLIGATIONS, SETTLE_OBLIGATION
from shared.operations.obligations import (
    HIDDEN,
    REMEDIES,
    Machines,
    Obligation,
    SettlementOrder,
    SettlementOutcome,
    settlement_sentence,
)
from shared.plans.machines import homes_of
from shared.plans.plan import PlanDocument
from shared.principals import require_role
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument
from triggers.failures import Outage
from triggers.http_endpoint import (
    PREVIEW,
    body_of,
    caller_of,
    handle_for_role,
    invalid_request,
    json_response,
    not_found,
    outage_problem,
    read_body,
    read_choice,
    require_confirmation,
)
from triggers.request_checks import wants_preview
from triggers.short_runs import ShortRun, await_short_run

bp = df.Blueprint()
GIVEN_UP = Outage(code="settlement-failed", detail="The durable engine gave it up; the app's log says why.")
CHANGE = ShortRun(SETTLE_OBLIGATION, SettlementOutcome, GIVEN_UP)


class SettlementRequest(Document):
    """Settle an obligation by one's word.

    Attributes:
        vms: For these alone; empty for all that owe it.
        confirm: The sentence of the preview.
    """

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    vms: tuple[str, ...] = Field((), max_length=5000)
    confirm: str = ""


@bp.function_name("list_obligations")
@bp.route("obligations", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", "plan", "settled")
async def list_obligations(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """What is owed, by whom, until when; soonest first; `plan` narrows it. `settled=true`: what persons settled."""
    if read_choice(req, "settled", ("true", "false")) == "true":
        tables = (await list_entities(client, OBLIGATIONS)).values()
        states = [state for table in tables for state in table.values() if state.get("settled")]
        settled = sorted(map(Obligation.model_validate, states), key=lambda one: one.opened)
        return json_response({"value": list(map(obligation_view, settled))})
    return json_response({"value": await list_owed(client, req.params.get("plan"))})


async def list_owed(client: df.DurableFunctionsClient, plan: str | None) -> list[dict[str, Any]]:
    """What is owed, as people read it; for a plan: what its runs incurred, and what its machines owe."""
    machines = await _machines_of_plan(client, plan) if plan else []
    owed = [
        one
        for one in await read_all_owed(client)
        if plan in {None, one.plan} or any(one.concerned_of(some) for some in machines)
    ]
    return [obligation_view(one) for one in sorted(owed, key=lambda one: one.due)]


async def _machines_of_plan(client: df.DurableFunctionsClient, name: str) -> list[Machines]:
    """The machines of a plan as it is declared; none when it or one of its sites is not."""
    states = await list_entities(client, DOCUMENTS)
    if f"plan:{name}" not in states:
        return []
    plan = PlanDocument.model_validate(states[f"plan:{name}"]["document"], context=CHECKED)
    if any(f"site:{site}" not in states for site in plan.site_names):
        return []
    sites = {site: SiteDocument.model_validate(states[f"site:{site}"]["document"]) for site in plan.site_names}
    return homes_of(plan, sites)


def obligation_view(owed: Obligation) -> dict[str, Any]:
    """As people read it, with what settles it."""
    view = owed.model_dump(mode="json", by_alias=True, exclude={*HIDDEN, "home"})
    site = owed.home.site if owed.home else None
    return {"id": owed.id, **view, "site": site, "remedy": REMEDIES[owed.kind]}


@bp.function_name("settle_obligation_by_hand")
@bp.route("obligations/{id}/settle", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, body=SettlementRequest, action_roles=("Dr.Operate",))
async def settle_obligation_by_hand(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Settle what only a person can know to be done, with a reason: 200; 404 for what is not owed.

    It takes the sentence that `?preview=true` shows, word for word.
    """
    is_bare_preview = wants_preview(req) and body_of(req) == b"{}"  # it needs no reason
    request = None if is_bare_preview else read_body(req, SettlementRequest)
    owed = await _read_owed(client, req.route_params["id"])
    vms = _vms_of(request, owed)
    sentence = settlement_sentence(owed, vms)
    if wants_preview(req) or request is None:
        return json_response({"obligation": obligation_view(owed), "vms": list(vms), "confirm": sentence})
    require_role(caller_of(req), "Dr.Operate")
    require_confirmation(request.confirm, sentence)
    person = caller_of(req)
    order = SettlementOrder(
        table=owed.table,
        id=owed.id,
        by=person.name,
        person_id=person.id,
        reason=request.reason,
        vms=vms if owed.vms else (),
    )
    hint = "It may be done all the same: /api/obligations shows it then. It is safe to send it again."
    outcome = await await_short_run(client, CHANGE, order, lambda outage: outage_problem(outage, hint))
    if outcome.settled is None:
        raise not_found("obligation", owed.id)
    return json_response({"settled": obligation_view(outcome.settled), "obligations": await list_owed(client, None)})


async def _read_owed(client: df.DurableFunctionsClient, obligation: str) -> Obligation:
    """The obligation of this id.

    Raises:
        HttpProblem: there is none (404).
    """
    owed = [one for one in await read_all_owed(client) if one.id == obligation]
    if not owed:
        raise not_found("obligation", obligation)
    return owed[0]


def _vms_of(request: SettlementRequest | None, owed: Obligation) -> tuple[str, ...]:
    """The VMs for which it is settled, as the obligation spells them.

    Raises:
        HttpProblem: one of those that are named does not owe it (400).
    """
    names = {vm.casefold(): vm for vm in owed.vms}
    wanted = request.vms if request else ()
    unknown = [(index, vm) for index, vm in enumerate(wanted) if vm.casefold() not in names]
    if unknown:
        raise invalid_request(*(FieldError(f"vms[{at}]", f"{vm} does not owe this") for at, vm in unknown))
    return tuple(names[vm.casefold()] for vm in wanted) or owed.vms
