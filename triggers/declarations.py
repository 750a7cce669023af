"""Sites and plans over HTTP: declare, read, withdraw."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.documents import is_name
from shared.notifications.rule import NotificationRule
from shared.operations.holds import find_holds
from shared.plans.addresses import AddressFacts, claims_of_plan, find_rival_claims
from shared.plans.approval_policy import ApprovalPolicy
from shared.plans.machines import leased_machines, leased_vm_of
from shared.plans.plan import PlanDocument
from shared.plans.versions import DocumentChange, DocumentKind, VersionedDocument
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument
from shared.wording import list_briefly
from triggers import declared_documents
from triggers.approvals import change_document
from triggers.holds_in_effect import hold_views, read_holds, read_holds_of
from triggers.http_endpoint import HttpProblem, body_of, caller_of, handle_for_role, invalid_request, json_response
from triggers.next_drills import read_drills, read_next_drill
from triggers.plan_checks import check_plan
from triggers.scope_checks import find_site_scope_errors
from triggers.sites import read_site_health, read_site_healths

bp = df.Blueprint()
SHOWN_SHARED_VMS = 10
PARAMETERS: Mapping[DocumentKind, str] = {
    "site": "site",
    "plan": "plan",
    "approval-policy": "policy",
    "notification-rule": "rule",
}
"""What a document's name is called in routes."""


def read_document_name(req: func.HttpRequest, document_kind: DocumentKind) -> str:
    """The name in the request's path.

    Raises:
        HttpProblem: it is no valid name (400).
    """
    name: str = req.route_params[PARAMETERS[document_kind]]
    if not is_name(name):
        detail = f"{name!r} is no valid name. Use up to 42 of a-z, 0-9 and -, with a letter or digit at both ends."
        raise HttpProblem(400, "Invalid name", detail, [FieldError(field=document_kind, detail=detail)])
    return name


async def put_document(
    req: func.HttpRequest,
    client: df.DurableFunctionsClient,
    document_kind: DocumentKind,
    document: SiteDocument | PlanDocument | ApprovalPolicy | NotificationRule,
) -> func.HttpResponse:
    """Declare a document that was checked; others may have to approve that first."""
    person = caller_of(req)
    change = DocumentChange(
        document_kind=document_kind,
        name=read_document_name(req, document_kind),
        action="put",
        document=document.model_dump(mode="json", by_alias=True),
        digest=document.digest,
        by=person.name,
        by_id=person.id,
        if_match=req.headers.get("If-Match", ""),
    )
    return await change_document(client, change, person)


def document_view(name: str, versioned: VersionedDocument) -> dict[str, Any]:
    """A document, and who declared it when."""
    newest = versioned.history[-1]
    facts = {"name": name, "version": versioned.version, "digest": versioned.digest, "etag": versioned.etag}
    declared = {"declaredAt": newest.declared_at.isoformat(), "declaredBy": newest.declared_by}
    declared |= {"declaredById": newest.declared_by_id}
    return {**facts, **declared, **versioned.document}


def history_view(versioned: VersionedDocument) -> dict[str, Any]:
    """How a document came to be as it is, newest first."""
    versions = reversed(versioned.history)
    return {"history": [version.model_dump(mode="json", by_alias=True) for version in versions]}


async def withdraw_document(
    req: func.HttpRequest, client: df.DurableFunctionsClient, document_kind: DocumentKind
) -> func.HttpResponse:
    """Withdraw a document; others may have to approve that first."""
    person = caller_of(req)
    change = DocumentChange(
        document_kind=document_kind,
        name=read_document_name(req, document_kind),
        action="remove",
        by=person.name,
        by_id=person.id,
        if_match=req.headers.get("If-Match", ""),
    )
    return await change_document(client, change, person)


@bp.function_name("put_site")
@bp.route("sites/{site}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, body=SiteDocument, statuses=(201, 200, 202))
async def put_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a site: 201 or 200 with its ETag, 202 where others have to approve the change.

    400 with each field that is wrong, 412 when If-Match does not hold.
    """
    site = SiteDocument.model_validate_json(body_of(req))
    if errors := find_site_scope_errors(site):
        raise invalid_request(*errors)
    return await put_document(req, client, "site", site)


@bp.function_name("get_site")
@bp.route("sites/{site}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared site: what it is, how it came to be so, and how healthy it is now."""
    name = read_document_name(req, "site")
    versioned = await declared_documents.read_document(client, "site", name)
    site = SiteDocument.model_validate(versioned.document)
    health = await read_site_health(client, name, site, await _read_plans(client))
    facts = {"health": health, "holds": hold_views(await read_holds_of(client, [name]))}
    view = document_view(name, versioned) | history_view(versioned) | facts
    return json_response(view, headers={"ETag": versioned.etag})


@bp.function_name("delete_site")
@bp.route("sites/{site}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, statuses=(200, 202))
async def delete_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a site, unless a plan needs it (409). Azure is left as it is."""
    name = read_document_name(req, "site")
    plans = await declared_documents.read_documents(client, "plan")
    for plan, versioned in plans.items():
        if name in declared_documents.plan_of(versioned).site_names:
            raise HttpProblem(409, "Site in use", f"The plan {plan!r} has VMs at the site {name!r}: withdraw it first.")
    return await withdraw_document(req, client, "site")


@bp.function_name("list_sites")
@bp.route("sites", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_sites(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared sites, each with its health now and what holds it."""
    documents, holds = await declared_documents.read_documents(client, "site"), await read_holds(client)
    plans = await _read_plans(client)
    sites = {name: SiteDocument.model_validate(entry.document) for name, entry in documents.items()}
    healths = await read_site_healths(client, sites, plans)
    views = [
        document_view(name, entry) | {"health": healths[name], "holds": hold_views(find_holds(holds, [name]))}
        for name, entry in documents.items()
    ]
    return json_response({"value": views})


async def _read_plans(client: df.DurableFunctionsClient) -> dict[str, PlanDocument]:
    documents = await declared_documents.read_documents(client, "plan")
    return {name: declared_documents.plan_of(entry) for name, entry in documents.items()}


@bp.function_name("put_plan")
@bp.route("plans/{plan}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, body=PlanDocument, statuses=(201, 200, 202))
async def put_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a plan: 201 or 200 with its ETag, 202 where others have to approve the change.

    400 with each field that is wrong, 412 when If-Match does not hold.
    """
    name = read_document_name(req, "plan")
    sites = await declared_documents.read_sites(client)
    plans = await _read_plans(client)
    plan, unchecked = await check_plan(name, body_of(req), sites, plans)
    response = await put_document(req, client, "plan", plan)
    if response.status_code == 202:
        return response
    overlaps = [*_overlap_warnings(name, plan, plans, sites), *_address_warnings(name, plan, plans, sites)]
    warnings = [*unchecked, *overlaps]  # allowed, and may still be a mistake
    body = {**json.loads(response.get_body()), **({"warnings": warnings} if warnings else {})}
    if versioned := (await declared_documents.read_documents(client, "plan")).get(name):
        body |= await read_next_drill(client, name, versioned)
    return json_response(body, response.status_code, {"ETag": response.headers["ETag"]})


def _overlap_warnings(
    name: str, plan: PlanDocument, plans: Mapping[str, PlanDocument], sites: Mapping[str, SiteDocument]
) -> Iterable[str]:
    """Each plan that has some of this one's VMs too: leases keep two runs apart, but not two declarations."""
    own_machines = leased_machines(plan, sites)
    for other, document in plans.items():
        if other == name or not sites.keys() >= set(document.site_names):
            continue
        if shared_machines := sorted(own_machines & leased_machines(document, sites)):
            vms = [leased_vm_of(key) for _, key in shared_machines]
            names = list_briefly(vms, SHOWN_SHARED_VMS)
            yield f"also in the plan {other!r}: {names}; only one run at a time can have them"


def _address_warnings(
    name: str, plan: PlanDocument, plans: Mapping[str, PlanDocument], sites: Mapping[str, SiteDocument]
) -> Iterable[str]:
    """Each address that another plan gives to another VM of the same network."""
    others = ((other, document) for other, document in plans.items() if other != name)
    claims = (claim for other, document in others for claim in claims_of_plan(other, document, sites))
    return [rival.detail for rival in find_rival_claims(name, plan, sites, AddressFacts({}, tuple(claims)))]


@bp.function_name("get_plan")
@bp.route("plans/{plan}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared plan: what it is, how it came to be so, and when it is rehearsed next."""
    name = read_document_name(req, "plan")
    versioned = await declared_documents.read_document(client, "plan", name)
    facts = history_view(versioned) | await read_next_drill(client, name, versioned)
    return json_response(document_view(name, versioned) | facts, headers={"ETag": versioned.etag})


@bp.function_name("delete_plan")
@bp.route("plans/{plan}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin", is_conditional=True, statuses=(200, 202))
async def delete_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a plan. What is owed for it stays owed."""
    return await withdraw_document(req, client, "plan")


@bp.function_name("list_plans")
@bp.route("plans", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_plans(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared plans, each with its next drill and its last good one; their readiness would take reads of Azure."""
    plans = await declared_documents.read_documents(client, "plan")
    drills = await read_drills(client, plans)
    return json_response({"value": [document_view(name, one) | drills[name] for name, one in plans.items()]})
