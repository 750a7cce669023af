"""A node whose Site Recovery extension failed, and what does and does not cure it."""

import json

import pytest

from lab.azure.arc import extensions
from lab.azure.on_premises import nodes
from tests.lab.azure.cloud import EXTENSION, N1, N2, N3, Cloud

VAULT = "/subscriptions/{}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr"


async def connected(cloud: Cloud) -> set[str]:
    """The hosts that the vault hears of."""
    path = f"{VAULT.format('11111111-1111-1111-1111-111111111111')}/replicationRecoveryServicesProviders"
    _, body, _ = await cloud.call("GET", path, version="2025-08-01")
    found = [each["properties"] for each in body["value"]]
    return {each["friendlyName"] for each in found if each["connectionStatus"] == "Connected"}


async def remove(cloud: Cloud, machine: str = N2) -> None:
    status, _, _ = await cloud.call("DELETE", f"{machine}/extensions/{EXTENSION}")
    assert status == 202
    cloud.pass_time(minutes=3)
    assert await cloud.extension(machine) is None


async def install(cloud: Cloud, machine: str = N2) -> str:
    """Install the extension with the settings that another node has; gives its end state."""
    _, body, _ = await cloud.call("GET", f"{N1}/extensions/{EXTENSION}")
    given = {key: body["properties"][key] for key in ("publisher", "type", "settings")}
    path = f"{machine}/extensions/{EXTENSION}"
    status, answer, _ = await cloud.call("PUT", path, {"location": "westeurope", "properties": given})
    assert status == 202, answer
    cloud.pass_time(minutes=5)
    return await state(cloud, machine)


async def state(cloud: Cloud, machine: str = N2) -> str:
    extension = await cloud.extension(machine)
    assert extension is not None
    return str(extension["provisioningState"])


async def test_the_scenario_begins_with_a_node_that_lost_the_race(cloud: Cloud) -> None:
    extension = await cloud.extension(N2)
    assert extension is not None
    assert extension["provisioningState"] == "Failed"
    assert extension["instanceView"]["status"]["code"] == "13"
    assert "Failed to register for ASR" in extension["instanceView"]["status"]["message"]
    assert await connected(cloud) == {"hci-01-n1", "hci-01-n3"}


async def test_removal_and_sync_bring_the_extension_back_and_the_node_into_the_vault(cloud: Cloud) -> None:
    await remove(cloud)
    view = await cloud.run_script("sync-cluster")
    assert view["executionState"] == "Succeeded"
    cloud.pass_time(minutes=10)
    assert await state(cloud) == "Succeeded"
    assert await connected(cloud) == {"hci-01-n1", "hci-01-n2", "hci-01-n3"}


async def test_installing_again_without_removal_fails_again_while_the_certificate_is_kept(cloud: Cloud) -> None:
    assert await install(cloud) == "Failed"
    cloud.pass_time(days=2)
    assert await install(cloud) == "Succeeded"


async def test_nodes_that_install_at_the_same_time_invalidate_each_other(cloud: Cloud) -> None:
    for machine in (N1, N2, N3):
        await remove(cloud, machine)
    view = await cloud.run_script("sync-cluster")
    assert view["exitCode"] == 0
    cloud.pass_time(minutes=20)
    states = sorted([await state(cloud, machine) for machine in (N1, N2, N3)])
    assert states[0] == "Failed", states
    assert states[-1] == "Succeeded", states


async def test_sync_does_not_restore_what_it_was_told_not_to(cloud: Cloud) -> None:
    await cloud.control("PUT", "nodes/hci-01-n2", {"syncRestores": False})
    await remove(cloud)
    await cloud.run_script("sync-cluster")
    cloud.pass_time(hours=1)
    assert await cloud.extension() is None
    assert await install(cloud) == "Succeeded"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hyperV": False}, "Hyper-V is not installed."),
        ({"applicationControl": "Enforced"}, "installation has failed with exit code - 1"),
        ({"boundSite": "another-site"}, "exit code for Enable: 1."),
    ],
)
async def test_what_no_retry_cures_fails_with_the_documented_message(
    cloud: Cloud, wrong: dict[str, object], message: str
) -> None:
    await cloud.control("PUT", "nodes/hci-01-n2", wrong)
    await remove(cloud)
    assert await install(cloud) == "Failed"
    extension = await cloud.extension()
    assert extension is not None
    assert message in extension["instanceView"]["status"]["message"]
    assert extension["instanceView"]["status"]["code"] == "1"


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ({"unreachable": ["backup"]}, {"unreachable": []}, "Unable to connect to Azure Site Recovery Services"),
        ({"clockOffset": -301}, {"clockOffset": -300}, "AADSTS700024"),
        ({"newIdentity": True}, {"newIdentity": False}, "already registered with the following identity: hci-01-n2"),
    ],
)
async def test_a_node_registers_once_what_kept_it_from_that_is_gone(
    cloud: Cloud, wrong: dict[str, object], right: dict[str, object], message: str
) -> None:
    await remove(cloud)
    assert await install(cloud) == "Succeeded"
    await remove(cloud)
    await cloud.control("PUT", "world", {"nodes": {"hci-01-n2": wrong}})
    assert await install(cloud) == "Failed"
    extension = await cloud.extension()
    assert extension is not None
    assert message in extension["instanceView"]["status"]["message"]
    await remove(cloud)
    await cloud.control("PUT", "world", {"nodes": {"hci-01-n2": right}})
    assert await install(cloud) == "Succeeded"


async def test_removing_the_extension_takes_the_node_out_of_the_vault(cloud: Cloud) -> None:
    await remove(cloud, N3)
    assert await connected(cloud) == {"hci-01-n1"}


async def test_the_registry_is_read_as_json_on_the_last_line(cloud: Cloud) -> None:
    healthy = json.loads((await cloud.run_script("read-registration", N1))["output"].splitlines()[-1])
    failed = json.loads((await cloud.run_script("read-registration", N2))["output"].splitlines()[-1])
    assert healthy["registration"]["ResourceName"] == "vault-dr"
    assert healthy["registration"]["SiteName"] == "hci-01-site"
    assert healthy["dra"] == "Running"
    assert failed["registration"] is None


async def test_a_busy_extension_is_left_alone(cloud: Cloud) -> None:
    await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}")
    status, body, _ = await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}")
    assert (status, body["error"]["code"]) == (409, "HCRP409")


async def test_a_disconnected_node_ends_its_installation_when_it_is_back(cloud: Cloud) -> None:
    await remove(cloud)
    rule = {"match": {"verb": "extensions/write"}, "effect": {"disconnect": {"node": "hci-01-n2", "minutes": 30}}}
    await cloud.control("PUT", "faults", [rule])
    assert await install(cloud) == "Creating"
    assert await shown_status(cloud) == "Connected"
    cloud.pass_time(minutes=16)
    assert (await shown_status(cloud), await state(cloud)) == ("Disconnected", "Creating")
    cloud.pass_time(minutes=15)
    assert (await shown_status(cloud), await state(cloud)) == ("Connected", "Succeeded")


async def test_an_agent_that_is_away_for_some_minutes_is_never_shown_as_disconnected(cloud: Cloud) -> None:
    for _ in range(3):
        await cloud.control("PUT", "world", {"nodes": {"hci-01-n2": {"connected": False}}})
        cloud.pass_time(minutes=10)
        assert await shown_status(cloud) == "Connected"
        await cloud.control("PUT", "world", {"nodes": {"hci-01-n2": {"connected": True}}})
        cloud.pass_time(minutes=2)
    cloud.pass_time(minutes=30)
    assert await shown_status(cloud) == "Connected"


async def shown_status(cloud: Cloud) -> str:
    """What Azure shows of the node's agent."""
    _, machine, _ = await cloud.call("GET", N2)
    return str(machine["properties"]["status"])


async def test_a_locked_node_keeps_its_extension(cloud: Cloud) -> None:
    lock = f"{N2}/providers/Microsoft.Authorization/locks/keep"
    properties = {"level": "CanNotDelete", "notes": "ask first", "owners": [{"applicationId": "ops"}]}
    made, kept, _ = await cloud.call("PUT", lock, {"properties": properties}, version="2020-05-01")
    assert kept["properties"] == properties
    status, body, _ = await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}")
    assert (made, status, body["error"]["code"]) == (201, 409, "ScopeLocked")
    await cloud.call("DELETE", lock, version="2020-05-01")
    status, _, _ = await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}")
    assert status == 202


async def test_the_cluster_tells_the_state_of_each_node(cloud: Cloud) -> None:
    cluster = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-hci/providers"
    path = f"{cluster}/Microsoft.AzureStackHCI/clusters/hci-01/arcSettings/default/extensions/{EXTENSION}"
    _, body, _ = await cloud.call("GET", path, version="2026-10-01")
    assert body["properties"]["aggregateState"] == "PartiallySucceeded"
    states = {each["name"]: each["state"] for each in body["properties"]["perNodeExtensionDetails"]}
    assert states == {"hci-01-n1": "Succeeded", "hci-01-n2": "Failed", "hci-01-n3": "Succeeded"}


def test_the_exit_code_follows_the_message() -> None:
    assert [extensions.exit_code(text) for text in (nodes.RACE, nodes.BLOCKED, None)] == ["13", "1", "0"]
