"""Seeing from outside whether the machines that a failover made do their work."""

import asyncio
import hashlib

import aiohttp

from shared.azure.arm import read_private_address
from shared.azure.azure_vms import delete_run_command, find_run_command, put_run_command
from shared.azure.errors import NotFound
from shared.azure.json_fields import object_at, text_of
from shared.concurrency import map_concurrently
from shared.errors import Refused, Transient
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbesTried, ProbeTarget
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ProbeAnswer

CALLBACK_TIMEOUT = aiohttp.ClientTimeout(total=30)
ENDED_STATES = frozenset({"Succeeded", "Failed", "TimedOut", "Canceled"})
MAX_DETAIL_LENGTH = 200


async def try_run_command(target: ProbeTarget, number: int) -> str:
    """Run the probe's script inside the machine, or see what became of it: what is wrong, empty when it passed.

    A script that ended badly is run again under the same name, which replaces it. What remains goes with the machine.
    """
    probe, name = target.probes[number], command_name(target, number)
    vm_id = f"{target.target_group}/providers/Microsoft.Compute/virtualMachines/{target.azure_vm}"
    request_id = client_request_id(target.operation, vm_id, name, 1)
    try:
        command = await find_run_command(vm_id, name)
        view = object_at(command or {}, "properties", "instanceView")
        state = text_of(view.get("executionState"))
        if command is not None and state not in ENDED_STATES:
            return "the script still runs"
        if state == "Succeeded" and view.get("exitCode") in {0, None}:
            await delete_run_command(vm_id, name)
            return ""
        await put_run_command(vm_id, name, probe.script, request_id)
    except (Transient, Refused) as error:
        return f"the script cannot be run: {error}"
    output = text_of(view.get("error")) or text_of(view.get("output"))
    return (
        f"the script ended with {view.get('exitCode')}: {output[-MAX_DETAIL_LENGTH:]}"
        if command
        else "the script was started"
    )


def command_name(target: ProbeTarget, number: int) -> str:
    """Name of the run command: the same in each try, another one for each run, machine and probe."""
    mark = hashlib.sha256("\n".join((target.operation, target.vm.lower(), str(number))).encode()).hexdigest()
    return f"probe-{mark[:16]}"


async def try_callback(target: ProbeTarget, probe: Probe, address: str) -> str:
    """Ask somebody whether the machine works: 2xx, and not {"passed": false}."""
    body = {"operation": target.operation, "vm": target.vm, "azureVm": target.azure_vm, "address": address}
    try:
        async with (
            aiohttp.ClientSession(timeout=CALLBACK_TIMEOUT) as session,
            session.post(probe.url, json=body, allow_redirects=False) as response,
        ):
            reply = await response.json(content_type=None) if response.status < 300 else None
            if response.status >= 300:
                return f"the callback answered {response.status}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return f"the callback gave no answer: {type(error).__name__}"
    if isinstance(reply, dict) and reply.get("passed") is False:
        return f"the callback says no: {text_of(reply.get('detail'))[:MAX_DETAIL_LENGTH]}"
    return ""


PATIENCE_IN_SECONDS = 5.0
MAX_CONCURRENT_MACHINES = 50


async def probe_vms(request: ProbeBatch) -> ProbesTried:
    """Try every probe of every machine once, all at the same time: a machine passes when all of its probes do.

    A machine without a name, or whose address cannot be had this time, has not passed; nothing is raised for it.
    """
    return ProbesTried(answers=tuple(await map_concurrently(request.targets, _try_machine, MAX_CONCURRENT_MACHINES)))


async def _try_machine(target: ProbeTarget) -> ProbeAnswer:
    if not target.azure_vm:
        return ProbeAnswer(vm=target.vm, passed=False, detail="Azure did not tell the name of its machine")
    try:
        address = target.address or await read_private_address(target.target_group, target.azure_vm)
    except NotFound:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"{target.azure_vm} is not there yet")
    except (Transient, Refused) as error:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"the address cannot be read: {error}")
    if not address:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"{target.azure_vm} has no private address yet")
    failures = await asyncio.gather(*(_try_probe(target, number, address) for number in range(len(target.probes))))
    detail = "; ".join(filter(None, failures))
    return ProbeAnswer(vm=target.vm, passed=not detail, address=address, detail=detail)


async def _try_probe(target: ProbeTarget, number: int, address: str) -> str:
    """What is wrong, empty when the probe passes."""
    probe = target.probes[number]
    match probe.kind:
        case "run-command":
            return await try_run_command(target, number)
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
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
        return "" if response.status < 400 else f"port {probe.port} answered {response.status} to GET {probe.path}"
