"""Microsoft.Compute: the VMs that failovers make, with disk, NIC, address and what listens in them."""

from dataclasses import dataclass
from datetime import timedelta

from lab.azure.arm import activity_log, lro, resources
from lab.azure.arm.crud import serve_get, serve_list
from lab.azure.arm.ids import name_of, part_of, resource_id
from lab.azure.arm.routing import Provider
from lab.azure.network import virtual_networks
from lab.azure.simulator.answers import Answer, ArmError, Json
from lab.azure.simulator.lab import LOCATION, SUBSCRIPTION, Lab, due, to_iso
from lab.azure.simulator.requests import ArmRequest

VM = "Microsoft.Compute/virtualMachines"
DISK = "Microsoft.Compute/disks"
BASE = resources.GROUP_PATH + "/providers/Microsoft.Compute"
VMS, DISKS = BASE + "/virtualMachines", BASE + "/disks"
POWER_KIND = "power"
POWER = {"start": "running", "powerOff": "stopped", "deallocate": "deallocated", "restart": "running"}
POWER_TAKES = timedelta(seconds=30)

provider = Provider(
    "Microsoft.Compute",
    {"2022-08-01", "2023-03-01", "2023-07-01", "2023-09-01", "2024-03-01", "2024-03-02", "2024-07-01", "2024-11-01"}
    | {"2025-01-02", "2025-04-01"},
)


@dataclass(frozen=True)
class VmSettings:
    """What a VM is made of.

    Attributes:
        subnet: name of the subnet; None is the first one of the network.
        address: honoured where this machine can listen on it or it is no loopback address; else the next free one.
        ports: what answers in the VM while it runs.
        agent: version of the Azure VM agent in it; empty where none is installed.
    """

    size: str = "Standard_D2s_v5"
    os_type: str = "Windows"
    network_id: str | None = None
    subnet: str | None = None
    address: str | None = None
    ports: tuple[int, ...] = ()
    agent: str = ""
    disks: tuple[str, ...] = ("osdisk",)
    location: str = LOCATION


def vm_exists(lab: Lab, group: str, name: str) -> bool:
    """Whether a group, given by name or by id, has a VM of that name."""
    return resources.find_resource(lab, vm_id_of(group, name)) is not None


def vm_id_of(group: str, name: str) -> str:
    """The id of a VM in a group that is given by name or by id."""
    subscription = part_of(group, "subscriptions") or SUBSCRIPTION
    return resource_id(subscription, part_of(group, "resourceGroups") or group, VM, name)


def create_vm(lab: Lab, group: str, name: str, make: VmSettings) -> str:
    """Make a VM with its disks and NIC, running, and have its ports answer; gives the VM's id."""
    vm_id = vm_id_of(group, name)
    subscription, group = part_of(vm_id, "subscriptions") or "", part_of(vm_id, "resourceGroups") or ""
    nic_id = resource_id(subscription, group, virtual_networks.NIC, f"{name}-nic")
    taken = {_address_of(nic) for nic in lab.store.all(virtual_networks.NIC.lower())}
    address = lab.guests.free_address(make.address or "127.10.0.4", taken, list(make.ports))
    resources.put_resource(
        lab, nic_id, _nic_properties(nic_id, vm_id, _subnet_id(lab, make), address), location=make.location
    )
    disk_ids = [resource_id(subscription, group, DISK, f"{name}-{disk}") for disk in make.disks]
    for disk_id in disk_ids:
        disk = {
            "provisioningState": "Succeeded",
            "creationData": {"createOption": "Restore"},
            "diskSizeGB": 127,
            "diskState": "Attached",
            "osType": make.os_type,
        }
        resources.put_resource(lab, disk_id, disk, location=make.location, managedBy=vm_id, sku={"name": "Premium_LRS"})
    resources.put_resource(lab, vm_id, _vm_properties(lab, make, nic_id, disk_ids), location=make.location)
    lab.store.put(
        POWER_KIND, vm_id, {"id": vm_id, "state": "deallocated", "ports": list(make.ports), "agent": make.agent}
    )
    set_power(lab, vm_id, "running")
    return vm_id


def addresses_in(lab: Lab, network_id: str) -> set[str]:
    """The private addresses of the cards in a virtual network."""
    cards = lab.store.all(virtual_networks.NIC.lower())
    return {_address_of(nic) for nic in cards if _subnet_of(nic).lower().startswith(f"{network_id}/".lower())}


def _subnet_of(nic: Json) -> str:
    subnet: Json = nic["properties"]["ipConfigurations"][0]["properties"].get("subnet") or {}
    return str(subnet.get("id") or "")


def _subnet_id(lab: Lab, make: VmSettings) -> str | None:
    if not make.network_id or resources.find_resource(lab, make.network_id) is None:
        return None
    return str(virtual_networks.require_subnet(lab, make.network_id, make.subnet)["id"])


def remove_vm(lab: Lab, vm_id: str, *, leave: str = "") -> None:
    """Remove a VM with its disks, NIC and address; `leave` says what stays behind: "nic", "disks", or nothing."""
    vm = resources.find_resource(lab, vm_id)
    if vm is None:
        return
    set_power(lab, vm_id, "deallocated")
    nic_id = vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    for disk in [disk for disk in lab.store.all(DISK.lower()) if disk.get("managedBy") == vm["id"]]:
        if leave == "disks":
            disk.pop("managedBy")
            disk["properties"]["diskState"] = "Unattached"
            resources.save_resource(lab, disk)
        else:
            resources.delete_resource(lab, disk["id"])
    nic = resources.require_resource(lab, nic_id)
    if leave == "nic":
        nic["properties"].pop("virtualMachine")
        resources.save_resource(lab, nic)
    else:
        resources.delete_resource(lab, nic_id)
    _delete_vm_record(lab, vm_id)


def _delete_vm_record(lab: Lab, vm_id: str) -> None:
    """Remove the VM itself, with what lives below it."""
    lab.store.delete(POWER_KIND, vm_id)
    for command in list(lab.store.all(f"{VM}/runCommands".lower(), vm_id)):
        resources.delete_resource(lab, command["id"])
    resources.delete_resource(lab, vm_id)


def set_power(lab: Lab, vm_id: str, state: str) -> None:
    """Let a VM be "running", "stopped" or "deallocated"; its ports answer only while it runs."""
    power = lab.store.get(POWER_KIND, vm_id)
    vm = resources.find_resource(lab, vm_id)
    if power is None or vm is None:
        return
    lab.store.put(POWER_KIND, vm_id, power | {"state": state})
    address = _address_of(
        resources.require_resource(lab, vm["properties"]["networkProfile"]["networkInterfaces"][0]["id"])
    )
    if state == "running":
        lab.guests.open_ports(address, power["ports"])
    else:
        lab.guests.close_ports(address)


def power_of(lab: Lab, vm_id: str) -> str:
    """ "running", "stopped" or "deallocated"."""
    return str((lab.store.get(POWER_KIND, vm_id) or {"state": "deallocated"})["state"])


def restore_guests(lab: Lab) -> None:
    """Listen again for what ran when the simulator was last up."""
    for power in lab.store.all(POWER_KIND):
        set_power(lab, power["id"], power["state"])


def _address_of(nic: Json) -> str:
    return str(nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"])


def _nic_properties(nic_id: str, vm_id: str, subnet: str | None, address: str) -> Json:
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


def _vm_properties(lab: Lab, make: VmSettings, nic_id: str, disk_ids: list[str]) -> Json:
    disks = [
        {"name": name_of(disk_id), "createOption": "Attach", "managedDisk": {"id": disk_id}} for disk_id in disk_ids
    ]
    return {
        "provisioningState": "Succeeded",
        "vmId": lab.new_id("vm"),
        "timeCreated": to_iso(lab.now()),
        "hardwareProfile": {"vmSize": make.size},
        "storageProfile": {
            "osDisk": disks[0] | {"osType": make.os_type},
            "dataDisks": [disk | {"lun": lun} for lun, disk in enumerate(disks[1:])],
        },
        "networkProfile": {"networkInterfaces": [{"id": nic_id, "properties": {"primary": True}}]},
    }


def _vm_document(lab: Lab, vm: Json, *, instance_view: bool) -> Json:
    """As Compute answers: the resource group of the id in capitals."""
    before, _, after = vm["id"].partition("/resourceGroups/")
    group, _, rest = after.partition("/")
    document = vm | {"id": f"{before}/resourceGroups/{group.upper()}/{rest}"}
    if instance_view:
        document["properties"] = vm["properties"] | {"instanceView": _instance_view(lab, vm)}
    return document


def _instance_view(lab: Lab, vm: Json) -> Json:
    state = power_of(lab, vm["id"])
    statuses = [
        {"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"},
        {"code": f"PowerState/{state}", "level": "Info", "displayStatus": f"VM {state}"},
    ]
    agent = {"vmAgent": _agent_view((lab.store.get(POWER_KIND, vm["id"]) or {}).get("agent", ""))}
    return {"statuses": statuses, **(agent if state == "running" else {})}


def _agent_view(version: str) -> Json:
    """The VM agent as Compute shows it, with the words of one that never reported where none is installed."""
    code, level, shown, message = (
        ("succeeded", "Info", "Ready", "GuestAgent is running and processing the extensions.")
        if version
        else ("Unavailable", "Warning", "Not Ready", "VM status blob is found but not yet populated.")
    )
    status = {"code": f"ProvisioningState/{code}", "level": level, "displayStatus": shown, "message": message}
    return {"vmAgentVersion": version or "Unknown", "statuses": [status]}


@provider.route("GET", VMS + "/{vm}")
def get_vm(lab: Lab, request: ArmRequest) -> Answer:
    """One VM; with $expand=instanceView also its power state."""
    vm = resources.require_resource(lab, request.path)
    return Answer(200, _vm_document(lab, vm, instance_view=request.query.get("$expand", "").lower() == "instanceview"))


@provider.route("GET", VMS + "/{vm}/instanceView")
def get_instance_view(lab: Lab, request: ArmRequest) -> Answer:
    """The power state of a VM."""
    return Answer(200, _instance_view(lab, resources.require_resource(lab, request.id_up_to("virtualMachines"))))


def change_power(lab: Lab, request: ArmRequest) -> Answer:
    """Start, power off, deallocate or restart a VM: 202."""
    vm_id = request.id_up_to("virtualMachines")
    vm = resources.require_resource(lab, vm_id)
    operation = lro.start_operation(lab, vm["id"], status="InProgress")
    args = {"vm": vm["id"], "state": POWER[name_of(request.path)], "operation": operation["name"]}
    lab.call_after(
        POWER_TAKES, "change-power", args | {"origin": activity_log.origin_of(request), "action": name_of(request.path)}
    )
    return lro.accepted_answer(operation_headers(request, operation["name"], retry_after=10))


for _action in POWER:
    provider.route("POST", f"{VMS}/{{vm}}/{_action}")(change_power)


@due("change-power")
def finish_power_change(lab: Lab, args: Json) -> None:
    """The VM has its new power state."""
    set_power(lab, args["vm"], args["state"])
    lro.end_operation(lab, args["operation"])
    activity_log.log_ended(lab, args["origin"], args["vm"], f"{VM}/{args['action']}/action")


@provider.route("DELETE", VMS + "/{vm}")
def delete_vm(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a VM; its NIC and disk stay, as in Azure: 204 when there is none."""
    vm = resources.find_resource(lab, request.path)
    if vm is None:
        return Answer(204)
    resources.require_unlocked(lab, request.path, deleting=True)
    set_power(lab, vm["id"], "deallocated")
    for nic in lab.store.all(virtual_networks.NIC.lower()):
        if nic["properties"].get("virtualMachine", {}).get("id") == vm["id"]:
            nic["properties"].pop("virtualMachine")
            resources.save_resource(lab, nic)
    for disk in [disk for disk in lab.store.all(DISK.lower()) if disk.get("managedBy") == vm["id"]]:
        disk.pop("managedBy")
        disk["properties"]["diskState"] = "Unattached"
        resources.save_resource(lab, disk)
    _delete_vm_record(lab, vm["id"])
    operation = lro.start_operation(lab, status="InProgress")
    lro.end_operation(lab, operation["name"])
    activity_log.log_ended(lab, activity_log.origin_of(request), vm["id"], f"{VM}/delete")
    return lro.accepted_answer(operation_headers(request, operation["name"], retry_after=10))


OPERATIONS = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}/operations/{operation}"


def operation_headers(request: ArmRequest, operation: str, retry_after: int) -> dict[str, str]:
    """Where to see how far an operation of Compute is."""
    path = (
        f"/subscriptions/{request.subscription}/providers/Microsoft.Compute/locations/westeurope/operations/{operation}"
    )
    return lro.polling_headers(request, path, None, retry_after)


@provider.route("GET", OPERATIONS)
def get_operation(lab: Lab, request: ArmRequest) -> Answer:
    """How far an operation on a VM is."""
    operation = lro.require_operation(lab, request, request.params["operation"])
    return Answer(200, {key: operation[key] for key in ("name", "status", "startTime", "endTime") if key in operation})


serve_list(provider, VMS, VM, lambda lab, vm: _vm_document(lab, vm, instance_view=False))
serve_list(provider, DISKS, DISK)
serve_get(provider, DISKS + "/{disk}")


@provider.route("DELETE", DISKS + "/{disk}")
def delete_disk(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a disk: 204 when there is none, 409 while a VM has it."""
    disk = resources.find_resource(lab, request.path)
    if disk is None:
        return Answer(204)
    if owner := disk.get("managedBy"):
        message = f"Disk {disk['name']} is attached to VM {owner}."
        raise ArmError(409, "OperationNotAllowed", message)
    resources.require_unlocked(lab, request.path, deleting=True)
    resources.delete_resource(lab, request.path)
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{DISK}/delete")
    return Answer(200)
