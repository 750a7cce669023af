"""What is refused, and how: by HTTP only what cannot be understood, everything else by a job that fails."""

import pytest

from lab.azure.site_recovery.items.host_connection import disconnect_host
from tests.lab.azure.site_recovery.world import TEST, TO_AZURE, UNPLANNED, Json, World, codes, failback, job_of

WRONG_WAY = TO_AZURE | {"failoverDirection": "RecoveryToPrimary"}


async def test_a_verb_for_a_busy_item_is_accepted_and_fails_with_532_minutes_later(world: World) -> None:
    """The job names what is in progress, all its tasks are skipped, and it cannot be restarted."""
    await world.start("testFailover", TEST)
    world.pass_time(minutes=1)
    name = await world.start("plannedFailover", TO_AZURE)
    assert (await world.job(name))["state"] == "NotStarted"
    world.pass_time(minutes=4)
    job = await world.job(name)
    assert codes(job) == ["532"]
    assert job["errors"][0]["serviceErrorDetails"]["possibleCauses"] == (
        "An operation sql-01 (Test failover) is in progress."
    )
    assert {task["stateDescription"] for task in job["tasks"]} == {"Skipped"}
    assert job["allowedActions"] == []


async def test_a_conflict_leaves_the_running_operation_alone(world: World) -> None:
    """The first verb ends as if the second had not come."""
    first = await world.start("testFailover", TEST)
    await world.done("testFailover", TEST)
    assert (await world.job(first))["state"] == "Succeeded"
    assert (await world.item())["testFailoverState"] == "WaitingForCompletion"


@pytest.mark.parametrize(("method", "path"), [("POST", "/remove"), ("DELETE", "")])
@pytest.mark.parametrize(("verb", "properties"), [("plannedFailover", TO_AZURE), ("testFailover", TEST)])
async def test_an_item_that_is_busy_is_neither_removed_nor_purged(
    world: World, verb: str, properties: Json, method: str, path: str
) -> None:
    """532 as with any second operation (inferred for a purge); the first one ends as if nothing had been asked."""
    first = await world.start(verb, properties)
    world.pass_time(minutes=1)
    item = world.record()["id"].partition("/vaults/vault-dr")[2]
    _, _, headers = await world.call(method, f"{item}{path}", {"properties": {}} if path else None)
    world.pass_time(minutes=30)
    assert codes(await world.job(job_of(headers))) == ["532"]
    assert (await world.job(first))["state"] == "Succeeded"
    assert world.record()["friendlyName"] == "sql-01"


@pytest.mark.parametrize("properties", [{}, {"comments": None}, {"comments": 7}])
async def test_a_cleanup_needs_comments(world: World, properties: Json) -> None:
    """They may be empty; the test goes on waiting."""
    await world.done("testFailover", TEST)
    item = world.record()["id"].partition("/vaults/vault-dr")[2]
    status, body, _ = await world.call("POST", f"{item}/testFailoverCleanup", {"properties": properties})
    assert (status, body["error"]["details"][0]["code"]) == (400, "InvalidParameter")
    assert (await world.item())["testFailoverState"] == "WaitingForCompletion"


async def test_only_the_cleanup_goes_through_while_a_test_waits(world: World) -> None:
    """A failover of an item with a test is a conflict."""
    await world.done("testFailover", TEST)
    assert codes(await world.done("plannedFailover", TO_AZURE)) == ["532"]
    assert (await world.done("testFailoverCleanup", {"comments": ""}))["state"] == "Succeeded"


@pytest.mark.parametrize(
    ("before", "verb", "properties", "code", "actions"),
    [
        ([], "reProtect", TO_AZURE, "25038", ["Restart"]),
        ([("plannedFailover", TO_AZURE)], "reProtect", TO_AZURE, "25038", ["Restart"]),
        ([("plannedFailover", TO_AZURE)], "reProtect", WRONG_WAY, "25038", ["Restart"]),
        ([], "failoverCommit", None, "25037", []),
        ([("plannedFailover", TO_AZURE)], "plannedFailover", failback(), "539", []),
        ([], "testFailoverCleanup", {"comments": ""}, "539", ["Restart"]),
    ],
)  # fmt: skip
async def test_a_verb_in_the_wrong_state_fails_in_its_job(
    world: World, before: list[tuple[str, Json]], verb: str, properties: Json | None, code: str, actions: list[str]
) -> None:
    """The item stays as it was."""
    for earlier, body in before:
        await world.done(earlier, body)
    state = await world.item()
    job = await world.done(verb, properties)
    assert (job["state"], codes(job), job["allowedActions"]) == ("Failed", [code], actions)
    assert (await world.item())["allowedOperations"] == state["allowedOperations"]


@pytest.mark.parametrize(
    ("verb", "properties"),
    [
        ("plannedFailover", failback()),
        ("reProtect", WRONG_WAY),
        ("unplannedFailover", UNPLANNED | {"failoverDirection": "RecoveryToPrimary"}),
        ("testFailover", TEST | {"failoverDirection": "Sideways"}),
        ("testFailover", {key: value for key, value in TEST.items() if key != "failoverDirection"}),
    ],
)
async def test_a_wrong_direction_is_400(world: World, verb: str, properties: Json) -> None:
    """The useful code is in the details, as recorded."""
    status, body, _ = await world.call("POST", f"{_path(world)}/{verb}", {"properties": properties})
    assert status == 400
    assert body["error"]["details"][0]["code"] == "InvalidFailoverDirection"
    assert body["error"]["message"] == (
        "Invalid failover direction was specified. Verify input and try operation again."
    )


async def test_a_failover_of_what_runs_in_azure_already_is_400(world: World) -> None:
    """There is nothing to fail over from."""
    await world.done("plannedFailover", TO_AZURE)
    status, body, _ = await world.call("POST", f"{_path(world)}/plannedFailover", {"properties": TO_AZURE})
    assert (status, body["error"]["details"][0]["code"]) == (400, "InvalidFailoverDirection")


@pytest.mark.parametrize(
    ("verb", "properties", "named"),
    [
        ("testFailover", None, "properties"),
        ("testFailover", TEST | {"networkType": "Anything"}, "networkType"),
        ("testFailover", TEST | {"networkId": None}, "networkId"),
        ("testFailover", TEST | {"networkId": "vnet-drill"}, "networkId"),
        ("testFailover", TEST | {"providerSpecificDetails": None}, "providerSpecificDetails"),
        ("testFailover", TEST | {"providerSpecificDetails": {"instanceType": "A2A"}}, "instanceType"),
        ("unplannedFailover", TO_AZURE, "sourceSiteOperations"),
        ("plannedFailover", failback("Sometimes"), "dataSyncOption"),
        ("applyRecoveryPoint", {"providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"}}, "recoveryPointId"),
        (
            "plannedFailover",
            TO_AZURE | {"providerSpecificDetails": {"instanceType": "HyperVReplicaAzure", "recoveryPointId": "none"}},
            "none",
        ),
    ],
)
async def test_a_wrong_body_is_400_and_names_the_field(
    world: World, verb: str, properties: Json | None, named: str
) -> None:
    """Nothing is started and nothing is in the ledger."""
    body = {} if properties is None else {"properties": properties}
    status, answer, _ = await world.call("POST", f"{_path(world)}/{verb}", body)
    assert status == 400
    assert named in answer["error"]["message"]
    assert world.lab.ledger.list_entries() == []
    assert await world.item() == await world.item()


async def test_a_name_that_is_not_there_is_404_in_site_recoverys_words(world: World) -> None:
    """With the code in the details."""
    status, body, _ = await world.call("GET", "/replicationRecoveryPlans/nothing")
    assert status == 404
    assert body["error"]["details"][0]["code"] == "ArmResourceDoesNotExist"
    assert body["error"]["message"] == "Specified resource with name 'nothing' does not exist."


async def test_a_vault_that_is_not_there_is_404_in_arms_words(world: World) -> None:
    """A list of it is not an empty one."""
    url = f"{world.base}{world.vault}-2/replicationProtectedItems"
    status, body, _ = await world.call("GET", url)
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")


@pytest.mark.parametrize(("verb", "code"), [("plannedFailover", "583"), ("unplannedFailover", None)])
async def test_a_lost_host_stops_only_what_needs_it(world: World, verb: str, code: str | None) -> None:
    """A planned failover needs the host; an unplanned one is for when it is gone."""
    disconnect_host(world.lab, "hci-01-n1")
    job = await world.done(verb, UNPLANNED)
    assert codes(job) == ([code] if code else [])


def _path(world: World) -> str:
    return str(world.record()["id"].partition("/vaults/vault-dr")[2])
