"""What is in a resource group and a network, by what ARM says of each thing and of what it hangs on."""

from typing import Any

import pytest

from activities.drill_inventory import read_network, take_inventory
from shared.azure.errors import NotFound
from shared.recovery.contract import ReadNetwork, TakeInventory
from shared.recovery.drill import mark_of
from tests.shared.azure.fake import FakeArm, Reply

GROUP = "/subscriptions/s1/resourceGroups/rg-vms"
NET = "/subscriptions/s1/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/vnet-drill"
COMPUTE, NETWORK = f"{GROUP}/providers/Microsoft.Compute", f"{GROUP}/providers/Microsoft.Network"
DATE = {"Date": "Mon, 01 Mar 2027 03:00:00 GMT"}


def resource(arm_id: str, **more: Any) -> dict[str, Any]:
    provider, kind = arm_id.split("/providers/")[1].split("/")[:2]
    return {"id": arm_id, "name": arm_id.rsplit("/", 1)[-1], "type": f"{provider}/{kind}", **more}


def group(arm: FakeArm, *resources: dict[str, Any]) -> None:
    arm.says("GET", f"{GROUP}/resources", Reply(200, {"value": list(resources)}, DATE))


def detail(arm: FakeArm, arm_id: str, **properties: Any) -> None:
    arm.says("GET", arm_id, Reply(200, {"id": arm_id, "properties": properties}))


async def take(known: tuple[str, ...] | None = (), networks: tuple[str, ...] = ()) -> dict[str, str]:
    seen = await take_inventory(TakeInventory(groups=(GROUP,), networks=networks, known_marks=known))
    return {thing.id.rsplit("/", 1)[-1]: thing.machine for thing in seen.added}


async def test_each_thing_is_told_with_the_machine_that_it_hangs_on(arm: FakeArm) -> None:
    vm, card = f"{COMPUTE}/virtualMachines/sql-01-test", f"{NETWORK}/networkInterfaces/nic-1"
    group(
        arm,
        resource(vm),
        resource(f"{COMPUTE}/disks/os-1", managedBy=vm.upper()),
        resource(f"{COMPUTE}/disks/loose"),
        resource(card),
        resource(f"{NETWORK}/publicIPAddresses/ip-1"),
        resource(f"{NETWORK}/networkSecurityGroups/nsg-1"),
        resource(f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acc"),
    )
    detail(arm, card, virtualMachine={"id": vm})
    detail(arm, f"{NETWORK}/publicIPAddresses/ip-1", ipConfiguration={"id": f"{card}/ipConfigurations/one"})
    rule = f"{NETWORK}/networkSecurityGroups/nsg-1/securityRules/rdp"
    detail(
        arm, f"{NETWORK}/networkSecurityGroups/nsg-1", securityRules=[{"id": rule}], networkInterfaces=[{"id": card}]
    )
    assert await take() == {
        "sql-01-test": "sql-01-test",
        "os-1": "SQL-01-TEST",
        "loose": "",
        "nic-1": "sql-01-test",
        "ip-1": "sql-01-test",
        "nsg-1": "sql-01-test",
        "rdp": "",
    }


async def test_what_is_known_is_not_looked_at_again(arm: FakeArm) -> None:
    disk = f"{COMPUTE}/disks/erp"
    group(arm, resource(disk), resource(f"{COMPUTE}/disks/new"))
    first = await take_inventory(TakeInventory(groups=(GROUP,)))
    assert (first.added, len(first.marks)) == ((), 2)
    assert await take(known=(mark_of(disk.upper()),)) == {"new": ""}


async def test_a_card_in_the_network_counts_wherever_it_is_kept(arm: FakeArm) -> None:
    group(arm)
    card = "/subscriptions/s1/resourceGroups/rg-other/providers/Microsoft.Network/networkInterfaces/nic-9"
    detail(arm, NET, subnets=[{"properties": {"ipConfigurations": [{"id": f"{card}/ipConfigurations/one"}]}}, {}])
    detail(arm, card)
    assert await take(networks=(NET,)) == {"nic-9": ""}


async def test_a_thing_that_goes_while_it_is_looked_at_is_gone(arm: FakeArm) -> None:
    group(arm, resource(f"{NETWORK}/networkInterfaces/nic-1"))
    arm.says("GET", f"{NETWORK}/networkInterfaces/nic-1", Reply(404, {"error": {"code": "ResourceNotFound"}}))
    assert await take() == {}


async def test_a_group_that_is_not_there_is_no_empty_group(arm: FakeArm) -> None:
    arm.says("GET", f"{GROUP}/resources", Reply(404, {"error": {"code": "ResourceGroupNotFound", "message": "no"}}))
    with pytest.raises(NotFound):
        await take()


async def test_a_network_is_read_with_its_neighbours(arm: FakeArm) -> None:
    other = NET.replace("drill", "dr")
    detail(arm, NET, virtualNetworkPeerings=[{"properties": {"remoteVirtualNetwork": {"id": other}}}], subnets=[])
    seen = await read_network(ReadNetwork(network=NET))
    assert (seen.found, seen.peered, seen.cards) == (True, (other,), ())
    arm.says("GET", NET, Reply(404, {"error": {"code": "ResourceNotFound"}}))
    assert (await read_network(ReadNetwork(network=NET))).found is False
