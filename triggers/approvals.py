"""Whose approvals a request needs, by all that is declared; and the run that waits for them where it is a change."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from activities.durable_state import is_living, read_entity
from activities.vault import read_items
from shared.concurrency import map_concurrently
from shared.messages import VaultRef
from shared.operations.contract import StartRun
from shared.operations.durable_names import DOCUMENTS
from shared.plans.approval_guards import (
    Declared,
    Machine,
    actions_of_run,
    find_required,
    find_required_for_change,
    guards_of,
    is_undecided,
    machines_at,
    machines_in,
)
from shared.plans.approval_policy import ApprovalPolicy
from shared.plans.approvals import RequiredApprovals
from shared.plans.plan import PlanDocument
from shared.plans.versions import DocumentChange, VersionedDocument, changed_fields
from shared.principals import Principal, require_signed_in
from shared.recovery.guarded_change import GuardedChange
from shared.recovery.operation import Operation
from shared.request_ids import run_id
from shared.site_recovery.contract import ReadItems
from shared.site_recovery.views import ItemView
from shared.sites.site import SiteDocument
from triggers import declared_documents
from triggers.starting import accepted_response, start_once


async def read_declared(client: df.DurableFunctionsClient) -> Declared:
    """All sites, plans and approval policies."""
    plans = await declared_documents.read_documents(client, "plan")
    policies = await declared_documents.read_documents(client, "approval-policy")
    return Declared(
        await declared_documents.read_sites(client),
        {name: declared_documents.plan_of(one) for name, one in plans.items()},
        {name: ApprovalPolicy.model_validate(one.document) for name, one in policies.items()},
    )


async def find_required_for_run(
    client: df.DurableFunctionsClient, operation: Operation
) -> tuple[RequiredApprovals, ...]:
    """Whose approvals a run on a plan needs before it begins."""
    actions = actions_of_run(operation.kind, operation.document)
    return await find_required_for_plan(client, actions, operation.requested_part, operation.sites)


async def find_required_for_plan(
    client: df.DurableFunctionsClient, actions: Collection[str], plan: PlanDocument, sites: Mapping[str, SiteDocument]
) -> tuple[RequiredApprovals, ...]:
    """Whose approvals are needed before these actions reach the machines of a plan."""
    return await _find_required(client, actions, sites.values(), lambda items: machines_in(plan, sites, items))


async def find_required_for_vms(
    client: df.DurableFunctionsClient, action: str, site: SiteDocument, vms: Collection[str]
) -> tuple[RequiredApprovals, ...]:
    """Whose approvals are needed before something is done with VMs of a site."""
    return await _find_required(client, {action}, [site], lambda items: machines_at(site, vms, items))


async def _find_required(
    client: df.DurableFunctionsClient,
    actions: Collection[str],
    sites: Iterable[SiteDocument],
    machines_by: Callable[[Collection[ItemView]], list[Machine]],
) -> tuple[RequiredApprovals, ...]:
    """Whose approvals are needed; the vaults of these sites are only asked where names leave it open.

    Args:
        machines_by: The machines, by the items of their vaults.
    """
    guards, machines = guards_of(await read_declared(client)), machines_by(())
    if is_undecided(guards, actions, machines):
        machines = machines_by(await _read_items(sites))
    return find_required(guards, actions, machines)


async def _read_items(sites: Iterable[SiteDocument]) -> list[ItemView]:
    """The items of the vaults of these sites: they know each name of their Hyper-V site."""
    vaults = {vault.key: vault for vault in (VaultRef.from_id(site.vault) for site in sites)}
    lists = await map_concurrently(list(vaults.values()), lambda vault: read_items(ReadItems(vault=vault)))
    return [item for found in lists for item in found.items]


async def change_document(
    client: df.DurableFunctionsClient, change: DocumentChange, person: Principal
) -> func.HttpResponse:
    """Declare or withdraw a document; 202 with a run where others have to approve that first.

    Raises:
        HttpProblem: as `declared_documents.change_document` does.
        Forbidden: others have to approve it, and nobody is signed in who asks for it.
    """
    state = await read_entity(client, DOCUMENTS, change.key)
    current = VersionedDocument.model_validate(state) if state else None
    required = find_required_for_change(await read_declared(client), change, current) if current else ()
    if current is None or not required:
        return await declared_documents.change_document(client, change)
    if change.if_match not in {"", "*", current.etag}:
        return await declared_documents.change_document(client, change)  # refuses it
    bound = change.model_copy(update={"if_match": current.etag})
    is_put = change.action == "put"
    asked = GuardedChange(
        id=await _id_of_change(client, bound, person),
        subject=change.path,
        requested_by=person.name,
        requester_id=person.id,
        detail=f"{change.path} is {'declared anew' if is_put else 'withdrawn'}",
        changed_fields=changed_fields(current.document, change.document) if is_put else (),
        required=required,
        document=bound,
    )
    return await start_change(client, asked, person)


async def _id_of_change(client: df.DurableFunctionsClient, change: DocumentChange, person: Principal) -> str:
    """Of the run that waits for this very change already, or of a new one."""
    asked = "\n".join((change.action, change.digest, change.if_match, person.id))
    run = run_id("change", change.path, asked)
    state = await client.get_orchestration_state(run, fetch_payloads=False)
    return run if state is None or is_living(state) else run_id("change", change.path, uuid.uuid4().hex)


async def start_change(client: df.DurableFunctionsClient, asked: GuardedChange, person: Principal) -> func.HttpResponse:
    """Start the run that waits for approvals: 202 with its id.

    Raises:
        Forbidden: nobody is signed in, or an app is that is not named where approvals are asked for.
    """
    require_requester(person, asked.required)
    await start_once(client, asked.kind, asked.id, asked)
    return accepted_response(asked.id)


def require_requester(person: Principal, required: Iterable[RequiredApprovals]) -> None:
    """See that somebody asks of whom another person can be told apart.

    Raises:
        Forbidden: nobody is signed in, or an app is that is not named by each of those who ask for approvals.
    """
    for rule in required:
        require_signed_in(person, rule.approvers)


def guarded_start(
    order: StartRun,
    person: Principal,
    subject: str,
    detail: str,
    required: tuple[RequiredApprovals, ...],
    sites: tuple[str, ...],
) -> GuardedChange:
    """The run that starts another one once that is approved."""
    return GuardedChange(
        id=run_id("change", subject, order.id),
        subject=subject,
        requested_by=person.name,
        requester_id=person.id,
        sites=sites,
        detail=detail,
        required=required,
        start=order,
    )


def required_views(required: Iterable[RequiredApprovals]) -> list[dict[str, Any]]:
    """Who asks for approvals, as people read it."""
    return [rule.model_dump(mode="json", by_alias=True) for rule in required]
