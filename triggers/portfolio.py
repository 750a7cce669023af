"""All sites and plans in one report, for managers and auditors."""

from datetime import UTC, datetime

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import list_entities
from activities.owed import read_all_owed
from shared.evidence.portfolio_page import render_portfolio, write_csv
from shared.operations.durable_names import PLAN_HISTORY
from shared.plans.history import PlanHistory
from shared.plans.portfolio import PlanFacts, Portfolio, build_portfolio
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import handle_for_role, invalid_request, json_response, read_choice
from triggers.sites import read_site_healths

bp = df.Blueprint()
FORMATS = ("html", "json", "csv")
FORMAT_OF_ACCEPT = {"application/json": "json", "text/csv": "csv"}
USUAL_DAYS, MOST_DAYS = 90, 3650


@bp.function_name("get_portfolio")
@bp.route("portfolio", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", "format", "days", media_types=("text/html", "application/json", "text/csv"))
async def get_portfolio(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All sites and plans: coverage, rehearsals, targets and what was achieved, by quarter; HTML, JSON or CSV.

    `days`: how long ago a drill may have ended that counts as a rehearsal; 90.
    """
    wanted, days = read_choice(req, "format", FORMATS), _read_days(req)
    portfolio = (await read_portfolio(client, days)).model_dump(mode="json", by_alias=True)
    report_format = wanted or FORMAT_OF_ACCEPT.get(req.headers.get("Accept", ""), "html")
    if report_format == "json":
        return json_response(portfolio)
    if report_format == "csv":
        return func.HttpResponse(write_csv(portfolio), mimetype="text/csv", charset="utf-8")
    return func.HttpResponse(render_portfolio(portfolio), mimetype="text/html", charset="utf-8")


def _read_days(req: func.HttpRequest) -> int:
    text = req.params.get("days") or str(USUAL_DAYS)
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= MOST_DAYS:
        raise invalid_request(FieldError(field="days", detail=f"must be a whole number from 1 to {MOST_DAYS}"))
    return int(text)


async def read_portfolio(client: df.DurableFunctionsClient, days: int) -> Portfolio:
    """The figures, as they are now."""
    documents = await declared_documents.read_documents(client, "plan")
    plans = {name: declared_documents.plan_of(entry) for name, entry in documents.items()}
    declared = await declared_documents.read_documents(client, "site")
    sites = {name: SiteDocument.model_validate(entry.document) for name, entry in declared.items()}
    healths = await read_site_healths(client, sites, plans)
    histories, owed = await list_entities(client, PLAN_HISTORY), await read_all_owed(client)
    facts = {
        name: PlanFacts(
            plan, PlanHistory.model_validate(histories.get(name) or {}), [one for one in owed if one.plan == name]
        )
        for name, plan in plans.items()
    }
    return build_portfolio(datetime.now(UTC), days, healths, facts)
