"""Onboarding over HTTP: look whether a site can be prepared, and whether it is still as declared."""

import uuid

import azure.durable_functions as df
import azure.functions as func

from shared.messages import Document
from shared.operations import Kind, SiteOperation
from shared.request_ids import run_id
from shared.sites import SiteDocument
from triggers import shelf
from triggers.starting import accepted, start_once
from triggers.web import body_of, caller, handled

bp = df.Blueprint()


class LookRequest(Document):
    """What can be said with a preflight or a verification: nothing."""


async def operation_of(req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind) -> SiteOperation:
    """The run that a request on a site asks for: its id is that of its Idempotency-Key.

    Raises:
        Problem: the site is not declared (404).
    """
    name = req.route_params["site"]
    entry = await shelf.entry(client, "site", name)
    return SiteOperation(
        id=run_id(kind, name, req.headers.get("Idempotency-Key") or uuid.uuid4().hex),
        kind=kind,
        site=name,
        requested_by=caller(req).name,
        document=SiteDocument.model_validate(entry.document),
    )


async def _start(req: func.HttpRequest, client: df.DurableFunctionsClient, kind: Kind) -> func.HttpResponse:
    LookRequest.model_validate_json(body_of(req))
    operation = await operation_of(req, client, kind)
    await start_once(client, kind, operation.id, operation)
    return accepted(operation.id)


@bp.route("sites/{site}/preflight", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Operate")
async def start_preflight(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Check every prerequisite: 202; the operation fails when a check does. It runs a read-only script on each node."""
    return await _start(req, client, "preflight")


@bp.route("sites/{site}/verify", methods=["POST"])
@bp.durable_client_input(client_name="client")
@handled("Dr.Read")
async def start_verify(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    """Compare the declared site with what is there: 202; the operation fails when something is other than declared."""
    return await _start(req, client, "verify")
