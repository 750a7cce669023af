"""Test failovers and cleanups: what they make in Azure, and what is left."""

import socket

from lab.azure.arm import resources
from lab.azure.network import virtual_networks
from tests.lab.azure.site_recovery.world import TEST, TEST_GROUP, TO_AZURE, Json, World, codes, network_id


def _nic(world: World, name: str = "sql-01-test-nic") -> Json | None:
    return resources.find_resource(world.lab, f"{TEST_GROUP}/providers/Microsoft.Network/networkInterfaces/{name}")


async def test_a_test_failover_makes_a_vm_in_the_network_that_was_given(world: World) -> None:
    """With the name that the job tells, and an address; the machine on premises runs on."""
    job = await world.done("testFailover", TEST)
    details = job["customDetails"]["protectedItemDetails"][0]
    assert details["testVmName"] == "sql-01-test"
    assert (details["networkFriendlyName"], details["networkConnectionStatus"]) == ("vnet-drill", "Connected")
    nic = _nic(world)
    assert world.vm("sql-01-test") is not None
    assert nic is not None
    subnet = nic["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    assert subnet == f"{network_id()}/subnets/apps"
    assert world.source()["power"] == "On"


async def test_a_test_vm_listens_on_its_ports_until_it_is_cleaned_up() -> None:
    """On a loopback address of the network for tests."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with World([{"name": "sql-01", "node": "hci-01-n1", "ports": [port]}]) as world:
        await world.done("testFailover", TEST)
        nic = _nic(world)
        assert nic is not None
        address = nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
        assert address.startswith("127.20.")
        with socket.create_connection((address, port), timeout=2):
            pass
        await world.done("testFailoverCleanup", {"comments": ""})
        with socket.socket() as probe:
            assert probe.connect_ex((address, port)) != 0


async def test_a_cleanup_removes_vm_nic_and_disk_and_stays_marked_for_ever(world: World) -> None:
    """testFailoverState is MarkedForDeletion from then on, and the warning about no test is gone."""
    assert (await world.item())["failoverHealth"] == "Warning"
    started = await world.done("testFailover", TEST)
    await world.done("testFailoverCleanup", {"comments": ""})
    assert world.vm("sql-01-test") is None
    assert _nic(world) is None
    assert world.lab.store.all("microsoft.compute/disks") == []
    item = await world.item()
    assert item["testFailoverState"] == "MarkedForDeletion"
    assert item["lastSuccessfulTestFailoverTime"] == started["startTime"]
    assert item["failoverHealth"] == "Normal"


async def test_a_fault_leaves_a_nic_behind(world: World) -> None:
    """A drill's leftover, for a janitor to find."""
    world.lab.faults.replace_rules([{"match": {"verb": "testFailoverCleanup"}, "effect": {"job": {"leave": "nic"}}}])
    await world.done("testFailover", TEST)
    assert (await world.done("testFailoverCleanup", {"comments": ""}))["state"] == "Succeeded"
    assert world.vm("sql-01-test") is None
    assert _nic(world) is not None


async def test_a_test_that_failed_while_starting_its_vm_must_be_cleaned_up(world: World) -> None:
    """The VM is there; the item waits for the cleanup."""
    fault = {"fail": "28031", "task": "BootTestProtectedEntitiesTask"}
    world.lab.faults.replace_rules([{"match": {"item": "sql-01"}, "effect": {"job": fault}}])
    job = await world.done("testFailover", TEST)
    assert (job["state"], codes(job)) == ("Failed", ["28031"])
    assert world.vm("sql-01-test") is not None
    assert (await world.item())["allowedOperations"] == ["TestFailoverCleanup"]
    world.lab.faults.replace_rules([])
    await world.done("testFailoverCleanup", {"comments": ""})
    assert world.vm("sql-01-test") is None


async def test_a_test_that_failed_earlier_leaves_nothing(world: World) -> None:
    """No VM, no cleanup."""
    fault = {"fail": "28031", "task": "BeginTestFailoverTask"}
    world.lab.faults.replace_rules([{"match": {"item": "sql-01"}, "effect": {"job": fault}}])
    job = await world.done("testFailover", TEST)
    assert [task["stateDescription"] for task in job["tasks"]] == ["Completed", "Failed", "Skipped", "Skipped"]
    assert world.vm("sql-01-test") is None
    assert "TestFailover" in (await world.item())["allowedOperations"]


async def test_a_suspended_test_ends_with_its_cleanup(world: World) -> None:
    """The ending of older api-versions: the job waits, the cleanup is posted all the same."""
    world.lab.faults.replace_rules([{"match": {"verb": "testFailover"}, "effect": {"job": {"suspend": True}}}])
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=30)
    waiting = await world.job(name)
    assert (waiting["state"], waiting["stateDescription"]) == ("Suspended", "WaitingForStopTestFailover")
    assert waiting["allowedActions"] == ["Cancel", "Resume"]
    assert (await world.item())["testFailoverState"] == "WaitingForCompletion"
    await world.done("testFailoverCleanup", {"comments": ""})
    ended = await world.job(name)
    assert (ended["state"], ended["customDetails"]["testFailoverStatus"]) == ("Succeeded", "Completed")


async def test_resuming_a_suspended_test_cleans_up_within_its_job(world: World) -> None:
    """As in the recorded order: no cleanup job of its own."""
    world.lab.faults.replace_rules([{"match": {"verb": "testFailover"}, "effect": {"job": {"suspend": True}}}])
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=30)
    await world.call("POST", f"/replicationJobs/{name}/resume", {"properties": {"comments": ""}})
    world.pass_time(minutes=10)
    assert (await world.job(name))["state"] == "Succeeded"
    assert (await world.item())["testFailoverState"] == "MarkedForDeletion"
    assert world.vm("sql-01-test") is None


async def test_a_cancelled_test_leaves_no_vm(world: World) -> None:
    """Cancelled after the VM was made."""
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=9)
    await world.call("POST", f"/replicationJobs/{name}/cancel")
    assert (await world.job(name))["stateDescription"] == "Cancelling"
    world.pass_time(minutes=9)
    assert (await world.job(name))["state"] == "Cancelled"
    assert world.vm("sql-01-test") is None
    assert (await world.item())["currentScenario"]["scenarioName"] == "None"


async def test_a_name_that_is_taken_is_made_unique_and_told_as_a_warning(world: World) -> None:
    """28175: the job succeeds, the operation's status carries the error."""
    await world.done("testFailover", TEST)
    record = world.record()
    record |= {"testVm": None, "state": "protected", "scenario": None}  # its VM is somebody else's now
    name = await world.start("testFailover", TEST)
    world.pass_time(minutes=30)
    job = await world.job(name)
    assert (job["state"], codes(job), job["errors"][0]["errorLevel"]) == ("Succeeded", ["28175"], "Warning")
    shown = job["customDetails"]["protectedItemDetails"][0]["testVmName"]
    assert shown.startswith("sql-01-test-")
    assert world.vm(shown) is not None
    _, status, _ = await world.call("GET", f"/replicationOperationStatus/{name}")
    assert (status["status"], status["error"]["code"]) == ("Succeeded", "28175")


async def test_a_test_in_a_network_that_is_not_there_fails_before_anything_is_made(world: World) -> None:
    """A slip in a plan shows as in Azure: in the job."""
    job = await world.done("testFailover", TEST | {"networkId": network_id("vnet-dril")})
    assert (codes(job), job["tasks"][0]["state"]) == (["28031"], "Failed")
    assert "vnet-dril" in job["errors"][0]["serviceErrorDetails"]["message"]
    assert "TestFailover" in (await world.item())["allowedOperations"]


async def test_a_network_without_the_subnet_of_that_name_gives_its_first(world: World) -> None:
    """The drill's network need not be cut as the production's."""
    virtual_networks.put_vnet(world.lab, "rg-dr-net", "vnet-other", "10.40", ["first", "second"])
    assert (await world.done("testFailover", TEST | {"networkId": network_id("vnet-other")}))["state"] == "Succeeded"
    nic = _nic(world)
    assert nic is not None
    assert nic["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"].endswith("/subnets/first")


async def test_a_test_without_a_network_is_not_connected(world: World) -> None:
    """NoNetworkAttachAsInput needs no network id."""
    job = await world.done("testFailover", TO_AZURE | {"networkType": "NoNetworkAttachAsInput"})
    assert job["customDetails"]["protectedItemDetails"][0]["networkConnectionStatus"] == "NotConnected"
