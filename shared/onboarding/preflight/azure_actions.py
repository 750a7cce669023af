"""What the app's identity must be able to do for a site, by where: the actions of the custom roles in infra/roles.

A test compares them with the roles, as what is deployed does not have those files.
"""

from collections.abc import Mapping
from typing import Literal

type RoleName = Literal["reader", "drill", "failover", "prepare", "heal"]
type Actions = Mapping[RoleName, tuple[str, ...]]

VAULTS = "Microsoft.RecoveryServices/vaults"
CONTAINERS = f"{VAULTS}/replicationFabrics/replicationProtectionContainers"
ITEMS = f"{CONTAINERS}/replicationProtectedItems"

ON_VAULT: Actions = {
    "reader": (
        "Microsoft.Authorization/locks/read",
        "Microsoft.Authorization/roleAssignments/read",
        f"{VAULTS}/read",
        f"{VAULTS}/replicationFabrics/read",
        f"{CONTAINERS}/read",
        f"{CONTAINERS}/replicationProtectableItems/read",
        f"{ITEMS}/read",
        f"{ITEMS}/recoveryPoints/read",
        f"{ITEMS}/targetComputeSizes/read",
        f"{VAULTS}/replicationJobs/read",
        f"{VAULTS}/replicationPolicies/read",
        f"{VAULTS}/replicationProtectedItems/read",
        f"{VAULTS}/replicationProtectionContainerMappings/read",
        f"{VAULTS}/replicationRecoveryPlans/read",
        f"{VAULTS}/replicationRecoveryServicesProviders/read",
        "Microsoft.Storage/storageAccounts/read",
    ),
    "drill": (
        f"{ITEMS}/testFailover/action",
        f"{ITEMS}/testFailoverCleanup/action",
        f"{VAULTS}/replicationJobs/resume/action",
        f"{VAULTS}/replicationRecoveryPlans/testFailover/action",
        f"{VAULTS}/replicationRecoveryPlans/testFailoverCleanup/action",
    ),
    "failover": (
        f"{ITEMS}/applyRecoveryPoint/action",
        f"{ITEMS}/failoverCancel/action",
        f"{ITEMS}/failoverCommit/action",
        f"{ITEMS}/plannedFailover/action",
        f"{ITEMS}/reProtect/action",
        f"{ITEMS}/unplannedFailover/action",
        f"{ITEMS}/write",
        f"{VAULTS}/replicationJobs/resume/action",
        f"{VAULTS}/replicationRecoveryPlans/failoverCancel/action",
        f"{VAULTS}/replicationRecoveryPlans/failoverCommit/action",
        f"{VAULTS}/replicationRecoveryPlans/plannedFailover/action",
        f"{VAULTS}/replicationRecoveryPlans/reProtect/action",
        f"{VAULTS}/replicationRecoveryPlans/unplannedFailover/action",
    ),
    "prepare": (
        "Microsoft.Authorization/roleAssignments/write",
        f"{ITEMS}/remove/action",
        f"{ITEMS}/repairReplication/action",
        f"{ITEMS}/write",
        f"{CONTAINERS}/replicationProtectionContainerMappings/write",
        f"{VAULTS}/replicationFabrics/write",
        f"{VAULTS}/replicationJobs/restart/action",
        f"{VAULTS}/replicationJobs/resume/action",
        f"{VAULTS}/replicationPolicies/write",
        f"{VAULTS}/replicationRecoveryPlans/delete",
        f"{VAULTS}/replicationRecoveryPlans/write",
        f"{VAULTS}/write",
        "Microsoft.Storage/storageAccounts/write",
    ),
}
"""On the vault, or where it is to be made: on its resource group, which holds the cache storage as well by default."""
ON_CLUSTER: Actions = {
    "reader": ("Microsoft.AzureStackHCI/clusters/read",),
}
"""On the cluster."""
FOR_CLUSTER_EXTENSION: Actions = {
    "reader": ("Microsoft.AzureStackHCI/clusters/arcSettings/extensions/read",),
    "prepare": ("Microsoft.AzureStackHCI/clusters/arcSettings/extensions/write",),
}
"""Besides, where the extension is installed on the whole cluster."""
ON_NODES: Actions = {
    "reader": (
        "Microsoft.HybridCompute/machines/extensions/read",
        "Microsoft.HybridCompute/machines/read",
        "Microsoft.HybridCompute/machines/runCommands/read",
    ),
    "failover": (
        "Microsoft.HybridCompute/machines/runCommands/delete",
        "Microsoft.HybridCompute/machines/runCommands/write",
    ),
    "prepare": (
        "Microsoft.HybridCompute/machines/extensions/write",
        "Microsoft.HybridCompute/machines/runCommands/delete",
        "Microsoft.HybridCompute/machines/runCommands/write",
    ),
    "heal": (
        "Microsoft.HybridCompute/machines/extensions/delete",
        "Microsoft.HybridCompute/machines/extensions/write",
        "Microsoft.HybridCompute/machines/runCommands/delete",
        "Microsoft.HybridCompute/machines/runCommands/write",
    ),
}
"""On the Arc machines of its nodes."""
FOR_LOCK_REMOVAL: Actions = {
    "heal": (
        "Microsoft.Authorization/locks/delete",
        "Microsoft.Authorization/locks/write",
    ),
}
"""Besides, where a repair may take locks off."""
ON_TARGET_GROUP: Actions = {
    "reader": (
        "Microsoft.Compute/virtualMachines/instanceView/read",
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Compute/virtualMachines/runCommands/read",
        "Microsoft.Network/networkInterfaces/read",
        "Microsoft.Network/networkSecurityGroups/read",
        "Microsoft.Network/publicIPAddresses/read",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Resources/subscriptions/resourceGroups/resources/read",
    ),
    "drill": (
        "Microsoft.Compute/virtualMachines/runCommands/delete",
        "Microsoft.Compute/virtualMachines/runCommands/write",
    ),
    "failover": (
        "Microsoft.Compute/disks/delete",
        "Microsoft.Compute/virtualMachines/runCommands/delete",
        "Microsoft.Compute/virtualMachines/runCommands/write",
        "Microsoft.Network/networkInterfaces/delete",
    ),
}
"""On the group in which failovers make their machines."""
