"""Site Recovery's part of a scenario: vaults with their site, policy, providers and machines that replicate."""

from datetime import timedelta

from lab.azure.arm.ids import resource_id
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import SUBSCRIPTION, Lab
from lab.azure.site_recovery.api.common import own_id
from lab.azure.site_recovery.api.times import exact_time
from lab.azure.site_recovery.items import protection
from lab.azure.site_recovery.jobs.job_routes import show_starters_in_lists
from lab.azure.site_recovery.sites import fabrics, policies, providers, source_machines

_POLICY: Json = {
    "recoveryPointHistoryDurationInHours": 24,
    "applicationConsistentSnapshotFrequencyInHours": 1,
    "replicationInterval": 300,
    "onlineReplicationStartTime": None,
    "encryption": "Disabled",
    "activeStorageAccountId": None,
}
_REPLICATING_FOR = timedelta(days=3)


def seed_vault(lab: Lab, settings: Json) -> Json:
    """Fill a vault as a scenario says; gives its site.

    Args:
        lab: The lab.
        settings: {group, vault, site, policy, nodes: [{name, connected?, registered?, id?}], target: {resourceGroup,
            network, subnet, storageAccount?, ...}, machines: [{name, node, protected?, ports?, ...}]}; a node that is
            not registered has no provider. With {activityIdsInLists: true} lists of jobs tell who asked.
    """
    vault = own_id(resource_id(SUBSCRIPTION, settings["group"], "Microsoft.RecoveryServices/vaults", settings["vault"]))
    fabric = fabrics.add_fabric(lab, vault, settings["site"])
    container = fabrics.container_of(lab, fabric)
    policy = policies.add_policy(lab, vault, settings["policy"], _POLICY | settings.get("policySettings", {}))
    policies.add_mapping(lab, container, f"{settings['site']}-{settings['policy']}", policy["id"])
    owners = _add_nodes(lab, fabric, settings["nodes"])
    if settings.get("activityIdsInLists"):
        show_starters_in_lists(lab)
    for machine in settings["machines"]:
        _add_machine(lab, container, policy, settings["target"], owners, machine)
    return fabric


def _add_nodes(lab: Lab, fabric: Json, nodes: list[Json]) -> dict[str, Json]:
    owners = {}
    for node in nodes:
        if node.get("registered", True):
            connected = node.get("connected", True)
            owners[node["name"]] = providers.add_provider(
                lab, fabric, node["name"], machine_id=node.get("id"), connected=connected
            )
    return owners


def _add_machine(
    lab: Lab, container: Json, policy: Json, target: Json, owners: dict[str, Json], settings: Json
) -> None:
    machine = source_machines.add_machine(lab, container, settings["name"], owners[settings["node"]], settings)
    if settings.get("protected", True):
        wanted = target | {"vmName": settings["name"]}
        item = protection.add_item(lab, container, machine, policy["id"], wanted)
        protection.mark_protected(lab, item, since=exact_time(lab.now() - _REPLICATING_FOR))
