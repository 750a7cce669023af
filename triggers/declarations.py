"""Sites and plans over HTTP: declare, read, withdraw."""

import json
import re
from collections.abc import Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.documents import CHECKED
from shared.plans.machines import lease_keys, leased_vm
from shared.plans.plan import PlanDocument
from shared.plans.versions import Entry
from shared.problem_details import FieldError
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.http_endpoint import Problem, answer, body_of, caller, handled
from triggers.plan_checks import read_plan
from triggers.sites import health_of

bp = df.Blueprint()
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


def _name(req: func.HttpRequest, what: str) -> str:
    name: str = req.route_params[what]
    if not NAME.fullmatch(name):
        detail = f"{name!r} is no name: up to 42 of a-z, 0-9 and -, beginning and ending with a letter or digit."
        raise Problem(400, "Invalid name", detail, [FieldError(field=what, detail=detail)])
    return name


async def _declare(
    req: func.HttpRequest, client: df.DurableFunctionsClient, what: str, document: SiteDocument | PlanDocument
) -> func.HttpResponse:
    wish = {
        "document": document.model_dump(mode="json", by_alias=True),
        "digest": document.digest,
        "by": caller(req).name,
        "if_match": req.headers.get("If-Match", ""),
    }
    return await declared_documents.change(client, f"{what}:{_name(req, what)}", "put", wish)


def _shown(name: str, entry: Entry) -> dict[str, Any]:
    newest = entry.history[-1]
    facts = {"name": name, "version": entry.version, "digest": entry.digest, "etag": entry.etag}
    return {**facts, "declaredAt": newest.at.isoformat(), "declaredBy": newest.by, **entry.document}


async def _read(req: func.HttpRequest, client: df.DurableFunctionsClient, what: str) -> func.HttpResponse:
    name = _name(req, what)
    entry = await declared_documents.entry(client, what, name)
    return answer(_shown(name, entry), headers={"ETag": entry.etag})


async def _list(client: df.DurableFunctionsClient, what: str) -> func.HttpResponse:
    found = await declared_documents.entries(client, what)
    return answer({"value": [_shown(name, entry) for name, entry in found.items()]})


async def _withdraw(req: func.HttpRequest, client: df.DurableFunctionsClient, what: str) -> func.HttpResponse:
    wish = {"by": caller(req).name, "if_match": req.headers.get("If-Match", "")}
    return await declared_documents.change(client, f"{what}:{_name(req, what)}", "remove", wish)


@bp.route("sites/{site}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Admin")
async def put_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a site: 201 or 200 with its ETag, 400 with each field that is wrong, 412 when If-Match does not hold."""
    return await _declare(req, client, "site", SiteDocument.model_validate_json(body_of(req)))


@bp.route("sites/{site}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared site: what it is, how it came to be so, and how healthy it is now."""
    name = _name(req, "site")
    entry = await declared_documents.entry(client, "site", name)
    site = SiteDocument.model_validate(entry.document)
    history = [version.model_dump(mode="json") for version in reversed(entry.history)]
    shown = _shown(name, entry) | {"history": history, "health": await health_of(site)}
    return answer(shown, headers={"ETag": entry.etag})


@bp.route("sites/{site}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Admin")
async def delete_site(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a site, unless a plan needs it (409). Azure is left as it is."""
    name = _name(req, "site")
    plans = await declared_documents.entries(client, "plan")
    for plan, entry in plans.items():
        if name in PlanDocument.model_validate(entry.document).site_names:
            raise Problem(409, "Site in use", f"The plan {plan!r} has VMs at the site {name!r}.")
    return await _withdraw(req, client, "site")


@bp.route("sites", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def list_sites(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared sites."""
    return await _list(client, "site")


@bp.route("plans/{plan}", methods=["PUT"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Admin")
async def put_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Declare a plan: 201 or 200 with its ETag, 400 with each field that is wrong, 412 when If-Match does not hold."""
    name = _name(req, "plan")
    sites, plans = await declared_documents.entries(client, "site"), await declared_documents.entries(client, "plan")
    plan, doubts = await read_plan(name, body_of(req), sites, plans)
    reply = await _declare(req, client, "plan", plan)
    others = {other: _plan(entry) for other, entry in plans.items() if other != name}
    return _with_warnings(reply, [*doubts, *_shared_with(plan, others, sites)])


def _with_warnings(reply: func.HttpResponse, warnings: list[str]) -> func.HttpResponse:
    """The answer, and beside it what is allowed and may still be a mistake."""
    if not warnings:
        return reply
    body = {**json.loads(reply.get_body()), "warnings": warnings}
    return answer(body, reply.status_code, {"ETag": reply.headers["ETag"]})


def _shared_with(plan: PlanDocument, others: Mapping[str, PlanDocument], sites: Mapping[str, Entry]) -> list[str]:
    """Each plan that has some of this one's machines too: their leases keep two runs apart, not two declarations."""
    known = {name: SiteDocument.model_validate(entry.document) for name, entry in sites.items()}
    mine = _machines(plan, known)
    told = {other: one for other, one in others.items() if known.keys() >= set(one.site_names)}
    common = {other: sorted(mine & _machines(one, known)) for other, one in told.items()}
    return [_told(other, vms) for other, vms in common.items() if vms]


def _plan(entry: Entry) -> PlanDocument:
    return PlanDocument.model_validate(entry.document, context=CHECKED)


def _machines(plan: PlanDocument, sites: Mapping[str, SiteDocument]) -> set[tuple[str, str]]:
    """What its runs lease, by vault: two sites may share one."""
    return {(vault, key) for vault, keys in lease_keys(plan, sites).items() for key in keys}


def _told(plan: str, machines: list[tuple[str, str]]) -> str:
    shown = ", ".join(leased_vm(key) for _, key in machines[:10]) + (" and more" if len(machines) > 10 else "")
    return f"also in the plan {plan!r}: {shown}; no two runs can have them at once"


@bp.route("plans/{plan}", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def get_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """A declared plan."""
    return await _read(req, client, "plan")


@bp.route("plans/{plan}", methods=["DELETE"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Admin")
async def delete_plan(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Withdraw a plan. What is owed for it stays owed."""
    return await _withdraw(req, client, "plan")


@bp.route("plans", methods=["GET"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def list_plans(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """All declared plans."""
    return await _list(client, "plan")
