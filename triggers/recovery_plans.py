"""A plan's recovery plans in Site Recovery: looked at, saved, repaired, removed, or taken over into the plan."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import read_entity
from activities.recovery_plans import read_items_and_plans
from shared.arm_ids import name_of
from shared.messages import Document
from shared.operations.durable_names import RECOVERY_PLAN_MIRRORS
from shared.plans.plan import PlanDocument
from shared.plans.versions import VersionedDocument
from shared.principals import require_role
from shared.problem_details import FieldError
from shared.recovery_plans.adoption import adopt_recovery_plans
from shared.recovery_plans.mirror import (
    Mirror,
    MirrorOrder,
    MirrorSurvey,
    PartWrite,
    Vaults,
    busy_sentences,
    required_confirmation,
    survey_mirror,
    writes_needed,
    writes_to_remove,
)
from shared.recovery_plans.parts import PlanAction, PlanPart
from shared.request_ids import run_id
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import HttpProblem, body_of, caller_of, handle_for_role, is_true, json_response
from triggers.starting import accepted_response, has_started, start_once, wait_for_admission

bp = df.Blueprint()
ROUTE = "plans/{plan}/recovery-plan"


class MirrorRequest(Document):
    """What is to become of the recovery plans.

    Attributes:
        action: "save" and "repair" write ours over what is there, "remove" deletes them, "adopt" takes their order over
            into our plan.
        confirm: The sentence of the preview, where it has one.
    """

    action: Literal["save", "repair", "adopt", "remove"]
    confirm: str = ""


class MirrorState(NamedTuple):
    """A plan, and what Azure shows of its mirror."""

    name: str
    versioned: VersionedDocument
    plan: PlanDocument
    sites: Mapping[str, SiteDocument]
    items_by_vault: Vaults
    survey: MirrorSurvey
    known_ids: tuple[str, ...]

    def confirmation_for(self, action: str) -> str:
        """What has to be confirmed."""
        return required_confirmation(action, self.name, self.survey, self.known_ids)

    def planned_writes(self, action: str) -> tuple[PartWrite, ...]:
        """What the action would write."""
        return writes_to_remove(self.survey) if action == "remove" else writes_needed(self.name, self.plan, self.survey)


@bp.route(ROUTE, methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_recovery_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The recovery plans that the plan should have and those it has, as the vaults show them now."""
    mirror_state = await _read_mirror_state(client, req.route_params["plan"])
    view = {
        "plan": mirror_state.name,
        "keep": mirror_state.plan.recovery_plan.keep,
        "inStep": not mirror_state.survey.differences,
        "differences": _difference_views(mirror_state.survey),
        "recoveryPlans": [_recovery_plan_view(part, mirror_state.survey) for part in mirror_state.survey.wanted],
        "confirm": mirror_state.confirmation_for("repair"),
    }
    return json_response(view)


@bp.route(ROUTE, methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def change_recovery_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Save, repair or remove: 202 with the run; adopt: 200 with the plan's new tag. `?preview=true` changes nothing."""
    request = MirrorRequest.model_validate_json(body_of(req))
    if not is_true(req, "preview"):
        require_role(caller_of(req), "Dr.Admin" if request.action == "adopt" else "Dr.Operate")
    name = req.route_params["plan"]
    if request.action == "adopt":
        return await _adopt_recovery_plans(req, client, await _read_mirror_state(client, name))
    run = run_id("mirror", name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex)
    if not is_true(req, "preview") and await has_started(client, run):
        return accepted_response(run)
    mirror_state = await _read_mirror_state(client, name)
    if is_true(req, "preview"):
        return json_response(_preview_change(request.action, mirror_state))
    _require_confirmation(request, mirror_state.confirmation_for(request.action))
    return await _start_mirror(client, _mirror_order(req, run, request, mirror_state))


async def _read_mirror_state(client: df.DurableFunctionsClient, name: str) -> MirrorState:
    versioned = await declared_documents.read_document(client, "plan", name)
    plan = PlanDocument.model_validate(versioned.document)
    sites = await declared_documents.sites_of_plan(client, plan)
    known_ids = await _read_known_ids(client, name)
    items_by_vault, recovery_plans = await read_items_and_plans(name, plan, sites)
    return MirrorState(
        name,
        versioned,
        plan,
        sites,
        items_by_vault,
        survey_mirror(name, plan, sites, items_by_vault, recovery_plans, known_ids),
        known_ids,
    )


async def _read_known_ids(client: df.DurableFunctionsClient, name: str) -> tuple[str, ...]:
    return Mirror.model_validate(await read_entity(client, RECOVERY_PLAN_MIRRORS, name)).known_ids


def _difference_views(survey: MirrorSurvey) -> list[dict[str, Any]]:
    return [
        {**difference.model_dump(mode="json", exclude={"part"}), "recoveryPlan": difference.part}
        for difference in survey.differences
    ]


def _recovery_plan_view(part: PlanPart, survey: MirrorSurvey) -> dict[str, Any]:
    return {
        "name": part.name,
        "vault": part.vault.vault,
        "fabric": name_of(part.fabric_id),
        "there": survey.find_part(part) is not None,
        "groups": [
            {
                "vms": [member.vm for member in group.members],
                "before": _action_names(group.before),
                "after": _action_names(group.after),
            }
            for group in part.boot_groups
        ],
    }


def _action_names(actions: Sequence[PlanAction]) -> list[str]:
    return [action.name for action in actions]


def _preview_change(action: str, mirror_state: MirrorState) -> dict[str, Any]:
    planned_writes = mirror_state.planned_writes(action)
    return {
        "action": action,
        "writes": [{"what": write.what, "recoveryPlan": write.part.name} for write in planned_writes],
        "differences": _difference_views(mirror_state.survey),
        "blockers": list(busy_sentences(mirror_state.survey, planned_writes)),
        "confirm": mirror_state.confirmation_for(action),
    }


def _require_confirmation(request: MirrorRequest, sentence: str) -> None:
    """See that somebody else's work is lost only to who said so in so many words.

    Raises:
        Problem: it was not said; the problem says which words.
    """
    if sentence and request.confirm != sentence:
        detail = f"say exactly what it does: {sentence}"
        raise HttpProblem(
            400,
            "Invalid request",
            "The request has fields that are wrong.",
            [FieldError(field="confirm", detail=detail)],
        )


def _mirror_order(req: func.HttpRequest, run: str, request: MirrorRequest, mirror_state: MirrorState) -> MirrorOrder:
    return MirrorOrder.model_validate(
        {"id": run, "plan": mirror_state.name, "requested_by": caller_of(req).name, "action": request.action}
        | {"document": mirror_state.plan, "sites": mirror_state.sites, "confirm": request.confirm}
    )


async def _start_mirror(client: df.DurableFunctionsClient, order: MirrorOrder) -> func.HttpResponse:
    await start_once(client, "mirror", order.id, order)
    refusal = await wait_for_admission(client, order.id)
    if refusal is None:
        return accepted_response(order.id)
    detail = f"The mirror was refused and nothing was written: {refusal.problems[0].detail}"
    errors = [FieldError(field="plan", detail=obstacle.detail) for obstacle in refusal.problems]
    raise HttpProblem(409, "Not ready", detail, errors, operation=order.id)


async def _adopt_recovery_plans(
    req: func.HttpRequest, client: df.DurableFunctionsClient, mirror_state: MirrorState
) -> func.HttpResponse:
    """Declare the plan anew as the vault's recovery plans have it."""
    document = adopt_recovery_plans(
        mirror_state.plan, mirror_state.sites, mirror_state.items_by_vault, mirror_state.survey
    )
    document_view = document.model_dump(mode="json", by_alias=True)
    if is_true(req, "preview"):
        preview = {"action": "adopt", "differences": _difference_views(mirror_state.survey), "document": document_view}
        return json_response({**preview, "changed": document.digest != mirror_state.plan.digest})
    change_request = {"document": document_view, "digest": document.digest, "by": caller_of(req).name}
    change_request["if_match"] = req.headers.get("If-Match") or mirror_state.versioned.etag
    return await declared_documents.change_document(client, f"plan:{mirror_state.name}", "put", change_request)
