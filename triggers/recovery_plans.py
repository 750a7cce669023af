"""A plan's recovery plans in Site Recovery: read, saved, repaired, removed, or taken over into the plan."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import read_entity
from activities.recovery_plans import read_items_and_plans
from shared.arm_ids import name_of
from shared.messages import Document
from shared.operations.contract import StartRun
from shared.operations.durable_names import RECOVERY_PLAN_MIRRORS
from shared.plans.plan import PlanDocument
from shared.plans.versions import DocumentChange, VersionedDocument
from shared.principals import require_role
from shared.recovery_plans.adoption import adopt_recovery_plans
from shared.recovery_plans.mirror import (
    Mirror,
    MirrorOrder,
    MirrorSurvey,
    PartWrite,
    Vaults,
    find_busy_plans,
    required_confirmation,
    survey_mirror,
    writes_needed,
    writes_to_remove,
)
from shared.recovery_plans.parts import PlanAction, PlanGroup, PlanPart
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.approvals import change_document, find_required_for_plan, guarded_start, start_change
from triggers.endpoint_rules import MoreRules
from triggers.holds_in_effect import require_no_hold
from triggers.http_endpoint import (
    PREVIEW,
    caller_of,
    handle_for_role,
    json_response,
    read_body,
    request_key_of,
    require_confirmation,
    run_id_of,
)
from triggers.request_checks import wants_preview
from triggers.scope_checks import require_allowed
from triggers.starting import accepted_response, admission_response, has_started, start_once

bp = df.Blueprint()
ROUTE = "plans/{plan}/recovery-plans"


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

    def preview_of(self, action: str) -> dict[str, Any]:
        """What the action would write, what differs now, and what is in the way."""
        writes = self.planned_writes(action)
        return {
            "action": action,
            "writes": [{"action": write.what, "recoveryPlan": write.part.name} for write in writes],
            "differences": _difference_views(self.survey),
            "blockers": [busy.to_json() for busy in find_busy_plans(self.survey, writes)],
            "confirm": self.confirmation_for(action),
        }


@bp.function_name("get_recovery_plan")
@bp.route(ROUTE, methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_recovery_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The recovery plans that the plan should have and those it has, as the vaults show them now."""
    mirror_state = await _read_mirror_state(client, req.route_params["plan"])
    view = {
        "plan": mirror_state.name,
        "mirroring": mirror_state.plan.recovery_plan.mirroring,
        "inSync": not mirror_state.survey.differences,
        "differences": _difference_views(mirror_state.survey),
        "recoveryPlans": [_recovery_plan_view(part, mirror_state.survey) for part in mirror_state.survey.wanted],
        "confirm": mirror_state.confirmation_for("repair"),
    }
    return json_response(view)


CHANGE_RULES: MoreRules = {
    "is_conditional": True,
    "body": MirrorRequest,
    "action_roles": ("Dr.Operate", "Dr.Admin"),
    "statuses": (202, 200),
}


@bp.function_name("change_recovery_plan")
@bp.route(ROUTE, methods=["POST"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read", PREVIEW, **CHANGE_RULES)
async def change_recovery_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Save, repair or remove: 202 with the run; adopt: 200 with the plan's new tag. `?preview=true` changes nothing."""
    request = read_body(req, MirrorRequest)
    if not wants_preview(req):
        require_role(caller_of(req), "Dr.Admin" if request.action == "adopt" else "Dr.Operate")
    name = req.route_params["plan"]
    if request.action == "adopt":
        return await _adopt_recovery_plans(req, client, await _read_mirror_to_change(client, name))
    run, key = run_id_of(req, "mirror", name), request_key_of(req, "mirror", name)
    if not wants_preview(req) and await has_started(client, run, key):
        return accepted_response(run)
    mirror_state = await _read_mirror_to_change(client, name)
    if wants_preview(req):
        return json_response(mirror_state.preview_of(request.action))
    await require_no_hold(client, mirror_state.sites)
    require_confirmation(request.confirm, mirror_state.confirmation_for(request.action))
    requester = caller_of(req)
    order = MirrorOrder(
        id=run,
        plan=name,
        requested_by=requester.name,
        requester_id=requester.id,
        action=request.action,
        document=mirror_state.plan,
        sites=dict(mirror_state.sites),
        confirm=request.confirm,
    )
    if request.action == "remove":
        required = await find_required_for_plan(client, {"remove"}, mirror_state.plan, mirror_state.sites)
        if required:
            start = StartRun(id=run, orchestrator=order.kind, payload=order.model_dump(mode="json"))
            detail = request.confirm or f"the recovery plans of {name} are deleted"
            sites = tuple(mirror_state.sites)
            asked = guarded_start(start, requester, f"plans/{name}", detail, required, sites)
            return await start_change(client, asked, requester)
    await start_once(client, "mirror", run, order, key)
    return await admission_response(client, f"change of the recovery plans ({request.action})", run, "plan")


async def _read_mirror_to_change(client: df.DurableFunctionsClient, name: str) -> MirrorState:
    """How a plan is mirrored that lies within the allowed scopes.

    Raises:
        HttpProblem: it does not (400).
    """
    plan = await declared_documents.read_plan(client, name)
    require_allowed(await declared_documents.sites_of_plan(client, plan), plan)
    return await _read_mirror_state(client, name)


async def _read_mirror_state(client: df.DurableFunctionsClient, name: str) -> MirrorState:
    versioned = await declared_documents.read_document(client, "plan", name)
    plan = declared_documents.plan_of(versioned)
    sites = await declared_documents.sites_of_plan(client, plan)
    known_ids = Mirror.model_validate(await read_entity(client, RECOVERY_PLAN_MIRRORS, name)).known_ids
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
        "exists": survey.find_part(part) is not None,
        "groups": [_group_view(group) for group in part.boot_groups],
    }


def _group_view(group: PlanGroup) -> dict[str, Any]:
    vms = [member.vm for member in group.members]
    return {"vms": vms, "before": _action_names(group.before), "after": _action_names(group.after)}


def _action_names(actions: Sequence[PlanAction]) -> list[str]:
    return [action.name for action in actions]


async def _adopt_recovery_plans(
    req: func.HttpRequest, client: df.DurableFunctionsClient, mirror_state: MirrorState
) -> func.HttpResponse:
    """Declare the plan anew as the vault's recovery plans have it."""
    document = adopt_recovery_plans(
        mirror_state.plan, mirror_state.sites, mirror_state.items_by_vault, mirror_state.survey
    )
    document_view = document.model_dump(mode="json", by_alias=True)
    if wants_preview(req):
        preview = {"action": "adopt", "differences": _difference_views(mirror_state.survey), "document": document_view}
        return json_response({**preview, "changed": document.digest != mirror_state.plan.digest})
    person = caller_of(req)
    change = DocumentChange(
        document_kind="plan",
        name=mirror_state.name,
        action="put",
        document=document_view,
        digest=document.digest,
        by=person.name,
        by_id=person.id,
        if_match=req.headers.get("If-Match") or mirror_state.versioned.etag,
    )
    return await change_document(client, change, person)
