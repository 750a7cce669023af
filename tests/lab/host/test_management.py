"""The durable management API, by its paths and status codes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.lab.host.conftest import Hosted

BASE = "/runtime/webhooks/durabletask"
INSTANCES = f"{BASE}/instances"


async def test_a_run_is_followed_to_its_end(hosted: Hosted) -> None:
    await hosted.start("listen")
    status, body = await hosted.call("GET", f"{INSTANCES}/run")
    assert (status, body["runtimeStatus"], body["output"]) == (202, "Running", None)
    assert (await hosted.call("POST", f"{INSTANCES}/run/raiseEvent/word", json={"a": 1}))[0] == 202
    await hosted.host.engine.runner.wait_until_idle()
    status, body = await hosted.call("GET", f"{INSTANCES}/run")
    assert (status, body["runtimeStatus"], body["output"]) == (200, "Completed", {"a": 1})
    assert (body["name"], body["createdTime"]) == ("listen", "2026-01-05T08:00:00Z")


async def test_the_links_of_a_started_run_lead_to_it(hosted: Hosted) -> None:
    _, links = await hosted.call("POST", "/api/start/listen?id=a%20b", json=None)
    async with hosted.session.get(links["statusQueryGetUri"]) as answer:
        assert answer.status == 202
        assert (await answer.json())["instanceId"] == "a b"
    async with hosted.session.post(links["terminatePostUri"].replace("{text}", "enough")) as answer:
        assert answer.status == 202
    assert hosted.host.engine.instances.get("a b").output == '"enough"'


async def test_an_orchestration_is_started_here_too(hosted: Hosted) -> None:
    status, links = await hosted.call("POST", f"{BASE}/orchestrators/greet/mine", json="ada")
    assert (status, links["id"]) == (202, "mine")
    await hosted.host.engine.runner.wait_until_idle()
    assert hosted.host.engine.instances.get("mine").output == '"hello ada"'


async def test_an_unknown_orchestrator_is_not_started(hosted: Hosted) -> None:
    status, body = await hosted.call("POST", f"{BASE}/orchestrators/nobody")
    assert status == 400
    assert "nobody" in body["Message"]


async def test_an_input_that_is_not_json_starts_nothing(hosted: Hosted) -> None:
    assert (await hosted.call("POST", f"{BASE}/orchestrators/greet/mine", data="{"))[0] == 400
    assert hosted.host.engine.instances.find("mine") is None


@pytest.mark.parametrize("run", ["@a", "a%3Fb", "a%23b", "x" * 101])
async def test_an_id_that_azure_would_not_take_starts_nothing(hosted: Hosted, run: str) -> None:
    assert (await hosted.call("POST", f"{BASE}/orchestrators/greet/{run}"))[0] == 400


async def test_the_id_of_a_running_one_is_taken(hosted: Hosted) -> None:
    await hosted.start("listen")
    assert (await hosted.call("POST", f"{BASE}/orchestrators/listen/run"))[0] == 409


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/raiseEvent/word"),
        ("POST", "/terminate"),
        ("POST", "/suspend"),
        ("POST", "/resume"),
        ("POST", "/rewind"),
        ("POST", "/restart"),
    ],
)
async def test_an_unknown_instance_is_not_found(hosted: Hosted, method: str, path: str) -> None:
    given: dict[str, Any] = {"json": 1} if method == "POST" else {}
    assert (await hosted.call(method, f"{INSTANCES}/nobody{path}", **given))[0] == 404


@pytest.mark.parametrize("path", ["/raiseEvent/word", "/terminate", "/suspend", "/resume", "/rewind"])
async def test_what_has_ended_is_gone(hosted: Hosted, path: str) -> None:
    await hosted.start("greet", "ada")
    assert (await hosted.call("POST", f"{INSTANCES}/run{path}", json=1))[0] == 410


async def test_only_json_is_an_event(hosted: Hosted) -> None:
    await hosted.start("listen")
    path = f"{INSTANCES}/run/raiseEvent/word"
    headers = {"Content-Type": "application/json"}
    assert (await hosted.call("POST", path, data="plain"))[0] == 400
    assert (await hosted.call("POST", path, data="{", headers=headers))[0] == 400


async def test_a_suspended_run_says_so(hosted: Hosted) -> None:
    await hosted.start("listen")
    await hosted.call("POST", f"{INSTANCES}/run/suspend?reason=audit")
    await hosted.host.engine.runner.wait_until_idle()
    assert (await hosted.call("GET", f"{INSTANCES}/run"))[1]["runtimeStatus"] == "Suspended"
    await hosted.call("POST", f"{INSTANCES}/run/resume")
    await hosted.host.engine.runner.wait_until_idle()
    assert (await hosted.call("GET", f"{INSTANCES}/run"))[1]["runtimeStatus"] == "Running"


async def test_a_failed_run_is_rewound(hosted: Hosted, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    await hosted.start("fail_once", str(missing))
    status, body = await hosted.call("GET", f"{INSTANCES}/run")
    assert (status, body["runtimeStatus"]) == (200, "Failed")
    assert "missing" in body["output"]
    assert (await hosted.call("GET", f"{INSTANCES}/run?returnInternalServerErrorOnFailure=true"))[0] == 500
    missing.write_text("here")
    assert (await hosted.call("POST", f"{INSTANCES}/run/rewind?reason=mended"))[0] == 202
    await hosted.host.engine.runner.wait_until_idle()
    assert (await hosted.call("GET", f"{INSTANCES}/run"))[1]["output"] == "here"


async def test_a_run_is_restarted_under_a_new_id_or_its_own(hosted: Hosted) -> None:
    await hosted.start("greet", "ada")
    _, again = await hosted.call("POST", f"{INSTANCES}/run/restart")
    _, same = await hosted.call("POST", f"{INSTANCES}/run/restart?restartWithNewInstanceId=false")
    assert again["id"] != "run"
    assert same["id"] == "run"
    await hosted.host.engine.runner.wait_until_idle()
    assert hosted.host.engine.instances.get(again["id"]).output == '"hello ada"'


async def test_a_run_is_purged_once(hosted: Hosted) -> None:
    await hosted.start("greet", "ada")
    assert await hosted.call("DELETE", f"{INSTANCES}/run") == (200, {"instancesDeleted": 1})
    assert (await hosted.call("DELETE", f"{INSTANCES}/run"))[0] == 404


async def test_runs_are_purged_by_when_they_were_created(hosted: Hosted) -> None:
    await hosted.start("greet", "ada", "early")
    await hosted.pass_time(timedelta(hours=2))
    await hosted.start("greet", "bob", "late")
    assert (await hosted.call("DELETE", f"{INSTANCES}"))[0] == 400
    path = f"{INSTANCES}?createdTimeFrom=2026-01-05T00:00:00Z&createdTimeTo=2026-01-05T09:00:00Z"
    assert await hosted.call("DELETE", path) == (200, {"instancesDeleted": 1})
    assert hosted.host.engine.instances.find("late") is not None


async def test_a_list_is_filtered(hosted: Hosted) -> None:
    await hosted.start("greet", "ada", "a-1")
    await hosted.pass_time(timedelta(hours=2))
    await hosted.start("greet", "bob", "a-2")
    await hosted.start("listen", None, "b-1")

    async def ids(query: str) -> list[str]:
        _, body = await hosted.call("GET", f"{INSTANCES}?{query}")
        return [each["instanceId"] for each in body]

    assert await ids("") == ["a-1", "a-2", "b-1"]
    assert await ids("runtimeStatus=Completed,Failed") == ["a-1", "a-2"]
    assert await ids("instanceIdPrefix=a-") == ["a-1", "a-2"]
    assert await ids("createdTimeFrom=2026-01-05T09:00:00Z") == ["a-2", "b-1"]
    assert await ids(f"createdTimeTo={quote('2026-01-05T09:00:00+00:00')}") == ["a-1"]
    assert (await hosted.call("GET", f"{INSTANCES}?runtimeStatus=Merry"))[0] == 400


async def test_a_list_comes_in_pages(hosted: Hosted) -> None:
    for number in range(5):
        await hosted.start("listen", None, f"run-{number}")
    found: list[list[str]] = []
    headers: dict[str, str] = {}
    for _ in range(3):
        async with hosted.session.get(f"{hosted.host.url}{INSTANCES}?top=2", headers=headers) as answer:
            found.append([each["instanceId"] for each in await answer.json()])
            token = answer.headers.get("x-ms-continuation-token")
            headers = {"x-ms-continuation-token": token} if token else {}
    assert found == [["run-0", "run-1"], ["run-2", "run-3"], ["run-4"]]
    assert headers == {}


async def test_a_token_that_was_not_given_is_refused(hosted: Hosted) -> None:
    assert (await hosted.call("GET", INSTANCES, headers={"x-ms-continuation-token": "x"}))[0] == 400


async def test_a_history_is_shown_with_as_much_as_was_asked_for(hosted: Hosted) -> None:
    await hosted.start("greet", "ada")
    _, plain = await hosted.call("GET", f"{INSTANCES}/run?showHistory=true")
    assert [each["EventType"] for each in plain["historyEvents"]] == [
        "ExecutionStarted",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    assert plain["historyEvents"][1]["FunctionName"] == "say"
    assert "Result" not in plain["historyEvents"][1]
    _, full = await hosted.call("GET", f"{INSTANCES}/run?showHistory=true&showHistoryOutput=true&showInput=true")
    assert full["historyEvents"][0]["Input"] == "ada"
    assert full["historyEvents"][1]["Result"] == "hello ada"


async def test_the_input_may_be_left_out(hosted: Hosted) -> None:
    await hosted.start("greet", "ada")
    assert (await hosted.call("GET", f"{INSTANCES}/run"))[1]["input"] == "ada"
    assert (await hosted.call("GET", f"{INSTANCES}/run?showInput=false"))[1]["input"] is None


async def test_an_entity_is_signalled_read_and_deleted(hosted: Hosted) -> None:
    one = f"{BASE}/entities/Counter/a"
    assert (await hosted.call("GET", one))[0] == 404
    assert (await hosted.call("POST", f"{one}?op=add", json=5))[0] == 202
    await hosted.host.engine.runner.wait_until_idle()
    assert await hosted.call("GET", one) == (200, 5)
    assert (await hosted.call("DELETE", one))[0] == 202
    assert (await hosted.call("GET", one))[0] == 404


async def test_an_entity_of_no_function_is_not_signalled(hosted: Hosted) -> None:
    assert (await hosted.call("POST", f"{BASE}/entities/nobody/a?op=add", json=5))[0] == 404


async def test_entities_are_listed(hosted: Hosted) -> None:
    for key in ("a", "b", "c"):
        await hosted.call("POST", f"{BASE}/entities/counter/{key}?op=add", json=1)
    await hosted.host.engine.runner.wait_until_idle()
    _, body = await hosted.call("GET", f"{BASE}/entities/counter?fetchState=true")
    assert [(each["entityId"], each["state"]) for each in body] == [
        ({"name": "counter", "key": "a"}, 1),
        ({"name": "counter", "key": "b"}, 1),
        ({"name": "counter", "key": "c"}, 1),
    ]
    _, first = await hosted.call("GET", f"{BASE}/entities?top=2")
    assert len(first) == 2
    assert json.dumps(first).count("state") == 0
