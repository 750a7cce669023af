"""Preparing a site: each thing is looked for, compared when it is there, and asked for once when it is not."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from shared.arm_ids import is_within, name_of, same_id, subscription_path_of
from shared.azure import arm
from shared.azure.api_versions import (
    AUTHORIZATION_API,
    AZURE_STACK_HCI_API,
    NETWORK_API,
    RECOVERY_SERVICES_API,
    RESOURCES_API,
    STORAGE_API,
)
from shared.azure.exactly_once import Attempt, ExactlyOnce, JobSignature, Sent
from shared.azure.jobs import HOST_REGISTRATION, job_end, scenario_of, start_time_of
from shared.azure.json_fields import Json, object_at, parse_utc, text_of
from shared.azure.vault import Vault
from shared.azure.vault_setup import (
    create_association,
    create_policy,
    create_site,
    find_container,
    find_policy,
    find_site,
    list_associations,
    policy_id_of,
)
from shared.concurrency import map_concurrently
from shared.errors import Refused
from shared.onboarding.contract import (
    EnsureAnswer,
    EnsureInVault,
    EnsureResource,
    EnsureRole,
    ReadRegistrations,
    Registration,
    RegistrationsRead,
    ResourceKind,
)
from shared.request_ids import client_request_id

_VERSIONS: Mapping[ResourceKind, str] = {
    "group": RESOURCES_API,
    "storage": STORAGE_API,
    "vault": RECOVERY_SERVICES_API,
    "cluster": AZURE_STACK_HCI_API,
    "network": NETWORK_API,
}
_ROLE_NAMESPACE = uuid.UUID("0b6f4c1e-8f7d-5c43-9a52-6f6c1d2e7b90")
"""Fixed for ever: an assignment that was made once must be found under its name again."""
POLICY_FIELDS: Mapping[str, str] = {
    "recoveryPointHistoryDuration": "recoveryPointHistoryDurationInHours",
    "applicationConsistentSnapshotFrequencyInHours": "applicationConsistentSnapshotFrequencyInHours",
    "replicationInterval": "replicationInterval",
}
"""What a policy's settings are called when one asks for them, and when one reads them (recorded)."""
_SCENARIOS = {"site": "CreateSite", "policy": "AddProtectionProfile", "association": "AssociateProtectionProfile"}


async def ensure_resource(request: EnsureResource) -> EnsureAnswer:
    """Look for a resource, and ask for it when it is missing: "created" says that it was asked for just now."""
    version = _VERSIONS[request.kind]
    found = await arm.find_resource(request.resource_id, version)
    if found is None and request.body is None:
        return EnsureAnswer(outcome="absent")
    if found is None:
        request_id = client_request_id(request.operation, request.resource_id, "create", 1)
        await arm.put_resource(request.resource_id, version, request.body or {}, request_id)
        found = await arm.find_resource(request.resource_id, version) or {}
        return _ensure_answer("created", found, request, ())
    differences = find_resource_differences(found, request.expect)
    return _ensure_answer("differs" if differences else "kept", found, request, differences)


def find_resource_differences(found: Json, expect: Mapping[str, str]) -> tuple[str, ...]:
    """How a resource differs from what is expected at some paths; several values may be right, between bars."""
    return tuple(
        f"{path.removeprefix('properties.')} is {actual or 'not set'}, not {wanted.replace('|', ' or ')}"
        for path, wanted in expect.items()
        if _normalize_region(actual := text_of(_value_at(found, path)))
        not in {_normalize_region(one) for one in wanted.split("|")}
    )


def _ensure_answer(outcome: Any, found: Json, request: EnsureResource, differences: tuple[str, ...]) -> EnsureAnswer:
    facts = {path: text_of(_value_at(found, path)) for path in request.show}
    state = text_of(object_at(found, "properties").get("provisioningState"))
    return EnsureAnswer(outcome=outcome, differences=differences, facts=facts, state=state)


def _normalize_region(value: str) -> str:
    """Regions are written as "westeurope" and as "West Europe"."""
    return value.lower().replace(" ", "")


def _value_at(found: Json, path: str) -> Any:
    *names, last = path.split(".")
    return object_at(found, *names).get(last)


async def ensure_role(request: EnsureRole) -> EnsureAnswer:
    """Look for a role assignment that holds on the scope, and make it when there is none.

    Its name is made of scope, role and principal, so that a second one cannot come of a lost answer; one that somebody
    else made meanwhile is Azure's 409 RoleAssignmentExists.
    """
    path = f"{request.scope}/providers/Microsoft.Authorization/roleAssignments"
    assignments = await arm.list_all(path, AUTHORIZATION_API, {"$filter": f"principalId eq '{request.principal}'"})
    sufficient_roles = {role.lower() for role in (request.role, *request.sufficient)}
    if any(_grants_role(each, request, sufficient_roles) for each in assignments):
        return EnsureAnswer(outcome="kept")
    return await create_role(path, request)


async def create_role(path: str, request: EnsureRole) -> EnsureAnswer:
    """Make a role assignment under the name that it always gets; Azure may know one that the list did not show yet."""
    name = uuid.uuid5(_ROLE_NAMESPACE, "\n".join((request.scope, request.role, request.principal)).lower())
    role = f"{subscription_path_of(request.scope)}/providers/Microsoft.Authorization/roleDefinitions/{request.role}"
    properties = {"roleDefinitionId": role, "principalId": request.principal, "principalType": "ServicePrincipal"}
    request_id = client_request_id(request.operation, f"{path}/{name}", "create", 1)
    try:
        await arm.put_resource(f"{path}/{name}", AUTHORIZATION_API, {"properties": properties}, request_id)
    except Refused as refusal:
        if refusal.code != "RoleAssignmentExists":
            raise
        return EnsureAnswer(outcome="kept")
    return EnsureAnswer(outcome="created")


def _grants_role(assignment: Json, request: EnsureRole, sufficient_roles: set[str]) -> bool:
    """Whether it is one of the roles, for this principal, on the scope or above it."""
    properties = object_at(assignment, "properties")
    role = name_of(text_of(properties.get("roleDefinitionId"))).lower()
    return (
        role in sufficient_roles
        and is_within(request.scope, above=text_of(properties.get("scope")))
        and text_of(properties.get("principalId")).lower() == request.principal.lower()
    )


async def ensure_in_vault(request: EnsureInVault) -> EnsureAnswer:
    """Look for a thing of the vault; when it is missing, adopt the job that makes it, or ask for it once."""
    vault = Vault(request.vault)
    match request.kind:
        case "site":
            return await _ensure_site(vault, request)
        case "policy":
            return await _ensure_policy(vault, request)
        case "association":
            return await _ensure_association(vault, request)


async def _ensure_site(vault: Vault, request: EnsureInVault) -> EnsureAnswer:
    site = await find_site(vault, request.name)
    if site is None:
        return await _adopt_or_create(vault, request, lambda request_id: create_site(vault, request.name, request_id))
    properties = object_at(site, "properties")
    facts = {"siteId": text_of(properties.get("internalIdentifier")), "fabric": site["name"]}
    kind = text_of(object_at(properties, "customDetails").get("instanceType"))
    if kind not in {"", "HyperVSite"}:
        return EnsureAnswer(
            outcome="differs", differences=(f"{request.name} is a {kind}, not a Hyper-V site",), facts=facts
        )
    return EnsureAnswer(outcome="kept", facts=facts)


async def _ensure_policy(vault: Vault, request: EnsureInVault) -> EnsureAnswer:
    policy = await find_policy(vault, request.name)
    if policy is None:
        return await _adopt_or_create(
            vault, request, lambda request_id: create_policy(vault, request.name, request.settings, request_id)
        )
    differences = policy_differences(policy, request) if request.compare else ()
    return EnsureAnswer(
        outcome="differs" if differences else "kept", differences=differences, facts={"policyId": policy["id"]}
    )


def policy_differences(policy: Json, request: EnsureInVault) -> tuple[str, ...]:
    """How a policy differs from the settings that are wanted, under their names in the answer."""
    details = object_at(policy, "properties", "providerSpecificDetails")
    current_settings = {name: details.get(POLICY_FIELDS[name]) for name in request.settings}
    return tuple(
        f"{POLICY_FIELDS[name]} is {current}, not {request.settings[name]}"
        for name, current in current_settings.items()
        if current != request.settings[name]
    )


async def _ensure_association(vault: Vault, request: EnsureInVault) -> EnsureAnswer:
    site, policy = await find_site(vault, request.site), await find_policy(vault, request.policy)
    container = await find_container(vault, site) if site else None
    if container is None or policy is None:
        raise Refused(
            "not-there-yet", f"the site {request.site} has no container, or there is no policy {request.policy}"
        )
    if associations := await list_associations(vault, container):
        return judge_associations(associations, container, policy, request)
    return await _adopt_or_create(
        vault,
        request,
        lambda request_id: create_association(vault, container, request.name, policy["id"], request_id),
        policy["name"],
    )


def judge_associations(
    associations: Sequence[Json], container: Json, policy: Json, request: EnsureInVault
) -> EnsureAnswer:
    """Whether a container that is associated already is so with the right policy."""
    if any(same_id(policy_id_of(each), policy["id"]) for each in associations):
        return EnsureAnswer(outcome="kept", facts={"containerId": container["id"]})
    names = ", ".join(text_of(object_at(each, "properties").get("policyFriendlyName")) for each in associations)
    difference = f"{request.site} is associated with {names}, not {request.policy}"
    return EnsureAnswer(outcome="differs", differences=(difference,))


async def _adopt_or_create(
    vault: Vault, request: EnsureInVault, create: Callable[[str], Awaitable[str]], *targets: str
) -> EnsureAnswer:
    """Adopt the job of an earlier run of this same call, or start it; "absent" when nothing is to be made.

    Args:
        create: Asks for it under a request id; answers the name of the job that makes it.
        targets: What its job works on besides itself.
    """
    if not request.create:
        return EnsureAnswer(outcome="absent")

    async def send(request_id: str) -> Sent:
        return Sent(await create(request_id))

    once = ExactlyOnce(vault)
    await once.list_jobs(request.since)
    subject = f"{request.vault.arm_id}/{request.kind}/{request.name}"
    attempt = Attempt(
        request_ids=(client_request_id(request.operation, subject, "create", request.attempt),),
        signature=JobSignature((_SCENARIOS[request.kind],), (request.name, *targets), request.since),
        decide=lambda: send,
        reads_queued=True,
    )
    return EnsureAnswer(outcome="started", job=(await once.require_sent(attempt)).job)


async def read_registrations(request: ReadRegistrations) -> RegistrationsRead:
    """Read the newest registration job of each host since then.

    Source: the vendor's known issue 1: only the vault's jobs show whether all nodes are registered.
    """
    vault = Vault(request.vault)
    jobs = [job for job in await vault.list_jobs(request.since) if scenario_of(job) == HOST_REGISTRATION]
    newest = {object_at(job, "properties").get("targetObjectName"): job for job in sorted(jobs, key=start_time_of)}
    whole_jobs = await map_concurrently(list(newest.values()), lambda job: _with_errors(vault, job))
    return RegistrationsRead(registrations=tuple(_registration_of(job) for job in whole_jobs))


async def _with_errors(vault: Vault, job: Json) -> Json:
    """The job itself where it failed: a list does not say why."""
    end = job_end(job)
    return await vault.find_job(job["name"]) or job if end and end.outcome == "failed" else job


def _registration_of(job: Json) -> Registration:
    properties, end = object_at(job, "properties"), job_end(job)
    return Registration(
        host=text_of(properties.get("targetObjectName")),
        outcome=end.outcome if end else "",
        detail=f"{end.code}: {end.detail}" if end and end.code else "",
        at=parse_utc(properties.get("startTime")),
    )
