"""A plan's recovery plans in Site Recovery: looked at, saved, repaired, removed, or taken over into the plan."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import read_entity
from activities.recovery_plans import read_vaults
from shared.messages import Document
from shared.operations.durable_names import RECOVERY_PLAN_MIRRORS
from shared.plans.plan import PlanDocument
from shared.plans.versions import Entry
from shared.principals import require
from shared.problem_details import FieldError
from shared.recovery_plans.adoption import adopt
from shared.recovery_plans.mirror import (
    Mirror,
    MirrorOrder,
    Survey,
    Vaults,
    Write,
    busy,
    confirmation,
    removals,
    survey,
    writes,
)
from shared.recovery_plans.parts import Action, Part
from shared.request_ids import run_id
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import Problem, answer, body_of, caller, handled, is_true
from triggers.starting import accepted, admitted, start_once, started_already

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


class Looked(NamedTuple):
    """A plan, and what Azure shows of its mirror."""

    name: str
    entry: Entry
    plan: PlanDocument
    sites: Mapping[str, SiteDocument]
    vaults: Vaults
    seen: Survey
    known: tuple[str, ...]

    def word(self, action: str) -> str:
        """What has to be confirmed."""
        return confirmation(action, self.name, self.seen, self.known)

    def todo(self, action: str) -> tuple[Write, ...]:
        """What the action would write."""
        return removals(self.seen) if action == "remove" else writes(self.name, self.plan, self.seen)


@bp.route(ROUTE, methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_recovery_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """The recovery plans that the plan should have and those it has, as the vaults show them now."""
    looked = await _look(client, req.route_params["plan"])
    shown = {
        "plan": looked.name,
        "keep": looked.plan.recovery_plan.keep,
        "inStep": not looked.seen.differences,
        "differences": _differences(looked.seen),
        "recoveryPlans": [_part(part, looked.seen) for part in looked.seen.wanted],
        "confirm": looked.word("repair"),
    }
    return answer(shown)


@bp.route(ROUTE, methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def change_recovery_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Save, repair or remove: 202 with the run; adopt: 200 with the plan's new tag. `?preview=true` changes nothing."""
    wish = MirrorRequest.model_validate_json(body_of(req))
    if not is_true(req, "preview"):
        require(caller(req), "Dr.Admin" if wish.action == "adopt" else "Dr.Operate")
    name = req.route_params["plan"]
    if wish.action == "adopt":
        return await _adopt(req, client, await _look(client, name))
    run = run_id("mirror", name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex)
    if not is_true(req, "preview") and await started_already(client, run):
        return accepted(run)
    looked = await _look(client, name)
    if is_true(req, "preview"):
        return answer(_previewed(wish.action, looked))
    _require_word(wish, looked.word(wish.action))
    return await _start(client, _order(req, run, wish, looked))


async def _look(client: df.DurableFunctionsClient, name: str) -> Looked:
    entry = await declared_documents.entry(client, "plan", name)
    plan = PlanDocument.model_validate(entry.document)
    sites = await declared_documents.sites_of(client, plan)
    known = await _known(client, name)
    vaults, found = await read_vaults(name, plan, sites)
    return Looked(name, entry, plan, sites, vaults, survey(name, plan, sites, vaults, found, known), known)


async def _known(client: df.DurableFunctionsClient, name: str) -> tuple[str, ...]:
    return Mirror.model_validate(await read_entity(client, RECOVERY_PLAN_MIRRORS, name)).known


def _differences(seen: Survey) -> list[dict[str, Any]]:
    return [{**one.model_dump(mode="json", exclude={"part"}), "recoveryPlan": one.part} for one in seen.differences]


def _part(part: Part, seen: Survey) -> dict[str, Any]:
    return {
        "name": part.name,
        "vault": part.vault.vault,
        "fabric": part.fabric_id.rpartition("/")[2],
        "there": seen.there(part) is not None,
        "groups": [
            {
                "vms": [member.vm for member in group.members],
                "before": _named(group.before),
                "after": _named(group.after),
            }
            for group in part.boots
        ],
    }


def _named(actions: Sequence[Action]) -> list[str]:
    return [action.name for action in actions]


def _previewed(action: str, looked: Looked) -> dict[str, Any]:
    todo = looked.todo(action)
    return {
        "action": action,
        "writes": [{"what": write.what, "recoveryPlan": write.part.name} for write in todo],
        "differences": _differences(looked.seen),
        "blockers": list(busy(looked.seen, todo)),
        "confirm": looked.word(action),
    }


def _require_word(wish: MirrorRequest, sentence: str) -> None:
    """See that somebody else's work is lost only to who said so in so many words.

    Raises:
        Problem: it was not said; the problem says which words.
    """
    if sentence and wish.confirm != sentence:
        detail = f"say exactly what it does: {sentence}"
        raise Problem(
            400,
            "Invalid request",
            "The request has fields that are wrong.",
            [FieldError(field="confirm", detail=detail)],
        )


def _order(req: func.HttpRequest, run: str, wish: MirrorRequest, looked: Looked) -> MirrorOrder:
    return MirrorOrder.model_validate(
        {"id": run, "plan": looked.name, "requested_by": caller(req).name, "action": wish.action}
        | {"document": looked.plan, "sites": looked.sites, "confirm": wish.confirm}
    )


async def _start(client: df.DurableFunctionsClient, order: MirrorOrder) -> func.HttpResponse:
    await start_once(client, "mirror", order.id, order)
    refusal = await admitted(client, order.id)
    if refusal is None:
        return accepted(order.id)
    detail = f"The mirror was refused and nothing was written: {refusal.problems[0].detail}"
    errors = [FieldError(field="plan", detail=problem.detail) for problem in refusal.problems]
    raise Problem(409, "Not ready", detail, errors, operation=order.id)


async def _adopt(req: func.HttpRequest, client: df.DurableFunctionsClient, looked: Looked) -> func.HttpResponse:
    """Declare the plan anew as the vault's recovery plans have it."""
    document = adopt(looked.plan, looked.sites, looked.vaults, looked.seen)
    shown = document.model_dump(mode="json", by_alias=True)
    if is_true(req, "preview"):
        told = {"action": "adopt", "differences": _differences(looked.seen), "document": shown}
        return answer({**told, "changed": document.digest != looked.plan.digest})
    wish = {"document": shown, "digest": document.digest, "by": caller(req).name}
    wish["if_match"] = req.headers.get("If-Match") or looked.entry.etag
    return await declared_documents.change(client, f"plan:{looked.name}", "put", wish)
