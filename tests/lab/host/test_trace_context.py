"""The trace of whoever starts an orchestration is that of its activities, also after it continued as new."""

from datetime import timedelta
from typing import Any

import pytest
from durabletask.internal import orchestrator_service_pb2 as pb
from opentelemetry import trace

from lab.host.app import App, Function
from lab.host.trace_context import SETTING, new_traceparent, traceparent_of
from tests.lab.host.conftest import Hosted, Serve

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = int(TRACE.split("-")[1], 16)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The trace ids that the functions of the app saw, by their names."""
    seen: dict[str, list[int]] = {}
    invoke = App.invoke

    async def spied(self: App, function: Function, value: Any, traceparent: str = "") -> Any:
        call = function.call

        async def noted(**arguments: Any) -> Any:
            current = trace.get_current_span().get_span_context()
            seen.setdefault(function.name, []).append(current.trace_id)
            answer = call(**arguments)
            return await answer if function.is_coroutine else answer

        changed = Function(**{**vars(function), "call": noted, "is_coroutine": True})
        return await invoke(self, changed, value, traceparent)

    monkeypatch.setattr(App, "invoke", spied)
    return seen


async def start(hosted: Hosted, name: str, given: Any) -> None:
    status, _ = await hosted.call("POST", f"/api/start/{name}?id=run", json=given, headers={"traceparent": TRACE})
    assert status == 202
    await hosted.host.engine.runner.wait_until_idle()


async def test_activities_are_in_the_trace_of_the_request_that_started_their_run(
    serve: Serve, traces: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, "true")
    async with serve() as hosted:
        await start(hosted, "steps", 3)
        for _ in range(3):
            await hosted.pass_time(timedelta(seconds=31))
    assert traces["start"] == [TRACE_ID]
    assert traces["say"] == [TRACE_ID] * 3


async def test_without_the_setting_of_the_worker_nobody_is_in_a_trace(
    serve: Serve, traces: dict[str, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    async with serve() as hosted:
        await start(hosted, "greet", "you")
    assert traces["say"] == [0]


async def test_the_engine_keeps_the_trace_when_a_run_continues_as_new(hosted: Hosted) -> None:
    await hosted.start("listen")
    engine = hosted.host.engine
    before = engine.instances.get("run")
    assert engine.instances.read_traceparent("run") == ""
    await hosted.call("POST", "/api/start/listen?id=traced", headers={"traceparent": TRACE})
    await engine.runner.wait_until_idle()
    assert before.execution
    renewal = engine.control._renewal
    for run in ("run", "traced"):
        held = engine.instances.read_traceparent(run)
        renewal.continue_as_new(engine.instances.get(run), pb.CompleteOrchestrationAction())
        await engine.runner.wait_until_idle()
        assert engine.instances.read_traceparent(run) == held


@pytest.mark.parametrize(
    "given", ["", "x", "00-0-0-01", f"{TRACE}-x", TRACE.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32)]
)
def test_a_header_that_names_no_trace_begins_a_new_one(given: str) -> None:
    made = traceparent_of({"traceparent": given})
    assert traceparent_of({"traceparent": made}) == made != given


def test_a_header_that_names_one_is_kept_and_new_ones_differ() -> None:
    assert traceparent_of({"traceparent": TRACE}) == TRACE
    assert new_traceparent() != new_traceparent()
