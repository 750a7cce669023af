"""Microsoft.Compute: the VMs that failovers make, with disk, NIC, address and what listens in them."""

from dataclasses import dataclass, field
from datetime import timedelta

from lab.azure import activity, lro, network, resources
from lab.azure.agenda import due
from lab.azure.answers import Answer, Json
from lab.azure.ids import name_of, resource_id
from lab.azure.lab import SUBSCRIPTION, Lab, iso
from lab.azure.paging import paged
from lab.azure.routing import Ask, Provider

VM = "Microsoft.Compute/virtualMachines"
DISK = "Microsoft.Compute/disks"
BASE = resources.GROUP_PATH + "/providers/Microsoft.Compute"
VMS, DISKS = BASE + "/virtualMachines", BASE + "/disks"
GUEST = "guest"
POWER = {"start": "running", "powerOff": "stopped", "deallocate": "deallocated", "restart": "running"}
POWER_TAKES = timedelta(seconds=30)

provider = Provider(
    "Microsoft.Compute",
    {"2022-08-01", "2023-03-01", "2023-07-01", "2023-09-01", "2024-03-01", "2024-03-02", "2024-07-01", "2024-11-01"}
    | {"2025-01-02", "2025-04-01"},
)


@dataclass(frozen=True)
class NewVm:
    """A VM to make.

    Attributes:
        kind: "test" or "failover"; decides the range of its address.
        guest: the name that `describe_guest` was told its services under: the source VM's.
        subnet: ARM id of the subnet, or None for a VM that is attached to none.
        address: a fixed address, honoured where it is a loopback one.
    """

    group: str
    name: str
    kind: str
    guest: str
    subnet: str | None
    size: str = "Standard_D2s_v5"
    address: str | None = None
    os_type: str = "Windows"
    subscription: str = SUBSCRIPTION
    running: bool = True
    tags: dict[str, str] = field(default_factory=dict)


def describe_guest(lab: Lab, name: str, ports: list[int]) -> None:
    """Say which ports answer in the VM called `name` wherever it runs."""
    lab.store.put(GUEST, name, {"ports": ports})


def create_vm(lab: Lab, wish: NewVm) -> Json:
    """Make a VM with its disk and NIC, and have its ports answer; gives the VM's document."""
    ports = _ports(lab, wish.guest)
    taken = {_address(nic) for nic in lab.store.all(network.NIC.lower())}
    fixed = wish.address if wish.address and wish.address.startswith("127.") else None
    address = fixed or lab.guests.free_address(wish.kind, taken, ports)
    vm_id = resource_id(wish.subscription, wish.group, VM, wish.name)
    nic_id = resource_id(wish.subscription, wish.group, network.NIC, f"{wish.name}-nic")
    disk_id = resource_id(wish.subscription, wish.group, DISK, f"{wish.name}-osdisk")
    resources.put(lab, nic_id, _nic(nic_id, vm_id, wish.subnet, address))
    disk = {"provisioningState": "Succeeded", "diskSizeGB": 127, "diskState": "Attached", "osType": wish.os_type}
    resources.put(lab, disk_id, disk, managedBy=vm_id, sku={"name": "Premium_LRS", "tier": "Premium"})
    vm = resources.put(lab, vm_id, _vm(lab, wish, nic_id, disk_id), tags=wish.tags)
    lab.store.put("power", vm_id, {"id": vm_id, "state": "deallocated", "guest": wish.guest})
    set_power(lab, vm_id, "running" if wish.running else "deallocated")
    return vm


def remove_vm(lab: Lab, vm_id: str, *, leave_nic: bool = False) -> None:
    """Remove a VM with its disk, NIC and address; `leave_nic` is the cleanup that leaves something behind."""
    vm = resources.find(lab, vm_id)
    if vm is None:
        return
    set_power(lab, vm_id, "deallocated")
    nic_id = vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    resources.drop(lab, vm["properties"]["storageProfile"]["osDisk"]["managedDisk"]["id"])
    nic = resources.require(lab, nic_id)
    if leave_nic:
        nic["properties"].pop("virtualMachine")
        resources.touch(lab, nic)
    else:
        resources.drop(lab, nic_id)
    lab.store.delete("power", vm_id)
    resources.drop(lab, vm_id)


def find_vm(lab: Lab, group: str, name: str, subscription: str = SUBSCRIPTION) -> Json | None:
    """A VM by name, or None."""
    return resources.find(lab, resource_id(subscription, group, VM, name))


def set_power(lab: Lab, vm_id: str, state: str) -> None:
    """Let a VM be "running", "stopped" or "deallocated"; its ports answer only while it runs."""
    power = lab.store.get("power", vm_id)
    vm = resources.find(lab, vm_id)
    if power is None or vm is None:
        return
    lab.store.put("power", vm_id, power | {"state": state})
    address = _address(resources.require(lab, vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"]))
    if state == "running":
        lab.guests.listen(address, _ports(lab, power["guest"]))
    else:
        lab.guests.close(address)


def power_of(lab: Lab, vm_id: str) -> str:
    """ "running", "stopped" or "deallocated"."""
    return str((lab.store.get("power", vm_id) or {"state": "deallocated"})["state"])


def restore_guests(lab: Lab) -> None:
    """Listen again for what ran when the simulator was last up."""
    for power in lab.store.all("power"):
        set_power(lab, power["id"], power["state"])


def _ports(lab: Lab, guest: str) -> list[int]:
    return list((lab.store.get(GUEST, guest) or {"ports": []})["ports"])


def _address(nic: Json) -> str:
    return str(nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"])


def _nic(nic_id: str, vm_id: str, subnet: str | None, address: str) -> Json:
    configuration = {
        "provisioningState": "Succeeded",
        "privateIPAddress": address,
        "privateIPAllocationMethod": "Dynamic",
        "privateIPAddressVersion": "IPv4",
        "primary": True,
    }
    if subnet:
        configuration["subnet"] = {"id": subnet}
    return {
        "provisioningState": "Succeeded",
        "primary": True,
        "virtualMachine": {"id": vm_id},
        "ipConfigurations": [
            {"id": f"{nic_id}/ipConfigurations/ipConfig1", "name": "ipConfig1", "properties": configuration}
        ],
    }


def _vm(lab: Lab, wish: NewVm, nic_id: str, disk_id: str) -> Json:
    return {
        "provisioningState": "Succeeded",
        "vmId": lab.new_id("vm"),
        "timeCreated": iso(lab.now()),
        "hardwareProfile": {"vmSize": wish.size},
        "storageProfile": {
            "osDisk": {
                "osType": wish.os_type,
                "name": name_of(disk_id),
                "createOption": "Attach",
                "managedDisk": {"id": disk_id, "storageAccountType": "Premium_LRS"},
            },
            "dataDisks": [],
        },
        "networkProfile": {"networkInterfaces": [{"id": nic_id, "properties": {"primary": True}}]},
    }


def _shown(lab: Lab, vm: Json, *, instance_view: bool) -> Json:
    """As Compute answers: the resource group of the id in capitals."""
    before, _, after = vm["id"].partition("/resourceGroups/")
    group, _, rest = after.partition("/")
    shown = vm | {"id": f"{before}/resourceGroups/{group.upper()}/{rest}"}
    if instance_view:
        shown["properties"] = vm["properties"] | {"instanceView": _instance_view(lab, vm)}
    return shown


def _instance_view(lab: Lab, vm: Json) -> Json:
    state = power_of(lab, vm["id"])
    return {
        "statuses": [
            {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"},
            {"code": f"PowerState/{state}", "level": "Info", "displayStatus": f"VM {state}"},
        ]
    }


@provider.route("GET", VMS)
def list_vms(lab: Lab, ask: Ask) -> Answer:
    """The VMs of a group."""
    resources.require_group(lab, ask.path)
    vms = lab.store.all(VM.lower(), ask.scope("resourceGroups"))
    return paged(ask, [_shown(lab, vm, instance_view=False) for vm in vms])


@provider.route("GET", VMS + "/{vm}")
def get_vm(lab: Lab, ask: Ask) -> Answer:
    """One VM; $expand=instanceView tells its power state."""
    vm = resources.require(lab, ask.path)
    return Answer(200, _shown(lab, vm, instance_view=ask.query.get("$expand", "").lower() == "instanceview"))


@provider.route("GET", VMS + "/{vm}/instanceView")
def get_instance_view(lab: Lab, ask: Ask) -> Answer:
    """The power state of a VM."""
    return Answer(200, _instance_view(lab, resources.require(lab, ask.scope("virtualMachines"))))


@provider.route("GET", DISKS)
def list_disks(lab: Lab, ask: Ask) -> Answer:
    """The disks of a group."""
    resources.require_group(lab, ask.path)
    return paged(ask, lab.store.all(DISK.lower(), ask.scope("resourceGroups")))


@provider.route("GET", DISKS + "/{disk}")
def get_disk(lab: Lab, ask: Ask) -> Answer:
    """One disk."""
    return Answer(200, resources.require(lab, ask.path))


def _change_power(lab: Lab, ask: Ask) -> Answer:
    vm_id = ask.scope("virtualMachines")
    vm = resources.require(lab, vm_id)
    operation = lro.start(lab, vm["id"], status="InProgress")
    args = {"vm": vm["id"], "state": POWER[name_of(ask.path)], "operation": operation["name"]}
    lab.after(POWER_TAKES, "change-power", args | {"origin": activity.origin(ask), "action": name_of(ask.path)})
    return lro.accepted(_polling(ask, operation["name"], retry_after=10))


for _action in POWER:
    provider.route("POST", f"{VMS}/{{vm}}/{_action}")(_change_power)


@due("change-power")
def _power_changed(lab: Lab, args: Json) -> None:
    set_power(lab, args["vm"], args["state"])
    lro.end(lab, args["operation"])
    activity.ended(lab, args["origin"], args["vm"], f"{VM}/{args['action']}/action")


@provider.route("DELETE", VMS + "/{vm}")
def delete_vm(lab: Lab, ask: Ask) -> Answer:
    """Remove a VM; its NIC and disk stay, as in Azure: 204 when there is none."""
    vm = resources.find(lab, ask.path)
    if vm is None:
        return Answer(204)
    resources.require_unlocked(lab, ask.path, deleting=True)
    set_power(lab, vm["id"], "deallocated")
    for nic in lab.store.all(network.NIC.lower()):
        if nic["properties"].get("virtualMachine", {}).get("id") == vm["id"]:
            nic["properties"].pop("virtualMachine")
            resources.touch(lab, nic)
    resources.drop(lab, vm["id"])
    lab.store.delete("power", vm["id"])
    operation = lro.start(lab, status="InProgress")
    lro.end(lab, operation["name"])
    activity.ended(lab, activity.origin(ask), vm["id"], f"{VM}/delete")
    return lro.accepted(_polling(ask, operation["name"], retry_after=10))


@provider.route("DELETE", DISKS + "/{disk}")
def delete_disk(lab: Lab, ask: Ask) -> Answer:
    """Remove a disk: 204 when there is none."""
    if not resources.drop(lab, ask.path):
        return Answer(204)
    activity.ended(lab, activity.origin(ask), ask.path, f"{DISK}/delete")
    return Answer(200)


OPERATIONS = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/operations/{operation}"


def _polling(ask: Ask, operation: str, retry_after: int) -> dict[str, str]:
    path = f"/subscriptions/{ask.subscription}/providers/Microsoft.Compute/locations/westeurope/operations/{operation}"
    return lro.polling_headers(ask, path, None, retry_after)


@provider.route("GET", OPERATIONS)
def get_operation(lab: Lab, ask: Ask) -> Answer:
    """How far an operation on a VM is."""
    operation = lro.require(lab, ask, ask.params["operation"])
    return Answer(200, {key: operation[key] for key in ("name", "status", "startTime", "endTime") if key in operation})
