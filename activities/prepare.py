"""Preparing a site: each thing is looked for, compared when it is there, and asked for once when it is not."""

import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from shared.arm_ids import same_id
from shared.azure import arm
from shared.azure.jobs import job_end
from shared.azure.json_fields import Json, part, text, utc
from shared.azure.vault import CLOCKS_APART
from shared.azure.vault_setup import OnboardingVault, Sign
from shared.errors import Refused
from shared.onboarding.contract import (
    Ensured,
    EnsureInVault,
    EnsureResource,
    EnsureRole,
    ReadRegistrations,
    Registration,
    RegistrationsRead,
    ResourceKind,
)
from shared.request_ids import client_request_id

type Create = Callable[[str], Awaitable[str]]
"""Asks for a thing under a request id, and has the name of the job that makes it."""
_VERSIONS: Mapping[ResourceKind, str] = {
    "group": arm.GROUPS_API,
    "storage": arm.STORAGE_API,
    "vault": arm.VAULTS_API,
    "cluster": arm.CLUSTERS_API,
    "network": arm.NETWORKS_API,
}
_ROLES = uuid.UUID("0b6f4c1e-8f7d-5c43-9a52-6f6c1d2e7b90")
"""Fixed for ever: an assignment that was made once must be found under its name again."""
POLICY_FIELDS: Mapping[str, str] = {
    "recoveryPointHistoryDuration": "recoveryPointHistoryDurationInHours",
    "applicationConsistentSnapshotFrequencyInHours": "applicationConsistentSnapshotFrequencyInHours",
    "replicationInterval": "replicationInterval",
}
"""What a policy's settings are called when one asks for them, and when one reads them (recorded)."""
_SCENARIOS = {"site": "CreateSite", "policy": "AddProtectionProfile", "association": "AssociateProtectionProfile"}


async def ensure_resource(ask: EnsureResource) -> Ensured:
    """Look for a resource, and ask for it when it is missing: "created" says that it was asked for just now."""
    version = _VERSIONS[ask.kind]
    found = await arm.find(ask.resource_id, version)
    if found is None and ask.body is None:
        return Ensured(outcome="absent")
    if found is None:
        request_id = client_request_id(ask.operation, ask.resource_id, "create", 1)
        await arm.put(ask.resource_id, version, ask.body or {}, request_id)
        found = await arm.find(ask.resource_id, version) or {}
        return _ensured("created", found, ask, ())
    differences = tuple(_differences(found, ask.expect))
    return _ensured("differs" if differences else "kept", found, ask, differences)


def _ensured(outcome: Any, found: Json, ask: EnsureResource, differences: tuple[str, ...]) -> Ensured:
    facts = {path: text(_at(found, path)) for path in ask.show}
    state = text(part(found, "properties").get("provisioningState"))
    return Ensured(outcome=outcome, differences=differences, facts=facts, state=state)


def _differences(found: Json, expect: Mapping[str, str]) -> Iterator[str]:
    for path, wanted in expect.items():
        there = text(_at(found, path))
        if _plain(there) not in {_plain(one) for one in wanted.split("|")}:
            yield f"{path.removeprefix('properties.')} is {there or 'not set'}, not {wanted.replace('|', ' or ')}"


def _plain(value: str) -> str:
    """Regions are told as "westeurope" and as "West Europe"."""
    return value.lower().replace(" ", "")


def _at(found: Json, path: str) -> Any:
    *names, last = path.split(".")
    return part(found, *names).get(last)


async def ensure_role(ask: EnsureRole) -> Ensured:
    """Look for a role assignment that holds on the scope, and make it when there is none.

    Its name is made of scope, role and principal, so that a second one cannot come of a lost answer; one that somebody
    else made meanwhile is Azure's 409 RoleAssignmentExists.
    """
    path = f"{ask.scope}/providers/Microsoft.Authorization/roleAssignments"
    held = await arm.list_all(path, arm.ROLES_API, {"$filter": f"principalId eq '{ask.principal}'"})
    wanted = {role.lower() for role in (ask.role, *ask.sufficient)}
    if any(_holds(each, ask, wanted) for each in held):
        return Ensured(outcome="kept")
    name = uuid.uuid5(_ROLES, "\n".join((ask.scope, ask.role, ask.principal)).lower())
    subscription = "/".join(ask.scope.split("/")[:3])
    role = f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{ask.role}"
    properties = {"roleDefinitionId": role, "principalId": ask.principal, "principalType": "ServicePrincipal"}
    request_id = client_request_id(ask.operation, f"{path}/{name}", "create", 1)
    try:
        await arm.put(f"{path}/{name}", arm.ROLES_API, {"properties": properties}, request_id)
    except Refused as no:
        if no.code != "RoleAssignmentExists":
            raise
        return Ensured(outcome="kept")
    return Ensured(outcome="created")


def _holds(assignment: Json, ask: EnsureRole, wanted: set[str]) -> bool:
    """Whether it is one of the roles, for this principal, on the scope or above it."""
    properties = part(assignment, "properties")
    role = text(properties.get("roleDefinitionId")).rpartition("/")[2].lower()
    above = f"{ask.scope.lower()}/".startswith(f"{text(properties.get('scope')).lower().rstrip('/')}/")
    return role in wanted and above and text(properties.get("principalId")).lower() == ask.principal.lower()


async def ensure_in_vault(ask: EnsureInVault) -> Ensured:
    """Look for a thing of the vault; when it is missing, adopt the job that makes it, or ask for it once."""
    vault = OnboardingVault(ask.vault)
    match ask.what:
        case "site":
            return await _ensure_site(vault, ask)
        case "policy":
            return await _ensure_policy(vault, ask)
        case "association":
            return await _ensure_association(vault, ask)


async def _ensure_site(vault: OnboardingVault, ask: EnsureInVault) -> Ensured:
    site = await vault.find_site(ask.name)
    if site is None:
        return await _make(vault, ask, lambda request_id: vault.create_site(ask.name, request_id))
    properties = part(site, "properties")
    facts = {"siteId": text(properties.get("internalIdentifier")), "fabric": site["name"]}
    kind = text(part(properties, "customDetails").get("instanceType"))
    if kind not in {"", "HyperVSite"}:
        return Ensured(outcome="differs", differences=(f"{ask.name} is a {kind}, not a Hyper-V site",), facts=facts)
    return Ensured(outcome="kept", facts=facts)


async def _ensure_policy(vault: OnboardingVault, ask: EnsureInVault) -> Ensured:
    policy = await vault.find_policy(ask.name)
    if policy is None:
        return await _make(vault, ask, lambda request_id: vault.create_policy(ask.name, ask.settings, request_id))
    details = part(policy, "properties", "providerSpecificDetails")
    found = {name: details.get(POLICY_FIELDS[name]) for name in ask.settings} if ask.compare else {}
    differences = tuple(
        f"{POLICY_FIELDS[name]} is {there}, not {ask.settings[name]}"
        for name, there in found.items()
        if there != ask.settings[name]
    )
    return Ensured(
        outcome="differs" if differences else "kept", differences=differences, facts={"policyId": policy["id"]}
    )


async def _ensure_association(vault: OnboardingVault, ask: EnsureInVault) -> Ensured:
    site, policy = await vault.find_site(ask.site), await vault.find_policy(ask.policy)
    container = await vault.find_container(site) if site else None
    if container is None or policy is None:
        raise Refused("not-there-yet", f"the site {ask.site} has no container, or there is no policy {ask.policy}")
    there = await vault.list_associations(container)
    if any(same_id(text(part(each, "properties").get("policyId")), policy["id"]) for each in there):
        return Ensured(outcome="kept", facts={"containerId": container["id"]})
    if there:
        names = ", ".join(text(part(each, "properties").get("policyFriendlyName")) for each in there)
        return Ensured(outcome="differs", differences=(f"{ask.site} is associated with {names}, not {ask.policy}",))
    return await _make(
        vault, ask, lambda request_id: vault.associate(container, ask.name, policy["id"], request_id), policy["name"]
    )


async def _make(vault: OnboardingVault, ask: EnsureInVault, create: Create, *targets: str) -> Ensured:
    """Adopt the job of an earlier run of this same call, or start it; "absent" when only a look was asked for."""
    if not ask.create:
        return Ensured(outcome="absent")
    request_id = client_request_id(ask.operation, f"{ask.vault.arm_id}/{ask.what}/{ask.name}", "create", ask.attempt)
    sign = Sign((_SCENARIOS[ask.what],), (ask.name, *targets), ask.since)
    ours = await vault.find_ours(await vault.list_jobs(ask.since - CLOCKS_APART), request_id, sign)
    return Ensured(outcome="started", job=ours or await create(request_id))


async def read_registrations(ask: ReadRegistrations) -> RegistrationsRead:
    """Read the newest registration job of each host since then.

    Source: the vendor's known issue 1: whether all nodes are registered is told by the vault's jobs.
    """
    vault = OnboardingVault(ask.vault)
    found = [job for job in await vault.list_jobs(ask.since - CLOCKS_APART) if _scenario(job) == "RegisterDra"]
    newest = {part(job, "properties").get("targetObjectName"): job for job in sorted(found, key=_start)}
    return RegistrationsRead(registrations=tuple(_registration(job) for job in newest.values()))


def _scenario(job: Json) -> str:
    return text(part(job, "properties").get("scenarioName"))


def _start(job: Json) -> str:
    return text(part(job, "properties").get("startTime"))


def _registration(job: Json) -> Registration:
    properties, end = part(job, "properties"), job_end(job)
    return Registration(
        host=text(properties.get("targetObjectName")),
        outcome=end.outcome if end else "",
        detail=f"{end.code}: {end.detail}" if end and end.code else "",
        at=utc(properties.get("startTime")),
    )
