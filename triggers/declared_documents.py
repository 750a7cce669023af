"""Reading and changing the declared sites and plans: the triggers' side of the documents entity."""

from functools import partial

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import list_entities, read_entity
from shared.documents import CHECKED
from shared.operations.durable_names import DECLARE_DOCUMENT, DOCUMENTS
from shared.plans.plan import PlanDocument
from shared.plans.versions import DeclarationOutcome, DocumentChange, VersionedDocument
from shared.sites.site import SiteDocument
from triggers.failures import Outage
from triggers.http_endpoint import HttpProblem, json_response, not_found, outage_problem
from triggers.short_runs import ShortRun, await_short_run

GIVEN_UP = Outage(code="declaration-failed", detail="The durable engine gave the change up; the app's log says why.")
CHANGE = ShortRun(DECLARE_DOCUMENT, DeclarationOutcome, GIVEN_UP)


async def read_document(client: df.DurableFunctionsClient, document_kind: str, name: str) -> VersionedDocument:
    """A declared document as it stands.

    Raises:
        HttpProblem: there is none (404).
    """
    state = await read_entity(client, DOCUMENTS, f"{document_kind}:{name}")
    if not state:
        raise not_found(document_kind, name)
    return VersionedDocument.model_validate(state)


async def read_site(client: df.DurableFunctionsClient, name: str) -> SiteDocument:
    """A declared site.

    Raises:
        HttpProblem: there is none (404).
    """
    return SiteDocument.model_validate((await read_document(client, "site", name)).document)


async def read_plan(client: df.DurableFunctionsClient, name: str) -> PlanDocument:
    """A declared plan.

    Raises:
        HttpProblem: there is none (404).
    """
    return plan_of(await read_document(client, "plan", name))


def plan_of(versioned: VersionedDocument) -> PlanDocument:
    """The plan in a document that was checked when it was declared."""
    return PlanDocument.model_validate(versioned.document, context=CHECKED)


async def read_documents(client: df.DurableFunctionsClient, document_kind: str) -> dict[str, VersionedDocument]:
    """All declared documents of a sort, by name."""
    states = await list_entities(client, DOCUMENTS, f"{document_kind}:")
    return {key.partition(":")[2]: VersionedDocument.model_validate(state) for key, state in sorted(states.items())}


async def read_sites(client: df.DurableFunctionsClient) -> dict[str, SiteDocument]:
    """All declared sites, by name."""
    declared = await read_documents(client, "site")
    return {name: SiteDocument.model_validate(versioned.document) for name, versioned in declared.items()}


async def sites_of_plan(client: df.DurableFunctionsClient, plan: PlanDocument) -> dict[str, SiteDocument]:
    """The sites that a plan's items are protected at.

    Raises:
        HttpProblem: one is not declared (409).
    """
    declared = await read_documents(client, "site")
    if unknown := [name for name in plan.site_names if name not in declared]:
        raise HttpProblem(409, "Unknown site", f"The plan needs the site {unknown[0]!r}, which is not declared.")
    return {name: SiteDocument.model_validate(declared[name].document) for name in plan.site_names}


async def change_document(client: df.DurableFunctionsClient, change: DocumentChange) -> func.HttpResponse:
    """Declare or withdraw a document, and answer with the entity tag that holds now.

    Raises:
        HttpProblem: there is none to withdraw (404), somebody else changed it (412), or it was not confirmed (503).
    """
    outcome = await _make_change(client, change)
    if outcome.outcome == "conflict":
        detail = f"The {change.document_kind} {change.name!r} is not the version that If-Match names. Read it again."
        raise HttpProblem(412, "Changed meanwhile", detail)
    if outcome.outcome == "missing":
        raise not_found(change.document_kind, change.name)
    headers = {"ETag": outcome.etag} if outcome.etag else {}
    body = {"name": change.name, "outcome": outcome.outcome, "etag": outcome.etag}
    return json_response(body, 201 if outcome.outcome == "created" else 200, headers)


async def _make_change(client: df.DurableFunctionsClient, change: DocumentChange) -> DeclarationOutcome:
    """Have the change made, and wait for what becomes of it.

    Raises:
        HttpProblem: nobody can say yet (503).
    """
    return await await_short_run(client, CHANGE, change, partial(_unconfirmed_change, change))


def _unconfirmed_change(change: DocumentChange, outage: Outage) -> HttpProblem:
    """503: the change may be made, or may still be."""
    url = f"/api/{change.path}"
    if change.action == "put":
        again = "The same request is safe to send again: what is declared already stays as it is."
    else:
        again = "The same request is safe to send again: it answers 404 once the document is withdrawn."
    hint = f"The change was not confirmed, and may still be made: {url} shows it then. {again}"
    return outage_problem(outage, hint, documentUrl=url)
