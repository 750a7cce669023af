"""What a site has where its document does not say: its replication policy and its cache storage account. Pure."""

import hashlib

from shared.arm_ids import group_id_of
from shared.sites.site import ReplicationPolicy, SiteDocument


def replication_policy_of(site: SiteDocument) -> ReplicationPolicy:
    """The policy that is made when it is missing: the declared one, or the usual settings under the declared name."""
    return site.policy_settings or ReplicationPolicy(name=site.policy_name or f"{site.hyper_v_site}-policy")


def policy_input(policy: ReplicationPolicy) -> dict[str, int]:
    """Its settings as the API's input names them."""
    return {
        "recoveryPointHistoryDuration": policy.recovery_point_hours,
        "applicationConsistentSnapshotFrequencyInHours": policy.app_consistent_hours,
        "replicationInterval": policy.interval_seconds,
    }


def cache_storage_of(site: SiteDocument) -> str:
    """ARM id of the cache storage account: the declared one, or one named after the vault, beside it."""
    if site.cache_storage:
        return site.cache_storage
    mark = hashlib.sha256(site.vault.lower().encode()).hexdigest()[:16]
    return f"{group_id_of(site.vault)}/providers/Microsoft.Storage/storageAccounts/stasr{mark}"
