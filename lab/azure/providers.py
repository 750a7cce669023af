"""Which providers the lab simulates, and what they hook onto it."""

from lab.azure import (
    activity,
    authorization,
    automation,
    clusters,
    compute,
    extensions,
    machines,
    network,
    peerings,
    permissions,
    quota,
    read_node,
    read_source,
    resources,
    runcommands,
    scripts,
    storage,
    vaults,
    vm_run_commands,
)
from lab.azure.asr import install as site_recovery
from lab.azure.asr import providers as asr_providers
from lab.azure.lab import Lab
from lab.azure.routing import Provider

PROVIDERS: list[Provider] = [
    resources.provider,
    activity.provider,
    compute.provider,
    network.provider,
    storage.provider,
    automation.provider,
    authorization.roles,
    authorization.locks,
    machines.provider,
    clusters.provider,
    vaults.provider,
    site_recovery.PROVIDER,
]
REGISTERED_BY_IMPORT = (
    extensions,
    runcommands,
    scripts,
    read_node,
    read_source,
    peerings,
    permissions,
    quota,
    vm_run_commands,
)
"""Modules that add routes to another module's provider, and scripts to its run commands."""


def install(lab: Lab) -> None:
    """Hook every provider's callbacks onto a lab."""
    lab.on_disconnect.append(machines.disconnect)
    lab.on_uninstalled.append(asr_providers.lose)
    site_recovery.install(lab)
