"""What a protected item shows: its state and health, its source and its target, and how far replication is."""

from datetime import timedelta

from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.site_recovery.api.common import (
    AZURE,
    FABRICS,
    POLICIES,
    type_of,
)
from lab.azure.site_recovery.api.times import NEVER, exact_time, parse_time, whole_time
from lab.azure.site_recovery.items.items import RECOVERY_CONTAINER, RECOVERY_FABRIC, state_of
from lab.azure.site_recovery.items.lifecycle import RESTING, State, allowed_operations
from lab.azure.site_recovery.items.recovery_points import last_cycle_end
from lab.azure.site_recovery.jobs.jobs import job_id
from lab.azure.site_recovery.sites.providers import is_known_lost
from lab.azure.site_recovery.sites.source_machines import machine_of_item

_PERCENT_SHOWN = 23
"""Of all recorded items: 0, then 23, also once they are Protected."""
_TESTED = {"None": "None", "MarkedForDeletion": "Cleaning up test environment"}


def _operations_now(item: Json, state: State) -> list[str]:
    """Nothing while the item is in between, or waits for its turn in a recovery plan."""
    is_held = item["scenario"] and item["scenario"].get("held")
    return allowed_operations(state) if state in RESTING and not is_held else []


def item_document(lab: Lab, item: Json) -> Json:
    """An item as GET shows it."""
    state = state_of(item)
    fabric = lab.store.get(FABRICS, item["fabric"]) or {}
    policy = lab.store.get(POLICIES, item["policy"]) or {}
    test = state.test or (item["tested"], _TESTED[item["tested"]])
    errors = _health_errors(lab, item)
    properties = {
        "friendlyName": item["friendlyName"],
        "protectedItemType": "HyperVVirtualMachine",
        "protectableItemId": item["machine"],
        "recoveryServicesProviderId": item["provider"],
        "primaryFabricFriendlyName": fabric.get("friendlyName"),
        "primaryFabricProvider": "SingleHostHyperVFabric",
        "recoveryFabricFriendlyName": AZURE,
        "recoveryFabricId": AZURE,
        "primaryProtectionContainerFriendlyName": fabric.get("friendlyName"),
        "recoveryProtectionContainerFriendlyName": AZURE,
        "protectionState": state.protection,
        "protectionStateDescription": state.description,
        "activeLocation": state.location,
        "testFailoverState": test[0],
        "testFailoverStateDescription": test[1],
        "switchProviderState": "None",
        "switchProviderStateDescription": None,
        "allowedOperations": _operations_now(item, state),
        "replicationHealth": _health_level(errors, "Replication"),
        "failoverHealth": _health_level(errors, "TestFailover"),
        "healthErrors": errors,
        "policyId": item["policy"],
        "policyFriendlyName": policy.get("name"),
        "currentScenario": _scenario_document(item),
        "failoverRecoveryPointId": item["point"],
        "providerSpecificDetails": _specific_details(lab, item, state),
        "recoveryContainerId": f"{item['vault']}/replicationFabrics/{RECOVERY_FABRIC}"
        f"/replicationProtectionContainers/{RECOVERY_CONTAINER}",
        "eventCorrelationId": item["correlation"],
    }
    for key in ("lastSuccessfulFailoverTime", "lastSuccessfulTestFailoverTime"):  # absent until the first
        if item.get(key):
            properties[key] = item[key]
    return {"id": item["id"], "name": item["name"], "type": type_of(item["id"]), "properties": properties}


def _scenario_document(item: Json) -> Json:
    busy = item["scenario"]
    if busy is None:
        return {"scenarioName": "None", "jobId": job_id(item["vault"], "None"), "startTime": NEVER}
    return {"scenarioName": busy["name"], "jobId": busy["job"], "startTime": busy["startTime"]}


def _health_level(errors: list[Json], category: str) -> str:
    levels = {error["errorLevel"] for error in errors if error["errorCategory"] == category}
    return "Critical" if "Error" in levels else "Warning" if levels else "Normal"


def _health_errors(lab: Lab, item: Json) -> list[Json]:
    errors = []
    if is_known_lost(lab, item["provider"]):
        errors.append(
            _health_error(item, "Replication", "Error", "583", "The host of the virtual machine isn't connected.")
        )
    if item["state"] == "protected" and "lastSuccessfulTestFailoverTime" not in item:
        text = f"No successful test failover has been done on the virtual machine '{item['friendlyName']}'."
        errors.append(_health_error(item, "TestFailover", "Warning", "161011", text))
    return errors


def _health_error(item: Json, category: str, level: str, code: str, text: str) -> Json:
    return {
        "innerHealthErrors": [],
        "errorSource": "ReplicationUnitFailoverValidatorError" if category == "TestFailover" else "ReplicationUnit",
        "errorType": "8010",
        "errorLevel": level,
        "errorCategory": category,
        "errorCode": code,
        "summaryMessage": "",
        "errorMessage": text,
        "possibleCauses": text,
        "recommendedAction": "Do a test failover on the virtual machine." if code == "161011" else "Connect the host.",
        "creationTimeUtc": item["enabled"],
        "recoveryProviderErrorMessage": None,
        "entityId": item["vmId"],
        "errorId": "6:8010",
        "customerResolvability": "NotAllowed",
    }


def _specific_details(lab: Lab, item: Json, state: State) -> Json:
    machine = machine_of_item(lab, item)
    vm_state, vm_description = state.vm or (state.protection, state.description)
    return {
        "instanceType": "HyperVReplicaAzure",
        **_target_details(item),
        **_source_details(machine, item),
        **_replication_details(lab, item),
        "vmId": item["vmId"],
        "vmProtectionState": vm_state,
        "vmProtectionStateDescription": vm_description,
        "initialReplicationDetails": {
            "initialReplicationType": "InitialReplication",
            "initialReplicationProgressPercentage": _copy_progress(lab, item),
        },
        "vmNics": item["nics"],
        "encryption": "Disabled",
        **_UNSET,
    }


def _target_details(item: Json) -> Json:
    """What a failover makes of the machine."""
    target = item["target"]
    return {
        "recoveryAzureVmName": (item["azureVm"] or target["vmName"]).rpartition("/")[2],  # the real one, if renamed
        "recoveryAzureVMSize": target["vmSize"],
        "recoveryAzureStorageAccount": target["storageAccount"],
        "recoveryAzureLogStorageAccountId": target["logStorageAccount"],
        "selectedRecoveryAzureNetworkId": target["network"] if item["nics"] else None,
        "enableRdpOnTargetOption": target["enableRdp"],
        "recoveryAzureResourceGroupId": target["resourceGroup"],
        "targetAvailabilityZone": target.get("zone"),
        "useManagedDisks": target["managedDisks"],
        "licenseType": target["licenseType"],
        "targetVmTags": target.get("tags", {}),
    }


def _source_details(machine: Json, item: Json) -> Json:
    """The machine on premises, with the disks that are replicated."""
    target, disks = item["target"], enumerate(machine["disks"])
    return {
        "azureVmDiskDetails": [
            _disk_document(machine, index, disk, item) for index, disk in disks if _is_included(target, disk)
        ],
        "selectedSourceNicId": machine["nicId"] if item["nics"] else None,
        "oSDetails": {
            "osType": machine["osType"],
            "productType": "UNKNOWN",
            "osEdition": "Standard",
            "oSVersion": "1.1.1.1",
            "oSMajorVersion": "0",
            "oSMinorVersion": "0",
        },
        "sourceVmRamSizeInMB": machine["memoryInMb"],
        "sourceVmCpuCount": machine["cpus"],
    }


_UNSET: Json = {
    "recoveryAvailabilitySetId": None,
    "targetProximityPlacementGroupId": None,
    "sqlServerLicenseType": "NotSpecified",
    "linuxLicenseType": "NotSpecified",
    "seedManagedDiskTags": None,
    "targetManagedDiskTags": None,
    "targetNicTags": {},
    "protectedManagedDisks": [],
    "allAvailableOSUpgradeConfigurations": [],
    "targetVmSecurityProfile": None,
    "targetCapacityReservationGroupId": None,
}
"""What an item shows of settings that are never set."""


def _replication_details(lab: Lab, item: Json) -> Json:
    last, now = last_cycle_end(lab, item), lab.now()
    if last is None:
        return {"lastReplicatedTime": None, "rpoInSeconds": None, "lastRpoCalculatedTime": None}
    calculated = last if item["until"] is not None else now - timedelta(seconds=now.timestamp() % 60)
    calculated = max(calculated, last)
    return {
        "lastReplicatedTime": whole_time(last),
        "rpoInSeconds": int((calculated - last).total_seconds()),
        "lastRpoCalculatedTime": exact_time(calculated),
        "lastRecoveryPointReceived": exact_time(last),
    }


def _copy_progress(lab: Lab, item: Json) -> str:
    span = item.get("copying")
    if not span:
        return "100" if item["since"] else "0"
    began, ends = parse_time(span[0]), parse_time(span[1])
    return str(min(_PERCENT_SHOWN, int(100 * ((lab.now() - began) / (ends - began)))))


def _is_included(target: Json, disk: Json) -> bool:
    """Whether replication was enabled for the disk: one that is added later is not taken in."""
    return disk["vhdId"] in target["disks"]


def _disk_document(machine: Json, index: int, disk: Json, item: Json) -> Json:
    return {
        "vhdType": "Data" if index else "OperatingSystem",
        "vhdId": disk["vhdId"],
        "diskId": f"{machine['name']}_{disk['vhdId']}_{index}_0".upper(),
        "vhdName": disk["name"],
        "maxSizeMB": str(item["diskSizes"].get(disk["vhdId"], disk["mb"])),
        "targetDiskLocation": None,
        "targetDiskName": None,
        "lunId": str(index),
        "diskEncryptionSetId": None,
        "customTargetDiskName": None,
    }


def new_nic(machine: Json, network: str | None, subnet: str | None) -> Json:
    """vmNics entry of a new item: the machine's one adapter, connected as the item's target says."""
    return {
        "nicId": machine["nicId"],
        "replicaNicId": None,
        "sourceNicArmId": None,
        "vMNetworkName": "ConvergedSwitch",
        "recoveryVMNetworkId": network,
        "ipConfigs": [
            {
                "name": None,
                "isPrimary": True,
                "subnetName": None,
                "staticIPAddress": None,
                "ipAddressType": "Dynamic",
                "isSeletedForFailover": True,
                "recoverySubnetName": subnet,
                "recoveryStaticIPAddress": machine["address"] or "",
                "recoveryIPAddressType": "Static" if machine["address"] else "Dynamic",
                "recoveryPublicIPAddressId": None,
                "recoveryLBBackendAddressPoolIds": None,
                "tfoSubnetName": None,
                "tfoStaticIPAddress": machine["testAddress"],
                "tfoPublicIPAddressId": None,
                "tfoLBBackendAddressPoolIds": None,
            }
        ],
        "selectionType": "SelectedByDefault",
        "recoveryNetworkSecurityGroupId": None,
        "enableAcceleratedNetworkingOnRecovery": None,
        "tfoVMNetworkId": None,
        "tfoNetworkSecurityGroupId": None,
        "enableAcceleratedNetworkingOnTfo": None,
        "recoveryNicName": None,
        "recoveryNicResourceGroupName": None,
        "reuseExistingNic": False,
        "tfoRecoveryNicName": None,
        "tfoRecoveryNicResourceGroupName": None,
        "tfoReuseExistingNic": False,
        "targetNicName": f"nic-{machine['friendlyName']}-00",
    }
