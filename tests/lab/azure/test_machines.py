"""Azure VMs with what answers in them, run commands, and the other providers: through the real SDK clients."""

import asyncio
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.azurestackhci import AzureStackHCIClient as SyncHci
from azure.mgmt.azurestackhci.aio import AzureStackHCIClient
from azure.mgmt.hybridcompute import HybridComputeManagementClient as SyncHybrid
from azure.mgmt.hybridcompute.aio import HybridComputeManagementClient
from azure.mgmt.recoveryservices import RecoveryServicesClient as SyncVaults
from azure.mgmt.recoveryservices.aio import RecoveryServicesClient
from azure.mgmt.resource.resources import ResourceManagementClient as SyncResources
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from lab.azure.arm import lro, resources
from lab.azure.compute import virtual_machines
from lab.azure.network import virtual_networks
from lab.azure.simulator.requests import ArmRequest
from tests.lab.azure.cloud import EXTENSION, MACHINES, N1, N2, SUB, Cloud, script

COMPUTE = "2025-04-01"
NETWORK = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/vnet-drill"
GROUP = f"{SUB}/resourceGroups/rg-dr-vms"
CLUSTER_PATH = f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"


def free_port() -> int:
    """A port that nothing listens on, on any loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(address: str, port: int, payload: bytes = b"") -> bytes | None:
    """What a port answers, None when it refuses."""
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return None
    writer.write(payload)
    received = await reader.read() if payload else b""
    writer.close()
    await writer.wait_closed()
    return received


async def test_a_vm_answers_on_its_ports_while_it_runs(cloud: Cloud) -> None:
    sdk, port = cloud.client(ResourceManagementClient), free_port()
    make = virtual_machines.VmSettings(network_id=NETWORK, address="127.20.0.4", ports=(port,))
    vm_id = virtual_machines.create_vm(cloud.lab, GROUP, "sql-01-test", make)
    vm = await sdk.resources.get_by_id(vm_id, api_version=COMPUTE)
    assert "/resourceGroups/RG-DR-VMS/" in vm.id, "Compute spells the group in capitals"
    nic = await sdk.resources.get_by_id(
        vm.properties["networkProfile"]["networkInterfaces"][0]["id"], api_version="2025-05-01"
    )
    ip = nic.properties["ipConfigurations"][0]["properties"]
    assert ip["subnet"]["id"] == f"{NETWORK}/subnets/apps"
    address = ip["privateIPAddress"]
    assert address.startswith("127.20.")
    assert await answers(address, port) == b""
    assert (await answers(address, port, b"GET / HTTP/1.1\r\n\r\n") or b"").startswith(b"HTTP/1.1 200 OK")
    await cloud.call("POST", f"{vm_id}/deallocate", version=COMPUTE)
    cloud.pass_time(minutes=1)
    _, view, _ = await cloud.call("GET", f"{vm_id}/instanceView", version=COMPUTE)
    assert view["statuses"][1]["code"] == "PowerState/deallocated"
    assert await answers(address, port) is None


async def test_two_vms_never_share_an_address(cloud: Cloud) -> None:
    port = free_port()
    make = virtual_machines.VmSettings(address="127.20.9.4", ports=(port,))
    for name in ("one", "two"):
        virtual_machines.create_vm(cloud.lab, GROUP, name, make)
    nics = cloud.lab.store.all(virtual_networks.NIC.lower())
    addresses = {nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] for nic in nics}
    assert len(addresses) == 2


async def test_cleanup_removes_all_that_belongs_to_a_vm_or_leaves_what_it_is_told_to(cloud: Cloud) -> None:
    sdk = cloud.client(ResourceManagementClient)
    for name, leave in (("gone", ""), ("left", "nic"), ("held", "disks")):
        vm_id = virtual_machines.create_vm(
            cloud.lab, GROUP, name, virtual_machines.VmSettings(disks=("osdisk", "data"))
        )
        here = [each.name async for each in sdk.resources.list_by_resource_group("rg-dr-vms")]
        assert len([one for one in here if one.startswith(name)]) == 4
        virtual_machines.remove_vm(cloud.lab, vm_id, leave=leave)
    left = {each.name: each async for each in sdk.resources.list_by_resource_group("rg-dr-vms")}
    assert set(left) == {"left-nic", "held-osdisk", "held-data"}
    assert left["held-data"].managed_by is None
    status, _, _ = await cloud.call("DELETE", left["left-nic"].id, version="2025-05-01")
    assert status == 200


async def test_a_guest_answers_again_after_a_restart_of_the_simulator(tmp_path: Any) -> None:
    port = free_port()
    async with Cloud(tmp_path) as cloud:
        virtual_machines.create_vm(
            cloud.lab, GROUP, "vm", virtual_machines.VmSettings(address="127.20.1.4", ports=(port,))
        )
        nic = resources.require_resource(cloud.lab, f"{GROUP}/providers/{virtual_networks.NIC}/vm-nic")
        address = nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
    assert await answers(address, port) is None
    async with Cloud(tmp_path, scenario=None):
        assert await answers(address, port) == b""


async def test_a_run_command_is_created_runs_and_is_told_late(cloud: Cloud) -> None:
    sdk = cloud.client(HybridComputeManagementClient)
    status, body, headers = await cloud.call("PUT", f"{N1}/runCommands/look", script("read-registration"))
    assert (status, body["properties"]["provisioningState"]) == (201, "Creating")
    cloud.pass_time(seconds=20)
    command = await sdk.machine_run_commands.get("rg-hci-arc", "hci-01-n1", "look")
    assert command.properties.instance_view.execution_state == "Succeeded"
    assert command.properties.provisioning_state == "Creating"
    link = headers["Azure-AsyncOperation"]
    assert (await cloud.call("GET", link))[1]["status"] == "InProgress"
    cloud.pass_time(minutes=3)
    done = (await cloud.call("GET", link))[1]
    assert (done["status"], done["properties"]["properties"]["provisioningState"]) == ("Succeeded", "Succeeded")
    assert (await cloud.call("GET", link.replace("&s=", "&s=x")))[0] == 400


async def test_every_put_runs_the_script_again_and_stops_the_run_before(cloud: Cloud) -> None:
    path = f"{N1}/runCommands/sync"
    await cloud.call("PUT", path, script("sync-cluster"))
    cloud.pass_time(seconds=10)
    first = (await cloud.call("GET", path))[1]["properties"]["instanceView"]
    assert first["executionState"] == "Running"
    await cloud.call("PUT", path, script("sync-cluster"))
    assert "instanceView" not in (await cloud.call("GET", path))[1]["properties"]
    cloud.pass_time(minutes=2)
    second = (await cloud.call("GET", path))[1]["properties"]["instanceView"]
    assert second["executionState"] == "Succeeded"
    assert second["startTime"] > first["startTime"]


async def test_a_machine_runs_one_script_at_a_time(cloud: Cloud) -> None:
    for name in ("one", "two"):
        await cloud.call("PUT", f"{N1}/runCommands/{name}", script("sync-cluster"))
    cloud.pass_time(minutes=2)
    one, two = [
        (await cloud.call("GET", f"{N1}/runCommands/{name}"))[1]["properties"]["instanceView"]
        for name in ("one", "two")
    ]
    assert two["startTime"] >= one["endTime"]


async def test_a_script_that_takes_too_long_is_timed_out(cloud: Cloud) -> None:
    body = script("sync-cluster")
    body["properties"]["timeoutInSeconds"] = 5
    await cloud.call("PUT", f"{N1}/runCommands/look", body)
    cloud.pass_time(minutes=1)
    view = (await cloud.call("GET", f"{N1}/runCommands/look"))[1]["properties"]["instanceView"]
    assert view["executionState"] == "TimedOut"


async def test_a_script_that_the_lab_does_not_know_is_a_loud_501(cloud: Cloud) -> None:
    body = script("format-disks")
    assert (await cloud.call("PUT", f"{N1}/runCommands/look", body))[0] == 501
    assert (await cloud.call("PUT", f"{N1}/runCommands/look", {"location": "x", "properties": {}}))[0] == 400


async def test_a_run_command_is_removed(cloud: Cloud) -> None:
    sdk = cloud.client(HybridComputeManagementClient)
    await cloud.run_script("read-registration")
    poller = await sdk.machine_run_commands.begin_delete("rg-hci-arc", "hci-01-n1", "look")
    await poller.result()
    with pytest.raises(ResourceNotFoundError):
        await sdk.machine_run_commands.get("rg-hci-arc", "hci-01-n1", "look")


async def test_the_hybrid_client_installs_and_removes_an_extension(cloud: Cloud) -> None:
    sdk = cloud.client(HybridComputeManagementClient)
    given = {"location": "westeurope", "properties": {"publisher": "Contoso", "type": "Agent", "settings": {"a": "b"}}}
    poller = await sdk.machine_extensions.begin_create_or_update("rg-hci-arc", "hci-01-n1", "agent", given)
    made = await poller.result()
    assert (made.properties.provisioning_state, made.properties.settings) == ("Succeeded", {"a": "b"})
    names = {each.name async for each in sdk.machine_extensions.list("rg-hci-arc", "hci-01-n1")}
    assert names == {"agent", EXTENSION}
    await (await sdk.machine_extensions.begin_delete("rg-hci-arc", "hci-01-n1", "agent")).result()
    assert [each.name async for each in sdk.machine_extensions.list("rg-hci-arc", "hci-01-n1")] == [EXTENSION]


async def test_a_failed_installation_fails_its_operation_with_the_message(cloud: Cloud) -> None:
    sdk = cloud.client(HybridComputeManagementClient)
    before = await sdk.machine_extensions.get("rg-hci-arc", "hci-01-n2", EXTENSION)
    given = {"location": "westeurope", "properties": {"settings": before.properties.settings}}
    poller = await sdk.machine_extensions.begin_update("rg-hci-arc", "hci-01-n2", EXTENSION, given)
    with pytest.raises(HttpResponseError, match="Failed to register for ASR"):
        await poller.result()


async def test_the_clients_without_asyncio_read_the_same(cloud: Cloud) -> None:
    def read() -> tuple[list[str], str, str, list[str]]:
        hybrid, hci = cloud.sync_client(SyncHybrid), cloud.sync_client(SyncHci)
        vaults, resources = cloud.sync_client(SyncVaults), cloud.sync_client(SyncResources)
        with hybrid, hci, vaults, resources:
            return (
                [machine.name for machine in hybrid.machines.list_by_resource_group("rg-hci-arc")],
                hci.clusters.get("rg-hci", "hci-01").properties.connectivity_status,
                vaults.vaults.get("rg-dr", "vault-dr").identity.type,
                [group.name for group in resources.resource_groups.list()],
            )

    machines, connectivity, identity, groups = await asyncio.to_thread(read)
    assert machines == ["jump-01", "hci-01-n1", "hci-01-n2", "hci-01-n3"]
    assert (connectivity, identity) == ("Connected", "SystemAssigned")
    assert "rg-dr" in groups


async def test_the_cluster_client_sees_arc_settings_and_installs_on_every_node(cloud: Cloud) -> None:
    sdk = cloud.client(AzureStackHCIClient)
    settings = await sdk.arc_settings.get("rg-hci", "hci-01", "default")
    assert [node.name for node in settings.properties.per_node_details] == ["hci-01-n1", "hci-01-n2", "hci-01-n3"]
    given = {"properties": {"extensionParameters": {"publisher": "Contoso", "type": "Agent"}}}
    poller = await sdk.extensions.begin_create("rg-hci", "hci-01", "default", "agent", given)
    made = await poller.result()
    assert made.properties.aggregate_state == "Succeeded"
    assert len(made.properties.per_node_extension_details) == 3
    await (await sdk.extensions.begin_delete("rg-hci", "hci-01", "default", "agent")).result()
    with pytest.raises(ResourceNotFoundError):
        await sdk.extensions.get("rg-hci", "hci-01", "default", "agent")


async def test_the_vault_client_makes_changes_and_removes_a_vault(cloud: Cloud) -> None:
    sdk = cloud.client(RecoveryServicesClient)
    given = {
        "location": "westeurope",
        "sku": {"name": "RS0", "tier": "Standard"},
        "identity": {"type": "SystemAssigned"},
        "properties": {},
    }
    made = await (await sdk.vaults.begin_create_or_update("rg-dr", "vault-new", given)).result()
    assert made.identity.principal_id
    assert made.properties.private_endpoint_state_for_site_recovery == "None"
    await (await sdk.vaults.begin_delete("rg-dr", "vault-new")).result()
    with pytest.raises(ResourceNotFoundError):
        await sdk.vaults.get("rg-dr", "vault-new")


async def test_groups_networks_and_accounts_are_made_as_sent(cloud: Cloud) -> None:
    subnets = [{"name": "a", "properties": {"addressPrefix": "10.9.1.0/24"}}]
    space = {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}, "subnets": subnets}
    vnet = {"location": "westeurope", "properties": space}
    account = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    group = f"{SUB}/resourceGroups/rg-new"
    providers = f"{group}/providers"
    requests: list[tuple[str, Any, str]] = [
        (group, {"location": "westeurope"}, "2025-04-01"),
        (f"{providers}/Microsoft.Network/virtualNetworks/v", vnet, "2025-05-01"),
        (f"{providers}/Microsoft.Storage/storageAccounts/st1", account, "2025-06-01"),
    ]
    made = [(await cloud.call("PUT", path, body, version=version))[0] for path, body, version in requests]
    assert made == [201, 201, 200]
    _, listed, _ = await cloud.call("GET", f"{group}/resources", version="2025-04-01")
    assert [each["name"] for each in listed["value"]] == ["v", "st1"]
    wrong = f"{providers}/Microsoft.Storage/storageAccounts/No_Good"
    status, body, _ = await cloud.call("PUT", wrong, account, version="2025-06-01")
    assert (status, body["error"]["code"]) == (400, "AccountNameInvalid")


async def test_a_role_is_assigned_once(cloud: Cloud) -> None:
    principal = (await cloud.call("GET", CLUSTER_PATH, version="2024-04-01"))[1]["identity"]["principalId"]
    role = f"{SUB}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    body = {"properties": {"roleDefinitionId": role, "principalId": principal}}
    scope = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-dr"
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments"
    a1, a2 = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
    first, _, _ = await cloud.call("PUT", f"{path}/{a1}", body, version="2022-04-01")
    status, again, _ = await cloud.call("PUT", f"{path}/{a2}", body, version="2022-04-01")
    assert (first, status, again["error"]["code"]) == (201, 409, "RoleAssignmentExists")
    _, listed, _ = await cloud.call("GET", f"{path}?$filter=atScope()", version="2022-04-01")
    names = [each["name"] for each in listed["value"]]
    assert (a1 in names, a2 in names) == (True, False)
    wrong = {
        (a2, "roleDefinitionId"): (f"{role[:-1]}0", "RoleDefinitionDoesNotExist"),
        (a2, "principalId"): ("00000000-0000-4000-8000-000000000009", "PrincipalNotFound"),
        ("a2", "principalId"): (principal, "InvalidRoleAssignmentId"),
    }
    for (name, field), (value, code) in wrong.items():
        refused = {"properties": {**body["properties"], field: value}}
        status, answer, _ = await cloud.call("PUT", f"{path}/{name}", refused, version="2022-04-01")
        assert (status, answer["error"]["code"]) == (400, code)


def test_a_polling_link_is_long_as_azures_are() -> None:
    request = ArmRequest("GET", "/x", {"api-version": "1"}, {}, None, "http://lab", datetime(2026, 1, 1, tzinfo=UTC))
    assert 1000 < len(lro.polling_link(request, "/operations/1")) < 4096


async def test_a_machine_that_is_removed_goes_with_all_that_is_below_it(cloud: Cloud) -> None:
    """And can be removed again; a lock keeps it."""
    lock = f"{N2}/providers/Microsoft.Authorization/locks/keep"
    await cloud.call("PUT", lock, {"properties": {"level": "CanNotDelete"}}, version="2020-05-01")
    assert (await cloud.call("DELETE", N2))[0] == 409
    await cloud.call("DELETE", lock, version="2020-05-01")
    status, _, headers = await cloud.call("DELETE", N2)
    assert (status, "Azure-AsyncOperation" in headers) == (202, True)
    assert (await cloud.call("GET", N2))[0] == 200
    cloud.pass_time(minutes=2)
    assert [(await cloud.call("GET", path))[0] for path in (N2, f"{N2}/extensions", f"{N2}/runCommands")] == [404] * 3
    assert (await cloud.call("DELETE", N2))[0] == 204
    _, listed, _ = await cloud.call("GET", MACHINES)
    assert [one["name"] for one in listed["value"]] == ["jump-01", "hci-01-n1", "hci-01-n3"]


async def test_a_cluster_that_is_removed_goes_with_its_settings_and_its_nodes_stay(cloud: Cloud) -> None:
    cluster = f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01"
    status, _, headers = await cloud.call("DELETE", cluster, version="2026-10-01")
    assert (status, "Azure-AsyncOperation" in headers) == (202, True)
    cloud.pass_time(minutes=2)
    assert (await cloud.call("GET", cluster, version="2026-10-01"))[0] == 404
    assert (await cloud.call("GET", f"{cluster}/arcSettings/default", version="2026-10-01"))[0] == 404
    assert (await cloud.call("GET", N1))[0] == 200
    assert (await cloud.call("DELETE", cluster, version="2026-10-01"))[0] == 204
