"""What enabling and updating may say of the machine in Azure; anything else is a 400 that names the field (inferred).

Whether Azure refuses at once or has the job fail is not known of each: a client has to bear both.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from lab.azure.arm import resources
from lab.azure.compute.sizes import find_size
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest
from lab.azure.site_recovery.api.common import caller_of
from lab.azure.site_recovery.api.errors import input_error

_VM_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
"""Letters, digits and hyphens, 63 at the most, a letter or a digit first and last (documented)."""
_OS_TYPES = ("Windows", "Linux")
_FLAGS = ("true", "false")
_ENABLE_TEXTS = (
    "hvHostVmId",
    "vmName",
    "vhdId",
    "targetStorageAccountId",
    "targetAzureNetworkId",
    "targetAzureSubnetId",
    "enableRdpOnTargetOption",
    "targetAzureVmName",
    "logStorageAccountId",
    "targetAzureV1ResourceGroupId",
    "targetAzureV2ResourceGroupId",
    "licenseType",
    "targetVmSize",
    "targetAvailabilityZone",
)
_UPDATE_TEXTS = (
    "recoveryAzureVMName",
    "recoveryAzureVMSize",
    "selectedRecoveryAzureNetworkId",
    "selectedTfoAzureNetworkId",
    "selectedSourceNicId",
    "enableRdpOnTargetOption",
    "licenseType",
    "recoveryAvailabilitySetId",
)
_NIC_TEXTS = ("nicId", "selectionType", "recoverySubnetName")
_IP_TEXTS = ("recoverySubnetName", "recoveryStaticIPAddress", "tfoSubnetName", "tfoStaticIPAddress", "ipConfigName")


class InputCheck:
    """Checks the fields of one request."""

    def __init__(self, lab: Lab, request: ArmRequest) -> None:
        self._lab, self._request = lab, request

    def refuse(self, field: str, why: str) -> None:
        """Answer 400.

        Raises:
            ArmError: always.
        """
        raise input_error(f"'{field}' {why}.", caller_of(self._request))

    def require_texts(self, body: Json, names: Iterable[str]) -> None:
        """Each of these is a text, or absent."""
        for name in names:
            if body.get(name) is not None and not isinstance(body[name], str):
                self.refuse(name, "must be a text")

    def check_name(self, field: str, name: Any) -> None:
        """A name that an Azure VM may have."""
        if name and not _VM_NAME.fullmatch(str(name)):
            self.refuse(field, f"cannot be the name of an Azure VM: {name!r}")

    def check_size(self, field: str, size: Any) -> None:
        """A size that the region offers."""
        if size and find_size(str(size)) is None:
            self.refuse(field, f"is no size of this region: {size}")

    def check_choice(self, field: str, value: Any, choices: tuple[str, ...]) -> None:
        """One of a few texts, or absent."""
        if value is not None and value not in choices:
            self.refuse(field, f"must be one of {', '.join(choices)}, not {value!r}")

    def check_network(self, field: str, network: Any, subnets: Iterable[Any] = ()) -> None:
        """A virtual network that there is, with subnets of these names."""
        if not network:
            return
        found = resources.find_resource(self._lab, str(network))
        if found is None:
            self.refuse(field, f"could not be found: {network}")
            return
        there = {subnet["name"].lower() for subnet in found["properties"]["subnets"]}
        for subnet in subnets:
            if subnet and str(subnet).lower() not in there:
                self.refuse(field, f"has no subnet {subnet}")

    def check_exists(self, field: str, arm_id: Any) -> None:
        """A resource, or a resource group, that there is."""
        if not arm_id:
            return
        is_group = "/providers/" not in str(arm_id)
        found = self._lab.store.get(resources.GROUP, str(arm_id)) if is_group else None
        if (found or resources.find_resource(self._lab, str(arm_id))) is None:
            self.refuse(field, f"could not be found: {arm_id}")

    def check_address(self, field: str, address: Any) -> None:
        """An address, or none."""
        try:
            ip_address(address or "0.0.0.0")  # noqa: S104 - any that can be read
        except ValueError:
            self.refuse(field, f"is no address: {address!r}")

    def check_list(self, field: str, found: Any, kind: type) -> None:
        """A list of values of a kind, or absent."""
        if found is not None and not (isinstance(found, list) and all(isinstance(one, kind) for one in found)):
            self.refuse(field, "must be a list")


def check_enabling(lab: Lab, request: ArmRequest, given: Json, machine: Json) -> None:
    """See whether a machine can be enabled so.

    Raises:
        ArmError: 400.
    """
    check = InputCheck(lab, request)
    check.require_texts(given, _ENABLE_TEXTS)
    check.check_list("disksToInclude", given.get("disksToInclude"), str)
    if not given.get("targetAzureV2ResourceGroupId"):
        check.refuse("targetAzureV2ResourceGroupId", "is required")
    if not given.get("targetStorageAccountId") and not given.get("logStorageAccountId"):
        check.refuse("targetStorageAccountId", "is required")
    _check_disks(check, given, machine)
    check.check_choice("osType", given.get("osType"), _OS_TYPES)
    check.check_choice("useManagedDisks", given.get("useManagedDisks"), _FLAGS)
    check.check_name("targetAzureVmName", given.get("targetAzureVmName"))
    check.check_size("targetVmSize", given.get("targetVmSize"))
    for field in ("targetAzureV2ResourceGroupId", "targetStorageAccountId", "logStorageAccountId"):
        check.check_exists(field, given.get(field))
    subnet = str(given.get("targetAzureSubnetId") or "").rpartition("/")[2]
    check.check_network("targetAzureNetworkId", given.get("targetAzureNetworkId"), [subnet])
    if given.get("targetVmTags") is not None and not isinstance(given["targetVmTags"], dict):
        check.refuse("targetVmTags", "must be an object")


def _check_disks(check: InputCheck, given: Json, machine: Json) -> None:
    known = {disk["vhdId"].lower() for disk in machine["disks"]}
    system, included = given.get("vhdId"), given.get("disksToInclude")
    for field, disks in (("vhdId", [system] if system else []), ("disksToInclude", included or [])):
        for disk in disks:
            if disk.lower() not in known:
                check.refuse(field, f"names no disk of the virtual machine: {disk}")
    if included == []:
        check.refuse("disksToInclude", "must name a disk")


def check_update(lab: Lab, request: ArmRequest, body: Json, given: Json) -> None:
    """See whether what a failover makes can be changed so.

    Raises:
        ArmError: 400.
    """
    check = InputCheck(lab, request)
    check.require_texts(body, _UPDATE_TEXTS)
    check.require_texts(given, ("recoveryAzureV2ResourceGroupId", "recoveryAzureV1ResourceGroupId"))
    check.check_choice("useManagedDisks", given.get("useManagedDisks"), _FLAGS)
    check.check_name("recoveryAzureVMName", body.get("recoveryAzureVMName"))
    check.check_size("recoveryAzureVMSize", body.get("recoveryAzureVMSize"))
    check.check_exists("recoveryAzureV2ResourceGroupId", given.get("recoveryAzureV2ResourceGroupId"))
    check.check_list("vmNics", body.get("vmNics"), dict)
    configs = [config for nic in body.get("vmNics") or [] for config in _checked_configs(check, nic)]
    for field, subnet in (
        ("selectedRecoveryAzureNetworkId", "recoverySubnetName"),
        ("selectedTfoAzureNetworkId", "tfoSubnetName"),
    ):
        check.check_network(field, body.get(field), [config.get(subnet) for config in configs])


def _checked_configs(check: InputCheck, nic: Json) -> list[Json]:
    check.require_texts(nic, _NIC_TEXTS)
    check.check_list("ipConfigs", nic.get("ipConfigs"), dict)
    configs: list[Json] = nic.get("ipConfigs") or []
    for config in configs:
        check.require_texts(config, _IP_TEXTS)
        check.check_address("recoveryStaticIPAddress", config.get("recoveryStaticIPAddress"))
        check.check_address("tfoStaticIPAddress", config.get("tfoStaticIPAddress"))
    return configs
