"""What the vault says of a protected item, as far as decisions need it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from shared.azure.json_fields import Json, part, text, utc
from shared.errors import Refused
from shared.replication.settings import Copied, Disk, Machine, VmSettings
from shared.site_recovery.recovery_points import RecoveryPoint
from shared.site_recovery.views import ItemDetail, ItemView

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


def enable_body(
    machine: Machine, settings: VmSettings, *, policy_id: str, target_group: str, cache_storage: str
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
    details |= _network(machine.vm, settings)
    optional = {"targetVmSize": settings.size, "licenseType": settings.license}
    details |= {name: value for name, value in optional.items() if value}
    return {"properties": {"policyId": policy_id, "protectableItemId": machine.id, "providerSpecificDetails": details}}


def _network(vm: str, settings: VmSettings) -> dict[str, str]:
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
    wish = settings or VmSettings()
    details = part(item, "properties", "providerSpecificDetails")
    cards = [dict(card) for card in details.get("vmNics") or ()]
    network = _or(wish.network, details.get("selectedRecoveryAzureNetworkId"))
    test = _or(wish.test_network, next((card.get("tfoVMNetworkId") for card in cards), None))
    body: dict[str, Any] = {
        "recoveryAzureVMName": _or(wish.azure_vm, details.get("recoveryAzureVmName")),
        "recoveryAzureVMSize": _or(wish.size, details.get("recoveryAzureVMSize")),
        "selectedRecoveryAzureNetworkId": network,
        "selectedTfoAzureNetworkId": test,
        "enableRdpOnTargetOption": _or(wish.remote_desktop, details.get("enableRdpOnTargetOption")),
        "licenseType": _or(wish.license, details.get("licenseType")),
        "vmNics": [_card(card, wish, first=at == 0) for at, card in enumerate(cards)],
        "providerSpecificDetails": {
            "instanceType": HYPER_V_TO_AZURE,
            "recoveryAzureV2ResourceGroupId": text(details.get("recoveryAzureResourceGroupId")),
            "useManagedDisks": text(details.get("useManagedDisks")) or "true",
        },
    }
    return {"properties": {name: value for name, value in body.items() if value is not None}}


def _or(wish: str | None, now: Any) -> str | None:
    """The wish where there is one; "" takes the value away."""
    return (wish or None) if wish is not None else (text(now) or None)


def _card(card: Json, wish: VmSettings, *, first: bool) -> dict[str, Any]:
    """A network card; what is wished for addresses and subnets is meant for the first one."""
    chosen = wish if first else VmSettings()
    configurations = [
        _configuration(each, chosen if at == 0 else VmSettings(), at)
        for at, each in enumerate(card.get("ipConfigs") or ())
    ]
    return {
        "nicId": text(card.get("nicId")),
        "selectionType": text(card.get("selectionType")) or "SelectedByUser",
        "ipConfigs": configurations,
    }


def _configuration(now: Json, wish: VmSettings, at: int) -> dict[str, Any]:
    """An address; `isSeletedForFailover` is the service's own spelling."""
    said: dict[str, Any] = {
        "ipConfigName": now.get("name"),
        "isPrimary": bool(now.get("isPrimary")) or at == 0,
        "isSeletedForFailover": now.get("isSeletedForFailover") is not False,
        "recoverySubnetName": _or(wish.subnet, now.get("recoverySubnetName")),
        "recoveryStaticIPAddress": _or(wish.address, now.get("recoveryStaticIPAddress")),
        "tfoSubnetName": _or(wish.test_subnet, now.get("tfoSubnetName")),
        "tfoStaticIPAddress": _or(wish.test_address, now.get("tfoStaticIPAddress")),
    }
    return {name: value for name, value in said.items() if value is not None}


def point_views(listed: Iterable[Json]) -> list[RecoveryPoint]:
    """Read recovery points; those without a time are left out."""
    told = [(point, part(point, "properties")) for point in listed]
    timed = [(point, facts, utc(facts.get("recoveryPointTime"))) for point, facts in told]
    return [
        RecoveryPoint(
            id=text(point.get("id")),
            name=text(point.get("name")),
            at=at,
            consistent=_is_consistent(facts),
            kind=text(facts.get("recoveryPointType")),
        )
        for point, facts, at in timed
        if at
    ]


def _is_consistent(facts: Json) -> bool:
    """Source: recorded as "CrashConsistent"; the others are spelt "AppConsistent" or "ApplicationConsistent"."""
    return text(facts.get("recoveryPointType")).lower().startswith("app")
