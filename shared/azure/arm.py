"""ARM resources of any kind, as plain JSON: found, listed, and asked for once."""

from typing import TYPE_CHECKING, Any

from azure.core.rest import HttpRequest

from shared.arm_ids import segments
from shared.azure.clients import azure
from shared.azure.errors import Missing, translated
from shared.azure.json_fields import Json, part, text
from shared.errors import Refused

if TYPE_CHECKING:
    from azure.mgmt.resource.resources.aio import ResourceManagementClient

GROUPS_API = "2025-04-01"
STORAGE_API = "2025-06-01"
VAULTS_API = "2026-11-01"
CLUSTERS_API = "2026-10-01"
NETWORKS_API = "2024-05-01"
ROLES_API = "2022-04-01"
AUTOMATION_API = "2024-10-23"


async def find(arm_id: str, api_version: str) -> Json | None:
    """A resource as its provider shows it, None when there is none."""
    try:
        found: Json = await _ask("GET", arm_id, api_version)
    except Missing:
        return None
    return found


async def put(arm_id: str, api_version: str, body: Json, request_id: str) -> None:
    """Ask for a resource, once; where that takes time it is not there yet when this returns."""
    await _ask("PUT", arm_id, api_version, body=body, request_id=request_id)


async def delete(arm_id: str, api_version: str, request_id: str) -> None:
    """Ask for a resource to be removed, once; where that takes time it is still there when this returns."""
    await _ask("DELETE", arm_id, api_version, request_id=request_id)


async def act(arm_id: str, action: str, api_version: str, request_id: str) -> None:
    """Ask for an action on a resource, once."""
    await _ask("POST", f"{arm_id}/{action}", api_version, request_id=request_id)


async def read_text(path: str, api_version: str) -> str:
    """What is no JSON, as a text."""
    request = HttpRequest("GET", f"/{path.strip('/')}", params={"api-version": api_version})
    with translated():
        answer = await _client(path).send_request(request)
        answer.raise_for_status()
    return answer.text()


async def list_all(path: str, api_version: str, params: dict[str, str] | None = None) -> list[Json]:
    """A whole list, by its path without a host."""
    found: list[Json] = []
    page = await _ask("GET", path, api_version, params=params or {})
    while True:
        found += page.get("value") or ()
        if not (link := page.get("nextLink")):
            return found
        page = await _get(_client(path), HttpRequest("GET", link))


async def _ask(
    method: str,
    path: str,
    api_version: str,
    *,
    params: dict[str, str] | None = None,
    body: Json | None = None,
    request_id: str = "",
) -> Json:
    query = {"api-version": api_version, **(params or {})}
    request = HttpRequest(method, f"/{path.strip('/')}", params=query, json=body)
    return await _get(_client(path), request, **({"request_id": request_id} if request_id else {}))


async def _get(client: "ResourceManagementClient", request: HttpRequest, **options: Any) -> Json:
    with translated():
        answer = await client.send_request(request, **options)
        answer.raise_for_status()
        said: Json = answer.json() if answer.content else {}
    return said


def _client(path: str) -> "ResourceManagementClient":
    subscription = segments(path).get("subscriptions")
    if not subscription:
        raise Refused("not-an-id", f"not an ARM id: {path}")
    return azure().resources(subscription)


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
