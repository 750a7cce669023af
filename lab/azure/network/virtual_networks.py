"""Microsoft.Network: virtual networks, subnets and the NICs of failed-over VMs."""

from typing import Any

from lab.azure.arm import activity_log, resources
from lab.azure.arm.crud import serve_get, serve_list
from lab.azure.arm.ids import resource_id
from lab.azure.arm.paging import paged_answer
from lab.azure.arm.routing import Provider
from lab.azure.simulator.answers import Answer, ArmError, Json, not_found
from lab.azure.simulator.lab import SUBSCRIPTION, Lab
from lab.azure.simulator.requests import ArmRequest, require_field

VNET = "Microsoft.Network/virtualNetworks"
NIC = "Microsoft.Network/networkInterfaces"
BASE = resources.GROUP_PATH + "/providers/Microsoft.Network"
VNETS, NICS = BASE + "/virtualNetworks", BASE + "/networkInterfaces"

provider = Provider(
    "Microsoft.Network",
    {"2022-07-01", "2023-09-01", "2023-11-01", "2024-01-01", "2024-03-01", "2024-05-01", "2024-07-01", "2024-10-01"}
    | {"2025-01-01", "2025-03-01", "2025-05-01"},
)


def put_vnet(
    lab: Lab, group: str, name: str, prefix: str, subnets: list[str], subscription: str = SUBSCRIPTION
) -> Json:
    """Make a virtual network with its subnets, `prefix` as "10.20": each subnet gets a /24 of it."""
    arm_id = resource_id(subscription, group, VNET, name)
    made = [
        {
            "id": f"{arm_id}/subnets/{subnet}",
            "name": subnet,
            "type": f"{VNET}/subnets",
            "properties": {"provisioningState": "Succeeded", "addressPrefix": f"{prefix}.{at + 1}.0/24"},
        }
        for at, subnet in enumerate(subnets)
    ]
    space = {"addressPrefixes": [f"{prefix}.0.0/16"]}
    return resources.put_resource(
        lab, arm_id, {"provisioningState": "Succeeded", "addressSpace": space, "subnets": made}, etag='W/"lab"'
    )


def require_subnet(lab: Lab, vnet_id: str, name: str | None = None) -> Json:
    """A subnet of a network: the one named, or the first.

    Raises:
        ArmError: 404 for the network or the subnet.
    """
    subnets = resources.require_resource(lab, vnet_id)["properties"]["subnets"]
    for subnet in subnets:
        if name is None or subnet["name"].lower() == name.lower():
            return dict(subnet)
    raise ArmError(404, "NotFound", f"Resource {vnet_id}/subnets/{name} not found.")


@provider.route("PUT", VNETS + "/{network}")
def put_network(lab: Lab, request: ArmRequest) -> Answer:
    """Create or replace a network: 201 or 200."""
    resources.require_group(lab, request.path)
    resources.require_unlocked(lab, request.path)
    prefixes = require_field(request.require_object(), "properties", "addressSpace", "addressPrefixes")
    exists = resources.find_resource(lab, request.path) is not None
    subnets = [
        _subnet_document(request.path, subnet) for subnet in request.require_object()["properties"].get("subnets", [])
    ]
    vnet = resources.put_resource(
        lab,
        request.path,
        {"provisioningState": "Succeeded", "addressSpace": {"addressPrefixes": prefixes}, "subnets": subnets},
        location=request.require_object().get("location"),
        etag='W/"lab"',
        **({"tags": tags} if (tags := request.require_object().get("tags")) else {}),
    )
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{VNET}/write")
    return Answer(200 if exists else 201, vnet)


def _subnet_document(vnet_id: str, body: Any) -> Json:
    prefix, name = require_field(body, "properties", "addressPrefix"), require_field(body, "name")
    return {
        "id": f"{vnet_id}/subnets/{name}",
        "name": name,
        "type": f"{VNET}/subnets",
        "properties": {"provisioningState": "Succeeded", "addressPrefix": prefix},
    }


@provider.route("GET", VNETS + "/{network}/subnets")
def list_subnets(lab: Lab, request: ArmRequest) -> Answer:
    """The subnets of a network."""
    return paged_answer(
        request, resources.require_resource(lab, request.id_up_to("virtualNetworks"))["properties"]["subnets"]
    )


@provider.route("GET", VNETS + "/{network}/subnets/{subnet}")
def get_subnet(lab: Lab, request: ArmRequest) -> Answer:
    """One subnet."""
    return Answer(200, require_subnet(lab, request.id_up_to("virtualNetworks"), request.params["subnet"]))


@provider.route("DELETE", NICS + "/{nic}")
def delete_nic(lab: Lab, request: ArmRequest) -> Answer:
    """Remove a NIC that no VM uses: 204 when there is none."""
    nic = resources.find_resource(lab, request.path)
    if nic is None:
        return Answer(204)
    if user := nic["properties"].get("virtualMachine"):
        message = f"Network interface {request.path} is used by existing resource {user['id']}."
        raise ArmError(400, "NicInUse", message)
    resources.delete_resource(lab, request.path)
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{NIC}/delete")
    return Answer(200)


def require_network(lab: Lab, vnet_id: str) -> Json:
    """A virtual network by id.

    Raises:
        ArmError: 404 where the id is of another type or of nothing.
    """
    if "/virtualnetworks/" not in vnet_id.lower():
        raise not_found(vnet_id)
    return resources.require_resource(lab, vnet_id)


serve_list(provider, VNETS, VNET)
serve_list(provider, NICS, NIC)
serve_get(provider, NICS + "/{nic}")
