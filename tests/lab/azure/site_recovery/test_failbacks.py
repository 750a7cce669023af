"""Failback and what follows it."""

from lab.azure.compute import virtual_machines
from tests.lab.azure.site_recovery.world import TEST_GROUP, TO_AZURE, World, codes, failback


def _power(world: World) -> str:
    return virtual_machines.power_of(world.lab, virtual_machines.vm_id_of(TEST_GROUP, "sql-01"))


async def test_a_full_download_stops_the_vm_at_once(world: World) -> None:
    """ForSynchronization: one job to the end."""
    await world.fail_over()
    name = await world.start("plannedFailover", failback())
    world.pass_time(minutes=2)
    assert _power(world) == "deallocated"
    world.pass_time(minutes=15)
    assert (await world.job(name))["state"] == "Succeeded"
    assert world.source()["power"] == "On"


async def test_a_delta_download_waits_for_a_person_with_the_vm_running(world: World) -> None:
    """ForDownTime: the job is suspended until it is resumed, and only then the VM stops."""
    await world.fail_over()
    name = await world.start("plannedFailover", failback("ForDownTime"))
    world.pass_time(hours=3)
    waiting = await world.job(name)
    assert (waiting["state"], waiting["stateDescription"]) == ("Suspended", "WaitingForUserInputAfterDataSync")
    assert waiting["allowedActions"] == ["Cancel", "Resume"]
    assert _power(world) == "running"
    assert (await world.item())["allowedOperations"] == []
    _, status, _ = await world.call("GET", f"/replicationOperationStatus/{name}")
    assert status["status"] == "InProgress"
    answer, _, _ = await world.call("POST", f"/replicationJobs/{name}/resume", {"properties": {"comments": "go"}})
    assert answer == 202
    world.pass_time(minutes=10)
    assert (await world.job(name))["state"] == "Succeeded"
    assert _power(world) == "deallocated"
    assert (await world.item())["activeLocation"] == "Primary"


async def test_a_second_verb_while_it_waits_is_a_conflict(world: World) -> None:
    """The suspended job holds the item."""
    await world.fail_over()
    await world.start("plannedFailover", failback("ForDownTime"))
    world.pass_time(hours=1)
    assert codes(await world.done("failoverCommit")) == ["532"]


async def test_a_failback_cancelled_in_data_sync_corrupts_the_machine_until_it_is_run_again(world: World) -> None:
    """The VM in Azure runs on; another failback repairs the machine."""
    await world.fail_over()
    name = await world.start("plannedFailover", failback())
    world.pass_time(minutes=3)
    await world.call("POST", f"/replicationJobs/{name}/cancel")
    world.pass_time(minutes=1)
    assert (await world.job(name))["state"] == "Cancelled"
    assert (world.source()["corrupt"], _power(world)) == (True, "running")
    assert "Failback" in (await world.item())["allowedOperations"]
    await world.done("plannedFailover", failback())
    assert world.source()["corrupt"] is False


async def test_the_commit_of_a_failback_gives_the_vm_in_azure_up(world: World) -> None:
    """Scenario FinalizeFailback, called Commit."""
    await world.fail_over()
    await world.done("plannedFailover", failback())
    job = await world.done("failoverCommit")
    assert (job["scenarioName"], job["friendlyName"]) == ("FinalizeFailback", "Commit")
    assert world.vm("sql-01") is None


async def test_reprotect_replicates_and_finalizes_before_it_is_protected(world: World) -> None:
    """Protected is shown while IrCompletion runs, but nothing is allowed yet."""
    await world.fail_over()
    await world.done("plannedFailover", failback())
    await world.done("failoverCommit")
    await world.start("reProtect", TO_AZURE)
    steps = []
    for _ in range(200):
        world.pass_time(seconds=5)
        item = await world.item()
        shown = (item["protectionState"], item["currentScenario"]["scenarioName"], bool(item["allowedOperations"]))
        if shown not in steps:
            steps.append(shown)
    assert steps == [
        ("ReverseReplicationInProgress", "ReprotectReplicationGroup", False),
        ("InitialReplicationInProgress", "None", True),
        ("InitialReplicationRecoveryCompletionPending", "None", True),
        ("Protected", "EnableProtection", False),
        ("Protected", "None", True),
    ]


async def test_a_failed_reprotect_can_be_restarted(world: World) -> None:
    """Restart is a job of its own, and the work a new one of the old kind."""
    await world.fail_over()
    await world.done("plannedFailover", failback())
    await world.done("failoverCommit")
    world.lab.faults.replace_rules([{"match": {"verb": "reProtect"}, "effect": {"job": {"fail": "539"}}}])
    name = await world.start("reProtect", TO_AZURE)
    world.pass_time(minutes=10)
    failed = await world.job(name)
    assert (failed["state"], failed["allowedActions"]) == ("Failed", ["Restart"])
    status, _, headers = await world.call("POST", f"/replicationJobs/{name}/restart")
    assert status == 202
    world.pass_time(minutes=30)
    assert (await world.job(headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]))[
        "scenarioName"
    ] == "RestartJob"
    assert (await world.item())["protectionState"] == "Protected"
