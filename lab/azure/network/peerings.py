"""Peerings of virtual networks, public addresses, and the references back that ARM keeps in a network's subnets.

Source: Microsoft.Network 2024-05-01; that a peering needs its counterpart to be Connected is assumed and not simulated:
one that was made here shows Initiated.
"""

from lab.azure.arm import activity_log, resources
from lab.azure.arm.crud import serve_child_list, serve_delete, serve_get
from lab.azure.arm.ids import is_same_id
from lab.azure.network import virtual_networks
from lab.azure.network.virtual_networks import provider
from lab.azure.simulator.answers import Answer, Json, not_simulated
from lab.azure.simulator.lab import Lab
from lab.azure.simulator.requests import ArmRequest, require_field

PEERING = f"{virtual_networks.VNET}/virtualNetworkPeerings"
ADDRESS = "Microsoft.Network/publicIPAddresses"
_FLAGS = {
    "allowVirtualNetworkAccess": True,
    "allowForwardedTraffic": False,
    "allowGatewayTransit": False,
    "useRemoteGateways": False,
}
PEERINGS = virtual_networks.VNETS + "/{network}/virtualNetworkPeerings"
ADDRESSES = virtual_networks.BASE + "/publicIPAddresses"


EXPANSION = "subnets/ipconfigurations"


def network_document(lab: Lab, vnet: Json, *, expanded: bool = False) -> Json:
    """A network as ARM answers it: with its peerings, and in each subnet the configurations in it, or their ids."""
    subnets = [_with_references(lab, subnet, expanded=expanded) for subnet in vnet["properties"]["subnets"]]
    peered = lab.store.all(PEERING.lower(), vnet["id"])
    return vnet | {"properties": vnet["properties"] | {"subnets": subnets, "virtualNetworkPeerings": peered}}


def _with_references(lab: Lab, subnet: Json, *, expanded: bool) -> Json:
    configurations = [
        one for nic in lab.store.all(virtual_networks.NIC.lower()) for one in nic["properties"]["ipConfigurations"]
    ]
    inside = [
        one if expanded else {"id": one["id"]}
        for one in configurations
        if is_same_id(one["properties"].get("subnet", {}).get("id", ""), subnet["id"])
    ]
    return subnet | {"properties": subnet["properties"] | ({"ipConfigurations": inside} if inside else {})}


@provider.route("GET", virtual_networks.VNETS + "/{network}")
def get_network(lab: Lab, request: ArmRequest) -> Answer:
    """One network; with $expand=subnets/ipConfigurations the configurations in it have their addresses.

    Raises:
        ArmError: 501 for another expansion.
    """
    asked = request.query.get("$expand", "").lower()
    if asked not in {"", EXPANSION}:
        raise not_simulated(f"$expand={asked}")
    vnet = resources.require_resource(lab, request.path)
    return Answer(200, network_document(lab, vnet, expanded=asked == EXPANSION))


@provider.route("PUT", PEERINGS + "/{peering}")
def put_peering(lab: Lab, request: ArmRequest) -> Answer:
    """Peer a network to another one: 201."""
    resources.require_resource(lab, request.id_up_to("virtualNetworks"))
    remote = require_field(request.require_object(), "properties", "remoteVirtualNetwork", "id")
    given = request.require_object()["properties"]
    properties = {"provisioningState": "Succeeded", "peeringState": "Initiated", "remoteVirtualNetwork": {"id": remote}}
    properties |= {name: given.get(name, usual) for name, usual in _FLAGS.items()}
    peering = resources.put_resource(lab, request.path, properties, location=None)
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{PEERING}/write")
    return Answer(201, peering)


@provider.route("PUT", ADDRESSES + "/{address}")
def put_address(lab: Lab, request: ArmRequest) -> Answer:
    """Make a public address that nothing uses yet: 201."""
    resources.require_group(lab, request.path)
    body = request.require_object()
    properties = {"provisioningState": "Succeeded", "publicIPAllocationMethod": "Static", "ipAddress": "203.0.113.7"}
    address = resources.put_resource(lab, request.path, properties, location=require_field(body, "location"))
    activity_log.log_ended(lab, activity_log.origin_of(request), request.path, f"{ADDRESS}/write")
    return Answer(201, address)


serve_child_list(provider, PEERINGS, PEERING, "virtualNetworks")
for _template in (PEERINGS + "/{peering}", ADDRESSES + "/{address}"):
    serve_get(provider, _template)
    serve_delete(provider, _template)
