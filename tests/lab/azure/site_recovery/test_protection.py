"""Enabling, changing and ending replication."""

from lab.azure.site_recovery.items.host_connection import disconnect_host
from tests.lab.azure.site_recovery.world import (
    CACHE,
    GROUP,
    SITE,
    TEST_GROUP,
    TO_AZURE,
    VAULT,
    Json,
    World,
    codes,
    network_id,
)

MACHINES: list[Json] = [
    {"name": "old-01", "node": "hci-01-n1"},
    {"name": "new-01", "node": "hci-01-n3", "protected": False},
]


def _enable(world: World) -> Json:
    record = world.source("new-01")
    return {
        "properties": {
            "policyId": f"{world.vault}/replicationPolicies/policy-24h",
            "protectableItemId": record["id"],
            "providerSpecificDetails": {
                "instanceType": "HyperVReplicaAzure",
                "hvHostVmId": record["name"],
                "vmName": "new-01",
                "osType": "Windows",
                "vhdId": record["disks"][0]["vhdId"],
                "targetAzureVmName": "new-01-az",
                "targetAzureV2ResourceGroupId": TEST_GROUP,
                "targetAzureNetworkId": network_id("vnet-dr"),
                "targetAzureSubnetId": f"{network_id('vnet-dr')}/subnets/apps",
                "targetStorageAccountId": CACHE,
                "useManagedDisks": "true",
            },
        }
    }


def _names(world: World, machine: str) -> tuple[str, str, str, str, str]:
    record = world.source(machine)
    return GROUP, VAULT, SITE, record["container"].rpartition("/")[2], record["name"]


async def test_enabling_goes_through_initial_replication_to_protected() -> None:
    """EnableDr, the copy, waiting for the first point, IrCompletion; and the job asked for ends before the copy."""
    async with World(MACHINES) as world:
        poller = await world.sdk.replication_protected_items.begin_create(*_names(world, "new-01"), _enable(world))
        item = (await poller.result()).as_dict()
        assert item["properties"]["protectionState"] == "InitialReplicationInProgress"
        assert item["properties"]["allowedOperations"] == ["DisableProtection"]
        world.pass_time(minutes=5)
        progress = (await world.item("new-01"))["providerSpecificDetails"]["initialReplicationDetails"]
        assert 0 < int(progress["initialReplicationProgressPercentage"]) < 100
        world.pass_time(hours=1)
        ready = await world.item("new-01")
        assert ready["protectionState"] == "Protected"
        assert "TestFailover" in ready["allowedOperations"]
        assert ready["providerSpecificDetails"]["recoveryAzureVmName"] == "new-01-az"
        found = [job.as_dict()["properties"] async for job in world.sdk.replication_jobs.list(GROUP, VAULT)]
        assert [job["scenarioName"] for job in found] == ["IrCompletion", "EnableDr"]


async def test_enabling_again_is_a_warning() -> None:
    """45031, whatever the name in the path; the operation's status shows it while it runs."""
    async with World(MACHINES) as world:
        body = _enable(world)
        body["properties"]["protectableItemId"] = world.source("old-01")["id"]
        path = world.record("old-01")["id"].partition("/vaults/vault-dr")[2]
        _, _, headers = await world.call("PUT", path, body)
        _, status, _ = await world.call("GET", headers["Azure-AsyncOperation"])
        assert status["error"]["code"] == "45031"
        world.pass_time(minutes=1)
        _, status, _ = await world.call("GET", headers["Azure-AsyncOperation"])
        assert (status["status"], status["error"]["message"]) == (
            "Succeeded",
            "Protection has already been enabled for the virtual machine.",
        )
        assert (await world.item("old-01"))["protectionState"] == "Protected"


async def test_enabling_on_a_lost_host_fails_and_leaves_an_item_that_can_only_be_disabled() -> None:
    """70094 with Hyper-V's own error; restarted once the host is back, it goes through."""
    async with World(MACHINES) as world:
        disconnect_host(world.lab, "hci-01-n3", minutes=60)
        path = world.source("new-01")["id"].partition("/vaults/vault-dr")[2]
        path = path.replace("replicationProtectableItems", "replicationProtectedItems")
        _, _, headers = await world.call("PUT", path, _enable(world))
        name = headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]
        world.pass_time(minutes=5)
        job = await world.job(name)
        assert codes(job) == ["70094"]
        assert job["errors"][0]["providerErrorDetails"]["errorCode"] == 31389
        left = await world.item("new-01")
        assert (left["protectionState"], left["allowedOperations"]) == ("EnablingFailed", ["DisableProtection"])
        world.pass_time(hours=1)
        await world.call("POST", f"/replicationJobs/{name}/restart")
        world.pass_time(hours=2)
        assert (await world.item("new-01"))["protectionState"] == "Protected"


async def test_an_item_whose_enabling_failed_is_disabled_before_it_is_enabled_anew() -> None:
    """A second enabling only says that there is an item; a restart of the old job finds none once it is gone."""
    async with World(MACHINES) as world:
        fail = {"match": {"method": "PUT", "item": "new-01", "times": 1}, "effect": {"job": {"fail": "70094"}}}
        world.lab.faults.replace_rules([fail])
        path = world.source("new-01")["id"].partition("/vaults/vault-dr")[2]
        path = path.replace("replicationProtectableItems", "replicationProtectedItems")
        _, _, headers = await world.call("PUT", path, _enable(world))
        name = headers["Azure-AsyncOperation"].partition("?")[0].rpartition("/")[2]
        world.pass_time(minutes=5)
        await world.call("PUT", path, _enable(world))
        world.pass_time(minutes=5)
        assert (await world.item("new-01"))["protectionState"] == "EnablingFailed"
        await world.call("POST", f"{path}/remove", {"properties": {"disableProtectionReason": "NotSpecified"}})
        world.pass_time(minutes=5)
        assert (await world.call("GET", path))[0] == 404
        await world.call("POST", f"/replicationJobs/{name}/restart")
        world.pass_time(minutes=5)
        assert (await world.call("GET", path))[0] == 404
        await world.call("PUT", path, _enable(world))
        world.pass_time(hours=2)
        assert (await world.item("new-01"))["protectionState"] == "Protected"


async def test_a_body_without_what_is_needed_is_400() -> None:
    """The target resource group, the policy, the machine."""
    async with World(MACHINES) as world:
        path = world.source("new-01")["id"].partition("/vaults/vault-dr")[2]
        path = path.replace("replicationProtectableItems", "replicationProtectedItems")
        for field in ("policyId", "protectableItemId", "providerSpecificDetails"):
            body = _enable(world)
            del body["properties"][field]
            status, answer, _ = await world.call("PUT", path, body)
            assert (status, field in answer["error"]["message"]) == (400, True)
        body = _enable(world)
        body["properties"]["policyId"] += "-2"
        assert (await world.call("PUT", path, body))[0] == 404
        assert len(world.lab.store.all("asr-item")) == 1


async def test_settings_are_replaced_not_merged(world: World) -> None:
    """What an update does not send is taken away, as in Azure."""
    nic = world.record()["nics"][0]["nicId"]
    config = {"ipConfigName": "", "isPrimary": True, "recoverySubnetName": "apps", "tfoStaticIPAddress": "127.20.9.9"}
    update = {
        "recoveryAzureVMName": "sql-az",
        "recoveryAzureVMSize": "Standard_E8s_v5",
        "selectedRecoveryAzureNetworkId": network_id("vnet-dr"),
        "vmNics": [{"nicId": nic, "selectionType": "SelectedByUser", "ipConfigs": [config]}],
        "licenseType": "WindowsServer",
        "providerSpecificDetails": {"instanceType": "HyperVReplicaAzure", "recoveryAzureV2ResourceGroupId": TEST_GROUP},
    }
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    await world.call("PATCH", path, {"properties": update})
    world.pass_time(minutes=2)
    details = (await world.item())["providerSpecificDetails"]
    assert (details["recoveryAzureVmName"], details["recoveryAzureVMSize"]) == ("sql-az", "Standard_E8s_v5")
    assert details["vmNics"][0]["ipConfigs"][0]["tfoStaticIPAddress"] == "127.20.9.9"
    assert details["licenseType"] == "WindowsServer"
    await world.call("PATCH", path, {"properties": {"recoveryAzureVMName": "sql-az"}})
    world.pass_time(minutes=2)
    details = (await world.item())["providerSpecificDetails"]
    assert details["selectedRecoveryAzureNetworkId"] is None
    assert details["licenseType"] == "NotSpecified"


async def test_disabling_needs_the_host_and_purging_does_not(world: World) -> None:
    """583 for the one, an item that is gone for the other."""
    disconnect_host(world.lab, "hci-01-n1")
    assert codes(await world.done("remove", {})) == ["583"]
    assert (await world.item())["protectionState"] == "Protected"
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    assert (await world.call("DELETE", path))[0] == 202
    world.pass_time(minutes=1)
    assert (await world.call("GET", path))[0] == 404
    assert (await world.call("DELETE", path))[0] == 404


async def test_a_disabled_machine_can_be_protected_again(world: World) -> None:
    """It is listed as unprotected."""
    names = world.names()
    poller = await world.sdk.replication_protected_items.begin_delete(*names, {"properties": {}})
    await poller.result()
    found = await world.sdk.replication_protectable_items.get(*names)
    assert found.as_dict()["properties"]["protectionStatus"] == "Unprotected"


async def test_a_machine_cannot_be_disabled_in_the_middle_of_an_operation(world: World) -> None:
    """532."""
    await world.start("plannedFailover", TO_AZURE)
    world.pass_time(minutes=1)
    assert codes(await world.done("remove", {})) == ["532"]


async def test_resynchronizing_leads_back_to_protected(world: World) -> None:
    """A repair is accepted though it is not offered."""
    await world.start("repairReplication")
    world.pass_time(seconds=10)
    assert (await world.item())["allowedOperations"] == []
    world.pass_time(hours=1)
    assert (await world.item())["protectionState"] == "Protected"
