"""The api-version of each of Azure's APIs that this product calls: all of them, in one place.

An SDK speaks the version that it was pinned with; a test compares the first three with those.
"""

SITE_RECOVERY_API = "2025-08-01"
HYBRID_COMPUTE_API = "2026-07-15"
RESOURCES_API = "2025-04-01"
"""Resources of any kind, and resource groups."""

ACTIVITY_LOG_API = "2015-04-01"
AUTHORIZATION_API = "2022-04-01"
"""Role assignments and permissions."""
AUTOMATION_API = "2024-10-23"
AZURE_STACK_HCI_API = "2026-10-01"
COMPUTE_API = "2024-07-01"
"""Virtual machines with their run commands, and usages of the quota."""
COMPUTE_SKUS_API = "2021-07-01"
"""Sizes of VMs with their cores and families."""
DISKS_API = "2024-03-02"
KEY_VAULT_API = "7.4"
"""Secrets; it is the vault's own, not Azure Resource Manager's."""
LOCKS_API = "2020-05-01"
NETWORK_API = "2024-05-01"
RECOVERY_SERVICES_API = "2026-11-01"
"""Vaults themselves; what is in them is Site Recovery's."""
STORAGE_API = "2025-06-01"
