"""Checks of what a failover goes to: vault, policy, cache storage, networks, quota."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.arm_ids import name_of
from shared.onboarding.preflight.check import GUIDE, MATRIX, Check, CheckLine, CheckState, unread_lines
from shared.onboarding.preflight.facts import AccountFacts, NetworkFacts, QuotaFacts, SiteFacts
from shared.sites.defaults import cache_storage_of, replication_policy_of
from shared.sites.quota import TOTAL, Usage, find_demands
from shared.sites.site import ReplicationPolicy
from shared.wording import list_briefly

ACCOUNT_KINDS = frozenset({"storage", "storagev2"})
POLICY_FIELDS = {
    "recovery_point_hours": "recoveryPointHistoryDurationInHours",
    "app_consistent_hours": "applicationConsistentSnapshotFrequencyInHours",
    "interval_seconds": "replicationInterval",
}
"""Our names of a policy's settings, and those of the service's GET."""


def same_region(region: str, other_region: str) -> bool:
    """Regions are written "westeurope" and "West Europe"."""
    return region.replace(" ", "").lower() == other_region.replace(" ", "").lower()


def check_region(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "vault")
    azure, declared = facts.azure, facts.site.region
    if azure.cluster is None:
        yield CheckLine("unknown", "the cluster could not be read")
    elif same_region(azure.cluster.location, declared):
        yield CheckLine("pass", f"the cluster is in {azure.cluster.location}")
    else:
        yield CheckLine("fail", f"the cluster is in {azure.cluster.location}, the site declares {declared}")
    yield from check_vault_region(facts)


def check_vault_region(facts: SiteFacts) -> Iterator[CheckLine]:
    azure, declared = facts.azure, facts.site.region
    if azure.vault and not same_region(azure.vault.location, declared):
        yield CheckLine("fail", f"{facts.site.vault_name} is in {azure.vault.location}, the site declares {declared}")
    elif azure.vault:
        yield CheckLine("pass", f"{facts.site.vault_name} is in {azure.vault.location}")
    elif "vault" not in azure.unread:
        yield CheckLine("pass", f"there is no vault {facts.site.vault_name} yet; prepare makes it")


def check_policy(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "policy")
    wanted = facts.site.policy_settings
    found = facts.azure.vault.policy if facts.azure.vault else None
    if found is None and wanted:
        yield CheckLine("pass", f"there is no policy {wanted.name} yet; prepare makes it")
    elif found is None:
        yield from note_usual_policy(facts)
    elif wanted and (differing := list(policy_differences(wanted, found))):
        for field, actual, declared in differing:
            yield CheckLine("fail", f"{wanted.name}: {field} is {actual}, the site declares {declared}")
    else:
        yield CheckLine("pass", f"the policy {replication_policy_of(facts.site).name} agrees")


def note_usual_policy(facts: SiteFacts) -> Iterator[CheckLine]:
    if "policy" not in facts.azure.unread:
        detail = (
            f"there is no policy {replication_policy_of(facts.site).name}, and the site does not declare its settings"
        )
        yield CheckLine("warn" if facts.azure.vault else "pass", f"{detail}; prepare makes it with the usual settings")


class PolicyDifference(NamedTuple):
    """A setting of a policy that exists and is other than declared; the field has the service's name."""

    field: str
    found: int
    declared: int


def policy_differences(wanted: ReplicationPolicy, found: dict[str, object]) -> Iterator[PolicyDifference]:
    """What of a policy that exists is other than declared."""
    for ours, theirs in POLICY_FIELDS.items():
        declared, actual = int(getattr(wanted, ours)), found.get(theirs)
        if actual is not None and int(str(actual)) != declared:
            yield PolicyDifference(theirs, int(str(actual)), declared)


def check_account(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "account")
    account, name = facts.azure.account, name_of(cache_storage_of(facts.site))
    if account is None:
        if "account" not in facts.azure.unread:
            yield CheckLine("pass", "there is no cache storage account yet; prepare makes it")
        return
    yield from check_account_properties(facts, account, name)
    yield CheckLine("pass", f"{name} is {account.kind}, {account.sku}, in {account.location}")


def check_account_properties(facts: SiteFacts, account: AccountFacts, name: str) -> Iterator[CheckLine]:
    if account.kind.lower() not in ACCOUNT_KINDS:
        yield CheckLine("fail", f"{name} is of kind {account.kind}; replication needs a general-purpose account")
    if account.access_tier.lower() in {"cool", "cold"}:
        yield CheckLine("fail", f"{name} is in the {account.access_tier} tier, which replication does not support")
    if not same_region(account.location, facts.site.region):
        yield CheckLine("fail", f"{name} is in {account.location}, the site declares {facts.site.region}")
    if account.firewall:
        yield CheckLine("fail", f"{name} lets only chosen networks in, which is not supported for a cache account")


def check_networks(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "network")
    site, azure = facts.site, facts.azure
    if not site.network:
        yield CheckLine("pass", "the network is to be chosen later, per VM")
    else:
        yield from check_network(facts, azure.network, site.network, site.subnet)
    if site.drill_network and azure.drill_network:
        yield from check_network(facts, azure.drill_network, site.drill_network.network, site.drill_network.subnet)
        if azure.drill_network.peerings:
            yield CheckLine("fail", f"{name_of(site.drill_network.network)} has peerings: it is not isolated")
    elif site.drill_network:
        yield CheckLine("pass", f"there is no {name_of(site.drill_network.network)} yet; prepare makes it")


def check_network(facts: SiteFacts, found: NetworkFacts | None, arm_id: str, subnet: str) -> Iterator[CheckLine]:
    name = name_of(arm_id)
    if found is None:
        if "network" not in facts.azure.unread:
            yield CheckLine("fail", f"there is no network {name}")
        return
    if not same_region(found.location, facts.site.region):
        yield CheckLine("fail", f"{name} is in {found.location}, the site declares {facts.site.region}")
    if subnet and subnet.lower() not in {one.lower() for one in found.subnets}:
        yield CheckLine("fail", f"{name} has no subnet {subnet}, only {', '.join(found.subnets) or 'none at all'}")
    else:
        yield CheckLine("pass", f"{name} is there{f' with its subnet {subnet}' if subnet else ''}")


def check_quota(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "quota")
    quota, needed = facts.azure.quota, sum(machine.cpus for machine in facts.machines)
    if quota is None:
        if "quota" not in facts.azure.unread:
            yield CheckLine("unknown", "Azure shows no quota of cores for the region")
        return
    free = quota.limit - quota.used
    detail = f"a failover of all VMs needs {needed} cores; {free} of {quota.limit} are free in {facts.site.region}"
    yield CheckLine("fail" if needed > free else "warn" if needed > free // 2 else "pass", detail)
    yield from check_families(facts, quota)


def check_families(facts: SiteFacts, quota: QuotaFacts) -> Iterator[CheckLine]:
    """The quotas of the families that the VMs' sizes belong to; those of others are known once they are protected."""
    if quota.families is None:
        return
    meant = {machine.name.lower() for machine in facts.machines}
    sizes = {vm: size for vm, size in quota.vm_sizes.items() if vm.lower() in meant}
    for demand in find_demands(quota.families, sizes):
        if demand.name != TOTAL:
            half = demand.cores > demand.usage.free // 2
            state: CheckState = "fail" if demand.is_too_much else "warn" if half else "pass"
            yield CheckLine(state, demand.describe(facts.site.region))
    full = [one.shown or name for name, one in quota.families.usages.items() if is_family_full(name, one)]
    if full and len(sizes) < len(meant):
        unsized = f"the sizes of {len(meant) - len(sizes)} VMs are not known before they are protected"
        yield CheckLine("unknown", f"{unsized}; no core is left of {list_briefly(full)}")


def is_family_full(name: str, usage: Usage) -> bool:
    """Whether a family that the subscription uses has no core left."""
    return name.lower().endswith("family") and 0 < usage.limit <= usage.used


CHECKS = (
    Check(
        "vault-region",
        "Vault and cluster are in the same region",
        check_region,
        "Declare the cluster's region, and a vault in that region.",
        GUIDE + "#step-1-prepare-infrastructure-on-your-target-host",
    ),
    Check(
        "policy-agrees",
        "A policy of that name, if there is one, has the declared settings",
        check_policy,
        "Declare the settings that the policy has, or another name: a policy that differs is refused (15035).",
        "https://learn.microsoft.com/azure/site-recovery/hyper-v-azure-tutorial#replication-policy",
    ),
    Check(
        "cache-account",
        "The cache storage account is of a kind that replication can use",
        check_account,
        "Declare a general-purpose account (Storage or StorageV2, hot) in {region} that all networks may reach.",
        MATRIX + "#azure-storage",
    ),
    Check(
        "target-network",
        "The networks that machines fail over to are there",
        check_networks,
        "Create the network with its subnet in {region}, or declare another; a drill's network has no peerings.",
        "https://learn.microsoft.com/azure/site-recovery/tutorial-prepare-azure-for-hyperv",
    ),
    Check(
        "target-quota",
        "The target region has cores enough",
        check_quota,
        "Ask for more regional vCPUs in {region}; a drill beside a failover needs as many again.",
        "https://learn.microsoft.com/azure/quotas/regional-quota-requests",
    ),
)
