"""Operations over HTTP: runs and their reports."""

from typing import Any
from urllib.parse import urlencode

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import is_living
from activities.owed import read_all_owed
from shared.evidence.report import render_report
from shared.evidence.result_sentence import describe_result
from shared.operations.kinds import OPERATION_KINDS
from shared.problem_details import FieldError
from triggers.http_endpoint import handle_for_role, invalid_request, json_response, not_found, read_choice
from triggers.obligations import list_owed
from triggers.operation_list import Place, Question, list_page
from triggers.operation_views import full_view, read_achieved_and_forecast, read_plan_version, table_of

bp = df.Blueprint()
STATES = ("pending", "running", "waiting", "succeeded", "failed", "aborted")
DEFAULT_TOP, MAX_TOP = 50, 500
FORMATS = ("html", "json", "table")
FORMAT_OF_ACCEPT = {"application/json": "json", "text/plain": "table"}


@bp.function_name("list_operations")
@bp.route("operations", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", "plan", "kind", "state", "top", "after")
async def list_operations(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A page of runs, newest first, by `plan`, `kind` and `state`; `top` of them (50 by default, 500 at most)."""
    kind, state = read_choice(req, "kind", OPERATION_KINDS), read_choice(req, "state", STATES)
    plan, top = req.params.get("plan"), req.params.get("top", str(DEFAULT_TOP))
    if not top.isascii() or not top.isdigit() or not 1 <= int(top) <= MAX_TOP:
        raise invalid_request(FieldError(field="top", detail=f"must be a number from 1 to {MAX_TOP}, not {top!r}"))
    question = Question([kind] if kind else OPERATION_KINDS, plan, state, int(top), _read_place(req))
    views, last = await list_page(client, question)
    if last is None:
        return json_response({"value": views})
    chosen = {"plan": plan, "kind": kind, "state": state, "top": top, "after": str(last)}
    query = urlencode({name: value for name, value in chosen.items() if value})
    return json_response({"value": views, "nextLink": f"/api/operations?{query}"})


def _read_place(req: func.HttpRequest) -> Place | None:
    """Where the page begins: after which run the last one ended.

    Raises:
        HttpProblem: `after` is not what a `nextLink` said (400).
    """
    text = req.params.get("after")
    try:
        return Place.parse(text) if text else None
    except ValueError:
        raise invalid_request(FieldError(field="after", detail="must be that of a nextLink")) from None


async def _read_run(req: func.HttpRequest, client: df.DurableFunctionsClient) -> dict[str, Any]:
    """A run as people read it."""
    run_id = req.route_params["id"]
    state = await client.get_orchestration_state(run_id)
    if state is None or state.name not in OPERATION_KINDS:
        raise not_found("operation", run_id)
    owed = [] if is_living(state) else await read_all_owed(client)
    view = full_view(state, owed) | await read_achieved_and_forecast(client, state)
    view |= await read_plan_version(client, view)
    view["obligations"] = await list_owed(client, view["plan"]) if "plan" in view else []
    return view | {"summary": describe_result(view)}


@bp.function_name("get_operation")
@bp.route("operations/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_operation(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run: phase, progress, each VM's state, what it waits for, what its plan owes."""
    return json_response(await _read_run(req, client))


@bp.function_name("get_report")
@bp.route("operations/{id}/report", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", "format", media_types=("text/html", "application/json", "text/plain"), is_evidence=True)
async def get_report(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run on one page: HTML, or by `format` or what the caller accepts JSON, or a table."""
    wanted_format = read_choice(req, "format", FORMATS)
    view = await _read_run(req, client)
    report_format = wanted_format or FORMAT_OF_ACCEPT.get(req.headers.get("Accept", ""), "html")
    if report_format == "json":
        return json_response(view)
    if report_format == "table":
        return func.HttpResponse(table_of(view), mimetype="text/plain", charset="utf-8")
    return func.HttpResponse(render_report(view), mimetype="text/html", charset="utf-8")
