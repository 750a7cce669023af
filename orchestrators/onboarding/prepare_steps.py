"""The steps of a preparation but for the nodes: each is looked for, made when missing, and never changed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from durabletask import task

from orchestrators.durable.steps import Steps, call, now, sleep
from shared.errors import Refused
from shared.messages import VaultRef
from shared.onboarding import preparation
from shared.onboarding.contract import (
    ENSURE_IN_VAULT,
    ENSURE_RESOURCE,
    ENSURE_ROLE,
    READ_REGISTRATIONS,
    Ensured,
    EnsureInVault,
    EnsureResource,
    EnsureRole,
    ReadRegistrations,
    ResourceKind,
)
from shared.onboarding.preparation import Preparation, PrepareOrder, StepId, StepState
from shared.site_recovery.contract import READ_PROVIDERS, WATCH_JOBS, JobEnd, ReadProviders, WatchJobs
from shared.sites import defaults

OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
SITE_RECOVERY_CONTRIBUTOR = "6670b86e-a3f7-4917-ac9b-5d6ab1be4567"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
type Grant = tuple[str, str, str, tuple[str, ...]]
"""Scope, role, principal, and the other roles that do as well."""
LOOK_EVERY, READY_WITHIN = timedelta(seconds=15), timedelta(minutes=15)
PROVEN_WITHIN = timedelta(minutes=15)
PRINCIPAL = "identity.principalId"


def ensure_groups(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """Every resource group that is named; where one is does not matter."""
    made = []
    for group in preparation.groups_of(order.document):
        done = yield from resource(ctx, order, group, "group", {"location": order.document.region})
        made += [group.rsplit("/", 1)[-1]] if done.outcome == "created" else []
    return run.told("groups", "created" if made else "kept", ", ".join(made))


def resource(
    ctx: task.OrchestrationContext,
    order: PrepareOrder,
    arm_id: str,
    kind: ResourceKind,
    body: dict[str, Any] | None,
    expect: Mapping[str, str] | None = None,
    show: tuple[str, ...] = (),
) -> Steps[Ensured]:
    """See to a resource and wait until it is provisioned.

    Raises:
        Refused: Azure declines it, or its provisioning fails or takes too long.
    """
    ask = EnsureResource(
        operation=order.id, resource_id=arm_id, kind=kind, body=body, expect=dict(expect or {}), show=show
    )
    first = seen = yield from call(ctx, ENSURE_RESOURCE, ask)
    deadline = now(ctx) + READY_WITHIN
    while seen.outcome != "absent" and seen.state not in {"", "Succeeded"}:
        if seen.state in {"Failed", "Canceled"} or now(ctx) >= deadline:
            raise Refused("not-provisioned", f"{arm_id.rsplit('/', 1)[-1]} is {seen.state}")
        yield from sleep(ctx, LOOK_EVERY)
        seen = yield from call(ctx, ENSURE_RESOURCE, ask.model_copy(update={"body": None}))
    return seen.model_copy(update={"outcome": "created"}) if first.outcome == "created" else seen


def _end(
    run: Preparation, step: StepId, done: Ensured, name: str, facts: Mapping[str, str] | None = None
) -> Preparation:
    states: dict[str, StepState] = {"created": "created", "kept": "kept", "differs": "differs"}
    return run.told(step, states[done.outcome], "; ".join(done.differences) or name, facts)


def ensure_storage(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The account that caches replication, in the region of the vault."""
    site = order.document
    account = defaults.cache_storage_of(site)
    properties = {"minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": False, "supportsHttpsTrafficOnly": True}
    body = {"location": site.region, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties}
    expect = {"location": site.region, "kind": "StorageV2|Storage"}
    done = yield from resource(ctx, order, account, "storage", body, expect)
    return _end(run, "storage", done, account.rsplit("/", 1)[-1])


def ensure_vault(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The vault, with an identity of its own where it is made here."""
    site = order.document
    sku = {"name": "RS0", "tier": "Standard"}
    body = {"location": site.region, "sku": sku, "identity": {"type": "SystemAssigned"}}
    body["properties"] = {"publicNetworkAccess": "Enabled"}
    private = "properties.privateEndpointStateForSiteRecovery"
    done = yield from resource(ctx, order, site.vault, "vault", body, {"location": site.region}, (PRINCIPAL, private))
    facts = {"vaultPrincipal": done.facts.get(PRINCIPAL, ""), "privateEndpoint": done.facts.get(private, "")}
    return _end(run, "vault", done, site.vault_name, facts)


def ensure_site(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The Hyper-V site; the service makes its container with it."""
    done = yield from in_vault(ctx, order, run, "site", order.document.hyper_v_site)
    return _end(run, "site", done, order.document.hyper_v_site, done.facts)


def ensure_policy(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The policy: one of that name with other settings would be the service's error 15035, so it is told and left."""
    site = order.document
    policy = defaults.policy_of(site)
    settings, compare = defaults.policy_settings(policy), site.policy_settings is not None
    done = yield from in_vault(ctx, order, run, "policy", policy.name, settings=settings, compare=compare)
    if done.outcome == "differs":
        told = f"{policy.name} has other settings (15035): {'; '.join(done.differences)}"
        done = done.model_copy(update={"differences": (told,)})
    return _end(run, "policy", done, policy.name, done.facts)


def ensure_association(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The association of the site's container with the policy."""
    site, policy = order.document.hyper_v_site, defaults.policy_of(order.document).name
    done = yield from in_vault(ctx, order, run, "association", f"{site}-{policy}", site=site, policy=policy)
    return _end(run, "association", done, policy)


def in_vault(
    ctx: task.OrchestrationContext,
    order: PrepareOrder,
    run: Preparation,
    what: Literal["site", "policy", "association"],
    name: str,
    **more: Any,
) -> Steps[Ensured]:
    """See to a thing of the vault, and wait for the job that makes it.

    Raises:
        Refused: the job failed.
    """
    vault = VaultRef.from_id(order.document.vault)
    ask = EnsureInVault(vault=vault, operation=order.id, what=what, name=name, since=run.began, **more)
    done = yield from call(ctx, ENSURE_IN_VAULT, ask)
    if done.outcome != "started":
        return done
    end = yield from _job(ctx, vault, run, done.job)
    if end.outcome != "succeeded":
        raise Refused(end.code or end.state, end.detail or f"the job that makes {name} is {end.state}")
    there = yield from call(ctx, ENSURE_IN_VAULT, ask.model_copy(update={"create": False}))
    if there.outcome == "absent":
        raise Refused("not-there", f"the job that makes {name} succeeded, and the vault does not show it")
    return there.model_copy(update={"outcome": "created"})


def _job(ctx: task.OrchestrationContext, vault: VaultRef, run: Preparation, job: str) -> Steps[JobEnd]:
    deadline = now(ctx) + READY_WITHIN
    while True:
        seen = yield from call(ctx, WATCH_JOBS, WatchJobs(vault=vault, jobs=(job,), since=run.began))
        if seen.ended:
            return seen.ended[0]
        if now(ctx) >= deadline:
            raise Refused("too-long", f"the job {job} has not ended within {READY_WITHIN}")
        yield from sleep(ctx, LOOK_EVERY)


def ensure_roles(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """The cluster's identity on the vault, to fetch its registration key; the vault's on the cache, to read it.

    Source: the vendor's guide, "Prepare infrastructure"; and the role assignments that its own test makes.
    """
    site = order.document
    cluster = yield from resource(ctx, order, site.cluster, "cluster", None, show=(PRINCIPAL,))
    if not (principal := cluster.facts.get(PRINCIPAL)):
        remedy = "repair its registration: Register-AzStackHCI -RepairRegistration"
        raise Refused("no-identity", f"the cluster has no managed identity; {remedy}")
    asks: list[tuple[str, str, str, tuple[str, ...]]] = [
        (site.vault, CONTRIBUTOR, principal, (OWNER, SITE_RECOVERY_CONTRIBUTOR))
    ]
    if vault := run.facts.get("vaultPrincipal"):
        account = defaults.cache_storage_of(site)
        asks += [(account, CONTRIBUTOR, vault, (OWNER,)), (account, BLOB_CONTRIBUTOR, vault, (BLOB_OWNER,))]
    made = 0
    for scope, role, who, sufficient in asks:
        ask = EnsureRole(operation=order.id, scope=scope, role=role, principal=who, sufficient=sufficient)
        made += (yield from call(ctx, ENSURE_ROLE, ask)).outcome == "created"
    return run.told("roles", "created" if made else "kept", f"{len(asks)} role assignments, {made} of them new")


def ensure_drill_network(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """A network without peerings; one that is there and has some is not isolated."""
    site = order.document
    wish = site.drill_network
    if wish is None:
        return run.told("drill-network", "skipped", "not asked for")
    subnet = {"name": wish.subnet, "properties": {"addressPrefix": wish.address_prefix}}
    properties = {"addressSpace": {"addressPrefixes": [wish.address_prefix]}, "subnets": [subnet]}
    body = {"location": site.region, "properties": properties}
    peerings = "properties.virtualNetworkPeerings"
    expect = {"location": site.region}
    done = yield from resource(ctx, order, wish.network, "network", body, expect, (peerings,))
    if done.facts.get(peerings, "") not in {"", "[]"}:
        done = done.model_copy(update={"outcome": "differs", "differences": ("it has peerings: not isolated",)})
    return _end(run, "drill-network", done, wish.network.rsplit("/", 1)[-1])


def prove_registration(ctx: task.OrchestrationContext, order: PrepareOrder, run: Preparation) -> Steps[Preparation]:
    """Every node a provider that is Connected with a fresh heartbeat, and no failed registration job among the newest.

    Source: the vendor's known issue 1.
    """
    vault, deadline = VaultRef.from_id(order.document.vault), now(ctx) + PROVEN_WITHIN
    names = [node.node for node in run.nodes]
    while True:
        hosts = yield from call(ctx, READ_PROVIDERS, ReadProviders(vault=vault, fabric=order.document.hyper_v_site))
        jobs = (yield from call(ctx, READ_REGISTRATIONS, ReadRegistrations(vault=vault, since=run.began))).registrations
        failed = {job.host: job.detail for job in jobs if job.outcome == "failed"}
        gaps = preparation.registration_gaps(names, hosts.providers, failed, hosts.at)
        if not gaps:
            return run.told("registration", "kept", f"{len(names)} nodes Connected")
        if now(ctx) >= deadline:
            return run.told("registration", "failed", "; ".join(gaps))
        yield from sleep(ctx, LOOK_EVERY)
