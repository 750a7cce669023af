"""What the vault says of a protected item, as far as decisions need it."""

from datetime import timedelta

from shared.azure.wire import Json, part, text, utc
from shared.messages import ItemDetail, ItemView
from shared.replication import Copied, Disk, Machine

HYPER_V_TO_AZURE = "HyperVReplicaAzure"
_PERCENT = "initialReplicationProgressPercentage"


def is_ours(item: Json) -> bool:
    """Whether it is a Hyper-V machine that replicates to Azure: a vault may hold machines of other kinds."""
    return bool(_details(item).get("instanceType") == HYPER_V_TO_AZURE)


def name_of(item: Json) -> str:
    """The virtual machine's name."""
    return text(part(item, "properties").get("friendlyName"))


def item_view(item: Json) -> ItemView:
    """Read an item; what the vault leaves out or sends as null takes the message's default."""
    properties, details = part(item, "properties"), _details(item)
    rpo = details.get("rpoInSeconds")
    return ItemView(
        id=item["id"],
        vm=name_of(item),
        protection_state=text(properties.get("protectionState")),
        active_location=properties.get("activeLocation") or "Primary",
        test_failover_state=properties.get("testFailoverState") or "None",
        allowed_operations=tuple(properties.get("allowedOperations") or ()),
        scenario=part(properties, "currentScenario").get("scenarioName") or "None",
        replication_health=properties.get("replicationHealth") or "None",
        rpo=None if rpo is None else timedelta(seconds=int(rpo)),
        last_recovery_point=utc(details.get("lastRecoveryPointReceived")),
        azure_vm=text(details.get("recoveryAzureVmName")),
        target_group=text(details.get("recoveryAzureResourceGroupId")),
        host_provider=text(properties.get("recoveryServicesProviderId")),
        last_test_failover=utc(properties.get("lastSuccessfulTestFailoverTime")),
        last_failover=utc(properties.get("lastSuccessfulFailoverTime")),
        disk_mb=sum(int(disk.get("maxSizeMB") or 0) for disk in details.get("azureVmDiskDetails") or ()),
        percent=int(percent) if (percent := part(details, "initialReplicationDetails").get(_PERCENT)) else None,
        machine=text(details.get("vmId")),
        hyper_v_site=text(properties.get("primaryFabricFriendlyName")),
    )


def item_detail(item: Json) -> ItemDetail:
    """Read an item for a preview.

    Source: recorded: the network is that of the item, or of its first network card.
    """
    properties, details = part(item, "properties"), _details(item)
    cards = [text(card.get("recoveryVMNetworkId")) for card in details.get("vmNics") or ()]
    return ItemDetail(
        **item_view(item).model_dump(),
        rpo_at=utc(details.get("lastRpoCalculatedTime")),
        policy=text(properties.get("policyFriendlyName")) or text(properties.get("policyId")).rpartition("/")[2],
        failover_point=text(properties.get("failoverRecoveryPointId")).rpartition("/")[2],
        network=next(filter(None, [*cards, text(details.get("selectedRecoveryAzureNetworkId"))]), ""),
    )


def copied_view(item: Json) -> Copied:
    """Read how an item's replication stands; the vault writes per cents and seconds as text."""
    properties, details = part(item, "properties"), _details(item)
    rpo = details.get("rpoInSeconds")
    return Copied(
        vm=text(properties.get("friendlyName")),
        guid=text(details.get("vmId")),
        id=item["id"],
        state=text(properties.get("protectionState")),
        vm_state=text(details.get("vmProtectionState")),
        scenario=part(properties, "currentScenario").get("scenarioName") or "None",
        job=current_job(item),
        percent=int(part(details, "initialReplicationDetails").get(_PERCENT) or 0),
        disks=tuple(text(disk.get("vhdId")) for disk in details.get("azureVmDiskDetails") or ()),
        health=text(properties.get("replicationHealth")) or "None",
        trouble=_trouble(properties),
        rpo=None if rpo is None else timedelta(seconds=int(rpo)),
        rpo_at=utc(details.get("lastRpoCalculatedTime")),
        last_point=utc(details.get("lastRecoveryPointReceived")),
        policy_id=text(properties.get("policyId")),
    )


def _trouble(properties: Json) -> str:
    """The first health error that is not about failovers: those are no trouble of the replication."""
    errors = [error for error in properties.get("healthErrors") or () if error.get("errorCategory") != "TestFailover"]
    first: Json = next(iter(errors), {})
    return ": ".join(filter(None, (text(first.get("errorCode")), text(first.get("errorMessage")))))


def machine_view(machine: Json) -> Machine:
    """Read a protectable item.

    Source: recorded: its disks are all called "Data", the system's too, and osDetails is null before protection.
    """
    properties = part(machine, "properties")
    details = part(properties, "customDetails")
    return Machine(
        vm=text(properties.get("friendlyName")),
        guid=machine["name"],
        id=machine["id"],
        item_id=text(properties.get("replicationProtectedItemId")),
        generation=text(details.get("generation")),
        os_type=text(part(details, "osDetails").get("osType")),
        disks=tuple(_disk(disk) for disk in details.get("diskDetails") or ()),
        obstacles=(*_readiness(properties), *_hardware(details)),
    )


def _disk(disk: Json) -> Disk:
    is_os = text(disk.get("vhdType")).lower() in {"operatingsystem", "os"}
    size = int(disk.get("maxSizeMB") or 0)
    return Disk(name=text(disk.get("vhdName")), id=text(disk.get("vhdId")), mb=size, is_os=is_os)


def _readiness(properties: Json) -> tuple[str, ...]:
    return tuple(text(error) for error in properties.get("protectionReadinessErrors") or ())


def _hardware(details: Json) -> tuple[str, ...]:
    names = {
        "hasPhysicalDisk": "a physical disk",
        "hasFibreChannelAdapter": "a Fibre Channel adapter",
        "hasSharedVhd": "a shared virtual disk",
    }
    return tuple(f"it has {what}" for name, what in names.items() if details.get(name) == "Present")


def machine_guid(item: Json) -> str:
    """The virtual machine's GUID: what jobs name as their targetObjectId."""
    return text(_details(item).get("vmId"))


def current_job(item: Json) -> str:
    """Name of the job that occupies the item, empty when it is idle."""
    job = text(part(item, "properties", "currentScenario").get("jobId")).rpartition("/")[2]
    return "" if job == "None" else job


def _details(item: Json) -> Json:
    return part(item, "properties", "providerSpecificDetails")
