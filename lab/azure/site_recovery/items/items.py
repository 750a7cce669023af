"""Protected items: the record of one, and what it shows."""

from datetime import timedelta

from lab.azure.arm.paging import paged_answer
from lab.azure.simulator.answers import Answer, Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import Ask
from lab.azure.site_recovery.api.common import (
    AZURE,
    CONTAINER,
    CONTAINERS,
    FABRICS,
    ITEM,
    ITEMS,
    PLANS,
    POLICIES,
    SITE_RECOVERY,
    VAULT,
    require_record,
    type_of,
    vault_of,
)
from lab.azure.site_recovery.api.filters import Test, parse_filter
from lab.azure.site_recovery.api.times import NEVER, exact_time, parse_time, whole_time
from lab.azure.site_recovery.items.lifecycle import RESTING, STATES, State, allowed_operations
from lab.azure.site_recovery.items.recovery_points import last_cycle_end
from lab.azure.site_recovery.jobs.jobs import Target, job_id
from lab.azure.site_recovery.jobs.operation_results import serve_results
from lab.azure.site_recovery.sites.providers import is_connected
from lab.azure.site_recovery.sites.source_machines import machine_of_item

SEGMENT = "replicationProtectedItems"
RECOVERY_FABRIC = "d49858f157601230a6ac5862fbbc6e63bf38d23ecd96cf953767945d457fe9d5"
RECOVERY_CONTAINER = "d38048d4-b460-4791-8ece-108395ee8478"
_PAGE = 1000
_TESTED = {"None": "None", "MarkedForDeletion": "Cleaning up test environment"}


def state_of(item: Json) -> State:
    """The state that an item is in."""
    return STATES[item["state"]]


def enter_state(lab: Lab, item: Json, state: State, job: Json | None = None, scenario: str | None = None) -> None:
    """Put an item into a state; with a job it is busy with it, under its scenario's name or another."""
    item["state"] = state.name
    item["scenario"] = job and _busy_with(job, scenario or job["kind"])
    lab.store.put(ITEMS, item["id"], item)


def _busy_with(job: Json, scenario: str) -> Json:
    return {"name": scenario, "job": job["id"], "startTime": job["starts"]}


def item_of(lab: Lab, job: Json) -> Json | None:
    """The item that a job works on; None once it is gone."""
    return lab.store.get(ITEMS, job["item"])


def target_of(item: Json) -> Target:
    """What the jobs of an item are about."""
    return Target(item["vmId"], item["friendlyName"], item["id"])


def facts_of(lab: Lab, item: Json) -> Json:
    """What the jobs of an item keep of it."""
    return {"item": item["id"], "affected": affected_object(lab, item)}


def affected_object(lab: Lab, item: Json) -> Json:
    """affectedObjectDetails of the jobs of an item: the fifteen keys as recorded."""
    fabric = lab.store.get(FABRICS, item["fabric"]) or {}
    return {
        "PrimaryVmId": item["vmId"],
        "PrimaryVmName": item["friendlyName"],
        "RecoveryVmId": "",
        "RecoveryVmName": item["friendlyName"],
        "ProtectionProfileId": lab.fixed_id("policy", item["policy"]),
        "PrimaryCloudId": item["container"].rpartition("/")[2],
        "PrimaryCloudName": fabric.get("friendlyName"),
        "RecoveryCloudId": RECOVERY_CONTAINER,
        "RecoveryCloudName": AZURE,
        "PrimaryVmmId": fabric.get("siteId"),
        "PrimaryVmmName": fabric.get("friendlyName"),
        "RecoveryVmmId": "21a9403c-6ec1-44f2-b744-b4e50b792387",
        "RecoveryVmmName": AZURE,
        "PrimaryFabricProviderId": "HyperVSite",
        "RecoveryFabricProviderId": "Azure",
    }


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
    if not is_connected(lab, item["provider"]):
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
        **_source_details(machine, item["target"]),
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
        "selectedRecoveryAzureNetworkId": target["network"],
        "enableRdpOnTargetOption": target["enableRdp"],
        "recoveryAzureResourceGroupId": target["resourceGroup"],
        "targetAvailabilityZone": target.get("zone"),
        "useManagedDisks": target["managedDisks"],
        "licenseType": target["licenseType"],
        "targetVmTags": target.get("tags", {}),
    }


def _source_details(machine: Json, target: Json) -> Json:
    """The machine on premises, with the disks that are replicated."""
    disks = enumerate(machine["disks"])
    return {
        "azureVmDiskDetails": [
            _disk_document(machine, index, disk) for index, disk in disks if _is_included(target, disk)
        ],
        "selectedSourceNicId": machine["nicId"],
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
"""What an item shows that nobody set."""


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
    if item["state"] != "initial-replication" or not span:
        return "100" if item["since"] else "0"
    began, ends = parse_time(span[0]), parse_time(span[1])
    return str(min(99, int(100 * ((lab.now() - began) / (ends - began)))))


def _is_included(target: Json, disk: Json) -> bool:
    """Whether replication was enabled for the disk: for all of them where disksToInclude was not sent."""
    return target["disks"] is None or disk["vhdId"] in target["disks"]


def _disk_document(machine: Json, index: int, disk: Json) -> Json:
    return {
        "vhdType": "Data" if index else "OperatingSystem",
        "vhdId": disk["vhdId"],
        "diskId": f"{machine['name']}_{disk['vhdId']}_{index}_0".upper(),
        "vhdName": disk["name"],
        "maxSizeMB": str(disk["mb"]),
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
        "selectionType": "SelectedByUser",
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


def _parse_item_filter(lab: Lab, ask: Ask) -> Test:
    def is_in_plan(item: Json, name: str) -> bool:
        plan = lab.store.get(PLANS, f"{vault_of(ask)}/replicationRecoveryPlans/{name}")
        return plan is not None and item["id"].lower() in plan["members"]

    keys = {
        "recoveryplanname": is_in_plan,
        "friendlyname": lambda item, value: item["friendlyName"].lower() == value.lower(),
        "fabricname": lambda item, value: item["fabric"].lower().endswith(f"/{value.lower()}"),
        "protectedstate": lambda item, value: state_of(item).protection == value,
    }
    return parse_filter(ask.query.get("$filter"), keys)


@SITE_RECOVERY.route("GET", VAULT + "/replicationProtectedItems")
def list_of_vault(lab: Lab, ask: Ask) -> Answer:
    """All items of a vault; more than 1,000 come in pages."""
    test = _parse_item_filter(lab, ask)
    items = [item for item in lab.store.all(ITEMS, vault_of(ask)) if test(item)]
    return _page_of_items(lab, ask, items)


@SITE_RECOVERY.route("GET", CONTAINER + "/replicationProtectedItems")
def list_of_container(lab: Lab, ask: Ask) -> Answer:
    """The items of one container."""
    container = require_record(lab, ask, CONTAINERS, "replicationProtectionContainers")
    return _page_of_items(lab, ask, lab.store.all(ITEMS, container["id"]))


def _page_of_items(lab: Lab, ask: Ask, items: list[Json]) -> Answer:
    return paged_answer(ask, [item_document(lab, item) for item in items], _PAGE)


@SITE_RECOVERY.route("GET", ITEM)
def get_item(lab: Lab, ask: Ask) -> Answer:
    """One item."""
    return Answer(200, item_document(lab, require_record(lab, ask, ITEMS, SEGMENT)))


serve_results(ITEM, ITEMS, item_document)
