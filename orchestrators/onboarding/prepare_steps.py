"""The steps of a preparation but for the nodes: each is looked for, made when missing, and never changed."""

from collections.abc import Mapping
from typing import Any

from orchestrators.durable.steps import Context, Steps, call, now, sleep
from shared.arm_ids import name_of
from shared.errors import Refused
from shared.messages import VaultRef
from shared.onboarding.contract import (
    ENSURE_IN_VAULT,
    ENSURE_RESOURCE,
    ENSURE_ROLE,
    READ_REGISTRATIONS,
    EnsureAnswer,
    EnsureInVault,
    EnsureResource,
    EnsureRole,
    ReadRegistrations,
    ResourceKind,
)
from shared.onboarding.pacing import REGISTERED_WITHIN, RESOURCE_EVERY, RESOURCE_WITHIN
from shared.onboarding.preflight.azure_rights import (
    BLOB_CONTRIBUTOR,
    BLOB_OWNER,
    CONTRIBUTOR,
    OWNER,
    SITE_RECOVERY_CONTRIBUTOR,
)
from shared.onboarding.preparation import (
    Preparation,
    PreparedIds,
    PrepareOrder,
    StepId,
    StepState,
    registration_gaps,
    resource_groups_of,
)
from shared.site_recovery.contract import READ_PROVIDERS, WATCH_JOBS, JobEnd, ReadProviders, WatchJobs
from shared.site_recovery.open_answer import answered_again
from shared.sites import defaults
from shared.sites.site import SiteDocument

type RoleGrant = tuple[str, str, str, tuple[str, ...]]
"""Scope, role, principal, and the other roles that do as well."""
PRINCIPAL = "identity.principalId"


def ensure_groups(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """Every resource group that is named; where one is does not matter."""
    made = []
    for group in resource_groups_of(order.document):
        ensured = yield from ensure_resource(ctx, order, group, "group", {"location": order.document.region})
        made += [name_of(group)] if ensured.outcome == "created" else []
    return run.with_step_ended("groups", "created" if made else "kept", ", ".join(made))


def ensure_resource(
    ctx: Context,
    order: PrepareOrder,
    arm_id: str,
    kind: ResourceKind,
    body: dict[str, Any] | None,
    expect: Mapping[str, str] | None = None,
    show: tuple[str, ...] = (),
) -> Steps[EnsureAnswer]:
    """Ensure that a resource is there, and wait until it is provisioned.

    Raises:
        Refused: Azure declines it, or its provisioning fails or takes too long.
    """
    request = EnsureResource(
        operation=order.id, resource_id=arm_id, kind=kind, body=body, expect=dict(expect or {}), show=show
    )
    first_answer = ensured = yield from call(ctx, ENSURE_RESOURCE, request)
    deadline = now(ctx) + RESOURCE_WITHIN
    while ensured.outcome != "absent" and ensured.state not in {"", "Succeeded"}:
        if ensured.state in {"Failed", "Canceled"} or now(ctx) >= deadline:
            raise Refused("not-provisioned", f"{name_of(arm_id)} is {ensured.state}")
        yield from sleep(ctx, RESOURCE_EVERY)
        ensured = yield from call(ctx, ENSURE_RESOURCE, request.model_copy(update={"body": None}))
    return ensured.model_copy(update={"outcome": "created"}) if first_answer.outcome == "created" else ensured


def _with_step_ended(run: Preparation, step: StepId, ensured: EnsureAnswer, name: str) -> Preparation:
    states: dict[str, StepState] = {"created": "created", "kept": "kept", "differs": "differs"}
    return run.with_step_ended(step, states[ensured.outcome], "; ".join(ensured.differences) or name)


def ensure_storage(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The account that caches replication, in the region of the vault."""
    site = order.document
    account = defaults.cache_storage_of(site)
    properties = {"minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": False, "supportsHttpsTrafficOnly": True}
    body = {"location": site.region, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties}
    expect = {"location": site.region, "kind": "StorageV2|Storage"}
    ensured = yield from ensure_resource(ctx, order, account, "storage", body, expect)
    return _with_step_ended(run, "storage", ensured, name_of(account))


def ensure_vault(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The vault, with an identity of its own where it is made here."""
    site = order.document
    sku = {"name": "RS0", "tier": "Standard"}
    body = {"location": site.region, "sku": sku, "identity": {"type": "SystemAssigned"}}
    body["properties"] = {"publicNetworkAccess": "Enabled"}
    private = "properties.privateEndpointStateForSiteRecovery"
    ensured = yield from ensure_resource(
        ctx, order, site.vault, "vault", body, {"location": site.region}, (PRINCIPAL, private)
    )
    ids = PreparedIds(vault_principal=ensured.facts.get(PRINCIPAL, ""), private_endpoint=ensured.facts.get(private, ""))
    return _with_step_ended(run.with_ids(ids), "vault", ensured, site.vault_name)


def ensure_site(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The Hyper-V site; the service makes its container with it."""
    site = order.document
    request = EnsureInVault(
        vault=VaultRef.from_id(site.vault), operation=order.id, kind="site", name=site.hyper_v_site, since=run.began
    )
    ensured = yield from ensure_in_vault(ctx, request)
    run = run.with_ids(PreparedIds(site=ensured.facts.get("siteId", "")))
    return _with_step_ended(run, "site", ensured, site.hyper_v_site)


def ensure_policy(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The policy: one of that name with other settings is the service's error 15035, so it is reported and left."""
    site = order.document
    policy = defaults.replication_policy_of(site)
    request = EnsureInVault(
        vault=VaultRef.from_id(site.vault),
        operation=order.id,
        kind="policy",
        name=policy.name,
        settings=defaults.policy_input(policy),
        compare=site.policy_settings is not None,
        since=run.began,
    )
    ensured = yield from ensure_in_vault(ctx, request)
    if ensured.outcome == "differs":
        difference = f"{policy.name} has other settings (15035): {'; '.join(ensured.differences)}"
        ensured = ensured.model_copy(update={"differences": (difference,)})
    run = run.with_ids(PreparedIds(policy=ensured.facts.get("policyId", "")))
    return _with_step_ended(run, "policy", ensured, policy.name)


def ensure_association(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The association of the site's container with the policy."""
    site, policy = order.document.hyper_v_site, defaults.replication_policy_of(order.document).name
    request = EnsureInVault(
        vault=VaultRef.from_id(order.document.vault),
        operation=order.id,
        kind="association",
        name=f"{site}-{policy}",
        site=site,
        policy=policy,
        since=run.began,
    )
    ensured = yield from ensure_in_vault(ctx, request)
    return _with_step_ended(run, "association", ensured, policy)


def _wait_for_job(ctx: Context, request: EnsureInVault, job: str) -> Steps[JobEnd | None]:
    """How a job ended; None where it cannot be read: what it makes says then whether it did.

    Raises:
        Refused: it takes too long.
    """
    deadline, answer = now(ctx) + RESOURCE_WITHIN, None
    watch = WatchJobs(vault=request.vault, jobs=(job,), since=request.since)
    while now(ctx) < deadline:
        watched = yield from call(ctx, WATCH_JOBS, watch)
        if watched.ended:
            return watched.ended[0]
        answer = answered_again(answer, watched.unreadable[0].detail, now(ctx)) if watched.unreadable else None
        if answer and answer.is_overdue:
            return None
        yield from sleep(ctx, RESOURCE_EVERY)
    raise Refused("too-long", f"The job {job}, which makes {request.name}, has not ended within {RESOURCE_WITHIN}.")


def ensure_in_vault(ctx: Context, request: EnsureInVault) -> Steps[EnsureAnswer]:
    """Ensure that the vault has something, and wait for the job that makes it.

    Raises:
        Refused: the job failed, or takes too long.
    """
    ensured = yield from call(ctx, ENSURE_IN_VAULT, request)
    if ensured.outcome != "started":
        return ensured
    job = yield from _wait_for_job(ctx, request, ensured.job)
    if job and job.outcome != "succeeded":
        raise Refused(job.code or job.state, job.detail or f"The job that makes {request.name} is {job.state}.")
    created = yield from call(ctx, ENSURE_IN_VAULT, request.model_copy(update={"create": False}))
    if created.outcome == "absent":
        how = "succeeded" if job else "cannot be read"
        detail = f"The job that makes {request.name} {how}, and the vault does not show it."
        raise Refused("not-there", detail)
    return created.model_copy(update={"outcome": "created"})


def needed_grants(site: SiteDocument, cluster_principal: str, vault_principal: str) -> list[RoleGrant]:
    """Of the cluster's identity, and of the vault's where it has one."""
    cluster_grant = (site.vault, SITE_RECOVERY_CONTRIBUTOR, cluster_principal, (OWNER, CONTRIBUTOR))
    if not vault_principal:
        return [cluster_grant]
    account = defaults.cache_storage_of(site)
    on_account = (account, CONTRIBUTOR, vault_principal, (OWNER,))
    return [cluster_grant, on_account, (account, BLOB_CONTRIBUTOR, vault_principal, (BLOB_OWNER,))]


def ensure_roles(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The cluster's identity on the vault, to fetch its registration key; the vault's on the cache, to read it.

    Source: the vendor's guide, "Prepare infrastructure"; and the role assignments that its own test makes.
    """
    site = order.document
    cluster = yield from ensure_resource(ctx, order, site.cluster, "cluster", None, show=(PRINCIPAL,))
    if not (principal := cluster.facts.get(PRINCIPAL)):
        remedy = "Repair its registration on a node: Register-AzStackHCI -RepairRegistration."
        raise Refused("no-identity", f"The cluster has no managed identity. {remedy}")
    role_grants = needed_grants(site, principal, run.ids.vault_principal)
    made = 0
    for scope, role, principal_id, sufficient in role_grants:
        request = EnsureRole(operation=order.id, scope=scope, role=role, principal=principal_id, sufficient=sufficient)
        made += (yield from call(ctx, ENSURE_ROLE, request)).outcome == "created"
    return run.with_step_ended(
        "roles", "created" if made else "kept", f"{len(role_grants)} role assignments, {made} of them new"
    )


def ensure_drill_network(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """A network without peerings; one that is there and has some is not isolated."""
    site = order.document
    network = site.drill_network
    if network is None:
        return run.with_step_ended("drill-network", "skipped", "not asked for")
    subnet = {"name": network.subnet, "properties": {"addressPrefix": network.address_prefix}}
    properties = {"addressSpace": {"addressPrefixes": [network.address_prefix]}, "subnets": [subnet]}
    body = {"location": site.region, "properties": properties}
    peerings = "properties.virtualNetworkPeerings"
    expect = {"location": site.region}
    ensured = yield from ensure_resource(ctx, order, network.network, "network", body, expect, (peerings,))
    if ensured.facts.get(peerings, "") not in {"", "[]"}:
        ensured = ensured.model_copy(update={"outcome": "differs", "differences": ("it has peerings: not isolated",)})
    return _with_step_ended(run, "drill-network", ensured, name_of(network.network))


def _find_registration_gaps(ctx: Context, order: PrepareOrder, run: Preparation, vault: VaultRef) -> Steps[list[str]]:
    request = ReadProviders(vault=vault, fabric=order.document.hyper_v_site)
    provider_views = yield from call(ctx, READ_PROVIDERS, request)
    jobs = (yield from call(ctx, READ_REGISTRATIONS, ReadRegistrations(vault=vault, since=run.began))).registrations
    failed = {job.host: job.detail for job in jobs if job.outcome == "failed"}
    names = [node.node for node in run.nodes]
    return list(registration_gaps(names, provider_views.providers, failed, provider_views.at))


def prove_registration(ctx: Context, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """Every node a provider that is Connected with a fresh heartbeat, and no failed registration job among the newest.

    Source: the vendor's known issue 1.
    """
    vault, deadline = VaultRef.from_id(order.document.vault), now(ctx) + REGISTERED_WITHIN
    while True:
        gaps = yield from _find_registration_gaps(ctx, order, run, vault)
        if not gaps:
            return run.with_step_ended("registration", "kept", f"{len(run.nodes)} nodes Connected")
        if now(ctx) >= deadline:
            return run.with_step_ended("registration", "failed", "; ".join(gaps))
        yield from sleep(ctx, RESOURCE_EVERY)
