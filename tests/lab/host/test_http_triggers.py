"""HTTP triggers: routes, methods, bodies, failures, keys and principals."""

import io
import json
import logging
from pathlib import Path
from urllib.parse import unquote

import pytest
from yarl import URL

from tests.lab.host.conftest import Hosted, Serve

NAME = {"X-MS-CLIENT-PRINCIPAL-NAME": "ada@contoso.com"}


def keys_in(folder: Path) -> dict[str, dict[str, str]]:
    made: dict[str, dict[str, str]] = json.loads((folder / "state" / "keys.json").read_text())
    return made


async def test_a_function_hears_what_was_sent(hosted: Hosted) -> None:
    status, echoed = await hosted.call("PUT", "/api/echo/7/hello?x=1&y=2", data=b"body")
    assert status == 200
    assert echoed == {"number": "7", "word": "hello", "query": {"x": "1", "y": "2"}, "size": 4, "principal": None}


async def test_an_optional_parameter_may_be_left_out(hosted: Hosted) -> None:
    _, echoed = await hosted.call("GET", "/api/echo/7")
    assert echoed["word"] is None


async def test_headers_of_the_answer_come_through(hosted: Hosted) -> None:
    async with hosted.session.get(f"{hosted.host.url}/api/echo/7") as answer:
        assert answer.headers["X-Heard"] == "yes"
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", ["a%0Ab", "%0D%0A", "%00", "%C3%BC", "a%20b"])
async def test_a_part_of_a_path_is_whatever_stands_between_two_slashes(hosted: Hosted, name: str) -> None:
    async with hosted.session.get(URL(f"{hosted.host.url}/api/echo/7/{name}", encoded=True)) as answer:
        assert (answer.status, (await answer.json())["word"]) == (200, unquote(name))


@pytest.mark.parametrize("path", ["/", "/api", "/api/nothing", "/api/echo/seven", "/echo/7", "/api/echo/7/a/b"])
async def test_a_path_of_no_function_is_not_found(hosted: Hosted, path: str) -> None:
    assert (await hosted.call("GET", path))[0] == 404


async def test_a_method_that_the_function_does_not_take_is_not_found(hosted: Hosted) -> None:
    async with hosted.session.delete(f"{hosted.host.url}/api/echo/7") as answer:
        assert answer.status == 404


async def test_a_failure_is_500_and_logged(hosted: Hosted, caplog: pytest.LogCaptureFixture) -> None:
    status, body = await hosted.call("GET", "/api/broken")
    assert (status, body) == (500, "")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "broken" in record.getMessage()
    assert record.exc_info is not None
    assert "nothing here" in str(record.exc_info[1])


async def test_a_large_body_comes_through(hosted: Hosted) -> None:
    _, echoed = await hosted.call("PUT", "/api/echo/7", data=io.BytesIO(bytes(20_000_000)))
    assert echoed["size"] == 20_000_000


async def test_a_function_that_is_no_coroutine_has_a_durable_client_too(hosted: Hosted) -> None:
    assert (await hosted.call("POST", "/api/count/a"))[1] == "counted"
    await hosted.host.engine.runner.wait_until_idle()
    found = hosted.host.engine.queries.find_entity("@counter@a")
    assert found is not None
    assert found.state == "1"


async def test_an_activity_may_have_a_durable_client(hosted: Hosted) -> None:
    await hosted.start("ask_about", "asking", "asking")
    assert hosted.host.engine.instances.get("asking").output == '"ask_about"'


async def test_an_orchestration_calls_an_address(hosted: Hosted) -> None:
    await hosted.start("ping", f"{hosted.host.url}/api/echo/7", "ping")
    assert hosted.host.engine.instances.get("ping").output == "200"


async def test_principal_headers_are_nobody_s_to_send(hosted: Hosted) -> None:
    _, echoed = await hosted.call("GET", "/api/echo/7", headers=NAME)
    assert echoed["principal"] is None


async def test_principal_headers_are_passed_on_when_they_are_trusted(serve: Serve) -> None:
    async with serve(trust_principal=True) as hosted:
        _, echoed = await hosted.call("GET", "/api/echo/7", headers=NAME)
    assert echoed["principal"] == "ada@contoso.com"


async def test_without_keys_asked_for_everything_is_open(hosted: Hosted) -> None:
    assert (await hosted.call("POST", "/api/start/greet", json="ada"))[0] == 202


async def test_a_function_of_level_function_asks_for_a_key(serve: Serve, tmp_path: Path) -> None:
    async with serve(auth=True) as hosted:
        key = keys_in(tmp_path)["functions"]["start"]
        other = keys_in(tmp_path)["functions"]["echo"]
        path = "/api/start/greet"
        assert (await hosted.call("POST", path))[0] == 401
        assert (await hosted.call("POST", path, headers={"x-functions-key": other}))[0] == 401
        assert (await hosted.call("POST", path, headers={"x-functions-key": key}))[0] == 202
        assert (await hosted.call("POST", f"{path}?code={key}"))[0] == 202


async def test_an_anonymous_function_asks_for_none(serve: Serve) -> None:
    async with serve(auth=True) as hosted:
        assert (await hosted.call("GET", "/api/echo/7"))[0] == 200


async def test_the_host_s_own_paths_ask_for_their_keys(serve: Serve, tmp_path: Path) -> None:
    async with serve(auth=True) as hosted:
        made = keys_in(tmp_path)
        master, durable = made["host"]["_master"], made["system"]["durabletask_extension"]
        instances = "/runtime/webhooks/durabletask/instances"
        assert (await hosted.call("GET", "/admin/host/status"))[0] == 401
        assert (await hosted.call("GET", f"/admin/host/status?code={master}"))[0] == 200
        assert (await hosted.call("GET", instances))[0] == 401
        assert (await hosted.call("GET", f"{instances}?code={durable}"))[0] == 200
        assert (await hosted.call("POST", "/runtime/webhooks/eventgrid?functionName=on_event"))[0] == 401
