"""Seeing from outside whether the machines that a failover made do their work."""

import asyncio

import aiohttp

from activities.contract import ProbeBatch, ProbesTried, ProbeTarget
from activities.inner_probes import try_callback, try_inside
from shared.azure.crowd import each
from shared.azure.faults import Missing
from shared.azure.resources import read_private_address
from shared.errors import Refused, Transient
from shared.messages import Probe
from shared.outcomes import ProbeAnswer

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
