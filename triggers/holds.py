"""Holds over HTTP: stop everything that has not begun, at one site or everywhere, and let it go on."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal

import azure.durable_functions as df
import azure.functions as func
from pydantic import StringConstraints

from shared.documents import TimeWithZone
from shared.messages import Document
from shared.operations.holds import Hold, HoldChange, HoldOutcome, check_until, with_hold
from shared.problem_details import FieldError
from triggers import declared_documents
from triggers.holds_in_effect import hold_views, make_change, read_holds, read_holds_of
from triggers.http_endpoint import (
    PREVIEW,
    caller_of,
    handle_for_role,
    invalid_request,
    json_response,
    not_found,
    read_body,
)
from triggers.request_checks import wants_preview

bp = df.Blueprint()


class HoldRequest(Document):
    """Hold something.

    Attributes:
        until: When it ends by itself; None for when somebody lifts it.
    """

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    until: TimeWithZone | None = None


@bp.function_name("hold_everything")
@bp.route("hold", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate", PREVIEW, body=HoldRequest, statuses=(201, 200))
async def hold_everything(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Keep everything from beginning, everywhere: 201, or 200 when it was held already."""
    return await _set_hold(req, client, "")


@bp.function_name("hold_site")
@bp.route("sites/{site}/hold", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate", PREVIEW, body=HoldRequest, statuses=(201, 200))
async def hold_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The same for all that touches one site."""
    await declared_documents.read_document(client, "site", req.route_params["site"])
    return await _set_hold(req, client, req.route_params["site"])


@bp.function_name("lift_hold")
@bp.route("hold", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate")
async def lift_hold(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Lift the hold of everything; those of sites stay. 404 when there is none."""
    return await _end_hold(req, client, "")


@bp.function_name("lift_hold_of_site")
@bp.route("sites/{site}/hold", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Operate")
async def lift_hold_of_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Lift the hold of a site, which need not be declared any more; one of everything stays. 404 without one."""
    return await _end_hold(req, client, req.route_params["site"])


@bp.function_name("get_hold")
@bp.route("hold", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_hold(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All holds that are in effect, of everything and of sites."""
    del req
    return json_response({"holds": hold_views(await read_holds(client))})


@bp.function_name("get_hold_of_site")
@bp.route("sites/{site}/hold", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_hold_of_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The holds that keep things from beginning at a site."""
    site = req.route_params["site"]
    await declared_documents.read_document(client, "site", site)
    return json_response({"site": site, "holds": hold_views(await read_holds_of(client, [site]))})


async def _set_hold(req: func.HttpRequest, client: df.DurableFunctionsClient, site: str) -> func.HttpResponse:
    request = read_body(req, HoldRequest)
    if wants_preview(req):
        return json_response(await _preview_hold(req, client, site, request))
    change = _change_of(req, "set", site).model_copy(update={"reason": request.reason, "until": request.until})
    outcome = await make_change(client, change)
    if outcome.outcome == "invalid":
        raise invalid_request(FieldError("until", outcome.detail))
    return json_response(_outcome_view(outcome), 201 if outcome.outcome == "begun" else 200)


async def _preview_hold(
    req: func.HttpRequest, client: df.DurableFunctionsClient, site: str, request: HoldRequest
) -> dict[str, object]:
    """What would become of the request.

    Raises:
        HttpProblem: `until` cannot be (400).
    """
    at = datetime.now(UTC)
    if flaw := check_until(request.until, at):
        raise invalid_request(FieldError("until", flaw))
    change = _change_of(req, "set", site)
    new = Hold(id="", site=site, reason=request.reason, by=change.by, by_id=change.by_id, since=at, until=request.until)
    _, outcome = with_hold({hold.key: hold for hold in await read_holds(client)}, new)
    return _outcome_view(outcome)


async def _end_hold(req: func.HttpRequest, client: df.DurableFunctionsClient, site: str) -> func.HttpResponse:
    outcome = await make_change(client, _change_of(req, "lift", site))
    if outcome.outcome == "missing":
        raise not_found("hold", site or "of everything")
    return json_response(_outcome_view(outcome))


def _change_of(req: func.HttpRequest, action: Literal["set", "lift"], site: str) -> HoldChange:
    person = caller_of(req)
    return HoldChange(id=uuid.uuid4().hex, action=action, site=site, by=person.name, by_id=person.id)


def _outcome_view(outcome: HoldOutcome) -> dict[str, object]:
    """What became of it, and what is on hold now."""
    hold = outcome.hold.to_view() if outcome.hold else None
    return {"outcome": outcome.outcome, "hold": hold, "holds": hold_views(outcome.holds)}
