"""Probes say what a machine does, as seen from outside, this once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from activities import probes
from activities.probes import probe_vms
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbeTarget
from shared.site_recovery.contract import ProbeAnswer
from tests.listening import listening
from tests.shared.azure.fake import FakeArm, Reply

GROUP = "/subscriptions/s1/resourceGroups/rg-dr-vms"
NIC = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/nic-1"
GONE = Reply(404, {"error": {"code": "ResourceNotFound", "message": "gone"}})


@contextlib.asynccontextmanager
async def site() -> AsyncIterator[int]:
    """A web server whose /health is well and whose /ill is not: its port."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status={"/health": 200, "/moved": 302}.get(request.path, 500))

    async with listening(answer) as url:
        yield int(url.rpartition(":")[2])


async def closed_port() -> int:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def once(*tried: Probe, address: str = "127.0.0.1") -> ProbeAnswer:
    target = ProbeTarget(vm="web-01", azure_vm="web-01-test", target_group=GROUP, probes=tried, address=address)
    (answer,) = (await probe_vms(ProbeBatch(targets=(target,)))).answers
    return answer


async def test_a_port_that_accepts_passes() -> None:
    async with site() as port:
        assert (await once(Probe(port=port))).passed


async def test_a_port_that_is_closed_does_not() -> None:
    port = await closed_port()
    answer = await once(Probe(port=port))
    assert not answer.passed
    assert f"port {port}" in answer.detail


@pytest.mark.parametrize(("path", "passes"), [("/health", True), ("/moved", True), ("/ill", False)])
async def test_a_page_passes_below_400(path: str, passes: bool) -> None:
    async with site() as port:
        answer = await once(Probe(kind="http", port=port, path=path))
    assert answer.passed is passes
    assert passes or answer.detail == f"port {port} answered 500 to GET /ill"


async def test_a_machine_passes_only_with_all_its_probes() -> None:
    shut = await closed_port()
    async with site() as port:
        answer = await once(Probe(port=port), Probe(port=shut))
    assert not answer.passed
    assert str(shut) in answer.detail


async def test_a_port_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(probes, "PORT_TIMEOUT_SECONDS", 0.05)
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        answer = await once(Probe(kind="http", port=server.sockets[0].getsockname()[1]))
    assert not answer.passed
    assert "said nothing" in answer.detail


async def test_a_machine_whose_name_azure_did_not_tell_is_not_looked_for(arm: FakeArm) -> None:
    """An address that was found under another name tells nothing either."""
    target = ProbeTarget(vm="web-01", azure_vm="", target_group=GROUP, probes=(Probe(port=443),), address="127.0.0.1")
    (answer,) = (await probe_vms(ProbeBatch(targets=(target,)))).answers
    assert (answer.passed, answer.detail) == (False, "Azure did not tell the name of its machine")
    assert arm.asked == []


def machine(*cards: str) -> Reply:
    return Reply(200, {"properties": {"networkProfile": {"networkInterfaces": [{"id": card} for card in cards]}}})


async def test_the_address_is_that_of_the_machines_card(arm: FakeArm) -> None:
    card = {"properties": {"ipConfigurations": [{"properties": {"privateIPAddress": "127.0.0.1"}}]}}
    arm.says("GET", "/virtualMachines/web-01-test", machine(NIC))
    arm.says("GET", "/networkInterfaces/nic-1", Reply(200, card))
    async with site() as port:
        answer = await once(Probe(port=port), address="")
    assert (answer.passed, answer.address) == (True, "127.0.0.1")
    assert arm.sent("GET", "/web-01-test")[0].path == f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web-01-test"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(GONE, "not there yet"), (machine(), "no private address yet"), (Reply(503), "cannot be read")],
)
async def test_a_machine_without_an_address_has_not_passed(arm: FakeArm, answer: Reply, said: str) -> None:
    arm.says("GET", "/virtualMachines/web-01-test", answer)
    tried = await once(Probe(port=1), address="")
    assert not tried.passed
    assert said in tried.detail
