"""Probes that go beyond a port: a script inside the Azure VM, and somebody who is asked."""

import hashlib

import aiohttp

from activities.contract import ProbeTarget
from shared.azure.guests import delete_command, find_command, put_command
from shared.azure.wire import part, text
from shared.errors import Refused, Transient
from shared.messages import Probe
from shared.request_ids import client_request_id

PATIENCE = aiohttp.ClientTimeout(total=30)
ENDED = frozenset({"Succeeded", "Failed", "TimedOut", "Canceled"})
SHOWN = 200


async def try_inside(target: ProbeTarget, number: int) -> str:
    """Run the probe's script inside the machine, or see what became of it: what is wrong, empty when it passed.

    A script that ended badly is run again under the same name, which replaces it. What remains goes with the machine.
    """
    probe, name = target.probes[number], command_name(target, number)
    vm_id = f"{target.target_group}/providers/Microsoft.Compute/virtualMachines/{target.azure_vm}"
    request_id = client_request_id(target.operation, vm_id, name, 1)
    try:
        found = await find_command(vm_id, name)
        view = part(found or {}, "properties", "instanceView")
        state = text(view.get("executionState"))
        if found is not None and state not in ENDED:
            return "the script still runs"
        if state == "Succeeded" and view.get("exitCode") in {0, None}:
            await delete_command(vm_id, name)
            return ""
        await put_command(vm_id, name, probe.script, request_id)
    except (Transient, Refused) as error:
        return f"the script cannot be run: {error}"
    said = text(view.get("error")) or text(view.get("output"))
    return f"the script ended with {view.get('exitCode')}: {said[-SHOWN:]}" if found else "the script was started"


def command_name(target: ProbeTarget, number: int) -> str:
    """Name of the run command: the same in each try, another one for each run, machine and probe."""
    mark = hashlib.sha256("\n".join((target.operation, target.vm.lower(), str(number))).encode()).hexdigest()
    return f"probe-{mark[:16]}"


async def try_callback(target: ProbeTarget, probe: Probe, address: str) -> str:
    """Ask somebody whether the machine works: 2xx, and not {"passed": false}."""
    body = {"operation": target.operation, "vm": target.vm, "azureVm": target.azure_vm, "address": address}
    try:
        async with (
            aiohttp.ClientSession(timeout=PATIENCE) as session,
            session.post(probe.url, json=body, allow_redirects=False) as answer,
        ):
            said = await answer.json(content_type=None) if answer.status < 300 else None
            if answer.status >= 300:
                return f"the callback answered {answer.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return f"the callback gave no answer: {type(error).__name__}"
    if isinstance(said, dict) and said.get("passed") is False:
        return f"the callback says no: {text(said.get('detail'))[:SHOWN]}"
    return ""
