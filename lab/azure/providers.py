"""Which providers the lab simulates, and what they hook onto it."""

from lab.azure import automation, storage, vaults
from lab.azure.arc import extensions, machine_removal, machines, run_commands
from lab.azure.arm import activity_log, authorization, permissions, resources, role_definitions
from lab.azure.arm.routing import Provider
from lab.azure.compute import quota, skus, virtual_machines, vm_run_commands
from lab.azure.hci import cluster_extensions, cluster_removal, clusters
from lab.azure.network import peerings, virtual_networks
from lab.azure.node_scripts import read_node, read_registration, read_source, sync_cluster
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery import install as site_recovery

PROVIDERS: list[Provider] = [
    resources.provider,
    activity_log.provider,
    virtual_machines.provider,
    skus.provider,
    virtual_networks.provider,
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
    cluster_extensions,
    cluster_removal,
    extensions,
    machine_removal,
    run_commands,
    sync_cluster,
    read_node,
    read_registration,
    read_source,
    peerings,
    permissions,
    role_definitions,
    quota,
    vm_run_commands,
)
"""Modules that add routes to another module's provider, and scripts to its run commands."""


def install_providers(lab: Lab) -> None:
    """Hook every provider's callbacks onto a lab."""
    lab.on_disconnect.append(machines.disconnect_machine)
    site_recovery.install_hooks(lab)
