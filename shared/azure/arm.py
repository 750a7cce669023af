"""ARM resources of any kind, as plain JSON: found, listed, and asked for once."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from azure.core.rest import HttpRequest

from shared.arm_ids import subscription_of
from shared.azure.answer_shapes import PLAIN_TEXT
from shared.azure.api_versions import COMPUTE_API, NETWORK_API
from shared.azure.clients import azure
from shared.azure.errors import translate_errors, unless_missing
from shared.azure.json_fields import Json, object_at, text_of
from shared.azure.paging import read_pages
from shared.errors import Refused

if TYPE_CHECKING:
    from azure.mgmt.resource.resources.aio import ResourceManagementClient


async def find_resource(arm_id: str, api_version: str) -> Json | None:
    """A resource as its provider shows it, None when there is none."""
    found: Json | None = await unless_missing(_send_request("GET", arm_id, api_version))
    return found


async def put_resource(arm_id: str, api_version: str, body: Json, request_id: str) -> None:
    """Ask for a resource, once; where that takes time it is not there yet when this returns."""
    await _send_request("PUT", arm_id, api_version, body=body, request_id=request_id)


async def delete_resource(arm_id: str, api_version: str, request_id: str) -> None:
    """Ask for a resource to be removed, once; where that takes time it is still there when this returns."""
    await _send_request("DELETE", arm_id, api_version, request_id=request_id)


async def post_action(arm_id: str, action: str, api_version: str, request_id: str) -> None:
    """Ask for an action on a resource, once."""
    await _send_request("POST", f"{arm_id}/{action}", api_version, request_id=request_id)


async def read_text(path: str, api_version: str) -> str:
    """What is no JSON, as a text."""
    request = HttpRequest("GET", f"/{path.strip('/')}", params={"api-version": api_version})
    with translate_errors():
        answer = await _client_for(path).send_request(request, **{PLAIN_TEXT: True})
        answer.raise_for_status()
    return answer.text()


async def list_all(path: str, api_version: str, query: dict[str, str] | None = None) -> list[Json]:
    """A whole list, by its path without a host."""
    found, _ = await list_all_with_time(path, api_version, query)
    return found


async def list_all_with_time(
    path: str, api_version: str, query: dict[str, str] | None = None
) -> tuple[list[Json], datetime]:
    """The same, and when Azure gave the last page."""
    send = _client_for(path).send_request
    return await read_pages(send, f"/{path.strip('/')}", {"api-version": api_version, **(query or {})})


async def _send_request(
    method: str, path: str, api_version: str, *, body: Json | None = None, request_id: str = "", expand: str = ""
) -> Json:
    query = {"api-version": api_version, **({"$expand": expand} if expand else {})}
    request = HttpRequest(method, f"/{path.strip('/')}", params=query, json=body)
    options: dict[str, Any] = {"request_id": request_id} if request_id else {}
    with translate_errors():
        answer = await _client_for(path).send_request(request, **options)
        answer.raise_for_status()
        shown: Json = answer.json() if answer.content else {}
    return shown


def _client_for(path: str) -> "ResourceManagementClient":
    subscription = subscription_of(path)
    if not subscription:
        raise Refused("not-an-id", f"not an ARM id: {path}")
    return azure().resource_client(subscription)


async def read_resource(arm_id: str, api_version: str, expand: str = "") -> Json:
    """One resource as its provider shows it; `expand` names the references that are to be shown with what they name.

    Raises:
        NotFound: there is none.
    """
    return await _send_request("GET", arm_id, api_version, expand=expand)


async def read_private_address(group_id: str, vm: str) -> str:
    """The first private address of a machine's first network card, empty while it has none.

    Raises:
        NotFound: there is no such machine, or its card is gone.
    """
    machine = await read_resource(f"{group_id}/providers/Microsoft.Compute/virtualMachines/{vm}", COMPUTE_API)
    cards = object_at(machine, "properties", "networkProfile").get("networkInterfaces") or ()
    if not cards:
        return ""
    card = await read_resource(cards[0]["id"], NETWORK_API)
    configurations = object_at(card, "properties").get("ipConfigurations") or ()
    return text_of(object_at(configurations[0], "properties").get("privateIPAddress")) if configurations else ""
