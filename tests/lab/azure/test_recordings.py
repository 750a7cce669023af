"""Recorded exchanges with Arc and Azure Stack HCI, replayed: status, headers and shape are the same.

What differs on purpose is said in ALLOWED: the recordings are of older api-versions, and of a machine on a desk.
"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.azure.cloud import N1, SUB, Cloud, script
from tests.lab.azure.site_recovery.shapes import differences

FIXTURE = Path(__file__).parents[2] / "fixtures" / "recorded-exchanges.json"
RECORDED = {each["key"]: each for each in json.loads(FIXTURE.read_text()) if each["key"].startswith(("arc.", "hci."))}
COMMAND, AGENT = f"{N1}/runCommands/look", f"{N1}/extensions/custom-test"
CLUSTER = f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/new"
SETTING = f"{CLUSTER}/arcSettings/default"
RUN = script("read-registration")
RUN["properties"] |= {"asyncExecution": False, "parameters": [{"name": "a", "value": "b"}]}
POLLING = {"azure-asyncoperation", "location"}

type Told = tuple[int, Any, Any]
type Replay = Callable[[Cloud], Awaitable[Told]]


def body_of(key: str) -> Any:
    """The body that was sent."""
    return RECORDED[key]["request"]["body"]


def operation_after(replay: Replay, **passing: float) -> Replay:
    """The operation status of a call, so much later."""

    async def look(cloud: Cloud) -> Told:
        _, _, headers = await replay(cloud)
        cloud.pass_time(**passing)
        return await cloud.call("GET", headers["Azure-AsyncOperation"])

    return look


def after(replay: Replay, then: Replay, **passing: float) -> Replay:
    """A call that comes after another one."""

    async def both(cloud: Cloud) -> Told:
        await replay(cloud)
        cloud.pass_time(**(passing or {"minutes": 10}))
        return await then(cloud)

    return both


def arc(method: str, path: str, body: Any = None) -> Replay:
    """A call about an Arc machine."""
    return lambda cloud: cloud.call(method, path, body)


def hci(method: str, path: str, body: Any = None) -> Replay:
    """A call about a cluster."""
    return lambda cloud: cloud.call(method, path, body, version="2026-10-01")


run, install = arc("PUT", COMMAND, RUN), arc("PUT", AGENT, body_of("arc.extension.put"))
make_cluster = hci("PUT", CLUSTER, body_of("hci.cluster.put"))
REPLAYS: dict[str, Replay] = {
    "arc.runCommand.put": run,
    "arc.runCommand.op.queued": operation_after(run),
    "arc.runCommand.op.inProgress": operation_after(run, seconds=60),
    "arc.runCommand.op.succeeded": operation_after(run, minutes=10),
    "arc.runCommand.get": after(run, arc("GET", COMMAND)),
    "arc.runCommand.list": after(run, arc("GET", f"{N1}/runCommands")),
    "arc.runCommand.update.put": after(run, arc("PUT", COMMAND, RUN | {"tags": {"Tag1": "Value1"}})),
    "arc.runCommand.delete": after(run, arc("DELETE", COMMAND)),
    "arc.runCommand.delete.op.succeeded": after(run, operation_after(arc("DELETE", COMMAND), minutes=10)),
    "arc.machine.get": arc("GET", N1),
    "arc.extension.put": install,
    "arc.extension.op.succeeded": operation_after(install, minutes=10),
    "arc.extension.get": after(install, arc("GET", AGENT)),
    "arc.extension.patch": after(install, arc("PATCH", AGENT, body_of("arc.extension.patch"))),
    "arc.extension.delete": after(install, arc("DELETE", AGENT)),
    "arc.extension.delete.op.succeeded": after(install, operation_after(arc("DELETE", AGENT), minutes=10)),
    "hci.cluster.put": make_cluster,
    "hci.arcSetting.put": after(make_cluster, hci("PUT", SETTING)),
    "hci.extension.put": after(
        after(make_cluster, hci("PUT", SETTING)),
        hci("PUT", f"{SETTING}/extensions/MicrosoftMonitoringAgent", body_of("hci.extension.put")),
    ),
}
ALLOWED = {
    "arc.runCommand.list": {"added .nextLink"},
    "arc.machine.get": {"added .kind", "added .properties.parentClusterResourceId"},
}
HAS_LESS = {"arc.machine.get"}
"""A node of the model has no hardware, network cards and licences to tell of."""


def test_every_recording_is_replayed() -> None:
    assert REPLAYS.keys() == RECORDED.keys()


@pytest.mark.parametrize("key", REPLAYS)
async def test_the_simulator_answers_as_was_recorded(cloud: Cloud, key: str) -> None:
    status, body, headers = await REPLAYS[key](cloud)
    recorded = RECORDED[key]["response"]
    assert status == recorded["status"]
    sent = {name.lower() for name in headers}
    assert POLLING & sent == POLLING & recorded["headers"].keys()
    found = {
        each for each in differences(recorded["body"], body) if not (key in HAS_LESS and each.startswith("missing"))
    }
    assert found == ALLOWED.get(key, set())
