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
from shared.plans.versions import BookVerdict, Entry
from shared.sites.site import SiteDocument
from triggers.http_endpoint import Problem, answer, missing

PATIENCE = 20
"""Seconds that a caller waits for the book at the most; it answers in a fraction of one."""


async def entry(client: df.DurableFunctionsClient, what: str, name: str) -> Entry:
    """A declared document as it stands.

    Raises:
        Problem: there is none (404).
    """
    state = await read_entity(client, DOCUMENTS, f"{what}:{name}")
    if not state:
        raise missing(what, name)
    return Entry.model_validate(state)


async def entries(client: df.DurableFunctionsClient, what: str) -> dict[str, Entry]:
    """All declared documents of a sort, by name."""
    found = await list_entities(client, DOCUMENTS, f"{what}:")
    return {key.partition(":")[2]: Entry.model_validate(state) for key, state in sorted(found.items())}


async def sites_of(client: df.DurableFunctionsClient, plan: PlanDocument) -> dict[str, SiteDocument]:
    """The sites that a plan's items are protected at.

    Raises:
        Problem: one is not declared (409).
    """
    declared = await entries(client, "site")
    if unknown := [name for name in plan.site_names if name not in declared]:
        raise Problem(409, "Unknown site", f"The plan needs the site {unknown[0]!r}, which is not declared.")
    return {name: SiteDocument.model_validate(declared[name].document) for name in plan.site_names}


async def change(
    client: df.DurableFunctionsClient, key: str, operation: str, wish: Mapping[str, Any]
) -> func.HttpResponse:
    """Ask the book for a change and answer with its verdict and the entity tag that holds now."""
    payload = {"key": key, "operation": operation, "wish": dict(wish)}
    asked = f"declare-{uuid.uuid4().hex}"
    run = await client.schedule_new_orchestration(DECLARE_DOCUMENT, input=payload, instance_id=asked)
    state = await client.wait_for_orchestration_completion(run, timeout=PATIENCE)
    if state is None or state.runtime_status != OrchestrationStatus.COMPLETED:
        raise Problem(503, "Not declared", "The book did not answer in time; look again before you repeat this.")
    return _told(key, BookVerdict.model_validate(state.get_output()))


def _told(key: str, verdict: BookVerdict) -> func.HttpResponse:
    what, _, name = key.partition(":")
    if verdict.outcome == "conflict":
        raise Problem(412, "Changed meanwhile", f"The {what} {name!r} is not the one that If-Match names.")
    if verdict.outcome == "missing":
        raise missing(what, name)
    headers = {"ETag": verdict.etag} if verdict.etag else {}
    status = {"created": 201, "removed": 200}.get(verdict.outcome, 200)
    return answer({"name": name, "outcome": verdict.outcome, "etag": verdict.etag}, status, headers)
