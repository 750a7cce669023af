"""Seeing from outside whether the machines that a failover made do their work."""

import asyncio
import hashlib
import json
from typing import Literal, NamedTuple

import aiohttp

from activities.call_authentication import authentication_headers
from activities.http_calls import encode_json, post_content
from activities.kept_answers import LONGEST_OUTPUT, kept_output, public_message
from shared.azure.arm import read_private_address
from shared.azure.azure_vms import delete_run_command, find_run_command, put_run_command
from shared.azure.errors import NotFound
from shared.azure.json_fields import object_at, text_of
from shared.concurrency import map_concurrently
from shared.errors import SiteRecoveryError
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbesTried, ProbeTarget
from shared.request_ids import client_request_id
from shared.site_recovery.contract import ProbeAnswer

ENDED_STATES = frozenset({"Succeeded", "Failed", "TimedOut", "Canceled"})
PORT_TIMEOUT_SECONDS = 5.0
MAX_CONCURRENT_MACHINES = 50


class ProbeResult(NamedTuple):
    """What one try of a probe shows; "pending": a script runs, and the next try finds out.

    Attributes:
        output: What it answered, as far as the plan wants it kept.
    """

    state: Literal["passed", "failed", "pending"]
    detail: str = ""
    output: str = ""


PASSED = ProbeResult("passed")


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
    except SiteRecoveryError as error:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"the address cannot be read: {error}")
    if not address:
        return ProbeAnswer(vm=target.vm, passed=False, detail=f"{target.azure_vm} has no private address yet")
    return await try_probes_at(target, address)


async def try_probes_at(target: ProbeTarget, address: str) -> ProbeAnswer:
    """Try all probes of a machine at its address."""
    results = await asyncio.gather(*(try_probe(target, number, address) for number in range(len(target.probes))))
    return ProbeAnswer(
        vm=target.vm,
        passed=all(result.state == "passed" for result in results),
        address=address,
        detail="; ".join(result.detail for result in results if result.state != "passed"),
        output="\n".join(result.output for result in results if result.output)[-LONGEST_OUTPUT:],
    )


async def try_probe(target: ProbeTarget, number: int, address: str) -> ProbeResult:
    """Try one probe of a machine once."""
    probe = target.probes[number]
    match probe.kind:
        case "run-command":
            return await try_run_command(target, number)
        case "callback":
            return await try_callback(target, probe, address)
        case "tcp" | "http":
            return await try_port(probe, address)


async def try_http(probe: Probe, address: str) -> ProbeResult:
    """See whether a GET is answered with less than 400."""
    url = f"http://{address}:{probe.port}{probe.path}"
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
        detail = f"port {probe.port} answered {response.status} to GET {probe.path}"
        return PASSED if response.status < 400 else ProbeResult("failed", detail)


async def try_port(probe: Probe, address: str) -> ProbeResult:
    """See whether somebody answers at a port, and over HTTP with less than 400."""
    try:
        async with asyncio.timeout(PORT_TIMEOUT_SECONDS):
            if probe.kind == "tcp":
                _, writer = await asyncio.open_connection(address, probe.port)
                writer.close()
                return PASSED
            return await try_http(probe, address)
    except TimeoutError:
        return ProbeResult("failed", f"port {probe.port} said nothing for {PORT_TIMEOUT_SECONDS:.0f} s")
    except (OSError, aiohttp.ClientError) as error:
        return ProbeResult("failed", f"port {probe.port}: {_name_of(error)}")


def _name_of(error: Exception) -> str:
    """What the system says of a connection; of what a server wrote nothing."""
    return (str(error) if isinstance(error, OSError) else "") or type(error).__name__


async def try_callback(target: ProbeTarget, probe: Probe, address: str) -> ProbeResult:
    """Ask somebody whether the machine works: 2xx, and not {"passed": false}."""
    body = {"operation": target.operation, "vm": target.vm, "azureVm": target.azure_vm, "address": address}
    try:
        content, call_id = encode_json(body), call_id_of(target, probe)
        headers = await authentication_headers(probe.authentication, call_id, target.at, content)
        answer = await post_content(probe.url, content, headers)
        if answer.status >= 300:
            return ProbeResult("failed", f"the callback answered {answer.status}")
        reply = json.loads(answer.body or b"null")
    except SiteRecoveryError as error:
        return ProbeResult("failed", f"the callback was not asked: {error}")
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
        return ProbeResult("failed", f"the callback gave no answer: {type(error).__name__}")
    if isinstance(reply, dict) and reply.get("passed") is False:
        return _failed_with(target, probe, "the callback says no", answer.body.decode(errors="replace"))
    return PASSED


def call_id_of(target: ProbeTarget, probe: Probe) -> str:
    """Tells this VM's callback from others of the run; the same in each try."""
    return client_request_id(target.operation, target.vm.lower(), probe.url, 1)


def _failed_with(target: ProbeTarget, probe: Probe, detail: str, answer: str) -> ProbeResult:
    """That it has not passed, with no more of its answer than the plan's author wants."""
    shown_detail = ": ".join(filter(None, (detail, public_message(answer, probe.message_member))))
    known = (target.vm, target.azure_vm, target.operation)
    return ProbeResult("failed", shown_detail, kept_output(answer, is_wanted=probe.keep_output, known=known))


async def try_run_command(target: ProbeTarget, number: int) -> ProbeResult:
    """Run the probe's script inside the machine, or see what became of it.

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
            return ProbeResult("pending", "the script still runs")
        if state == "Succeeded" and view.get("exitCode") in {0, None}:
            await delete_run_command(vm_id, name)
            return PASSED
        await put_run_command(vm_id, name, probe.script, request_id)
    except SiteRecoveryError as error:
        return ProbeResult("failed", f"the script cannot be run: {error}")
    if command is None:
        return ProbeResult("pending", "the script was started")
    output = "\n".join(filter(None, (text_of(view.get("error")), text_of(view.get("output")))))
    return _failed_with(target, probe, f"the script ended with {view.get('exitCode')}", output)


def command_name(target: ProbeTarget, number: int) -> str:
    """Name of the run command: the same in each try, another one for each run, machine and probe."""
    mark = hashlib.sha256("\n".join((target.operation, target.vm.lower(), str(number))).encode()).hexdigest()
    return f"probe-{mark[:16]}"
