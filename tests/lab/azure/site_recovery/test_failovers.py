"""Failovers up to their commit: the machines on both sides, the recovery points, and what cannot be undone."""

import pytest

from lab.azure.compute import virtual_machines
from lab.azure.site_recovery.items.host_connection import disconnect_host
from tests.lab.azure.site_recovery.world import TEST_GROUP, TO_AZURE, UNPLANNED, World, codes


async def _points(world: World) -> list[str]:
    points = world.sdk.recovery_points.list_by_replication_protected_items(*world.names())
    return [point.as_dict()["id"] async for point in points]


async def test_a_planned_failover_turns_the_machine_off_and_runs_it_in_azure(world: World) -> None:
    """Off before anything is started; the address is in the network for failovers."""
    name = await world.start("plannedFailover", TO_AZURE)
    world.pass_time(minutes=1)
    assert world.source()["power"] == "Off"
    assert world.vm("sql-01") is None
    world.pass_time(minutes=10)
    assert (await world.job(name))["state"] == "Succeeded"
    assert virtual_machines.power_of(world.lab, virtual_machines.vm_id_of(TEST_GROUP, "sql-01")) == "running"


async def test_a_planned_failover_loses_nothing(world: World) -> None:
    """Its recovery point is taken after the machine was turned off."""
    job = await world.done("plannedFailover", TO_AZURE)
    shutdown = next(task for task in job["tasks"] if task["taskId"] == "ShutdownVmOnPrimary")
    point = job["customDetails"]["protectedItemDetails"][0]
    assert point["recoveryPointTime"] == shutdown["endTime"]
    assert (await world.item())["failoverRecoveryPointId"].endswith(point["recoveryPointId"])


@pytest.mark.parametrize(("wanted", "power"), [("Required", "Off"), ("NotRequired", "On")])
async def test_an_unplanned_failover_turns_the_machine_off_only_if_asked(world: World, wanted: str, power: str) -> None:
    """A machine that nobody turned off may run on: two of it."""
    await world.done("unplannedFailover", UNPLANNED | {"sourceSiteOperations": wanted})
    assert world.source()["power"] == power
    assert (await world.item())["protectionState"] == "UnplannedFailoverCommitPendingStatesBegin"


async def test_an_unplanned_failover_goes_on_when_the_machine_cannot_be_turned_off(world: World) -> None:
    """The host is gone: Required is a wish."""
    disconnect_host(world.lab, "hci-01-n1")
    job = await world.done("unplannedFailover", UNPLANNED | {"sourceSiteOperations": "Required"})
    assert (job["state"], world.source()["power"]) == ("Succeeded", "On")


async def test_the_commit_deletes_every_other_recovery_point(world: World) -> None:
    """Before it there is a day of them; after it only the one that was used."""
    await world.done("plannedFailover", TO_AZURE)
    assert len(await _points(world)) > 24
    used = (await world.item())["failoverRecoveryPointId"]
    await world.done("failoverCommit")
    assert await _points(world) == [used]


async def test_the_recovery_point_can_be_changed_until_the_commit(world: World) -> None:
    """The VM is made again from the point; after the commit it is refused in the job."""
    await world.done("plannedFailover", TO_AZURE)
    older = (await _points(world))[3]
    change = {"recoveryPointId": older, "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"}}
    assert (await world.done("applyRecoveryPoint", change))["state"] == "Succeeded"
    item = await world.item()
    assert (item["failoverRecoveryPointId"], item["protectionState"]) == (
        older,
        "UnplannedFailoverCommitPendingStatesBegin",
    )
    assert world.vm("sql-01") is not None
    await world.done("failoverCommit")
    assert codes(await world.done("applyRecoveryPoint", change)) == ["539"]


async def test_a_failover_from_an_older_point_says_which(world: World) -> None:
    """The point that was asked for, by id."""
    older = (await _points(world))[2]
    details = {"instanceType": "HyperVReplicaAzure", "recoveryPointId": older}
    job = await world.done("unplannedFailover", UNPLANNED | {"providerSpecificDetails": details})
    assert older.endswith(job["customDetails"]["protectedItemDetails"][0]["recoveryPointId"])


@pytest.mark.parametrize("while_running", [True, False])
async def test_a_cancelled_failover_ends_replication(world: World, *, while_running: bool) -> None:
    """Whether it ran still or waited for its commit: nothing but disabling protection is left."""
    name = await world.start("plannedFailover", TO_AZURE)
    world.pass_time(minutes=2 if while_running else 20)
    await world.done("failoverCancel")
    assert (await world.job(name))["state"] == ("Cancelled" if while_running else "Succeeded")
    item = await world.item()
    assert item["allowedOperations"] == ["DisableProtection"]
    assert world.vm("sql-01") is None
    assert await _points(world) == []
    assert world.source()["power"] == "Off"


async def test_a_failover_that_fails_leaves_the_machine_that_it_shut_down_off(world: World) -> None:
    """28031: Azure had no cores for it; the job cannot be restarted, a new failover can be started."""
    fault = {"fail": "28031", "task": "FailoverTask"}
    world.lab.faults.replace_rules([{"match": {"times": 1}, "effect": {"job": fault}}])
    job = await world.done("plannedFailover", TO_AZURE)
    assert (codes(job), job["allowedActions"]) == (["28031"], [])
    assert (world.source()["power"], world.vm("sql-01")) == ("Off", None)
    assert (await world.done("plannedFailover", TO_AZURE))["state"] == "Succeeded"


async def test_a_renamed_vm_is_named_by_the_item(world: World) -> None:
    """The name was taken: warning 28175, and the item tells the real one."""
    virtual_machines.create_vm(world.lab, TEST_GROUP, "sql-01", virtual_machines.VmSettings())
    job = await world.done("plannedFailover", TO_AZURE)
    assert codes(job) == ["28175"]
    name = (await world.item())["providerSpecificDetails"]["recoveryAzureVmName"]
    assert name.startswith("sql-01-")
    assert world.vm(name) is not None


async def test_points_come_every_hour_and_the_newest_every_cycle(world: World) -> None:
    """24 hours of them, application consistent each hour; the newest is at most five minutes old."""
    points = [
        point.as_dict()["properties"]
        async for point in world.sdk.recovery_points.list_by_replication_protected_items(*world.names())
    ]
    assert len(points) == 25
    assert {point["recoveryPointType"] for point in points} == {"ApplicationConsistent"}
    world.pass_time(minutes=17)
    newest = (
        await world.sdk.recovery_points.get(*world.names(), (await _points(world))[-1].rpartition("/")[2])
    ).as_dict()
    assert newest["properties"]["recoveryPointTime"].startswith("2026-01-05T08:15:00")
    assert newest["properties"]["recoveryPointType"] == "CrashConsistent"
    assert (await world.item())["providerSpecificDetails"]["rpoInSeconds"] == 120


async def test_a_failover_into_a_group_that_is_not_there_fails_with_the_machine_on(world: World) -> None:
    """28031 with Azure's reason; nothing was turned off."""
    world.record()["target"]["resourceGroup"] = f"{TEST_GROUP}-2"
    job = await world.done("plannedFailover", TO_AZURE)
    assert codes(job) == ["28031"]
    assert "rg-dr-vms-2" in job["errors"][0]["serviceErrorDetails"]["message"]
    assert world.source()["power"] == "On"
