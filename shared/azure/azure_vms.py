"""Azure VMs that failovers make: whether they run, and the managed run commands, scripts inside of them."""

from typing import Any, NamedTuple

from azure.core.rest import HttpRequest

from shared.arm_ids import subscription_of
from shared.azure.api_versions import COMPUTE_API
from shared.azure.arm import read_resource
from shared.azure.clients import azure
from shared.azure.errors import translate_errors, unless_missing
from shared.azure.json_fields import Json, object_at, text_of
from shared.errors import Refused


class InstanceView(NamedTuple):
    """How a machine does.

    Attributes:
        power: Its power state, such as "running" or "deallocated"; empty where Azure shows none.
        guest_agent: The version of the VM agent that reports from inside of it; empty where none does.
    """

    power: str
    guest_agent: str


async def read_instance_view(vm_id: str) -> InstanceView:
    """How a machine does now.

    Raises:
        NotFound: there is no such machine.

    Source: Microsoft.Compute 2024-07-01, virtualMachines/instanceView: of the statuses the one of code PowerState/…,
    and of the VM agent whether it is Ready: one that is not installed is shown as "Not Ready" (assumed).
    """
    view = await read_resource(f"{vm_id}/instanceView", COMPUTE_API)
    codes = [text_of(status.get("code")) for status in view.get("statuses") or ()]
    power = next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")
    agent = object_at(view, "vmAgent")
    is_ready = any(text_of(status.get("displayStatus")) == "Ready" for status in agent.get("statuses") or ())
    return InstanceView(power, text_of(agent.get("vmAgentVersion")) or "unknown" if is_ready else "")


async def find_run_command(vm_id: str, name: str) -> Json | None:
    """A run command with its instance view, None when there is none."""
    answer = await unless_missing(_send_request("GET", vm_id, name, params={"$expand": "instanceView"}))
    found: Json | None = answer.json() if answer else None
    return found


async def put_run_command(vm_id: str, name: str, script: str, request_id: str) -> None:
    """Run a script as the machine's system account; each PUT runs it again.

    Source: Microsoft.Compute 2024-07-01, virtualMachines/runCommands.
    """
    machine = await read_resource(vm_id, COMPUTE_API)
    properties = {"source": {"script": script}, "asyncExecution": False, "timeoutInSeconds": 600}
    body = {"location": machine.get("location"), "properties": properties}
    await _send_request("PUT", vm_id, name, json=body, headers={"x-ms-client-request-id": request_id})


async def delete_run_command(vm_id: str, name: str) -> None:
    """Remove a run command; one that is gone is left alone."""
    await _send_request("DELETE", vm_id, name)


async def _send_request(method: str, vm_id: str, name: str, params: dict[str, str] | None = None, **more: Any) -> Any:
    subscription = subscription_of(vm_id)
    if not subscription:
        raise Refused("not-a-machine", f"not the ARM id of a machine: {vm_id}")
    query = {"api-version": COMPUTE_API, **(params or {})}
    request = HttpRequest(method, f"/{vm_id.strip('/')}/runCommands/{name}", params=query, **more)
    with translate_errors():
        answer = await azure().resource_client(subscription).send_request(request)
        answer.raise_for_status()
    return answer
