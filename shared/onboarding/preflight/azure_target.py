"""Checks of what a failover goes to: vault, policy, cache storage, networks, quota."""

from collections.abc import Iterator

from shared.onboarding.preflight.check import GUIDE, MATRIX, Check, Line, unseen
from shared.onboarding.preflight.facts import NetworkFacts, Seen
from shared.sites.defaults import cache_storage_of, policy_of
from shared.sites.site import ReplicationPolicy

KINDS = frozenset({"storage", "storagev2"})
POLICY_FIELDS = {
    "recovery_point_hours": "recoveryPointHistoryDurationInHours",
    "app_consistent_hours": "applicationConsistentSnapshotFrequencyInHours",
    "interval_seconds": "replicationInterval",
}
"""Our names of a policy's settings, and those of the service's GET."""


def same_region(one: str, other: str) -> bool:
    """Regions are written "westeurope" and "West Europe"."""
    return one.replace(" ", "").lower() == other.replace(" ", "").lower()


def _region(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "vault")
    azure, declared = seen.azure, seen.site.region
    if azure.cluster is None:
        yield Line("unknown", "the cluster was not seen")
    elif same_region(azure.cluster.location, declared):
        yield Line("pass", f"the cluster is in {azure.cluster.location}")
    else:
        yield Line("fail", f"the cluster is in {azure.cluster.location}, the site says {declared}")
    if azure.vault and not same_region(azure.vault.location, declared):
        yield Line("fail", f"{seen.site.vault_name} is in {azure.vault.location}, the site says {declared}")
    elif azure.vault:
        yield Line("pass", f"{seen.site.vault_name} is in {azure.vault.location}")
    elif "vault" not in azure.unseen:
        yield Line("pass", f"there is no vault {seen.site.vault_name} yet; prepare makes it")


def _policy(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "policy")
    wanted = seen.site.policy_settings
    there = seen.azure.vault.policy if seen.azure.vault else None
    if there is None:
        if wanted:
            yield Line("pass", f"there is no policy {wanted.name} yet; prepare makes it")
        elif "policy" not in seen.azure.unseen:
            said = f"there is no policy {policy_of(seen.site).name}, and the site does not say what is in it"
            yield Line("warn" if seen.azure.vault else "pass", f"{said}; prepare makes it with the usual settings")
    elif wanted and (differing := list(policy_differences(wanted, there))):
        yield from (Line("fail", f"{wanted.name}: {one}") for one in differing)
    else:
        yield Line("pass", f"the policy {policy_of(seen.site).name} agrees")


def policy_differences(wanted: ReplicationPolicy, there: dict[str, object]) -> Iterator[str]:
    """What of a policy that exists is other than declared, a sentence each."""
    for ours, theirs in POLICY_FIELDS.items():
        declared, found = getattr(wanted, ours), there.get(theirs)
        if found is not None and int(str(found)) != declared:
            yield f"{theirs} is {found}, the site says {declared}"


def _account(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "account")
    account, name = seen.azure.account, cache_storage_of(seen.site).rsplit("/", 1)[-1]
    if account is None:
        if "account" not in seen.azure.unseen:
            yield Line("pass", "there is no cache storage account yet; prepare makes it")
        return
    if account.kind.lower() not in KINDS:
        yield Line("fail", f"{name} is of kind {account.kind}; replication needs a general-purpose account")
    if account.access_tier.lower() in {"cool", "cold"}:
        yield Line("fail", f"{name} is in the {account.access_tier} tier, which replication does not support")
    if not same_region(account.location, seen.site.region):
        yield Line("fail", f"{name} is in {account.location}, the site says {seen.site.region}")
    if account.firewall:
        yield Line("fail", f"{name} lets only chosen networks in, which is not supported for a cache account")
    yield Line("pass", f"{name} is {account.kind}, {account.sku}, in {account.location}")


def _network(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "network")
    site, azure = seen.site, seen.azure
    if not site.network:
        yield Line("pass", "the network is to be chosen later, per VM")
    else:
        yield from _one_network(seen, azure.network, site.network, site.subnet)
    if site.drill_network and azure.drill_network:
        yield from _one_network(seen, azure.drill_network, site.drill_network.network, site.drill_network.subnet)
        if azure.drill_network.peerings:
            yield Line("fail", f"{_name(site.drill_network.network)} has peerings: it is not isolated")
    elif site.drill_network:
        yield Line("pass", f"there is no {_name(site.drill_network.network)} yet; prepare makes it")


def _one_network(seen: Seen, found: NetworkFacts | None, arm_id: str, subnet: str) -> Iterator[Line]:
    name = _name(arm_id)
    if found is None:
        if "network" not in seen.azure.unseen:
            yield Line("fail", f"there is no network {name}")
        return
    if not same_region(found.location, seen.site.region):
        yield Line("fail", f"{name} is in {found.location}, the site says {seen.site.region}")
    if subnet and subnet.lower() not in {one.lower() for one in found.subnets}:
        yield Line("fail", f"{name} has no subnet {subnet}, only {', '.join(found.subnets) or 'none at all'}")
    else:
        yield Line("pass", f"{name} is there{f' with its subnet {subnet}' if subnet else ''}")


def _name(arm_id: str) -> str:
    return arm_id.rsplit("/", 1)[-1]


def _quota(seen: Seen) -> Iterator[Line]:
    yield from unseen(seen, "quota")
    quota, needed = seen.azure.quota, sum(machine.cpus for machine in seen.machines)
    if quota is None:
        if "quota" not in seen.azure.unseen:
            yield Line("unknown", "the region told no quota of cores")
        return
    free = quota.limit - quota.used
    said = f"a failover of all VMs needs {needed} cores; {free} of {quota.limit} are free in {seen.site.region}"
    yield Line("fail" if needed > free else "warn" if needed > free // 2 else "pass", said)


CHECKS = (
    Check(
        "vault-region",
        "Vault and cluster are in the same region",
        _region,
        "Declare the cluster's region, and a vault in that region.",
        GUIDE + "#step-1-prepare-infrastructure-on-your-target-host",
    ),
    Check(
        "policy-agrees",
        "A policy of that name, if there is one, has the declared settings",
        _policy,
        "Declare the settings that the policy has, or another name: a policy that differs is refused (15035).",
        "https://learn.microsoft.com/azure/site-recovery/hyper-v-azure-tutorial#replication-policy",
    ),
    Check(
        "cache-account",
        "The cache storage account is of a kind that replication can use",
        _account,
        "Declare a general-purpose account (Storage or StorageV2, hot) in {region} that all networks may reach.",
        MATRIX + "#azure-storage",
    ),
    Check(
        "target-network",
        "The networks that machines fail over to are there",
        _network,
        "Create the network with its subnet in {region}, or declare another; a drill's network has no peerings.",
        "https://learn.microsoft.com/azure/site-recovery/tutorial-prepare-azure-for-hyperv",
    ),
    Check(
        "target-quota",
        "The target region has cores enough",
        _quota,
        "Ask for more regional vCPUs in {region}; a drill beside a failover needs as many again.",
        "https://learn.microsoft.com/azure/quotas/regional-quota-requests",
    ),
)
