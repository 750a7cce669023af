"""Azure resources of any kind, by their ids: here the machines that failovers make."""

from typing import TYPE_CHECKING

from shared.azure.faults import translated
from shared.azure.session import azure
from shared.azure.wire import Json, part, segments, text
from shared.errors import Refused

if TYPE_CHECKING:
    from azure.mgmt.resource.resources.aio import ResourceManagementClient

COMPUTE_API = "2024-07-01"
NETWORK_API = "2024-05-01"


async def read_resource(arm_id: str, api_version: str) -> Json:
    """One resource as its provider shows it.

    Raises:
        Missing: there is none.
    """
    subscription = segments(arm_id).get("subscriptions")
    if not subscription:
        raise Refused("not-an-id", f"not an ARM id: {arm_id}")
    client: ResourceManagementClient = azure().resources(subscription)
    with translated():
        found = await client.resources.get_by_id(arm_id.strip("/"), api_version=api_version)
    return found.as_dict()


async def read_private_address(group_id: str, vm: str) -> str:
    """The first private address of a machine's first network card, empty while it has none.

    Raises:
        Missing: there is no such machine, or its card is gone.
    """
    machine = await read_resource(f"{group_id}/providers/Microsoft.Compute/virtualMachines/{vm}", COMPUTE_API)
    cards = part(machine, "properties", "networkProfile").get("networkInterfaces") or ()
    if not cards:
        return ""
    card = await read_resource(cards[0]["id"], NETWORK_API)
    configurations = part(card, "properties").get("ipConfigurations") or ()
    return text(part(configurations[0], "properties").get("privateIPAddress")) if configurations else ""
