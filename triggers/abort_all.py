"""Aborting many runs with one request: all of them, or those of a plan, a site, a kind or a time.

1. `_find_living_runs`: the living runs that fit, each read whole.
2. Each is sent the decision to abort, whatever becomes of the others.
3. The answer has a line for each of them, also for those that take no abort.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState
from pydantic import StrictBool, StringConstraints

from activities.durable_state import LIVING, is_living, read_input, subject_of
from shared.concurrency import map_concurrently
from shared.documents import TimeWithZone
from shared.messages import Document
from shared.operations.kinds import DECIDABLE_KINDS, OPERATION_KINDS, SITE_KINDS, Kind
from shared.principals import require_role
from shared.problem_details import FieldError
from shared.recovery.person_events import DecisionGiven
from triggers.failures import ENGINE_FAILURES, Outage, require_outage
from triggers.http_endpoint import (
    PREVIEW,
    body_of,
    caller_of,
    handle_for_role,
    invalid_request,
    json_response,
    outage_problem,
)
from triggers.living_runs import RunIsGone
from triggers.operation_list import find_runs
from triggers.operation_views import brief_view
from triggers.person_events import send_decision
from triggers.request_checks import wants_preview

bp = df.Blueprint()
NOT_ALL_SENT = (
    "Not all runs took the abort: `operations` says which. Send the request again: a second abort changes nothing."
)


class AbortRequest(Document):
    """Which runs to abort, and why.

    Attributes:
        site: Those with VMs at this site, or about it or one of its nodes.
        started_before: Those that were created before.
        all: Said in place of a filter, which could be forgotten.
    """

    plan: str | None = None
    site: str | None = None
    kind: Kind | None = None
    started_before: TimeWithZone | None = None
    all: StrictBool = False
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

    @property
    def has_filter(self) -> bool:
        """Whether it is about some runs only."""
        return any(one is not None for one in (self.plan, self.site, self.kind, self.started_before))

    def is_met_by(self, state: OrchestrationState) -> bool:
        """Whether it is about this run."""
        view = brief_view(state)
        is_early = self.started_before is None or datetime.fromisoformat(view["createdAt"]) < self.started_before
        return (
            is_early and self.plan in {None, view.get("plan")} and (self.site is None or self.site in sites_of(state))
        )


class AbortAnswer(NamedTuple):
    """What became of the abort of one run.

    Attributes:
        outage: Why it is not known whether the run took it.
    """

    state: OrchestrationState
    outcome: Literal["abortable", "aborting", "ended", "takes-no-abort", "unanswered"]
    detail: str = ""
    outage: Outage | None = None

    def to_view(self) -> dict[str, Any]:
        """The operation as in a list, with what became of it."""
        return {**brief_view(self.state), "outcome": self.outcome, "detail": self.detail}


@bp.function_name("abort_all_operations")
@bp.route("operations/abort-all", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, body=AbortRequest, action_roles=("Dr.Operate",))
async def abort_all_operations(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Abort every living run that fits: 200 with what became of each; 503 when some may not have taken it."""
    request, preview = _parse_abort_request(body_of(req)), wants_preview(req)
    if not preview:
        require_role(caller_of(req), "Dr.Operate")
    person = caller_of(req)
    decision = DecisionGiven(verdict="abort", by=person.name, person=person.id, comment=request.reason)

    async def answer_run(state: OrchestrationState) -> AbortAnswer:
        if state.name not in DECIDABLE_KINDS:
            return AbortAnswer(state, "takes-no-abort", f"A {state.name} takes no abort: it ends by itself.")
        return AbortAnswer(state, "abortable") if preview else await _abort_run(client, state, decision)

    answers = await map_concurrently(await _find_living_runs(client, request), answer_run)
    views = [answer.to_view() for answer in answers]
    for answer in answers:
        if answer.outage:
            raise outage_problem(answer.outage, NOT_ALL_SENT, operations=views)
    return json_response({"preview": preview, "operations": views})


def _parse_abort_request(body: bytes) -> AbortRequest:
    """The request.

    Raises:
        ValidationError: it is wrong.
        HttpProblem: it has no filter and does not say "all", or both (400).
    """
    request = AbortRequest.model_validate_json(body)
    if request.all == request.has_filter:
        detail = "leave it out beside a filter" if request.all else "say true to abort all runs, or give a filter"
        raise invalid_request(FieldError(field="all", detail=detail))
    return request


async def _find_living_runs(client: df.DurableFunctionsClient, request: AbortRequest) -> list[OrchestrationState]:
    """The living runs that it is about, newest first."""
    kinds = [request.kind] if request.kind else OPERATION_KINDS
    found = await find_runs(client, kinds, request.plan, LIVING)
    states = await map_concurrently(found, lambda run: client.get_orchestration_state(run.instance_id))
    return [state for state in states if state and is_living(state) and request.is_met_by(state)]


def sites_of(state: OrchestrationState) -> Collection[str]:
    """The sites that a run touches; of a repair that has not found its node yet all that it may be at."""
    if state.name in SITE_KINDS:
        return (subject_of(state),)
    operation_input = read_input(state)
    if state.name == "change":
        return tuple(operation_input["sites"])
    progress = operation_input.get("progress")
    return (progress["site"],) if progress else operation_input["sites"].keys()


async def _abort_run(
    client: df.DurableFunctionsClient, state: OrchestrationState, decision: DecisionGiven
) -> AbortAnswer:
    try:
        await send_decision(client, state.instance_id, decision)
    except RunIsGone as gone:
        return AbortAnswer(state, "ended", gone.detail)
    except ENGINE_FAILURES as error:
        outage = require_outage(error)
        return AbortAnswer(state, "unanswered", outage.detail, outage)
    return AbortAnswer(state, "aborting", "It starts nothing new, and follows what runs in Azure to its end.")
