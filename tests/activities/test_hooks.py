"""Asking others over HTTP: hooks of a drill, and callbacks as probes."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from activities.hooks import run_hook
from activities.probes import command_name, probe_vms
from shared.plans.plan import Probe
from shared.recovery.contract import ProbeBatch, ProbeTarget, RunHook
from tests.listening import listening
from tests.shared.azure.fake import FakeArm, Reply

GROUP = "/subscriptions/s1/resourceGroups/rg-vms"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/sql-01-test"


class Listener:
    """Somebody who is asked."""

    def __init__(self) -> None:
        self.url = ""
        self.status, self.body = 200, '{"passed": true}'
        self.heard: list[tuple[str, Any]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.heard.append((request.headers.get("Idempotency-Key", ""), json.loads(await request.read())))
        return web.Response(status=self.status, text=self.body, headers={"Location": "http://127.0.0.1:1/"})


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", "http://127.0.0.1:1")  # all is on this machine
    someone = Listener()
    async with listening(someone.answer) as url:
        someone.url = f"{url}/hook"
        yield someone


def hook(url: str) -> RunHook:
    return RunHook(id="d-1:before:0", url=url, moment="before", operation="d-1", plan="payroll", state="starting")


@pytest.mark.parametrize(
    ("status", "passed", "again"),
    [
        (200, True, False),
        (204, True, False),
        (302, False, False),
        (409, False, False),
        (429, False, True),
        (503, False, True),
    ],
)
async def test_a_hook_passes_with_2xx_and_is_asked_again_where_that_may_help(
    listener: Listener, status: int, passed: bool, again: bool
) -> None:
    listener.status = status
    ran = await run_hook(hook(listener.url))
    assert (ran.passed, ran.may_change, ran.status) == (passed, again, status)
    body = {"operation": "d-1", "plan": "payroll", "moment": "before", "state": "starting"}
    assert listener.heard == [("d-1:before:0", body)]


async def test_a_hook_that_does_not_answer_is_asked_again() -> None:
    ran = await run_hook(hook("http://127.0.0.1:1/hook"))
    assert (ran.passed, ran.may_change) == (False, True)


async def test_of_an_answer_only_what_was_declared_public_is_shown(listener: Listener) -> None:
    listener.status, listener.body = 409, '{"message": "change freeze\\nuntil Monday", "note": "sesame"}'
    ran = await run_hook(hook(listener.url))
    assert ran.detail == "it answered 409; its log has the call by Idempotency-Key d-1:before:0"
    shown = await run_hook(hook(listener.url).model_copy(update={"message_member": "message"}))
    assert shown.detail == f"{ran.detail}: change freeze until Monday"
    assert (ran.output, shown.output) == ("", "")
    kept = await run_hook(hook(listener.url).model_copy(update={"keep_output": True}))
    assert (kept.detail, "sesame" in kept.output) == (ran.detail, True)


def target(probe: Probe) -> ProbeTarget:
    return ProbeTarget(
        vm="sql-01", azure_vm="sql-01-test", target_group=GROUP, probes=(probe,), address="127.0.0.1", operation="d-1"
    )


async def tried(probe: Probe) -> tuple[bool, str]:
    answer = (await probe_vms(ProbeBatch(targets=(target(probe),)))).answers[0]
    return answer.passed, answer.detail


async def test_a_callback_decides_by_what_it_says(listener: Listener) -> None:
    probe = Probe(kind="callback", url=listener.url)
    assert await tried(probe) == (True, "")
    assert listener.heard[0][1] == {
        "operation": "d-1",
        "vm": "sql-01",
        "azureVm": "sql-01-test",
        "address": "127.0.0.1",
    }
    listener.body = '{"passed": false, "detail": "no rows"}'
    assert await tried(probe) == (False, "the callback says no")
    told = Probe(kind="callback", url=listener.url, message_member="detail")
    assert await tried(told) == (False, "the callback says no: no rows")
    listener.status = 500
    assert await tried(probe) == (False, "the callback answered 500")


async def test_a_script_is_started_watched_and_run_again_until_it_ends_well(arm: FakeArm) -> None:
    probe = Probe(kind="run-command", script="exit 0")
    command = f"{VM}/runCommands/{command_name(target(probe), 0)}"
    arm.says("GET", VM, Reply(200, {"id": VM, "location": "westeurope"}))
    arm.says("PUT", command, Reply(201, {}))
    arm.says("DELETE", command, Reply(200))
    arm.says(
        "GET",
        command,
        Reply(404, {"error": {"code": "ResourceNotFound"}}),
        *(
            Reply(200, {"properties": {"instanceView": view}})
            for view in (
                {"executionState": "Running"},
                {"executionState": "Failed", "exitCode": 3, "error": "no service"},
                {"executionState": "Succeeded", "exitCode": 0},
            )
        ),
    )
    said = [await tried(probe) for _ in range(4)]
    assert said == [
        (False, "the script was started"),
        (False, "the script still runs"),
        (False, "the script ended with 3"),
        (True, ""),
    ]
    assert [one.body["properties"]["source"] for one in arm.sent("PUT", command)] == [{"script": "exit 0"}] * 2
    assert len(arm.sent("DELETE", command)) == 1
