"""Whatever is away behind it, every route answers with a sentence: no empty 500, on the routes of tomorrow neither."""

import asyncio
import inspect
import json
import logging
from datetime import timedelta
from typing import Any

import azure.functions as func
import grpc  # type: ignore[import-untyped] # grpcio ships no types
import pytest
from azure.core.exceptions import ServiceRequestError

import triggers.engine_client
import triggers.evidence
import triggers.health
import triggers.short_runs
from shared.errors import Transient
from tests.app_functions import registered_functions
from tests.people import let_people_sign_in, signed_in
from tests.triggers.doors import ALL_ROLES, DOORS, WITHOUT_ENGINE, BrokenEngine, Door, SilentEngine, call_error, door
from triggers.health import EngineProbe

SECRET = "c2VjcmV0a2V5"
STORAGE = f"No such host is known. (hub.table.core.windows.net:443) AccountKey={SECRET};"
each_door = pytest.mark.parametrize("one", DOORS, ids=lambda one: one.name)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setattr(triggers.health, "PROBE", EngineProbe())


def test_there_are_doors() -> None:
    assert len(DOORS) > 25
    assert {one.method for one in DOORS} == {"GET", "PUT", "POST", "DELETE"}


@each_door
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (call_error(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses"), "engine-unreachable"),
        (call_error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), "engine-slow"),
        (call_error(grpc.StatusCode.INTERNAL, STORAGE), "storage-away"),
        (call_error(grpc.StatusCode.INTERNAL, "Connection refused"), "engine-failing"),
        (call_error(grpc.StatusCode.UNKNOWN, "Exception was thrown by handler."), "engine-failing"),
        (grpc.aio.UsageError("Channel is closed."), "engine-unreachable"),
        (asyncio.CancelledError(), "engine-unreachable"),
        (ConnectionResetError("reset by peer"), "engine-unreachable"),
        (TimeoutError("Timed-out waiting"), "engine-slow"),
        (ServiceRequestError("cannot connect"), "storage-away"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_what_is_away_is_a_503_that_says_so(one: Door, error: BaseException, code: str) -> None:
    engine = BrokenEngine(error)
    answer = await one.answer(engine)
    if one.name in WITHOUT_ENGINE:
        assert (engine.calls, answer.status) == (0, WITHOUT_ENGINE[one.name])
        return
    body = answer.require_problem(503)
    assert engine.calls
    assert body["code"] == code or (one.name, code, body["code"]) == ("get_health", "engine-slow", "storage-silent")
    assert int(answer.headers["Retry-After"]) > 0
    assert SECRET not in answer.text


@each_door
async def test_an_engine_that_is_silent_is_not_waited_for_without_end(
    one: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    if one.name in WITHOUT_ENGINE:
        return
    monkeypatch.setattr(triggers.engine_client, "ENGINE_ANSWER_WITHIN", timedelta(0))
    monkeypatch.setattr(triggers.short_runs, "DOCUMENT_CHANGE_WITHIN", timedelta(0))
    answer = await one.answer(SilentEngine())
    assert answer.require_problem(503)["code"] in {"engine-slow", "storage-silent"}
    assert "Retry-After" in answer.headers


@each_door
async def test_what_nobody_expected_is_a_500_with_a_reference_and_no_secret(
    one: Door, caplog: pytest.LogCaptureFixture
) -> None:
    if one.name in WITHOUT_ENGINE:
        return
    answer = await one.answer(BrokenEngine(KeyError(f"AccountKey={SECRET}")))
    body = answer.require_problem(500)
    assert body["code"] == "unexpected"
    assert f"{body['reference']}: Traceback" in caplog.text
    assert SECRET not in answer.text + caplog.text


@each_door
async def test_a_caller_without_a_role_is_refused_before_anything_is_asked(
    one: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_people_sign_in(monkeypatch)
    engine = SilentEngine()
    (await one.answer_to(engine, signed_in("fay"))).require_problem(403)
    assert not engine.calls


@pytest.mark.parametrize("one", [one for one in DOORS if one.method != "GET"], ids=lambda one: one.name)
async def test_a_write_says_that_it_may_have_taken_effect(one: Door) -> None:
    body = (await one.answer(BrokenEngine(call_error(grpc.StatusCode.UNAVAILABLE)))).require_problem(503)
    assert "send" in body["detail"]


async def test_an_answer_that_is_too_large_is_no_reason_to_try_again() -> None:
    text = "CLIENT: Received message larger than max (4389564 vs. 4194304)"
    engine = BrokenEngine(call_error(grpc.StatusCode.RESOURCE_EXHAUSTED, text))
    body = (await door("get_operation").answer(engine)).require_problem(500)
    assert body["code"] == "answer-too-large"
    assert "maxGrpcMessageSizeInBytes" in body["detail"]


async def test_evidence_whose_store_is_away_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_pack: str) -> None:
        raise Transient("Azure did not answer: ServiceRequestError", retry_after=17)

    monkeypatch.setattr(triggers.evidence, "read_pack", fail)
    answer = await door("get_evidence").answer(SilentEngine())
    assert answer.require_problem(503)["title"] == "Azure did not answer"
    assert answer.headers["Retry-After"] == "17"


async def test_a_request_that_is_given_up_itself_ends() -> None:
    asking = asyncio.create_task(door("list_plans").answer(SilentEngine()))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


def binding_of(port: int) -> str:
    """What the host hands to each call; the port is another one after each start."""
    facts = {"taskHubName": "Hub", "requiredQueryStringParameters": "code=none", "maxGrpcMessageSizeInBytes": 4194304}
    return json.dumps(facts | {"rpcBaseUrl": f"http://127.0.0.1:{port}"})


async def test_each_call_has_a_client_of_its_own_binding() -> None:
    """The library keeps clients of functions that are no coroutines; there are none."""
    bound = [one for one in registered_functions() if any(str(b.type) == "durableClient" for b in one.get_bindings())]
    assert len(bound) > len(DOORS)
    functions: list[Any] = [one.get_user_function() for one in bound]
    assert [one for one in functions if not inspect.iscoroutinefunction(one.client_function)] == []


async def test_the_port_of_the_newest_binding_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def note(client: Any, *_args: Any, **_kwargs: Any) -> None:
        asked.append(client.rpcBaseUrl)

    monkeypatch.setattr("azure.durable_functions.DurableFunctionsClient.get_orchestration_state", note)
    get_operation = next(one for one in registered_functions() if one.get_function_name() == "get_operation")
    for port in (41651, 41652):
        request = func.HttpRequest("GET", "/api/operations/x", route_params={"id": "x"}, body=b"")
        await get_operation.get_user_function()(request, binding_of(port))
    assert [url.rpartition(":")[2] for url in asked] == ["41651", "41652"]


@pytest.mark.parametrize(
    "name", ["azure.storage.blob", "azure.core.pipeline", "azure.durable_functions", "durabletask"]
)
def test_the_libraries_do_not_write_every_request_down(name: str) -> None:
    assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
