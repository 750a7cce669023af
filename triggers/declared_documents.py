"""Reading and changing what is declared: the triggers' side of the book."""

import uuid
from collections.abc import Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func
from durabletask.client import OrchestrationStatus

from activities.durable_state import list_entities, read_entity
from shared.operations.durable_names import DECLARE_DOCUMENT, DOCUMENTS
from shared.plans.plan import PlanDocument
from shared.plans.versions import DeclarationOutcome, VersionedDocument
from shared.sites.site import SiteDocument
from triggers.http_endpoint import HttpProblem, json_response, not_found

MAX_WAIT_SECONDS = 20
"""Seconds that a caller waits for the book at the most; it answers in a fraction of one."""


async def read_document(client: df.DurableFunctionsClient, document_kind: str, name: str) -> VersionedDocument:
    """A declared document as it stands.

    Raises:
        Problem: there is none (404).
    """
    state = await read_entity(client, DOCUMENTS, f"{document_kind}:{name}")
    if not state:
        raise not_found(document_kind, name)
    return VersionedDocument.model_validate(state)


async def read_documents(client: df.DurableFunctionsClient, document_kind: str) -> dict[str, VersionedDocument]:
    """All declared documents of a sort, by name."""
    states = await list_entities(client, DOCUMENTS, f"{document_kind}:")
    return {key.partition(":")[2]: VersionedDocument.model_validate(state) for key, state in sorted(states.items())}


async def sites_of_plan(client: df.DurableFunctionsClient, plan: PlanDocument) -> dict[str, SiteDocument]:
    """The sites that a plan's items are protected at.

    Raises:
        Problem: one is not declared (409).
    """
    declared = await read_documents(client, "site")
    if unknown := [name for name in plan.site_names if name not in declared]:
        raise HttpProblem(409, "Unknown site", f"The plan needs the site {unknown[0]!r}, which is not declared.")
    return {name: SiteDocument.model_validate(declared[name].document) for name in plan.site_names}


async def change_document(
    client: df.DurableFunctionsClient, key: str, action: str, change_request: Mapping[str, Any]
) -> func.HttpResponse:
    """Ask the book for a change and answer with its verdict and the entity tag that holds now."""
    payload = {"key": key, "operation": action, "wish": dict(change_request)}
    asked = f"declare-{uuid.uuid4().hex}"
    run_id = await client.schedule_new_orchestration(DECLARE_DOCUMENT, input=payload, instance_id=asked)
    state = await client.wait_for_orchestration_completion(run_id, timeout=MAX_WAIT_SECONDS)
    if state is None or state.runtime_status != OrchestrationStatus.COMPLETED:
        raise HttpProblem(503, "Not declared", "The book did not answer in time; look again before you repeat this.")
    return _outcome_response(key, DeclarationOutcome.model_validate(state.get_output()))


def _outcome_response(key: str, outcome: DeclarationOutcome) -> func.HttpResponse:
    document_kind, _, name = key.partition(":")
    if outcome.outcome == "conflict":
        raise HttpProblem(412, "Changed meanwhile", f"The {document_kind} {name!r} is not the one that If-Match names.")
    if outcome.outcome == "missing":
        raise not_found(document_kind, name)
    headers = {"ETag": outcome.etag} if outcome.etag else {}
    status = {"created": 201, "removed": 200}.get(outcome.outcome, 200)
    return json_response({"name": name, "outcome": outcome.outcome, "etag": outcome.etag}, status, headers)
