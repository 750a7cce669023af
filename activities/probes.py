"""Seeing from outside whether the machines that a failover made do their work."""

import asyncio
import hashlib

import aiohttp

from shared.azure.arm import read_private_address
from shared.azure.azure_vms import delete_command, find_command, put_command
from shared.azure.errors import Missing
from shared.azure.json_fields import part, text
from shared.concurrency import each
from shared.errors import Refused, Transient
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbesTried, ProbeTarget
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ProbeAnswer

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


PATIENCE_IN_SECONDS = 5.0
ALL_AT_ONCE = 50


async def probe_vms(ask: ProbeBatch) -> ProbesTried:
    """Try every probe of every machine once, all at the same time: a machine passes when all of its probes do.

    A machine without a name, or whose address cannot be had this time, has not passed; nothing is raised for it.
    """
    return ProbesTried(answers=tuple(await each(ask.targets, _try_machine, ALL_AT_ONCE)))


async def _try_machine(target: ProbeTarget) -> ProbeAnswer:
    if not target.azure_vm:
        return ProbeAnswer(vm=target.vm, passed=False, detail="Azure did not tell the name of its machine")
    try:
        address = target.address or await read_private_address(target.target_group, target.azure_vm)
    except Missing:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"{target.azure_vm} is not there yet")
    except (Transient, Refused) as error:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"the address cannot be read: {error}")
    if not address:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"{target.azure_vm} has no private address yet")
    found = await asyncio.gather(*(_try(target, number, address) for number in range(len(target.probes))))
    trouble = "; ".join(filter(None, found))
    return ProbeAnswer(vm=target.vm, passed=not trouble, address=address, detail=trouble)


async def _try(target: ProbeTarget, number: int, address: str) -> str:
    """What is wrong, empty when the probe passes."""
    probe = target.probes[number]
    match probe.kind:
        case "run-command":
            return await try_inside(target, number)
        case "callback":
            return await try_callback(target, probe, address)
        case _:
            return await _try_port(probe, address)


async def _try_port(probe: Probe, address: str) -> str:
    try:
        async with asyncio.timeout(PATIENCE_IN_SECONDS):
            return await (_try_tcp if probe.kind == "tcp" else _try_http)(probe, address)
    except TimeoutError:
        return f"port {probe.port} said nothing for {PATIENCE_IN_SECONDS:.0f} s"
    except (OSError, aiohttp.ClientError) as error:
        return f"port {probe.port}: {error or type(error).__name__}"


async def _try_tcp(probe: Probe, address: str) -> str:
    _, writer = await asyncio.open_connection(address, probe.port)
    writer.close()
    return ""


async def _try_http(probe: Probe, address: str) -> str:
    url = f"http://{address}:{probe.port}{probe.path}"
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        return "" if answer.status < 400 else f"port {probe.port} answered {answer.status} to GET {probe.path}"
