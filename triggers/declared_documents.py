"""Reading and changing the declared sites and plans: the triggers' side of the documents entity."""

import uuid

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationStatus

from activities.durable_state import list_entities, read_entity
from shared.documents import CHECKED
from shared.operations.durable_names import DECLARE_DOCUMENT, DOCUMENTS
from shared.operations.payloads import Carried, pack_input
from shared.plans.plan import PlanDocument
from shared.plans.versions import DeclarationOutcome, DocumentChange, VersionedDocument
from shared.sites.site import SiteDocument
from triggers.http_endpoint import HttpProblem, json_response, not_found
from triggers.pacing import DOCUMENT_CHANGE_WITHIN


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
        HttpProblem: there is none to withdraw (404), somebody else changed it (412), or it took too long (503).
    """
    run = f"declare-{uuid.uuid4().hex}"
    payload = pack_input(change.model_dump(mode="json"), Carried(sender=run))
    await client.schedule_new_orchestration(DECLARE_DOCUMENT, input=payload, instance_id=run)
    state = await client.wait_for_orchestration_completion(run, timeout=DOCUMENT_CHANGE_WITHIN.total_seconds())
    if state is None or state.runtime_status != OrchestrationStatus.COMPLETED:
        detail = "The change was not confirmed in time. Read the document before you send it again."
        raise HttpProblem(503, "Not declared", detail)
    outcome = DeclarationOutcome.model_validate(state.get_output())
    if outcome.outcome == "conflict":
        detail = f"The {change.document_kind} {change.name!r} is not the version that If-Match names. Read it again."
        raise HttpProblem(412, "Changed meanwhile", detail)
    if outcome.outcome == "missing":
        raise not_found(change.document_kind, change.name)
    headers = {"ETag": outcome.etag} if outcome.etag else {}
    body = {"name": change.name, "outcome": outcome.outcome, "etag": outcome.etag}
    return json_response(body, 201 if outcome.outcome == "created" else 200, headers)
