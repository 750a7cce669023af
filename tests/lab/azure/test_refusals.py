"""What ARM and its providers refuse, delay and only half do; a world that did not would prove nothing."""

import random
import socket
from typing import Any

import pytest

from lab.azure.compute import virtual_machines
from lab.azure.providers import PROVIDERS
from lab.azure.simulator.guest_ports import Guests
from tests.lab.azure.cloud import EXTENSION, N1, N2, SUB, Cloud, script
from tests.lab.azure.site_recovery.test_inputs import spoil

VAULTS = f"{SUB}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults"
VAULT, VAULT_API = f"{VAULTS}/vault-dr", "2025-08-01"
WIDE = f"{SUB}/resourceGroups/rg-hci/providers/Microsoft.AzureStackHCI/clusters/hci-01/arcSettings/default/extensions"
BODY = {"location": "westeurope", "sku": {"name": "RS0"}, "properties": {}}


async def test_a_vault_takes_up_to_a_minute_to_be_made(cloud: Cloud) -> None:
    """As recorded: 201 Provisioning, its operation InProgress, then Succeeded."""
    status, body, headers = await cloud.call("PUT", f"{VAULTS}/new", BODY, version=VAULT_API)
    assert (status, body["properties"]["provisioningState"]) == (201, "Provisioning")
    operation = headers["Azure-AsyncOperation"]
    assert (await cloud.call("GET", operation, version=None))[1]["status"] == "InProgress"
    cloud.pass_time(seconds=61)
    assert (await cloud.call("GET", operation, version=None))[1]["status"] == "Succeeded"
    _, body, _ = await cloud.call("GET", f"{VAULTS}/new", version=VAULT_API)
    assert body["properties"]["provisioningState"] == "Succeeded"
    assert (await cloud.call("PUT", f"{VAULTS}/new", BODY, version=VAULT_API))[0] == 200
    moved = {**BODY, "location": "northeurope"}
    status, body, _ = await cloud.call("PUT", f"{VAULTS}/new", moved, version=VAULT_API)
    assert (status, body["error"]["code"]) == (409, "InvalidResourceLocation")


async def test_a_vault_with_content_is_not_deleted(cloud: Cloud) -> None:
    status, body, _ = await cloud.call("DELETE", VAULT, version=VAULT_API)
    assert (status, body["error"]["code"]) == (400, "ServiceResourceNotEmptyWithContainerDetails")
    cloud.pass_time(minutes=5)
    assert (await cloud.call("GET", VAULT, version=VAULT_API))[0] == 200


async def test_a_disk_that_a_vm_has_is_not_deleted(cloud: Cloud) -> None:
    vm = virtual_machines.create_vm(cloud.lab, "rg-dr-vms", "vm-1", virtual_machines.VmSettings())
    disk = f"{SUB}/resourceGroups/rg-dr-vms/providers/Microsoft.Compute/disks/vm-1-osdisk"
    status, body, _ = await cloud.call("DELETE", disk, version="2025-01-02")
    assert (status, body["error"]["code"]) == (409, "OperationNotAllowed")
    assert (await cloud.call("DELETE", vm, version="2025-04-01"))[0] == 202
    assert (await cloud.call("DELETE", disk, version="2025-01-02"))[0] == 200


async def test_a_machine_has_25_run_commands_at_the_most(cloud: Cloud) -> None:
    body = script("read-node")
    for number in range(25):
        assert (await cloud.call("PUT", f"{N1}/runCommands/c{number}", body))[0] == 201
    status, answer, _ = await cloud.call("PUT", f"{N1}/runCommands/c25", body)
    assert (status, answer["error"]["code"]) == (409, "OperationNotAllowed")
    assert (await cloud.call("PUT", f"{N1}/runCommands/c3", body))[0] == 201
    assert (await cloud.call("PUT", f"{N2}/runCommands/c25", body))[0] == 201


async def test_the_extension_of_a_cluster_is_being_removed_until_it_is_from_each_node(cloud: Cloud) -> None:
    status, _, headers = await cloud.call("DELETE", f"{WIDE}/{EXTENSION}", version="2026-10-01")
    assert status == 202
    _, body, _ = await cloud.call("GET", f"{WIDE}/{EXTENSION}", version="2026-10-01")
    assert body["properties"]["provisioningState"] == "Deleting"
    again = {"properties": {"extensionParameters": {"publisher": "Microsoft.SiteRecovery.Dra", "type": "Windows"}}}
    assert (await cloud.call("PUT", f"{WIDE}/{EXTENSION}", again, version="2026-10-01"))[0] == 409
    assert (await cloud.call("GET", headers["Azure-AsyncOperation"], version=None))[0] == 202
    cloud.pass_time(minutes=10)
    assert (await cloud.call("GET", f"{WIDE}/{EXTENSION}", version="2026-10-01"))[0] == 404
    assert (await cloud.call("GET", headers["Azure-AsyncOperation"], version=None))[1]["status"] == "Succeeded"


async def test_the_extension_of_a_cluster_is_as_its_nodes_are() -> None:
    """Creating while one of them installs it, Failed when it has failed on all; and so ends its operation."""
    async with Cloud(scenario="bare") as cloud:
        parameters = {
            "publisher": "Microsoft.SiteRecovery.Dra",
            "type": "Windows",
            "settings": {"SubscriptionId": SUB.rpartition("/")[2], "ResourceGroup": "rg-dr", "ResourceName": "none"},
        }
        body = {"properties": {"extensionParameters": parameters}}
        status, _, headers = await cloud.call("PUT", f"{WIDE}/{EXTENSION}", body, version="2026-10-01")
        assert status == 201
        _, shown, _ = await cloud.call("GET", f"{WIDE}/{EXTENSION}", version="2026-10-01")
        assert shown["properties"]["provisioningState"] == "Creating"
        cloud.pass_time(minutes=30)
        _, shown, _ = await cloud.call("GET", f"{WIDE}/{EXTENSION}", version="2026-10-01")
        assert (shown["properties"]["provisioningState"], shown["properties"]["aggregateState"]) == ("Failed", "Failed")
        _, ended, _ = await cloud.call("GET", headers["Azure-AsyncOperation"], version=None)
        assert ended["status"] == "Failed"


async def test_a_machine_has_one_extension_of_a_type(cloud: Cloud) -> None:
    body = {"location": "westeurope", "properties": {"publisher": "microsoft.siterecovery.dra", "type": "windows"}}
    status, answer, _ = await cloud.call("PUT", f"{N1}/extensions/Other", body)
    assert (status, answer["error"]["code"]) == (409, "HCRP409")
    body["properties"] = {"publisher": "Microsoft.Azure.Monitor", "type": "AzureMonitorWindowsAgent"}
    assert (await cloud.call("PUT", f"{N1}/extensions/Other", body))[0] < 300


async def test_a_change_keeps_what_it_does_not_name(cloud: Cloud) -> None:
    """Tags of an extension, of a network; the flags of a peering; the identity and the connectivity of a cluster."""
    path = f"{N1}/extensions/{EXTENSION}"
    before = (await cloud.call("GET", path))[1]["properties"]["provisioningState"]
    assert (await cloud.call("PATCH", path, {"tags": {"owner": "me"}}))[0] == 202
    _, shown, _ = await cloud.call("GET", path)
    assert (shown["tags"], shown["properties"]["provisioningState"]) == ({"owner": "me"}, before)
    assert (await cloud.call("PATCH", path, {"properties": {"enableAutomaticUpgrade": False}}))[0] == 202
    assert (await cloud.call("GET", path))[1]["tags"] == {"owner": "me"}
    network = f"{SUB}/resourceGroups/rg-dr-net/providers/Microsoft.Network/virtualNetworks/new"
    body = {
        "location": "westeurope",
        "tags": {"a": "b"},
        "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}},
    }
    assert (await cloud.call("PUT", network, body, version="2025-05-01"))[1]["tags"] == {"a": "b"}
    peering = {"properties": {"remoteVirtualNetwork": {"id": network}, "allowForwardedTraffic": True}}
    made = (await cloud.call("PUT", f"{network}/virtualNetworkPeerings/p", peering, version="2025-05-01"))[1]
    assert (made["properties"]["allowForwardedTraffic"], made["properties"]["allowVirtualNetworkAccess"]) == (
        True,
        True,
    )


async def test_a_vm_runs_although_somebody_else_has_its_port(cloud: Cloud) -> None:
    """The lab starts again, and a VM starts, whatever else uses a loopback address."""
    del cloud
    guests = Guests()
    with socket.create_server(("127.10.77.7", 0)) as other:
        guests.open_ports("127.10.77.7", [other.getsockname()[1]])
    guests.close_all()


@pytest.mark.parametrize("number", range(4))
async def test_whatever_is_sent_to_any_route_there_is_no_500(number: int, cloud: Cloud) -> None:
    """Every route outside Site Recovery, with bodies of wrong types; then every list can be read."""
    junk: list[Any] = [None, 7, -1, True, "", "x" * 3000, [], [None], [7], {}, {"a": None}, {"type": 7}, [{}], 1e308]
    chance = random.Random(number)
    routes = [route for provider in PROVIDERS for route in provider.routes if "replication" not in route.template]
    body = {
        "location": "westeurope",
        "sku": {"name": "RS0"},
        "identity": {"type": "SystemAssigned"},
        "tags": {"a": "b"},
        "properties": {
            "source": {"script": "x"},
            "level": "ReadOnly",
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        },
    }
    names = {"subscription": SUB.rpartition("/")[2], "group": "rg-dr", "machine": "hci-01-n1", "cluster": "hci-01"}
    names |= {"vault": "vault-dr", "namespace": "Microsoft.RecoveryServices", "kind": "vaults", "name": "vault-dr"}
    for route in routes:
        if route.method in {"GET", "HEAD"}:
            continue
        path = "/".join(
            names.get(part[1:-1], "thing") if part.startswith("{") else part for part in route.template.split("/")
        )
        for _ in range(4):
            url = f"{cloud.base}{path}?api-version={max(route.provider.versions)}"
            sent = {"Authorization": f"Bearer {cloud.token}"}
            async with cloud.http.request(route.method, url, json=spoil(body, junk, chance), headers=sent) as answer:
                assert answer.status != 500, (route.method, path, await answer.text())
    cloud.pass_time(hours=1)
    for path, version in ((f"{SUB}/resourcegroups", "2025-04-01"), (f"{SUB}/resources", "2025-04-01")):
        assert (await cloud.call("GET", path, version=version))[0] == 200
