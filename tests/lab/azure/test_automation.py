"""Automation accounts with runbooks and jobs, and scripts of other people on Arc machines."""

from typing import Any

import pytest

from tests.lab.azure.cloud import N1, SUB, Cloud

ACCOUNT = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.Automation/automationAccounts/aa-dr"
API = "2024-10-23"
JOB = f"{ACCOUNT}/jobs/6f1f3f5e-2a10-5f6e-9f53-0d3f2c3f9a01"


def of(runbook: str = "Switch-Dns", **properties: Any) -> dict[str, Any]:
    return {"properties": {"runbook": {"name": runbook}, "parameters": {"Zone": "contoso.com"}, **properties}}


async def put(cloud: Cloud, body: Any, job: str = JOB) -> tuple[int, Any]:
    status, body, _ = await cloud.call("PUT", job, body, version=API)
    return status, body


async def job_of(cloud: Cloud, job: str = JOB) -> dict[str, Any]:
    _, body, _ = await cloud.call("GET", job, version=API)
    return dict(body["properties"])


async def test_a_job_goes_through_its_states_and_tells_its_output(cloud: Cloud) -> None:
    status, made = await put(cloud, of(runOn="workers-hci-01"))
    assert (status, made["properties"]["status"], made["properties"]["runOn"]) == (201, "New", "workers-hci-01")
    statuses = []
    for _ in range(30):
        cloud.pass_time(seconds=10)
        statuses.append((await job_of(cloud))["status"])
    assert list(dict.fromkeys(statuses)) == ["Activating", "Running", "Completed"]
    _, text, headers = await cloud.call("GET", f"{JOB}/output", version=API)
    assert text == "Zone contoso.com now answers with the addresses in Azure."
    assert headers["Content-Type"].startswith("text/plain")


async def test_a_list_of_jobs_says_less_than_a_job(cloud: Cloud) -> None:
    await put(cloud, of())
    _, listed, _ = await cloud.call("GET", f"{ACCOUNT}/jobs", version=API)
    (one,) = listed["value"]
    assert not set(one["properties"]) & {"fault", "parameters", "startedBy", "exception", "output"}
    assert set(one["properties"]) < set(await job_of(cloud))


async def test_a_job_that_is_there_is_not_started_again(cloud: Cloud) -> None:
    await put(cloud, of())
    cloud.pass_time(minutes=5)
    ended = await job_of(cloud)
    status, body = await put(cloud, of())
    assert (status, body["code"]) == (409, "Conflict")
    assert "Job with specified id already exists" in body["message"]
    cloud.pass_time(minutes=5)
    assert await job_of(cloud) == ended


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (of("Nobody"), 404),
        (of("Draft-Only", parameters={}), 400),
        (of(runOn="nobody"), 400),
        ({"properties": {"parameters": {}}}, 400),
        ({"properties": {"runbook": "Switch-Dns"}}, 400),
        (of(parameters={"Zone": 3}), 400),
        (None, 400),
    ],
)
async def test_what_cannot_be_started_is_refused(cloud: Cloud, body: Any, status: int) -> None:
    assert (await put(cloud, body))[0] == status
    assert (await cloud.call("GET", JOB, version=API))[0] == 404


async def test_an_account_that_there_is_not_is_arms_own_404(cloud: Cloud) -> None:
    status, body = await put(cloud, of(), JOB.replace("aa-dr", "nobody"))
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({}, "missing mandatory parameters: Zone"), ({"Zone": "a", "Zones": "b"}, "matches parameter name 'zones'")],
)
async def test_a_job_with_parameters_that_its_runbook_does_not_take_fails(
    cloud: Cloud, parameters: dict[str, str], message: str
) -> None:
    await put(cloud, of(parameters=parameters))
    cloud.pass_time(minutes=5)
    job = await job_of(cloud)
    assert job["status"] == "Failed"
    assert message in job["exception"]


@pytest.mark.parametrize(
    ("effect", "status"),
    [({"fail": "The zone is locked."}, "Failed"), ({"never": True}, "Running"), ({"suspend": True}, "Suspended")],
)
async def test_faults_decide_how_a_job_ends(cloud: Cloud, effect: dict[str, Any], status: str) -> None:
    rule = {"match": {"verb": "jobs/write", "item": "Switch-Dns"}, "effect": {"job": effect}}
    await cloud.control("PUT", "faults", [rule])
    await put(cloud, of())
    cloud.pass_time(hours=3)
    job = await job_of(cloud)
    assert (job["status"], job["exception"]) == (status, effect.get("fail"))
    assert "fault" not in job


async def test_a_job_can_be_stopped_until_it_has_ended(cloud: Cloud) -> None:
    await put(cloud, of())
    cloud.pass_time(seconds=40)
    assert (await cloud.call("POST", f"{JOB}/stop", version=API))[0] == 200
    assert (await job_of(cloud))["status"] == "Stopping"
    cloud.pass_time(minutes=5)
    assert (await job_of(cloud))["status"] == "Stopped"
    assert (await cloud.call("POST", f"{JOB}/stop", version=API))[0] == 409


# --- scripts of other people ---------------------------------------------------------------------------------------


def command(script: str, **properties: Any) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "properties": {"source": {"script": script}, "timeoutInSeconds": 600, **properties},
    }


async def ended(cloud: Cloud, script: str, **properties: Any) -> dict[str, Any]:
    await cloud.call("PUT", f"{N1}/runCommands/own", command(script, **properties))
    cloud.pass_time(minutes=20)
    _, body, _ = await cloud.call("GET", f"{N1}/runCommands/own")
    return dict(body["properties"]["instanceView"])


@pytest.mark.parametrize(
    ("script", "state", "code", "output", "error"),
    [
        ("Write-Output \"stopped $Name\"\necho '$Name'", "Succeeded", 0, "stopped app-01\n$Name\n", ""),
        ('Write-Error "no ${Name}"; exit 3', "Failed", 3, "", "no app-01\n"),
        ('throw "no"\nWrite-Output "never"', "Failed", 1, "", "no\n"),
        ("Stop-Service App", "Succeeded", 0, "", ""),
        ("Start-Sleep -Seconds 700", "TimedOut", -1, "", ""),
    ],
)
async def test_a_script_is_played_line_by_line(
    cloud: Cloud, script: str, state: str, code: int, output: str, error: str
) -> None:
    view = await ended(cloud, script, parameters=[{"name": "Name", "value": "app-01"}])
    assert (view["executionState"], view["exitCode"]) == (state, code)
    assert (view["output"], view["error"]) == (output, error)


async def test_a_script_that_is_removed_lets_the_next_one_run(cloud: Cloud) -> None:
    await cloud.call("PUT", f"{N1}/runCommands/long", command("Start-Sleep -Seconds 500"))
    cloud.pass_time(seconds=30)
    await cloud.call("DELETE", f"{N1}/runCommands/long")
    await cloud.call("PUT", f"{N1}/runCommands/own", command("exit 0"))
    cloud.pass_time(seconds=30)
    _, body, _ = await cloud.call("GET", f"{N1}/runCommands/own")
    assert body["properties"]["instanceView"]["executionState"] == "Succeeded"
