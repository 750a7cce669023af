"""What Azure would not make is refused when it is asked for, and spoils nothing; what is busy is left alone."""

import random
from typing import Any

import pytest

from lab.azure.site_recovery.api.common import ITEMS
from lab.azure.world import change_world
from tests.lab.azure.site_recovery.test_protection import MACHINES, _enable
from tests.lab.azure.site_recovery.world import TEST, TEST_GROUP, TO_AZURE, World, codes, network_id

BAD_ENABLINGS: dict[str, tuple[Any, ...]] = {
    "vhdId": ("11111111-2222-3333-4444-555555555555", 7),
    "disksToInclude": (["11111111-2222-3333-4444-555555555555"], [], 7, "all", [7]),
    "targetStorageAccountId": (
        None,
        "",
        "/subscriptions/x/resourceGroups/y/providers/Microsoft.Storage/storageAccounts/z",
    ),
    "targetAzureNetworkId": (network_id("nothing"), 7),
    "targetAzureSubnetId": (f"{network_id('vnet-dr')}/subnets/nothing",),
    "targetAzureV2ResourceGroupId": (None, f"{TEST_GROUP}-2", 7),
    "targetVmSize": ("Standard_Nonsense", 7),
    "osType": ("Solaris", 7),
    "targetAzureVmName": ("bad name!*", "a" * 80, "app_01", "-dash", "dash-", "R&D", 7),
    "useManagedDisks": (True, "maybe"),
    "targetVmTags": ("a=b",),
}
BAD_UPDATES: dict[str, tuple[Any, ...]] = {
    "recoveryAzureVMName": ("app_01 with blanks", 7),
    "recoveryAzureVMSize": ("Standard_Nonsense", 7),
    "selectedRecoveryAzureNetworkId": (network_id("nothing"), 7),
    "selectedTfoAzureNetworkId": (network_id("nothing"),),
    "vmNics": (7, "nic", [7], [{"nicId": 7}], [{"ipConfigs": 7}], [{"ipConfigs": [{"recoveryStaticIPAddress": "x"}]}]),
    "enableRdpOnTargetOption": (7,),
    "licenseType": ({},),
}


def item_path(world: World, machine: str = "new-01") -> str:
    path = world.source(machine)["id"].partition("/vaults/vault-dr")[2]
    return str(path.replace("replicationProtectableItems", "replicationProtectedItems"))


async def list_items(world: World) -> list[str]:
    status, body, _ = await world.call("GET", "/replicationProtectedItems")
    assert status == 200
    return [item["properties"]["friendlyName"] for item in body["value"]]


@pytest.mark.parametrize("field", BAD_ENABLINGS)
async def test_what_azure_would_not_make_is_not_enabled(field: str) -> None:
    async with World(MACHINES) as world:
        before = await list_items(world)
        for value in BAD_ENABLINGS[field]:
            body = _enable(world)
            body["properties"]["providerSpecificDetails"][field] = value
            status, answer, _ = await world.call("PUT", item_path(world), body)
            assert (status, value) == (400, value)
            shown = "targetAzureNetworkId" if field == "targetAzureSubnetId" else field
            assert shown in answer["error"]["message"]
        assert await list_items(world) == before


@pytest.mark.parametrize("field", BAD_UPDATES)
async def test_what_azure_would_not_make_is_not_set(field: str, world: World) -> None:
    path, before = world.record()["id"].partition("/vaults/vault-dr")[2], await world.item()
    for value in BAD_UPDATES[field]:
        status, _, _ = await world.call("PATCH", path, {"properties": {field: value}})
        assert (status, value) == (400, value)
    world.pass_time(minutes=5)
    after = await world.item()
    assert after["providerSpecificDetails"]["vmNics"] == before["providerSpecificDetails"]["vmNics"]


async def test_nothing_is_enabled_without_a_policy_that_its_site_has() -> None:
    async with World(MACHINES) as world:
        for mapping in world.lab.store.all("asr-mapping"):
            world.lab.store.delete("asr-mapping", mapping["id"])
        status, body, _ = await world.call("PUT", item_path(world), _enable(world))
        assert (status, "associated" in body["error"]["message"]) == (400, True)


async def test_the_name_of_another_item_is_taken() -> None:
    async with World(MACHINES) as world:
        before = await list_items(world)
        status, _, _ = await world.call(
            "PUT", world.record("old-01")["id"].partition("/vaults/vault-dr")[2], _enable(world)
        )
        assert status == 400
        assert await list_items(world) == before


async def test_a_busy_item_takes_no_settings(world: World) -> None:
    """532, as of any second operation; and settings that are being made are such an operation as well."""
    path = world.record()["id"].partition("/vaults/vault-dr")[2]
    update = {"properties": {"recoveryAzureVMName": "other"}}
    await world.start("testFailover", TEST)
    _, _, headers = await world.call("PATCH", path, update)
    world.pass_time(minutes=4)
    _, status, _ = await world.call("GET", headers["Azure-AsyncOperation"])
    assert (status["status"], status["error"]["code"]) == ("Failed", "532")
    world.pass_time(minutes=20)
    await world.done("testFailoverCleanup", {"comments": ""})
    await world.call("PATCH", path, update)
    world.pass_time(seconds=1)
    assert codes(await world.done("plannedFailover", TO_AZURE)) == ["532"]
    assert (await world.item())["providerSpecificDetails"]["recoveryAzureVmName"] == "other"


@pytest.mark.parametrize("quota", [{"used": 100, "limit": 100}, {"standardDSv5Family": {"used": 9, "limit": 10}}])
async def test_a_quota_that_is_used_up_stops_a_failover(quota: Any, world: World) -> None:
    change_world(world.lab, {"quota": quota})
    job = await world.done("testFailover", TEST)
    assert codes(job) == ["28031"]
    message = job["errors"][0]["serviceErrorDetails"]["message"]
    assert "quota" in message
    assert (
        f"Current Limit: {next(iter(quota.values()))['limit'] if 'limit' not in quota else quota['limit']}" in message
    )


async def test_an_address_that_is_taken_is_replaced_by_another(world: World) -> None:
    """Without a word, and never given twice."""
    for machine in ("dc-01", "sql-01"):
        record = world.record(machine)
        record["nics"][0]["ipConfigs"][0]["recoveryStaticIPAddress"] = "10.20.1.20"
        world.lab.store.put(ITEMS, record["id"], record)
        await world.done("plannedFailover", TO_AZURE, machine)
    cards = world.lab.store.all("microsoft.network/networkinterfaces")
    addresses = [card["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] for card in cards]
    assert addresses == ["10.20.1.20", "10.20.1.21"]


async def test_whatever_is_sent_nothing_breaks_and_every_list_can_be_read() -> None:
    """Bodies of wrong types on every route of an item, of plans, policies, sites and alerts."""
    junk: list[Any] = [
        None,
        7,
        -1,
        True,
        "",
        "x" * 5000,
        [],
        [None],
        [7],
        {},
        {"a": None},
        {"instanceType": 7},
        [{}],
        1e308,
    ]
    chance = random.Random(3)
    async with World(MACHINES) as world:
        item = world.record("old-01")["id"].partition("/vaults/vault-dr")[2]
        fabric = item.partition("/replicationProtectionContainers")[0]
        bodies = {
            ("PUT", item_path(world)): _enable(world),
            ("PATCH", item): {"properties": {"recoveryAzureVMName": "a", "vmNics": [{"ipConfigs": [{}]}]}},
            ("PUT", "/replicationRecoveryPlans/p"): {"properties": {"groups": [{"replicationProtectedItems": [{}]}]}},
            ("PUT", "/replicationPolicies/p"): {"properties": {"providerSpecificInput": {}}},
            ("PUT", f"{fabric}-2"): {"properties": {"customDetails": {}}},
            ("PUT", "/replicationAlertSettings/defaultAlertSetting"): {"properties": {"customEmailAddresses": []}},
            **{
                ("POST", f"{item}/{verb}"): {"properties": TEST}
                for verb in ("testFailover", "testFailoverCleanup", "plannedFailover", "unplannedFailover", "reProtect")
            },
            ("POST", f"{item}/applyRecoveryPoint"): {"properties": {"recoveryPointId": "x"}},
            ("POST", f"{item}/remove"): {"properties": {"disableProtectionReason": "NotSpecified"}},
        }
        for (method, path), body in bodies.items():
            for _ in range(25):
                status, answer, _ = await world.call(method, path, spoil(body, junk, chance))
                assert status < 500, (method, path, answer)
        world.pass_time(hours=3)
        for path in (
            "replicationProtectedItems",
            "replicationRecoveryPlans",
            "replicationPolicies",
            "replicationFabrics",
        ):
            assert (await world.call("GET", f"/{path}"))[0] == 200, path


def spoil(body: Any, junk: list[Any], chance: random.Random) -> Any:
    """The body with one of its values, or all of it, replaced by something that has no business there."""
    if not isinstance(body, dict) or not body or chance.random() < 0.15:
        return chance.choice(junk)
    key = chance.choice([*body, "surprise"])
    return {**body, key: spoil(body.get(key), junk, chance)}
