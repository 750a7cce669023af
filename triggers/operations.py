"""Operations over HTTP: runs, their reports, and what is owed."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationQuery, OrchestrationState

from activities.durable_state import list_entities, read_entity
from shared.evidence.report import render
from shared.operations.durable_names import EVENT_COUNTS, OBLIGATIONS
from shared.operations.kinds import PLAN_KINDS, SITE_KINDS
from shared.operations.obligations import HIDDEN, Obligation
from shared.problem_details import FieldError
from triggers.http_endpoint import Problem, answer, handled, missing
from triggers.operation_views import brief, full, insight, table_of

bp = df.Blueprint()
KINDS = (*PLAN_KINDS, *SITE_KINDS, "cleanup", "repair", "mirror")
STATES = ("pending", "running", "waiting", "succeeded", "failed", "aborted")
TOP, MOST = 50, 500
FORMATS = ("html", "json", "table")
ACCEPTED = {"application/json": "json", "text/plain": "table"}


@bp.route("operations", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def list_operations(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Runs, newest first, by `plan`, `kind` and `state`; `top` of them (50 unless told, 500 at most)."""
    kind, state = _choice(req, "kind", KINDS), _choice(req, "state", STATES)
    plan, top = req.params.get("plan"), _top(req)
    found: list[OrchestrationState] = []
    for one in [kind] if kind else KINDS:
        prefix = f"{one}-{plan}-" if plan else f"{one}-"
        query = OrchestrationQuery(instance_id_prefix=prefix, fetch_inputs_and_outputs=True)
        found += [run for run in await client.get_all_orchestration_states(query) if run.name == one]
    shown = [brief(run) for run in sorted(found, key=lambda run: run.created_at, reverse=True)]
    wanted = [run for run in shown if (not state or run["state"] == state) and (not plan or run.get("plan") == plan)]
    return answer({"value": wanted[:top]})


def _choice(req: func.HttpRequest, name: str, choices: tuple[str, ...]) -> str | None:
    value: str | None = req.params.get(name)
    if value is not None and value not in choices:
        detail = f"{name} is one of {', '.join(choices)}, not {value!r}."
        raise Problem(400, "Invalid request", detail, [FieldError(field=name, detail=detail)])
    return value


def _top(req: func.HttpRequest) -> int:
    value = req.params.get("top", str(TOP))
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MOST:
        detail = f"top is a number from 1 to {MOST}, not {value!r}."
        raise Problem(400, "Invalid request", detail, [FieldError(field="top", detail=detail)])
    return int(value)


async def _run(req: func.HttpRequest, client: df.DurableFunctionsClient) -> OrchestrationState:
    run = req.route_params["id"]
    state = await client.get_orchestration_state(run)
    if state is None or state.name not in KINDS:
        raise missing("operation", run)
    return state


@bp.route("operations/{id}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_operation(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run: phase, progress, each VM's state, what it waits for, what its plan owes."""
    state = await _run(req, client)
    shown = full(state) | await insight(client, state)
    owed = await _owed(client, shown["plan"]) if "plan" in shown else []
    return answer({**shown, "obligations": owed})


@bp.route("operations/{id}/report", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_report(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A run on one page: HTML, or by `format` or what the caller accepts JSON, or a table of what was checked."""
    state = await _run(req, client)
    shown = full(state) | await insight(client, state)
    wanted = _choice(req, "format", FORMATS) or ACCEPTED.get(req.headers.get("Accept", ""), "html")
    if wanted == "json":
        return answer(shown)
    if wanted == "table":
        return func.HttpResponse(table_of(shown), mimetype="text/plain", charset="utf-8")
    return func.HttpResponse(render(shown), mimetype="text/html", charset="utf-8")


@bp.route("obligations", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def list_obligations(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """What is owed, by whom, until when; soonest first; `plan` narrows it."""
    return answer({"value": await _owed(client, req.params.get("plan"))})


async def _owed(client: df.DurableFunctionsClient, plan: str | None) -> list[dict[str, Any]]:
    tables = await list_entities(client, OBLIGATIONS)
    owed = [Obligation.model_validate(one) for table in tables.values() for one in table.values()]
    wanted = sorted((one for one in owed if plan in {None, one.plan}), key=lambda one: one.due)
    return [one.model_dump(mode="json", by_alias=True, exclude=set(HIDDEN)) for one in wanted]


@bp.route("health", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def health(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Whether the app and its engine answer, and what became of the events that were sent to it, by count."""
    await client.get_orchestration_state("health", fetch_payloads=False)
    counts = await read_entity(client, EVENT_COUNTS, "events")
    return answer({"status": "ok", "engine": "ok", "events": counts})
