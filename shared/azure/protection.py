"""The bodies with which a machine's protection is enabled and changed; api-version 2025-08-01."""

from typing import Any

from shared.azure.items import HYPER_V_TO_AZURE
from shared.azure.wire import Json, part, text
from shared.errors import Refused
from shared.replication import Machine, VmSettings


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
