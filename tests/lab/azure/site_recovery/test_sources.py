"""What a failback needs of the machine on premises: each thing that is missing fails its job, and changes nothing."""

from typing import Any

import pytest

from lab.azure.compute import virtual_machines
from lab.azure.on_premises import nodes
from lab.azure.simulator.answers import Json
from lab.azure.site_recovery.sites import source_machines
from tests.lab.azure.site_recovery.world import TEST_GROUP, World, codes, failback


def onto(provider: Any, create: str = "CreateVmIfNotFound") -> Json:
    """A failback that may make the machine, on the host of a provider."""
    body_of_failback = failback()
    body_of_failback["providerSpecificDetails"] |= {
        "recoveryVmCreationOption": create,
        "providerIdForAlternateRecovery": provider,
    }
    return body_of_failback


def message(job: Json) -> str:
    """What the provider of the host said: the service only points to it."""
    return str(job["errors"][0]["providerErrorDetails"]["errorMessage"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"power": "On"}, "running"), ({"snapshots": 2}, "checkpoints"), ({"present": False}, "couldn't be found")],
)
async def test_a_machine_that_is_not_as_it_must_be_fails_the_failback(
    world: World, change: dict[str, Any], expected: str
) -> None:
    await world.fail_over()
    source_machines.change_machine(world.lab, "sql-01", change)
    job = await world.done("plannedFailover", failback())
    assert (job["state"], codes(job)) == ("Failed", ["539"])
    assert expected in message(job)
    assert virtual_machines.power_of(world.lab, virtual_machines.vm_id_of(TEST_GROUP, "sql-01")) == "running"
    assert "Failback" in (await world.item())["allowedOperations"]
    assert world.source()["corrupt"] is False


async def test_a_machine_that_is_gone_is_made_on_the_host_that_is_named(world: World) -> None:
    await world.fail_over()
    source_machines.change_machine(world.lab, "sql-01", {"present": False})
    own = world.source()["provider"]
    other = next(each["id"] for each in world.lab.store.all("asr-provider") if each["id"] != own)
    assert (await world.done("plannedFailover", onto(other)))["state"] == "Succeeded"
    made = world.source()
    assert (made["present"], made["power"], made["provider"]) == (True, "On", other)
    assert (await world.item())["recoveryServicesProviderId"] == other


async def test_a_machine_that_is_on_another_host_is_not_made_a_second_time(world: World) -> None:
    await world.fail_over()
    own = world.source()["provider"]
    other = next(each["id"] for each in world.lab.store.all("asr-provider") if each["id"] != own)
    assert codes(await world.done("plannedFailover", onto(other))) == ["539"]


async def test_a_provider_is_named_by_its_whole_id(world: World) -> None:
    await world.fail_over()
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    status, answer, _ = await world.call("POST", f"{path}/plannedFailover", {"properties": onto("hci-01-n1")})
    assert (status, "providerIdForAlternateRecovery" in answer["error"]["message"]) == (400, True)


async def test_a_volume_without_room_fails_the_failback(world: World) -> None:
    await world.fail_over()
    node = world.source()["node"]
    if not any(each["name"] == node for each in world.lab.store.all(nodes.KIND)):
        nodes.add_node(world.lab, node, f"/machines/{node}", "/clusters/c")
    nodes.change_node(world.lab, node, {"freeGb": 5})
    assert (await world.done("plannedFailover", failback()))["state"] == "Succeeded"
    await world.done("failoverCommit")
    await world.done("reProtect", {"failoverDirection": "PrimaryToRecovery", **_details()})
    world.pass_time(hours=2)
    await world.fail_over()
    source_machines.change_machine(world.lab, "sql-01", {"fileGb": 1})
    job = await world.done("plannedFailover", failback())
    assert "not enough space" in message(job)


def _details() -> Json:
    return {"providerSpecificDetails": {"instanceType": "HyperVReplicaAzure"}}


async def test_a_machine_that_is_turned_on_meanwhile_is_corrupt(world: World) -> None:
    """The data synchronization writes to its disks; the VM in Azure runs on."""
    await world.fail_over()
    name = await world.start("plannedFailover", failback("ForDownTime"))
    world.pass_time(hours=1)
    source_machines.change_machine(world.lab, "sql-01", {"power": "On"})
    await world.call("POST", f"/replicationJobs/{name}/resume", {"properties": {"comments": "go"}})
    world.pass_time(minutes=20)
    assert codes(await world.job(name)) == ["539"]
    assert world.source()["corrupt"] is True
    assert virtual_machines.power_of(world.lab, virtual_machines.vm_id_of(TEST_GROUP, "sql-01")) == "running"


@pytest.mark.parametrize(("leave", "left"), [("nic", "sql-01-nic"), ("disks", "sql-01-sql-01")])
async def test_the_commit_of_a_failback_may_leave_something_behind(world: World, leave: str, left: str) -> None:
    await world.fail_over()
    await world.done("plannedFailover", failback())
    world.lab.faults.replace_rules([{"match": {"verb": "failoverCommit"}, "effect": {"job": {"leave": leave}}}])
    await world.done("failoverCommit")
    assert world.vm("sql-01") is None
    names = {each["name"] for kind in ("disks", "nic") for each in _kept(world, kind)}
    assert names == {left}


def _kept(world: World, kind: str) -> list[Json]:
    kinds = {"disks": "microsoft.compute/disks", "nic": "microsoft.network/networkinterfaces"}
    return list(world.lab.store.all(kinds[kind], TEST_GROUP))


async def test_a_machine_that_moved_to_another_node_is_replicated_from_there(world: World) -> None:
    own = world.source()["provider"]
    other = next(each for each in world.lab.store.all("asr-provider") if each["id"] != own)
    source_machines.change_machine(world.lab, "sql-01", {"node": other["node"].upper()})
    assert (await world.item())["recoveryServicesProviderId"] == world.source()["provider"] == other["id"]
    source_machines.change_machine(world.lab, "sql-01", {"node": "a-node-that-is-not-registered"})
    assert (await world.item())["recoveryServicesProviderId"] == other["id"]
