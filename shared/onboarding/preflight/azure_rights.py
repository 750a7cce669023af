"""Checks of what may be done: our identity's rights, those of the cluster's identity, and locks."""

import re
from collections.abc import Iterable, Iterator

from shared.onboarding.preflight.azure_actions import (
    FOR_CLUSTER_EXTENSION,
    FOR_LOCK_REMOVAL,
    ON_CLUSTER,
    ON_NODES,
    ON_TARGET_GROUP,
    ON_VAULT,
    Actions,
)
from shared.onboarding.preflight.check import Check, CheckLine, unread_lines
from shared.onboarding.preflight.facts import RightsFacts, SiteFacts

OWNER, CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
SITE_RECOVERY_CONTRIBUTOR = "6670b86e-a3f7-4917-ac9b-5d6ab1be4567"
ENOUGH = frozenset({OWNER, CONTRIBUTOR, SITE_RECOVERY_CONTRIBUTOR})
"""Built-in roles that let the cluster's identity fetch the vault's registration key (assumed of the last)."""
BLOB_OWNER, BLOB_CONTRIBUTOR = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
ON_ACCOUNT = (frozenset({OWNER, CONTRIBUTOR}), frozenset({BLOB_OWNER, BLOB_CONTRIBUTOR}))
"""Of the vault's identity, one of each: recorded for a failover with a vault that has an identity."""
ASSIGN_ROLES = "Microsoft.Authorization/roleAssignments/write"
ROLES = "https://learn.microsoft.com/azure/role-based-access-control/role-assignments-portal"
LOCKS = "https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources"


def is_allowed(rights: RightsFacts, action: str) -> bool:
    """Whether one of the granted roles has the action and does not except it again: roles add up."""
    return any(
        _matches_any(action, actions) and not _matches_any(action, excepted) for actions, excepted in rights.granted
    )


def _matches_any(action: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), action, re.IGNORECASE) for p in patterns)


def check_actions(rights: RightsFacts | None, *needed: Actions) -> Iterator[CheckLine]:
    """A line for each role of which something is missing, with every action that is."""
    if rights is None:
        yield CheckLine("unknown", "our identity's permissions could not be read")
        return
    is_complete = True
    for role, actions in ((role, actions) for one in needed for role, actions in one.items()):
        if lacking := [action for action in actions if not is_allowed(rights, action)]:
            is_complete = False
            yield CheckLine("fail", f"our identity lacks of the role {role} on {rights.scope}: {', '.join(lacking)}")
    if is_complete:
        yield CheckLine("pass", f"our identity may do all that is needed on {rights.scope}")


def check_vault_rights(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from check_actions(facts.azure.rights_vault, ON_VAULT)


def check_cluster_rights(facts: SiteFacts) -> Iterator[CheckLine]:
    for_cluster = (FOR_CLUSTER_EXTENSION,) if facts.site.install == "cluster" else ()
    yield from check_actions(facts.azure.rights_cluster, ON_CLUSTER, *for_cluster)
    if facts.azure.nodes:
        for_locks = (FOR_LOCK_REMOVAL,) if facts.site.healing_rules.allow_lock_removal else ()
        yield from check_actions(facts.azure.rights_nodes, ON_NODES, *for_locks)


def check_target_rights(facts: SiteFacts) -> Iterator[CheckLine]:
    yield from check_actions(facts.azure.rights_target, ON_TARGET_GROUP)


def check_cluster_identity(facts: SiteFacts) -> Iterator[CheckLine]:
    azure = facts.azure
    yield from unread_lines(facts, "roles")
    if azure.cluster is None or not azure.cluster.principal:
        yield CheckLine("fail", "the cluster has no managed identity that could have rights")
    elif azure.vault and ENOUGH & set(azure.vault.cluster_roles):
        yield CheckLine("pass", f"the cluster's identity has a role on {facts.site.vault_name}")
    elif azure.rights_vault and is_allowed(azure.rights_vault, ASSIGN_ROLES):
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
        "Our identity has its roles on the vault",
        check_vault_rights,
        "Assign our identity the roles that are named, on the resource group of {vault}: see infra/roles.bicep.",
        ROLES,
    ),
    Check(
        "rights-cluster",
        "Our identity has its roles on the cluster and its nodes",
        check_cluster_rights,
        "Assign our identity the roles that are named, on the resource groups of {cluster} and of its nodes.",
        ROLES,
    ),
    Check(
        "rights-target",
        "Our identity has its roles on the target resource group",
        check_target_rights,
        "Assign our identity the roles that are named, on the target resource group.",
        ROLES,
    ),
    Check(
        "rights-cluster-identity",
        "The cluster's identity has its role on the vault, or can be given it",
        check_cluster_identity,
        "Assign the cluster's managed identity Site Recovery Contributor on {vault}; prepare does so where it may.",
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
