"""Jobs as they are seen: queued, running, ended; alone, in lists, and as operations."""

import pytest

from lab.azure.site_recovery.api.errors import Caller
from lab.azure.site_recovery.jobs.job_routes import CAP, show_starters_in_lists
from lab.azure.site_recovery.jobs.jobs import Target, begin_job
from tests.lab.azure.site_recovery.test_vault_contents import POLICY
from tests.lab.azure.site_recovery.world import TEST, TO_AZURE, UNPLANNED, Json, World, codes, job_of


async def test_a_job_that_has_just_been_queued_shows_nothing_of_itself(world: World) -> None:
    """As recorded: NotStarted, no scenario, no tasks, no target; but who asked for it."""
    name = await world.start("testFailover", TEST, **{"x-ms-client-request-id": "drill-1"})
    job = await world.job(name)
    assert job["activityId"].startswith("drill-1 ActivityId: ")
    assert (job["state"], job["scenarioName"], job["targetObjectId"], job["tasks"]) == ("NotStarted", None, None, [])
    assert "startTime" not in job
    _, status, _ = await world.call("GET", f"/replicationOperationStatus/{name}")
    assert (status["status"], status["startTime"]) == ("NotStarted", None)


async def test_tasks_go_one_after_the_other(world: World) -> None:
    """A task that has not begun has a time without Z that means none."""
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=3)
    tasks = (await world.job(name))["tasks"]
    assert [task["state"] for task in tasks] == ["Succeeded", "InProgress", "NotStarted", "NotStarted"]
    assert tasks[1]["startTime"] == tasks[0]["endTime"]
    assert tasks[1]["endTime"] == tasks[2]["startTime"] == "0001-01-01T00:00:00"


async def test_a_list_shows_no_tasks_and_no_details(world: World) -> None:
    """The job itself must be read for them."""
    await world.done("testFailover", TEST)
    listed = [job.as_dict()["properties"] async for job in world.sdk.replication_jobs.list("rg-dr", "vault-dr")]
    assert (listed[0]["tasks"], listed[0].get("customDetails")) == ([], None)


async def test_a_list_says_neither_who_asked_nor_why_a_job_failed(world: World) -> None:
    """As in all 227 jobs of recorded lists; the job itself tells it."""
    await world.start("testFailover", TEST)
    busy = await world.start("testFailover", TEST)
    world.pass_time(minutes=4)
    _, body, _ = await world.call("GET", "/replicationJobs")
    assert {job["properties"]["state"] for job in body["value"]} >= {"Failed"}
    assert [(job["properties"]["activityId"], job["properties"]["errors"]) for job in body["value"]] == [(None, [])] * 2
    assert (await world.job(busy))["activityId"]
    assert [error["serviceErrorDetails"]["code"] for error in (await world.job(busy))["errors"]] == ["532"]


async def test_lists_may_say_who_asked(world: World) -> None:
    """Nobody has recorded it, and a later api-version may do so."""
    show_starters_in_lists(world.lab)
    await world.start("testFailover", TEST)
    _, body, _ = await world.call("GET", "/replicationJobs")
    assert body["value"][0]["properties"]["activityId"]


async def test_a_list_has_at_most_200_jobs_the_newest_first(world: World) -> None:
    """Older ones are found with a filter on the time."""
    target = Target("1", "health", world.vault)
    oldest = begin_job(world.lab, world.record()["vault"], "RefreshVaultHealth", target, Caller("first", "1"))
    first = world.clock.now()
    world.pass_time(minutes=5)
    for number in range(CAP):
        begin_job(world.lab, world.record()["vault"], "RefreshVaultHealth", target, Caller(str(number), "1"))
    world.pass_time(minutes=5)
    _, body, _ = await world.call("GET", "/replicationJobs")
    assert len(body["value"]) == CAP
    assert body["nextLink"] is None
    assert oldest["name"] not in [job["name"] for job in body["value"]]
    window = f"StartTime eq '{first:%Y-%m-%dT%H:%M:%S}.0000000Z' and EndTime eq '{first:%Y-%m-%dT%H:%M}:59.0000000Z'"
    _, body, _ = await world.call("GET", f"/replicationJobs?$filter={window}&api-version=2025-08-01")
    assert [job["name"] for job in body["value"]] == [oldest["name"]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("JobStatus eq 'InProgress'", ["web-01"]),
        ("( JobStatus eq 'Succeeded' )", ["sql-01"]),
        ("JobStatus eq 'Succeeded' or JobStatus eq 'InProgress'", ["web-01", "sql-01"]),
        ("AffectedObjectTypes eq 'RecoveryPlan'", []),
        ("FabricId eq 'hci-01-site'", ["web-01", "sql-01"]),
        ("FabricId eq 'another' and JobStatus eq 'Succeeded'", []),
        ("StartTime eq '1/5/2026 8:10:00 AM'", ["web-01"]),
    ],
)
async def test_filters_choose_jobs(world: World, text: str, found: list[str]) -> None:
    """The keys of JobQueryParameter, with and, or and parentheses."""
    await world.done("plannedFailover", TO_AZURE)
    await world.start("testFailover", TEST, "web-01")
    world.pass_time(minutes=1)
    jobs = world.sdk.replication_jobs.list("rg-dr", "vault-dr", filter=text)
    assert [job.as_dict()["properties"]["targetObjectName"] async for job in jobs] == found


@pytest.mark.parametrize(
    "text", ["Colour eq 'red'", "JobStatus", "JobStatus eq 'a' and", "( JobStatus eq 'a'", "StartTime eq 'now'"]
)
async def test_a_filter_that_cannot_be_understood_is_400(world: World, text: str) -> None:
    """Never the whole list instead."""
    await world.start("testFailover", TEST)
    status, _, _ = await world.call("GET", f"/replicationJobs?$filter={text}&api-version=2025-08-01")
    assert status == 400


async def test_polling_links_are_signed_and_must_be_used_as_they_are(world: World) -> None:
    """t, c, s and h; a changed signature is refused."""
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    _, _, headers = await world.call("POST", f"{path}/testFailover", {"properties": TEST})
    link = headers["Azure-AsyncOperation"]
    assert headers["Retry-After"] == "30"
    assert all(f"&{part}=" in link for part in "tcsh")
    assert (await world.call("GET", link))[0] == 200
    assert (await world.call("GET", link.replace("&s=", "&s=x")))[0] == 400


async def test_the_location_answers_202_until_the_job_has_ended(world: World) -> None:
    """Then the item; 204 where the item is gone."""
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    _, _, headers = await world.call("POST", f"{path}/remove", {"properties": {}})
    assert (await world.call("GET", headers["Location"]))[0] == 202
    world.pass_time(minutes=5)
    assert (await world.call("GET", headers["Location"]))[0] == 204


async def test_a_job_that_never_ends_holds_its_item(world: World) -> None:
    """A fault: its first task runs for ever."""
    world.lab.faults.replace_rules([{"match": {"verb": "testFailover"}, "effect": {"job": {"never": True}}}])
    name = await world.start("testFailover", TEST)
    world.pass_time(days=2)
    job = await world.job(name)
    assert (job["state"], job["tasks"][0]["state"], job["tasks"][1]["state"]) == (
        "InProgress",
        "InProgress",
        "NotStarted",
    )
    assert (await world.item())["allowedOperations"] == []


@pytest.mark.parametrize("end", ["PartiallySucceeded", "CompletedWithInformation"])
async def test_a_job_may_end_with_less_than_success(world: World, end: str) -> None:
    """Its operation says Succeeded all the same."""
    world.lab.faults.replace_rules([{"match": {"verb": "unplannedFailover"}, "effect": {"job": {"end": end}}}])
    name = await world.start("unplannedFailover", UNPLANNED)
    world.pass_time(minutes=20)
    assert (await world.job(name))["state"] == end
    _, status, _ = await world.call("GET", f"/replicationOperationStatus/{name}")
    assert status["status"] == "Succeeded"


async def test_a_fault_fails_a_job_in_its_own_words(world: World) -> None:
    """Any code, and its message."""
    fault = {"fail": "70169", "message": "the disk is too large"}
    world.lab.faults.replace_rules([{"match": {"item": "sql-*"}, "effect": {"job": fault}}])
    job = await world.done("testFailover", TEST)
    assert codes(job) == ["70169"]
    assert job["errors"][0]["serviceErrorDetails"]["message"] == "the disk is too large"
    assert (await world.done("testFailover", TEST, "dc-01"))["state"] == "Succeeded"


async def test_an_action_that_a_job_does_not_allow_is_400(world: World) -> None:
    """A job that has ended cannot be cancelled."""
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=20)
    status, _, _ = await world.call("POST", f"/replicationJobs/{name}/cancel")
    assert status == 400


async def test_jobs_can_be_exported(world: World) -> None:
    """The blob's address is in the details."""
    poller = await world.sdk.replication_jobs.begin_export("rg-dr", "vault-dr", {"startTime": "2026-01-05T00:00:00Z"})
    job = (await poller.result()).as_dict()
    assert job["properties"]["customDetails"]["blobUri"].endswith(".json")


async def test_a_lost_answer_leaves_its_job_to_be_found(world: World) -> None:
    """The work was done: the job is listed, names the caller where it is read, and the verb is in the ledger once."""
    world.lab.faults.replace_rules([{"match": {"verb": "testFailover", "times": 1}, "effect": {"lose": 503}}])
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    asked = {"x_ms_client_request_id": "op-1"}
    status, _, _ = await world.call("POST", f"{path}/testFailover", {"properties": TEST}, **asked)
    assert status == 503
    _, body, _ = await world.call("GET", "/replicationJobs")
    (listed,) = body["value"]
    assert (await world.job(listed["name"]))["activityId"].partition(" ")[0] == "op-1"
    (entry,) = world.lab.ledger.list_entries()
    assert (entry["verb"], entry["item"], entry["job"]) == ("testFailover", "sql-01", body["value"][0]["name"])


@pytest.mark.parametrize("fails", [False, True])
async def test_the_end_of_a_job_is_in_the_activity_log(world: World, *, fails: bool) -> None:
    """Under the correlation id of the call that began it: accepted, and then how it ended and why."""
    if fails:
        world.lab.faults.replace_rules([{"match": {}, "effect": {"job": {"fail": "28031"}}}])
    await world.done("testFailover", TEST)
    entries = world.lab.store.all("activity")
    assert len({entry["correlationId"] for entry in entries}) == 1
    assert [entry["status"]["value"] for entry in entries] == ["Accepted", "Failed" if fails else "Succeeded"]
    assert entries[1]["operationName"]["value"].endswith("/replicationProtectedItems/testFailover/action")
    assert ("28031" in str(entries[1]["properties"])) is fails


@pytest.mark.parametrize(("effect", "state"), [({"fail": "499"}, "Failed"), ({"never": True}, "InProgress")])
async def test_a_fault_reaches_every_job_that_a_call_begins(world: World, effect: Json, state: str) -> None:
    """Not only those of the verbs: here a policy's; it is made only if its job succeeds."""
    rule = {"match": {"verb": "replicationPolicies/write"}, "effect": {"job": effect}}
    world.lab.faults.replace_rules([rule])
    body = {"properties": {"providerSpecificInput": POLICY}}
    _, _, headers = await world.call("PUT", "/replicationPolicies/p2", body)
    world.pass_time(minutes=5)
    assert (await world.job(job_of(headers)))["state"] == state
    assert (await world.call("GET", "/replicationPolicies/p2"))[0] == 404
    assert world.lab.faults.list_rules()[0]["fired"] == 1


async def test_a_fault_at_a_task_that_the_job_has_not_is_one_at_its_last(world: World) -> None:
    """A slip in a rule does not make the job succeed."""
    fault = {"fail": "499", "task": "NoSuchTask"}
    world.lab.faults.replace_rules([{"match": {}, "effect": {"job": fault}}])
    job = await world.done("testFailover", TEST)
    assert [task["state"] for task in job["tasks"]] == ["Succeeded", "Succeeded", "Succeeded", "Failed"]
