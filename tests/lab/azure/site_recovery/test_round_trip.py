"""The whole way of a machine: drill, failover, commit, failback, commit, re-protect; with both of the SDK's clients."""

import asyncio

from tests.lab.azure.site_recovery.world import TEST, TO_AZURE, World, failback

PROTECTED = ["PlannedFailover", "UnplannedFailover", "DisableProtection", "TestFailover"]


async def test_a_machine_goes_the_whole_way_and_is_protected_again(world: World) -> None:
    """The states and allowed operations are those of the official examples and recordings, in their order."""
    steps = []
    for verb, properties in (
        ("testFailover", TEST),
        ("testFailoverCleanup", {"comments": ""}),
        ("plannedFailover", TO_AZURE),
        ("failoverCommit", None),
        ("plannedFailover", failback()),
        ("failoverCommit", None),
        ("reProtect", TO_AZURE),
    ):
        job = await world.done(verb, properties)
        assert job["state"] == "Succeeded"
        item = await world.item()
        steps.append((job["scenarioName"], item["protectionState"], item["activeLocation"], item["allowedOperations"]))
    assert steps == [
        ("TestFailover", "Protected", "Primary", ["TestFailoverCleanup"]),
        ("TestFailoverCleanup", "Protected", "Primary", PROTECTED),
        (
            "PlannedFailover",
            "PlannedFailoverCommitRequired",
            "Recovery",
            ["CompleteMigration", "Commit", "DisableProtection", "ChangePit"],
        ),
        (
            "CommitFailover",
            "PlannedFailoverStatesBegin",
            "Recovery",
            ["CompleteMigration", "DisableProtection", "Failback"],
        ),
        ("PlannedFailover", "FailbackCommitRequired", "Primary", ["DisableProtection", "FinalizeFailback"]),
        ("FinalizeFailback", "FailbackStatesBegin", "Primary", ["DisableProtection", "ReverseReplicate"]),
        ("ReprotectReplicationGroup", "Protected", "Primary", PROTECTED),
    ]


async def test_the_jobs_of_the_whole_way_come_in_the_recorded_order(world: World) -> None:
    """Failback brings its child job RestoreCompletion, re-protect ends with IrCompletion."""
    await world.fail_over()
    await world.done("plannedFailover", failback())
    await world.done("failoverCommit")
    await world.done("reProtect", TO_AZURE)
    jobs = [job.as_dict()["properties"] async for job in world.sdk.replication_jobs.list("rg-dr", "vault-dr")]
    assert [job["scenarioName"] for job in reversed(jobs)] == [
        "PlannedFailover",
        "CommitFailover",
        "PlannedFailover",
        "RestoreCompletion",
        "FinalizeFailback",
        "ReprotectReplicationGroup",
        "IrCompletion",
    ]


async def test_the_sdks_own_poller_ends_with_the_item(world: World) -> None:
    """Polling goes over replicationOperationStatus and the Location of the answer."""
    items = world.sdk.replication_protected_items
    poller = await items.begin_test_failover(*world.names(), {"properties": TEST})
    item = (await poller.result()).as_dict()
    assert item["properties"]["testFailoverState"] == "WaitingForCompletion"


async def test_the_client_without_asyncio_fails_over_too(world: World) -> None:
    """The same calls from a thread, with the poller's waits on the simulated clock."""

    def fail_over() -> str:
        with world.sync_client() as client:
            items = client.replication_protected_items
            planned = items.begin_planned_failover(*world.names(), {"properties": TO_AZURE}).result().as_dict()
            committed = items.begin_failover_commit(*world.names()).result().as_dict()
            return " ".join(item["properties"]["protectionState"] for item in (planned, committed))

    assert await asyncio.to_thread(fail_over) == "PlannedFailoverCommitRequired PlannedFailoverStatesBegin"
