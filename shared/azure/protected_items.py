"""What the vault says of a protected item, as far as decisions need it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from shared.arm_ids import name_of
from shared.azure.json_fields import Json, message_of, object_at, parse_utc, text_of
from shared.errors import Refused
from shared.replication.settings import Disk, ProtectableItem, ReplicatedItem, VmSettings
from shared.site_recovery.recovery_points import RecoveryPoint
from shared.site_recovery.views import ItemDetail, ItemView

HYPER_V_TO_AZURE = "HyperVReplicaAzure"
_PERCENT = "initialReplicationProgressPercentage"
_UNSUPPORTED = {
    "hasPhysicalDisk": "a physical disk",
    "hasFibreChannelAdapter": "a Fibre Channel adapter",
    "hasSharedVhd": "a shared virtual disk",
}


def is_hyper_v_to_azure(item: Json) -> bool:
    """Whether it is a Hyper-V machine that replicates to Azure: a vault may hold machines of other kinds."""
    return bool(_provider_details(item).get("instanceType") == HYPER_V_TO_AZURE)


def vm_name_of(item: Json) -> str:
    """The virtual machine's name."""
    return text_of(object_at(item, "properties").get("friendlyName"))


def item_view(item: Json) -> ItemView:
    """Read an item; what the vault leaves out or sends as null takes the message's default."""
    properties, details = object_at(item, "properties"), _provider_details(item)
    rpo = details.get("rpoInSeconds")
    return ItemView(
        id=item["id"],
        vm=vm_name_of(item),
        protection_state=text_of(properties.get("protectionState")),
        active_location=properties.get("activeLocation") or "Primary",
        test_failover_state=properties.get("testFailoverState") or "None",
        allowed_operations=tuple(properties.get("allowedOperations") or ()),
        scenario=object_at(properties, "currentScenario").get("scenarioName") or "None",
        replication_health=properties.get("replicationHealth") or "None",
        rpo=None if rpo is None else timedelta(seconds=int(rpo)),
        rpo_at=parse_utc(details.get("lastRpoCalculatedTime")),
        last_recovery_point=parse_utc(details.get("lastRecoveryPointReceived")),
        azure_vm=text_of(details.get("recoveryAzureVmName")),
        target_group=text_of(details.get("recoveryAzureResourceGroupId")),
        host_provider=text_of(properties.get("recoveryServicesProviderId")),
        last_test_failover=parse_utc(properties.get("lastSuccessfulTestFailoverTime")),
        last_failover=parse_utc(properties.get("lastSuccessfulFailoverTime")),
        disk_mb=sum(int(disk.get("maxSizeMB") or 0) for disk in details.get("azureVmDiskDetails") or ()),
        percent=int(percent) if (percent := object_at(details, "initialReplicationDetails").get(_PERCENT)) else None,
        machine=text_of(details.get("vmId")),
        hyper_v_site=text_of(properties.get("primaryFabricFriendlyName")),
        address=_static_address(details, "recoveryStaticIPAddress"),
        test_address=_static_address(details, "tfoStaticIPAddress"),
    )


def _static_address(details: Json, field: str) -> str:
    """What the first configuration of the first network card asks for: the one that is probed, too."""
    cards: list[Json] = list(details.get("vmNics") or ())
    configurations: list[Json] = list(cards[0].get("ipConfigs") or ()) if cards else []
    return text_of(configurations[0].get(field)) if configurations else ""


def item_detail(item: Json) -> ItemDetail:
    """Read an item for a preview."""
    properties, details = object_at(item, "properties"), _provider_details(item)
    return ItemDetail(
        **dict(item_view(item)),
        policy=text_of(properties.get("policyFriendlyName")) or name_of(text_of(properties.get("policyId"))),
        failover_point=name_of(text_of(properties.get("failoverRecoveryPointId"))),
        network=_network_of(details),
        disk_sizes=_disk_sizes(details),
        size=text_of(details.get("recoveryAzureVMSize")),
    )


def _network_of(details: Json) -> str:
    """The network that a failover connects the machine to.

    Source: recorded: it is that of the item, or of its first network card.
    """
    cards = [text_of(card.get("recoveryVMNetworkId")) for card in details.get("vmNics") or ()]
    return next(filter(None, [*cards, text_of(details.get("selectedRecoveryAzureNetworkId"))]), "")


def replicated_item(item: Json) -> ReplicatedItem:
    """Read how an item's replication stands; the vault writes per cents and seconds as text.

    Its health error is the first that is not about failovers: those are no trouble of the replication.
    """
    properties, details = object_at(item, "properties"), _provider_details(item)
    errors = (error for error in properties.get("healthErrors") or () if error.get("errorCategory") != "TestFailover")
    error: Json = next(errors, {})
    rpo = details.get("rpoInSeconds")
    return ReplicatedItem(
        vm=text_of(properties.get("friendlyName")),
        guid=text_of(details.get("vmId")),
        id=item["id"],
        state=text_of(properties.get("protectionState")),
        vm_state=text_of(details.get("vmProtectionState")),
        scenario=object_at(properties, "currentScenario").get("scenarioName") or "None",
        job=current_job(item),
        percent=int(object_at(details, "initialReplicationDetails").get(_PERCENT) or 0),
        disk_sizes=_disk_sizes(details),
        health=text_of(properties.get("replicationHealth")) or "None",
        health_error=": ".join(filter(None, (text_of(error.get("errorCode")), message_of(error.get("errorMessage"))))),
        rpo=None if rpo is None else timedelta(seconds=int(rpo)),
        rpo_at=parse_utc(details.get("lastRpoCalculatedTime")),
        last_point=parse_utc(details.get("lastRecoveryPointReceived")),
        policy_id=text_of(properties.get("policyId")),
        network=_network_of(details),
    )


def _disk_sizes(details: Json) -> dict[str, int]:
    disks = details.get("azureVmDiskDetails") or ()
    return {text_of(disk.get("vhdId")): int(disk.get("maxSizeMB") or 0) for disk in disks}


def protectable_item(machine: Json) -> ProtectableItem:
    """Read a protectable item.

    Source: recorded: its disks are all called "Data", the system's too, and osDetails is null before protection.
    """
    properties = object_at(machine, "properties")
    details = object_at(properties, "customDetails")
    return ProtectableItem(
        vm=text_of(properties.get("friendlyName")),
        guid=machine["name"],
        id=machine["id"],
        item_id=text_of(properties.get("replicationProtectedItemId")),
        generation=text_of(details.get("generation")),
        os_type=text_of(object_at(details, "osDetails").get("osType")),
        disks=tuple(
            Disk(
                name=text_of(disk.get("vhdName")),
                id=text_of(disk.get("vhdId")),
                mb=int(disk.get("maxSizeMB") or 0),
                is_os=text_of(disk.get("vhdType")).lower() in {"operatingsystem", "os"},
            )
            for disk in details.get("diskDetails") or ()
        ),
        obstacles=(
            *(message_of(error) for error in properties.get("protectionReadinessErrors") or ()),
            *(f"it has {what}" for name, what in _UNSUPPORTED.items() if details.get(name) == "Present"),
        ),
    )


def machine_guid(item: Json) -> str:
    """The virtual machine's GUID: what jobs name as their targetObjectId."""
    return text_of(_provider_details(item).get("vmId"))


def current_job(item: Json) -> str:
    """Name of the job that occupies the item, empty when it is idle."""
    job = name_of(text_of(object_at(item, "properties", "currentScenario").get("jobId")))
    return "" if job == "None" else job


def _provider_details(item: Json) -> Json:
    return object_at(item, "properties", "providerSpecificDetails")


def enable_body(
    machine: ProtectableItem, settings: VmSettings, *, policy_id: str, target_group: str, cache_storage: str
) -> dict[str, Any]:
    """What replication is enabled with; the machine's first disk is its OS disk.

    Raises:
        Refused: a network was named without a subnet.

    Source: as recorded and specified; booleans travel as text.
    """
    system = machine.disks[0]
    details: dict[str, Any] = {
        "instanceType": HYPER_V_TO_AZURE,
        "hvHostVmId": machine.guid,
        "vmName": machine.vm,
        "osType": settings.os_type or machine.os_type or "Windows",
        "vhdId": system.id,
        "disksToInclude": [disk.id for disk in machine.disks],
        "targetAzureVmName": settings.azure_vm or machine.vm,
        "targetAzureV2ResourceGroupId": target_group,
        "enableRdpOnTargetOption": settings.remote_desktop or "Never",
        "useManagedDisks": "true",
        "logStorageAccountId": cache_storage,
        "targetStorageAccountId": cache_storage,
    }
    details |= _network_fields(machine.vm, settings)
    optional = {"targetVmSize": settings.size, "licenseType": settings.license}
    details |= {name: value for name, value in optional.items() if value}
    return {"properties": {"policyId": policy_id, "protectableItemId": machine.id, "providerSpecificDetails": details}}


def _network_fields(vm: str, settings: VmSettings) -> dict[str, str]:
    if not settings.network:
        return {}
    if not settings.subnet:
        raise Refused("no-subnet", f"{vm} has a network and no subnet")
    return {
        "targetAzureNetworkId": settings.network,
        "targetAzureSubnetId": f"{settings.network}/subnets/{settings.subnet}",
    }


def update_body(item: Json, settings: VmSettings | None = None) -> dict[str, Any]:
    """An item's whole set of settings as it is now, with those changed that are given.

    Whatever is not sent is taken away: the PATCH replaces, so the current set goes with it each time (recorded).
    """
    changes = settings or VmSettings()
    details = object_at(item, "properties", "providerSpecificDetails")
    cards = [dict(card) for card in details.get("vmNics") or ()]
    network = _new_or_current(changes.network, details.get("selectedRecoveryAzureNetworkId"))
    test = _new_or_current(changes.test_network, next((card.get("tfoVMNetworkId") for card in cards), None))
    body: dict[str, Any] = {
        "recoveryAzureVMName": _new_or_current(changes.azure_vm, details.get("recoveryAzureVmName")),
        "recoveryAzureVMSize": _new_or_current(changes.size, details.get("recoveryAzureVMSize")),
        "selectedRecoveryAzureNetworkId": network,
        "selectedTfoAzureNetworkId": test,
        "enableRdpOnTargetOption": _new_or_current(changes.remote_desktop, details.get("enableRdpOnTargetOption")),
        "licenseType": _new_or_current(changes.license, details.get("licenseType")),
        "vmNics": [_card_body(card, changes, first=at == 0) for at, card in enumerate(cards)],
        "providerSpecificDetails": {
            "instanceType": HYPER_V_TO_AZURE,
            "recoveryAzureV2ResourceGroupId": text_of(details.get("recoveryAzureResourceGroupId")),
            "useManagedDisks": text_of(details.get("useManagedDisks")) or "true",
        },
    }
    return {"properties": {name: value for name, value in body.items() if value is not None}}


def _new_or_current(new: str | None, current: Any) -> str | None:
    """What is asked for where something is; "" takes the value away."""
    return (new or None) if new is not None else (text_of(current) or None)


def _card_body(card: Json, changes: VmSettings, *, first: bool) -> dict[str, Any]:
    """A network card; addresses and subnets that are asked for are meant for the first one."""
    card_changes = changes if first else VmSettings()
    configurations = [
        _ip_config_body(each, card_changes if at == 0 else VmSettings(), at)
        for at, each in enumerate(card.get("ipConfigs") or ())
    ]
    return {
        "nicId": text_of(card.get("nicId")),
        "selectionType": text_of(card.get("selectionType")) or "SelectedByUser",
        "ipConfigs": configurations,
    }


def _ip_config_body(current: Json, changes: VmSettings, at: int) -> dict[str, Any]:
    """An address; `isSeletedForFailover` is the service's own spelling."""
    fields: dict[str, Any] = {
        "ipConfigName": current.get("name"),
        "isPrimary": bool(current.get("isPrimary")) or at == 0,
        "isSeletedForFailover": current.get("isSeletedForFailover") is not False,
        "recoverySubnetName": _new_or_current(changes.subnet, current.get("recoverySubnetName")),
        "recoveryStaticIPAddress": _new_or_current(changes.address, current.get("recoveryStaticIPAddress")),
        "tfoSubnetName": _new_or_current(changes.test_subnet, current.get("tfoSubnetName")),
        "tfoStaticIPAddress": _new_or_current(changes.test_address, current.get("tfoStaticIPAddress")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def point_views(listed: Iterable[Json]) -> list[RecoveryPoint]:
    """Read recovery points; those without a time are left out.

    Source: recorded as "CrashConsistent"; the others are spelt "AppConsistent" or "ApplicationConsistent".
    """
    points = [(point, object_at(point, "properties")) for point in listed]
    timed = [(point, facts, parse_utc(facts.get("recoveryPointTime"))) for point, facts in points]
    return [
        RecoveryPoint(
            id=text_of(point.get("id")),
            name=text_of(point.get("name")),
            at=at,
            consistent=text_of(facts.get("recoveryPointType")).lower().startswith("app"),
            kind=text_of(facts.get("recoveryPointType")),
        )
        for point, facts, at in timed
        if at
    ]
