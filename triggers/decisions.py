"""A person's decisions on a run: approve or reject before it begins, retry, skip or abort while it waits."""

from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationState
from pydantic import Field

from activities.durable_state import is_living
from shared.messages import Document
from shared.operations.kinds import DECISION, PLAN_KINDS
from shared.operations.kinds import EVENT as APPROVE
from shared.plans.plan import PlanDocument
from shared.principals import Principal, require, require_second_person
from shared.problem_details import FieldError
from shared.recovery.operation import Operation
from shared.recovery.status import item_states
from triggers import declared_documents
from triggers.http_endpoint import Problem, body_of, caller, handled, missing
from triggers.starting import accepted

bp = df.Blueprint()
VERDICTS = ("retry", "skip", "resume")
CODES_OF = {"retry": "failed", "skip": "failed", "resume": "paused"}
"""In which state a VM is that can be decided on so."""


class ApprovalRequest(Document):
    """Agree to a run, or reject it.

    Attributes:
        digest: Of the plan as it was looked at; when given, it must be the one that the run was asked for with.
        preview: The digest of the preview that was looked at; when given, it must be the one that the run waits with.
    """

    digest: str = ""
    preview: str = ""
    comment: str = Field("", max_length=500)


class DecisionRequest(Document):
    """Say how a run goes on.

    Attributes:
        vms: Whom it concerns; empty for all that wait for a decision.
    """

    vms: tuple[str, ...] = ()
    comment: str = Field("", max_length=500)


@bp.route("operations/{id}/{decision}", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def decide(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Take a person's decision to a run: 202; 409 when the run does not wait for it."""
    word = req.route_params["decision"]
    if word not in {"approve", "reject", "abort", *VERDICTS}:
        raise missing("decision", word)
    require(caller(req), "Dr.Approve" if word in {"approve", "reject"} else "Dr.Operate")
    state = await client.get_orchestration_state(req.route_params["id"])
    if state is None or state.name not in {*PLAN_KINDS, "cleanup"}:
        raise missing("operation", req.route_params["id"])
    if not is_living(state):
        raise Problem(409, "Run has ended", f"{state.instance_id} has ended: there is nothing to decide any more.")
    if word in {"approve", "reject"}:
        await _approve(req, client, state, approved=word == "approve")
    else:
        await _decide(req, client, state, word)
    return accepted(state.instance_id)


async def _approve(
    req: func.HttpRequest, client: df.DurableFunctionsClient, state: OrchestrationState, *, approved: bool
) -> None:
    wish = ApprovalRequest.model_validate_json(body_of(req))
    operation = Operation.carried(state.get_input())
    _require_waiting(state, "approval")
    person = caller(req)
    require_second_person(person, operation.requester_id)
    preview = _waits(state).get("preview", "")
    if approved:
        _require_approver(operation, person)
        await _unchanged(client, operation, wish.digest)
        _require_same_preview(wish.preview, preview)
    told = {"approved": approved, "person": person.id, "by": person.name, "comment": wish.comment}
    told |= {"digest": operation.digest, "preview": preview}
    await client.raise_orchestration_event(state.instance_id, APPROVE, data=told)


def _require_approver(operation: Operation, person: Principal) -> None:
    """See that the plan lets this person's word count.

    Raises:
        Problem: it names others (403).
    """
    wish = operation.document.approvals
    if wish and not wish.counts(person.id, person.name):
        detail = f"{person.name} is none of the plan's approvers: {', '.join(wish.approvers)}."
        raise Problem(403, "Not an approver", detail, [FieldError(field="approvals.approvers", detail=detail)])


def _require_same_preview(seen: str, asked: str) -> None:
    """An approval is of the preview as it was when the run was asked for.

    Raises:
        Problem: another one was looked at (409).
    """
    if seen not in {"", asked}:
        detail = "That is not the preview that the run was asked for with: look at the operation's own."
        raise Problem(409, "Approval is void", detail, [FieldError(field="preview", detail=detail)])


async def _unchanged(client: df.DurableFunctionsClient, operation: Operation, seen: str) -> None:
    """An approval is of the plan as it was asked for; a plan that changed meanwhile voids it."""
    entry = await declared_documents.entry(client, "plan", operation.plan)
    now_is = PlanDocument.model_validate(entry.document).digest
    if operation.digest == now_is and seen in {"", operation.digest}:
        return
    detail = "The plan has changed since the run was asked for: reject it, and ask again."
    raise Problem(409, "Approval is void", detail, [FieldError(field="digest", detail=detail)])


async def _decide(
    req: func.HttpRequest, client: df.DurableFunctionsClient, state: OrchestrationState, word: str
) -> None:
    wish = DecisionRequest.model_validate_json(body_of(req))
    vms = wish.vms
    if word in VERDICTS:
        _require_waiting(state, word)
        waiting = _concerned(wish, state, CODES_OF[word])
        if CODES_OF[word] == "failed":  # what fails while the word is on its way is not what was seen
            vms = vms or waiting
    told = {"verdict": word, "by": caller(req).name, "vms": list(vms), "comment": wish.comment}
    told["about"] = _waits(state).get("mark", "")
    await client.raise_orchestration_event(state.instance_id, DECISION, data=told)


def _require_waiting(state: OrchestrationState, word: str) -> None:
    """See that the run waits for this word: "approval", or one of the verdicts that it names."""
    waits = _waits(state)
    if word not in {waits.get("for"), *waits.get("verdicts", ())}:
        raise Problem(409, "Not waiting", f"{state.instance_id} does not wait for {_an(word)}.")


def _waits(state: OrchestrationState) -> dict[str, Any]:
    waits: dict[str, Any] = (state.get_custom_status() or {}).get("waits") or {}
    return waits


def _an(what: str) -> str:
    return f"an {what}" if what.startswith("a") else f"a {what}"


def _concerned(wish: DecisionRequest, state: OrchestrationState, needed: str) -> tuple[str, ...]:
    """The VMs that wait; each that is named must be one of them.

    Raises:
        Problem: names others (400).
    """
    names = [item.vm for item in Operation.carried(state.get_input() or {}).document.items]
    states = item_states((state.get_custom_status() or {}).get("codes", ""))
    waiting = tuple(vm for vm, now_in in zip(names, states, strict=False) if now_in == needed)
    known = {vm.casefold() for vm in waiting}
    errors = [
        FieldError(field=f"vms[{place}]", detail=f"{vm} does not wait for a decision")
        for place, vm in enumerate(wish.vms)
        if vm.casefold() not in known
    ]
    if errors:
        raise Problem(400, "Invalid request", "The request has fields that are wrong.", errors)
    return waiting
