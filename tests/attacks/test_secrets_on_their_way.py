"""Secrets that hooks, probes, scripts and Azure answer are looked for in all that is kept and in all that is shown."""

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from activities.hooks import hook_work_name, read_hook_work, run_hook
from activities.node_diagnosis import parse_status_message
from activities.nodes import read_script
from activities.probes import command_name, probe_vms
from orchestrators.verbs.failover import failover
from shared.azure.arc_views import extension_view
from shared.azure.jobs import job_end
from shared.azure.vault import Vault
from shared.errors import SiteRecoveryError
from shared.evidence.report import render_report
from shared.healing.contract import ReadScript
from shared.messages import VaultRef
from shared.operations.hook_work import HookWork
from shared.plans.plan import Probe
from shared.recovery.contract import HookAnswer, ProbeBatch, ProbeTarget, RunHook
from tests.attacks.secret_shapes import JSONS, TEXTS, Shape
from tests.listening import listening
from tests.orchestrators.album import Album
from tests.orchestrators.test_runbooks import Bench, plan
from tests.shared.azure.fake import VAULT, FakeArm, Reply, standing
from triggers.operation_views import full_view, table_of

SHAPES = (*TEXTS, *JSONS)
GROUP = "/subscriptions/s1/resourceGroups/rg-vms"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/v-test"
MACHINE = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.HybridCompute/machines/n1"
ACCOUNT = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Automation/automationAccounts/aa"
MODES: tuple[dict[str, Any], ...] = (
    {},
    {"message_member": "message"},
    {"keep_output": True},
    {"message_member": "message", "keep_output": True},
)


def text_of(shape: Shape) -> str:
    return shape.given if isinstance(shape.given, str) else json.dumps(shape.given)


def answers_of(shape: Shape) -> tuple[str, str]:
    """As it is, and as the message of a JSON object."""
    return text_of(shape), json.dumps({"passed": False, "message": text_of(shape), "detail": shape.given})


@dataclass
class World:
    """All who answer: ARM, and a listener for hooks and callbacks."""

    arm: FakeArm
    url: str
    body: str = ""
    status: int = 409

    async def answer(self, _request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=self.status, text=self.body)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    async with standing(monkeypatch) as arm:
        found = World(arm, "")
        async with listening(found.answer) as url:
            found.url = f"{url}/x"
            yield found


async def by_http(world: World, answer: str, mode: dict[str, Any]) -> HookAnswer:
    world.body, world.status = answer, 409
    return await run_hook(
        RunHook(id="r:b:0", url=world.url, moment="before", operation="r", plan="p", state="well", **mode)
    )


def instance_view(**view: Any) -> Reply:
    return Reply(200, {"properties": {"instanceView": {"executionState": "Failed", "exitCode": 3, **view}}})


def script_work(mode: dict[str, Any]) -> HookWork:
    return HookWork(id="r:b:1", operation="r", kind="run-command", target=MACHINE, **mode)


async def by_script(world: World, answer: str, mode: dict[str, Any]) -> HookAnswer:
    view = instance_view(output=answer, error=answer)
    world.arm.says("GET", f"/{hook_work_name(script_work(mode))}", view)
    return await read_hook_work(script_work(mode))


async def by_runbook(world: World, answer: str, mode: dict[str, Any]) -> HookAnswer:
    work = HookWork(id="r:b:2", operation="r", kind="runbook", target=f"{ACCOUNT}/runbooks/R", **mode)
    job = f"{ACCOUNT}/jobs/{hook_work_name(work)}"
    properties = {"status": "Failed", "exception": answer, "statusDetails": answer}
    world.arm.says("GET", job, Reply(200, {"properties": properties}))
    world.arm.says("GET", f"{job}/output", Reply(200, raw=answer.encode(), headers={"Content-Type": "text/plain"}))
    return await read_hook_work(work)


def target_of(probe: Probe) -> ProbeTarget:
    return ProbeTarget(
        vm="v", azure_vm="v-test", target_group=GROUP, probes=(probe,), address="127.0.0.1", operation="r"
    )


async def by_callback(world: World, answer: str, mode: dict[str, Any]) -> Any:
    world.body, world.status = answer, 200
    return await probe_vms(ProbeBatch(targets=(target_of(Probe(kind="callback", url=world.url, **mode)),)))


async def by_probe_script(world: World, answer: str, mode: dict[str, Any]) -> Any:
    target = target_of(Probe(kind="run-command", script="exit 3", **mode))
    command = f"{VM}/runCommands/{command_name(target, 0)}"
    world.arm.says("GET", VM, Reply(200, {"id": VM, "location": "westeurope"}))
    world.arm.says("GET", command, instance_view(output=answer, error=answer))
    world.arm.says("PUT", command, Reply(201, {}))
    return await probe_vms(ProbeBatch(targets=(target,)))


async def by_node_script(world: World, answer: str, mode: dict[str, Any]) -> Any:
    registration = {"SiteName": "s", "Anything": answer, "Password": answer}
    last_line = json.dumps({"dra": "Running", "registration": registration, "more": answer})
    world.arm.says("GET", "/node", instance_view(output=f"{answer}\n{last_line}", error=answer))
    return await read_script(ReadScript(machine_id=MACHINE, name="node"))


async def by_azures_refusal(world: World, answer: str, mode: dict[str, Any]) -> Any:
    error = {"code": "Conflict", "message": answer, "details": [{"code": "539", "message": answer}]}
    world.arm.says("GET", "/replicationProtectedItems", Reply(400, {"error": error}))
    with pytest.raises(SiteRecoveryError) as refused:
        await Vault(VaultRef.from_id(VAULT)).list_items()
    return refused.value


async def by_azures_job(world: World, answer: str, mode: dict[str, Any]) -> Any:
    advice = {"message": answer, "recommendedAction": answer, "possibleCauses": answer, "errorMessage": answer}
    errors = [{"serviceErrorDetails": {"code": "1", **advice}, "providerErrorDetails": advice}]
    return job_end({"name": "j", "properties": {"state": "Failed", "errors": errors, "stateDescription": answer}})


async def by_extension(world: World, answer: str, mode: dict[str, Any]) -> Any:
    status = {"code": "1", "message": answer}
    return extension_view({"id": "/e", "properties": {"instanceView": {"status": status}}})


async def by_activity_log(world: World, answer: str, mode: dict[str, Any]) -> Any:
    return parse_status_message(json.dumps({"error": {"code": "1", "message": answer}}))


async def by_an_answer_that_is_no_json(world: World, answer: str, mode: dict[str, Any]) -> Any:
    world.arm.says("GET", "/replicationProtectedItems", Reply(200, raw=answer.encode()))
    with pytest.raises(SiteRecoveryError) as refused:
        await Vault(VaultRef.from_id(VAULT)).list_items()
    return refused.value


type Way = Callable[[World, str, dict[str, Any]], Awaitable[Any]]
WAYS: tuple[Way, ...] = (
    by_http,
    by_script,
    by_runbook,
    by_callback,
    by_probe_script,
    by_node_script,
    by_azures_refusal,
    by_azures_job,
    by_extension,
    by_activity_log,
    by_an_answer_that_is_no_json,
)
TOLD_BY_AUTHORS = (by_http, by_script, by_runbook, by_callback, by_probe_script)


def kept_of(answer: Any) -> str:
    return str(answer) if isinstance(answer, Exception) else str(answer.model_dump_json())


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "+".join(mode) or "as it is")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_nothing_secret_leaves_an_activity(way: Way, mode: dict[str, Any], world: World) -> None:
    if mode and way not in TOLD_BY_AUTHORS:
        pytest.skip("nobody declares what these answer")
    leaks = []
    for shape in SHAPES:
        for answer in answers_of(shape):
            kept = kept_of(await way(world, answer, mode))
            leaks += [f"{answer} -> {kept}"] if shape.secret in kept else []
    assert leaks == []


@pytest.mark.parametrize("way", TOLD_BY_AUTHORS, ids=lambda way: way.__name__)
async def test_without_a_word_of_the_author_nothing_of_an_answer_leaves_an_activity(way: Way, world: World) -> None:
    """Also what no pattern knows for a secret."""
    for answer in ("sesame", json.dumps({"passed": False, "message": "sesame", "detail": "sesame"})):
        assert "sesame" not in kept_of(await way(world, answer, {}))
    shown = kept_of(
        await way(world, json.dumps({"passed": False, "message": "all full"}), {"message_member": "message"})
    )
    assert "all full" in shown
    assert "all full" in kept_of(await way(world, '{"passed": false, "x": "all full"}', {"keep_output": True}))


BATCHES = [SHAPES[at : at + 10] for at in range(0, len(SHAPES), 10)]


def everything_kept(bench: Bench, album: Album, result: Any) -> dict[str, str]:
    """All that a run has left, and all that is shown of it."""
    ended = album.close(result)
    view = full_view(ended, [])
    looks = [look.serialized_custom_status for look in album.looks]
    return {
        "output": json.dumps(result.output),
        "custom status": json.dumps(looks),
        "GET operation": json.dumps([json.dumps(one, default=str) for one in album.views()]),
        "history": "".join(str(episode.new) + str(episode.actions) for episode in result.episodes),
        "entities": json.dumps(bench.driver.states, default=str),
        "events": "".join(event.model_dump_json() for event in bench.azure.runs.published),
        "evidence": "".join(entry.model_dump_json() for _, entry in bench.azure.evidence.records),
        "page": render_report(view),
        "table": str(table_of(view)),
    }


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: text_of(batch[0])[:20])
async def test_nothing_secret_is_in_what_a_run_leaves(
    batch: Sequence[Shape], world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mode = {"message_member": "message", "keep_output": True}
    answers = [await by_http(world, answers_of(shape)[1], mode) for shape in batch]
    ends = [await by_script(world, answers_of(shape)[1], mode) for shape in batch]
    silence = (await by_callback(world, answers_of(batch[0])[1], mode)).answers[0]
    job = await by_azures_job(world, text_of(batch[-1]), mode)
    bench = Bench()
    album = Album(bench.driver)
    given = dict(enumerate([*answers, *ends]))
    hooks = bench.azure.hooks
    hooks.run_hook = lambda ask: given[number_of(ask.id)]  # type: ignore[method-assign]
    hooks.read_work = lambda ask: given[number_of(ask.id)]  # type: ignore[method-assign]
    bench.azure.jobs.failures[("web", "PlannedFailover")] = job.model_copy(update={"job": ""})
    tried = bench.azure.items.probe_vms
    bench.azure.items.probe_vms = lambda ask: with_silence(tried(ask), silence)  # type: ignore[method-assign]
    named = {"required": False, "keepOutput": True, "messageMember": "message"}
    http = [{"name": f"h{at}", "url": "https://example.org/x", **named} for at in range(len(batch))]
    script = {"kind": "run-command", "machine": MACHINE, "script": "exit 3", **named}
    scripts = [{"name": f"s{at}", **script} for at in range(len(batch))]
    document = plan(hooks={"failover": {"before": [*http, *scripts]}}, onFailure="continue")
    result = bench.run(failover, "failover", document=document)
    assert result.output["state"] == "failed"
    kept = {**everything_kept(bench, album, result), "log": caplog.text}
    assert "messageMember" in kept["history"]
    assert [(place, shape.given) for place, text in kept.items() for shape in batch if shape.secret in text] == []


def number_of(hook: str) -> int:
    return int(hook.rpartition(":")[2])


def with_silence(tried: Any, silence: Any) -> Any:
    answers = [
        one.model_copy(update=silence.model_dump(exclude={"vm"})) if one.vm == "app" else one for one in tried.answers
    ]
    return tried.model_copy(update={"answers": tuple(answers)})
