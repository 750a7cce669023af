"""Checks of what may be done: our identity's rights, those of the cluster's identity, and locks."""

import re
from collections.abc import Iterable, Iterator

from shared.onboarding.preflight.check import GUIDE, Check, CheckLine, unread_lines
from shared.onboarding.preflight.facts import RightsFacts, SiteFacts

OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
SITE_RECOVERY_CONTRIBUTOR = "6670b86e-a3f7-4917-ac9b-5d6ab1be4567"
ENOUGH = frozenset({OWNER, CONTRIBUTOR, SITE_RECOVERY_CONTRIBUTOR})
"""Built-in roles that let the cluster's identity fetch the vault's registration key (assumed of the last)."""
BLOB_OWNER, BLOB_CONTRIBUTOR = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
ON_ACCOUNT = (frozenset({OWNER, CONTRIBUTOR}), frozenset({BLOB_OWNER, BLOB_CONTRIBUTOR}))
"""Of the vault's identity, one of each: recorded for a failover with a vault that has an identity."""
ON_VAULT = (
    "Microsoft.RecoveryServices/vaults/write",
    "Microsoft.RecoveryServices/vaults/replicationFabrics/write",
    "Microsoft.Authorization/roleAssignments/write",
)
ON_CLUSTER = (
    "Microsoft.AzureStackHCI/clusters/read",
    "Microsoft.AzureStackHCI/clusters/write",
    "Microsoft.AzureStackHCI/clusters/arcSettings/extensions/write",
)
ON_NODES = (
    "Microsoft.HybridCompute/machines/extensions/write",
    "Microsoft.HybridCompute/machines/extensions/delete",
    "Microsoft.HybridCompute/machines/runCommands/write",
)
ROLES = "https://learn.microsoft.com/azure/role-based-access-control/role-assignments-portal"
LOCKS = "https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources"


def is_allowed(rights: RightsFacts, action: str) -> bool:
    """Whether one of the granted roles has the action and does not except it again: roles add up."""
    return any(
        _matches_any(action, actions) and not _matches_any(action, excepted) for actions, excepted in rights.granted
    )


def _matches_any(action: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), action, re.IGNORECASE) for p in patterns)


def check_actions(rights: RightsFacts | None, actions: tuple[str, ...]) -> Iterator[CheckLine]:
    if rights is None:
        yield CheckLine("unknown", "our identity's permissions could not be read")
        return
    lacking = [action for action in actions if not is_allowed(rights, action)]
    for action in lacking:
        yield CheckLine("fail", f"our identity lacks {action} on {rights.scope}")
    if not lacking:
        yield CheckLine("pass", f"our identity may do all that is needed on {rights.scope}")


def check_vault_rights(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from check_actions(facts.azure.rights_vault, ON_VAULT)


def check_cluster_rights(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from check_actions(facts.azure.rights_cluster, ON_CLUSTER)
    if facts.azure.nodes:
        yield from check_actions(facts.azure.rights_nodes, ON_NODES)


def check_cluster_identity(facts: SiteFacts) -> Iterator[CheckLine]:
    azure = facts.azure
    yield from unread_lines(facts, "roles")
    if azure.cluster is None or not azure.cluster.principal:
        yield CheckLine("fail", "the cluster has no managed identity that could have rights")
    elif azure.vault and ENOUGH & set(azure.vault.cluster_roles):
        yield CheckLine("pass", f"the cluster's identity has a role on {facts.site.vault_name}")
    elif azure.rights_vault and is_allowed(azure.rights_vault, ON_VAULT[-1]):
        yield CheckLine("warn" if azure.vault else "pass", "it has no role on the vault yet; prepare assigns it")
    else:
        yield CheckLine("fail", "the cluster's identity has no role on the vault, and ours may not assign one")


def check_locks(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from unread_lines(facts, "locks")
    for lock in facts.azure.locks:
        hard = lock.level == "ReadOnly"
        effect = "nothing can be installed or changed" if hard else "nothing can be uninstalled or removed again"
        yield CheckLine("fail" if hard else "warn", f"{lock.name} ({lock.level}) holds for {lock.on}: {effect}")
    if not facts.azure.locks and "locks" not in facts.azure.unread:
        yield CheckLine("pass", "no lock holds for the vault, the cluster or a node")


CHECKS = (
    Check(
        "rights-vault",
        "Our identity is an owner of the vault",
        check_vault_rights,
        "Assign our identity Owner on the vault or its resource group (or Contributor and User Access Administrator).",
        GUIDE + "#step-1-prepare-infrastructure-on-your-target-host",
    ),
    Check(
        "rights-cluster",
        "Our identity may read and write the cluster and its nodes",
        check_cluster_rights,
        "Assign our identity a role with these actions on the resource groups of the cluster and of its nodes.",
        GUIDE + "#prerequisites-and-planning",
    ),
    Check(
        "rights-cluster-identity",
        "The cluster's identity has its role on the vault, or can be given it",
        check_cluster_identity,
        "Assign the cluster's managed identity Contributor on {vault}; prepare does so where our identity may.",
        ROLES,
    ),
    Check(
        "locks",
        "No resource lock stands in the way",
        check_locks,
        "Take the lock off, or narrow it to what it should protect.",
        LOCKS,
    ),
)
