"""What the durable host asks of the Python side, and what it is answered."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from lab.host.app import App, load_app
from lab.host.http_triggers import build_server
from lab.real.bridge import Bridge, durable_functions

DEMO = Path(__file__).parents[1] / "host/apps/demo/function_app.py"

type Client = TestClient[web.Request, web.Application]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> App:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMO_NOTES", str(tmp_path / "notes"))
    monkeypatch.syspath_prepend(DEMO.parent)
    return load_app(DEMO)


@pytest.fixture
async def bridge(app: App) -> AsyncIterator[Client]:
    async def no_trigger(_request: web.Request) -> web.Response:
        return web.Response(status=404)

    async with TestClient(TestServer(build_server(Bridge(app).routes(), no_trigger))) as client:
        yield client


def test_every_durable_function_is_listed_with_the_name_that_the_engine_knows(app: App) -> None:
    listed = durable_functions(app)
    assert {each["kind"] for each in listed} == {"orchestrationTrigger", "entityTrigger", "activityTrigger"}
    assert all(app.by_key(each["kind"], each["key"]) is app.functions[each["name"]] for each in listed)


async def test_an_activity_takes_json_and_answers_json(bridge: Client) -> None:
    call = {"kind": "activityTrigger", "name": "double", "value": "21"}
    answer = await (await bridge.post("/call", json=call)).json()
    assert json.loads(answer["value"]) == 42


async def test_what_a_function_raises_is_an_answer_in_the_text_that_the_extension_takes_apart(bridge: Client) -> None:
    call = {"kind": "activityTrigger", "name": "nobody", "value": None}
    response = await bridge.post("/call", json=call)
    lines = (await response.json())["error"].split("\n")
    assert response.status == 200
    assert lines[:2] == ["Result: Failure", "Exception: LookupError: there is no activityTrigger nobody"]
    assert lines[2].startswith("Stack: ")


async def test_it_is_not_up_before_the_engine_gave_its_client(bridge: Client, app: App) -> None:
    assert (await bridge.get("/bridge")).status == 204
    assert (await bridge.get("/admin/host/status")).status == 503
    assert (await bridge.post("/client", data='{"rpcBaseUrl": "http://127.0.0.1:1"}')).status == 204
    assert (await bridge.get("/admin/host/status")).status == 200
    assert app.client_config == '{"rpcBaseUrl": "http://127.0.0.1:1"}'


async def test_only_a_timer_can_be_fired(bridge: Client, app: App) -> None:
    timer = app.of_kind("timerTrigger")[0].name
    assert (await bridge.post(f"/admin/functions/{timer}", json={})).status == 202
    assert (await bridge.post("/admin/functions/double", json={})).status == 404
    assert (await bridge.post("/admin/functions/nobody", json={})).status == 404
