"""The host's own paths."""

from datetime import timedelta

from tests.lab.host.conftest import Hosted


async def test_the_host_says_that_it_runs(hosted: Hosted) -> None:
    status, body = await hosted.call("GET", "/admin/host/status")
    assert (status, body["state"]) == (200, "Running")


async def test_every_function_is_listed_with_its_bindings(hosted: Hosted) -> None:
    _, body = await hosted.call("GET", "/admin/functions")
    kinds = {each["name"]: each["config"]["bindings"][0]["type"] for each in body}
    assert kinds["greet"] == "orchestrationTrigger"
    assert kinds["every_five_minutes"] == "timerTrigger"


async def test_only_functions_that_are_there_are_fired(hosted: Hosted) -> None:
    assert (await hosted.call("POST", "/admin/functions/nobody", json={"input": ""}))[0] == 404


async def test_the_body_that_fires_a_function_says_its_input(hosted: Hosted) -> None:
    path = "/admin/functions/every_five_minutes"
    assert (await hosted.call("POST", path, data="[1]"))[0] == 400
    assert (await hosted.call("POST", path, data="{"))[0] == 400


async def test_an_event_is_fired_by_hand(hosted: Hosted) -> None:
    given = {"id": "9", "subject": "ada", "eventType": "x", "eventTime": "2026-01-05T08:00:00Z", "data": {}}
    assert (await hosted.call("POST", "/admin/functions/on_event", json={"input": given}))[0] == 202
    assert (await hosted.call("POST", "/admin/functions/on_event", json={"input": given | {"subject": "broken"}}))[
        0
    ] == 500
    assert hosted.host.engine.instances.find("event-9") is not None


async def test_the_state_says_what_the_host_is_busy_with(hosted: Hosted) -> None:
    await hosted.start("listen", None, "waiting")
    await hosted.start("greet", "ada", "done")
    await hosted.start("steps", 2, "sleeping")
    _, state = await hosted.call("GET", "/admin/lab/state")
    assert state["instances"] == {"Running": 2, "Completed": 1}
    assert state["pendingTimers"] == 1
    assert state["activities"] == 0
    assert state["nextTimer"] == "2026-01-05T08:00:30+00:00"
    assert state["nextSchedule"] == "2026-01-05T08:05:00+00:00"
    assert state["now"] == "2026-01-05T08:00:00+00:00"
    assert state["idle"]


async def test_a_reset_drops_all_there_is(hosted: Hosted) -> None:
    await hosted.start("steps", 2)
    await hosted.call("POST", "/api/count/a")
    assert (await hosted.call("POST", "/admin/lab/reset"))[0] == 204
    await hosted.pass_time(timedelta(hours=1))
    _, state = await hosted.call("GET", "/admin/lab/state")
    assert (state["instances"], state["entities"], state["pendingTimers"]) == ({}, 0, 0)
    assert (await hosted.call("GET", "/runtime/webhooks/durabletask/instances/run"))[0] == 404


async def test_a_run_begins_anew_after_a_reset(hosted: Hosted) -> None:
    await hosted.start("steps", 1)
    await hosted.call("POST", "/admin/lab/reset")
    await hosted.start("steps", 1)
    await hosted.pass_time(timedelta(minutes=1))
    assert hosted.host.engine.instances.get("run").output == '["step 0"]'
