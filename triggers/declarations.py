"""Sites and plans over HTTP: declare, read, withdraw."""

import json
import re
from collections.abc import Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.documents import CHECKED
from shared.plans.machines import lease_keys, leased_vm_of
from shared.plans.plan import PlanDocument
from shared.plans.versions import VersionedDocument
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import HttpProblem, body_of, caller_of, handle_for_role, json_response
from triggers.plan_checks import read_plan
from triggers.sites import read_site_health

bp = df.Blueprint()
NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


def _read_document_name(req: func.HttpRequest, document_kind: str) -> str:
    name: str = req.route_params[document_kind]
    if not NAME_PATTERN.fullmatch(name):
        detail = f"{name!r} is no name: up to 42 of a-z, 0-9 and -, beginning and ending with a letter or digit."
        raise HttpProblem(400, "Invalid name", detail, [FieldError(field=document_kind, detail=detail)])
    return name


async def _put_document(
    req: func.HttpRequest, client: df.DurableFunctionsClient, document_kind: str, document: SiteDocument | PlanDocument
) -> func.HttpResponse:
    change_request = {
        "document": document.model_dump(mode="json", by_alias=True),
        "digest": document.digest,
        "by": caller_of(req).name,
        "if_match": req.headers.get("If-Match", ""),
    }
    return await declared_documents.change_document(
        client, f"{document_kind}:{_read_document_name(req, document_kind)}", "put", change_request
    )


def _document_view(name: str, versioned: VersionedDocument) -> dict[str, Any]:
    newest = versioned.history[-1]
    facts = {"name": name, "version": versioned.version, "digest": versioned.digest, "etag": versioned.etag}
    return {**facts, "declaredAt": newest.at.isoformat(), "declaredBy": newest.by, **versioned.document}


async def _get_document(
    req: func.HttpRequest, client: df.DurableFunctionsClient, document_kind: str
) -> func.HttpResponse:
    name = _read_document_name(req, document_kind)
    versioned = await declared_documents.read_document(client, document_kind, name)
    return json_response(_document_view(name, versioned), headers={"ETag": versioned.etag})


async def _list_documents(client: df.DurableFunctionsClient, document_kind: str) -> func.HttpResponse:
    documents = await declared_documents.read_documents(client, document_kind)
    return json_response({"value": [_document_view(name, entry) for name, entry in documents.items()]})


async def _withdraw_document(
    req: func.HttpRequest, client: df.DurableFunctionsClient, document_kind: str
) -> func.HttpResponse:
    change_request = {"by": caller_of(req).name, "if_match": req.headers.get("If-Match", "")}
    return await declared_documents.change_document(
        client, f"{document_kind}:{_read_document_name(req, document_kind)}", "remove", change_request
    )


@bp.route("sites/{site}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin")
async def put_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a site: 201 or 200 with its ETag, 400 with each field that is wrong, 412 when If-Match does not hold."""
    return await _put_document(req, client, "site", SiteDocument.model_validate_json(body_of(req)))


@bp.route("sites/{site}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared site: what it is, how it came to be so, and how healthy it is now."""
    name = _read_document_name(req, "site")
    versioned = await declared_documents.read_document(client, "site", name)
    site = SiteDocument.model_validate(versioned.document)
    history = [version.model_dump(mode="json") for version in reversed(versioned.history)]
    view = _document_view(name, versioned) | {"history": history, "health": await read_site_health(site)}
    return json_response(view, headers={"ETag": versioned.etag})


@bp.route("sites/{site}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin")
async def delete_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a site, unless a plan needs it (409). Azure is left as it is."""
    name = _read_document_name(req, "site")
    plans = await declared_documents.read_documents(client, "plan")
    for plan, versioned in plans.items():
        if name in PlanDocument.model_validate(versioned.document).site_names:
            raise HttpProblem(409, "Site in use", f"The plan {plan!r} has VMs at the site {name!r}.")
    return await _withdraw_document(req, client, "site")


@bp.route("sites", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_sites(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared sites."""
    return await _list_documents(client, "site")


@bp.route("plans/{plan}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin")
async def put_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a plan: 201 or 200 with its ETag, 400 with each field that is wrong, 412 when If-Match does not hold."""
    name = _read_document_name(req, "plan")
    sites, plans = (
        await declared_documents.read_documents(client, "site"),
        await declared_documents.read_documents(client, "plan"),
    )
    plan, unchecked = await read_plan(name, body_of(req), sites, plans)
    response = await _put_document(req, client, "plan", plan)
    others = {other: _plan_of(entry) for other, entry in plans.items() if other != name}
    return _add_warnings(response, [*unchecked, *_overlap_warnings(plan, others, sites)])


def _add_warnings(response: func.HttpResponse, warnings: list[str]) -> func.HttpResponse:
    """The answer, and beside it what is allowed and may still be a mistake."""
    if not warnings:
        return response
    body = {**json.loads(response.get_body()), "warnings": warnings}
    return json_response(body, response.status_code, {"ETag": response.headers["ETag"]})


def _overlap_warnings(
    plan: PlanDocument, others: Mapping[str, PlanDocument], sites: Mapping[str, VersionedDocument]
) -> list[str]:
    """Each plan that has some of this one's machines too: their leases keep two runs apart, not two declarations."""
    site_documents = {name: SiteDocument.model_validate(entry.document) for name, entry in sites.items()}
    own_machines = _leased_machines(plan, site_documents)
    comparable_plans = {other: one for other, one in others.items() if site_documents.keys() >= set(one.site_names)}
    shared_machines = {
        other: sorted(own_machines & _leased_machines(one, site_documents)) for other, one in comparable_plans.items()
    }
    return [_overlap_warning(other, vms) for other, vms in shared_machines.items() if vms]


def _plan_of(versioned: VersionedDocument) -> PlanDocument:
    return PlanDocument.model_validate(versioned.document, context=CHECKED)


def _leased_machines(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> set[tuple[str, str]]:
    """What its runs lease, by vault: two sites may share one."""
    return {(vault, key) for vault, keys in lease_keys(plan, sites).items() for key in keys}


def _overlap_warning(plan: str, machines: list[tuple[str, str]]) -> str:
    shown = ", ".join(leased_vm_of(key) for _, key in machines[:10]) + (" and more" if len(machines) > 10 else "")
    return f"also in the plan {plan!r}: {shown}; no two runs can have them at once"


@bp.route("plans/{plan}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def get_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared plan."""
    return await _get_document(req, client, "plan")


@bp.route("plans/{plan}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Admin")
async def delete_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a plan. What is owed for it stays owed."""
    return await _withdraw_document(req, client, "plan")


@bp.route("plans", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handle_for_role("Dr.Read")
async def list_plans(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared plans."""
    return await _list_documents(client, "plan")
