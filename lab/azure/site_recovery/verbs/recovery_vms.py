"""The Azure VMs that failovers make and cleanups remove: their names, networks and addresses."""

from ipaddress import ip_address

from lab.azure.arm import resources
from lab.azure.compute import quota, virtual_machines
from lab.azure.on_premises import hyper_v_machines
from lab.azure.simulator.answers import Json
from lab.azure.simulator.lab import LOCATION, Lab
from lab.azure.site_recovery.api.common import ITEMS
from lab.azure.site_recovery.jobs.jobs import add_warning
from lab.azure.site_recovery.sites.source_machines import machine_of_item

_TEST_NET, _RECOVERY_NET = "127.20", "127.10"


def create_vm(lab: Lab, job: Json, item: Json, *, test: bool) -> None:
    """Make the VM of a test failover or a failover, running; a name that is taken is made unique, with 28175."""
    machine, target = machine_of_item(lab, item), item["target"]
    wanted = f"{target['vmName']}-test" if test else target["vmName"]
    name = _free_name(lab, target["resourceGroup"], wanted, job)
    network = job["input"]["network"]["id"] if test else target["network"]
    make = virtual_machines.VmSettings(
        size=target["vmSize"],
        os_type=machine["osType"],
        network_id=network,
        subnet=_known_subnet(lab, network, _subnet_of(item, test=test)),
        address=_free_static(lab, network, _address_of(lab, item, test=test)),
        ports=tuple(machine["ports"]),
        agent=hyper_v_machines.agent_version_of(lab, machine["friendlyName"]),
        disks=tuple(disk["name"] for disk in machine["disks"] if disk["vhdId"] in target["disks"]),
        location=target.get("location", LOCATION),
    )
    arm_id = virtual_machines.create_vm(lab, target["resourceGroup"], name, make)
    item["testVm" if test else "azureVm"] = arm_id
    lab.store.put(ITEMS, item["id"], item)


def find_obstacle(lab: Lab, item: Json, network: str | None) -> str | None:
    """Why Azure could not take the VM: a resource group or a network that is not there, or too few cores."""
    group = item["target"]["resourceGroup"]
    if lab.store.get(resources.GROUP, group) is None:
        return f"Resource group '{group.rpartition('/')[2]}' could not be found."
    if network and resources.find_resource(lab, network) is None:
        return f"The virtual network '{network}' could not be found."
    return quota.find_shortage(lab, item["target"]["vmSize"])


def _known_subnet(lab: Lab, network: str | None, subnet: str | None) -> str | None:
    """The subnet if the network has one of that name; else none, which is the network's first."""
    found = resources.find_resource(lab, network) if network else None
    names = [each["name"].lower() for each in found["properties"]["subnets"]] if found else []
    return subnet if subnet and subnet.lower() in names else None


def _free_name(lab: Lab, group: str, wanted: str, job: Json) -> str:
    if not virtual_machines.vm_exists(lab, group, wanted):
        return wanted
    renamed = f"{wanted}-{lab.new_id('renamed')}"
    add_warning(lab, job, "28175", vm=wanted, renamed=renamed)
    return renamed


def _ip_config(item: Json) -> Json:
    return next(iter(item["nics"][0]["ipConfigs"]), {}) if item["nics"] else {}


def _subnet_of(item: Json, *, test: bool) -> str | None:
    ip = _ip_config(item)
    chosen: str | None = ip.get("tfoSubnetName") if test else ip.get("recoverySubnetName")
    return chosen or item["target"].get("subnet")


def _address_of(lab: Lab, item: Json, *, test: bool) -> str:
    """The static address that the item's settings give, or one that is its own in the lab's loopback networks."""
    ip = _ip_config(item)
    static = ip.get("tfoStaticIPAddress" if test else "recoveryStaticIPAddress")
    if static:
        return str(static)
    number = _number_of(lab, item)
    return f"{_TEST_NET if test else _RECOVERY_NET}.{number // 250}.{number % 250 + 4}"


def _free_static(lab: Lab, network: str | None, address: str) -> str:
    """The address, or the next one that is free where another card has it: Azure replaces it without a word."""
    taken = virtual_machines.addresses_in(lab, network) if network else set()
    if address not in taken or address.startswith("127."):
        return address
    parts = ip_address(address)
    return next(str(parts + number) for number in range(1, 255) if str(parts + number) not in taken)


def _number_of(lab: Lab, item: Json) -> int:
    kept = lab.store.get("asr-number", item["id"])
    if kept is None:
        kept = lab.store.put("asr-number", item["id"], {"number": lab.store.count("asr-number")})
    return int(kept["number"])


def remove_vm(lab: Lab, item: Json, *, test: bool, leave: str = "") -> None:
    """Remove the VM with its NIC and disks; a fault leaves the "nic" or the "disks" behind."""
    key = "testVm" if test else "azureVm"
    if item.get(key):
        virtual_machines.remove_vm(lab, item[key], leave=leave)
    item[key] = None
    lab.store.put(ITEMS, item["id"], item)


def set_power(lab: Lab, item: Json, power: str) -> None:
    """Set the recovery VM "running" or "deallocated"."""
    if item.get("azureVm"):
        virtual_machines.set_power(lab, item["azureVm"], power)


def protected_item_details(job: Json, item: Json, *, test: bool) -> list[Json]:
    """protectedItemDetails of the job: the real name of the VM, its network, and the recovery point."""
    arm_id = item["testVm"] if test else item["azureVm"]
    name = arm_id.rpartition("/")[2] if arm_id and test else None
    network = job["input"]["network"]["id"] if test else item["target"]["network"]
    point = job["input"].get("point") or {}
    return [
        {
            "name": item["vmId"],
            "friendlyName": item["friendlyName"],
            "testVmName": name,
            "testVmFriendlyName": name,
            "networkConnectionStatus": ("Connected" if network else "NotConnected") if test else None,
            "networkFriendlyName": network and network.rpartition("/")[2],
            "subnet": _subnet_of(item, test=test) if network else None,
            "recoveryPointId": point.get("name"),
            "recoveryPointTime": point.get("time"),
        }
    ]
