"""Locks, and what the Activity Log tells, against the simulated Azure."""

from datetime import timedelta

import pytest

from activities.locks import read_locks, remove_locks, restore_locks
from activities.node_diagnosis import read_cause
from activities.nodes import remove_extension
from shared.azure import arm
from shared.azure.api_versions import LOCKS_API
from shared.errors import Refused
from shared.healing.contract import ReadCause, ReadLocks, RemoveExtension, RemoveLocks, RestoreLocks
from shared.operations.obligations import Lock
from tests.activities.lab import Lab

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-hci-arc"
MACHINE = f"{GROUP}/providers/Microsoft.HybridCompute/machines/hci-01-n2"
OWN = Lock(id=f"{MACHINE}/providers/Microsoft.Authorization/locks/keep", level="CanNotDelete", notes="by audit")
ABOVE = Lock(id=f"{GROUP}/providers/Microsoft.Authorization/locks/frozen", level="ReadOnly")


@pytest.fixture
async def lab(lab: Lab) -> Lab:
    """With both locks on."""
    for lock in (OWN, ABOVE):
        await arm.put_resource(
            lock.id, LOCKS_API, {"properties": {"level": lock.level, "notes": lock.notes}}, "by-hand"
        )
    return lab


async def locks() -> set[Lock]:
    return set((await read_locks(ReadLocks(machine_id=MACHINE))).locks)


async def test_a_machines_own_locks_and_those_above_it_are_found(lab: Lab) -> None:
    assert await locks() == {OWN, ABOVE}


async def test_a_locked_extension_cannot_be_removed_until_the_locks_are_off(lab: Lab) -> None:
    ask = RemoveExtension(extension_id=f"{MACHINE}/extensions/AzureSiteRecovery", operation="op-1")
    with pytest.raises(Refused, match="ScopeLocked"):
        await remove_extension(ask)
    await remove_locks(RemoveLocks(locks=(OWN, ABOVE), operation="op-1"))
    await remove_extension(ask)
    assert lab.ledger("extensions/delete") == ["AzureSiteRecovery"]


async def test_locks_come_back_exactly_and_only_once(lab: Lab) -> None:
    for _ in range(2):
        await remove_locks(RemoveLocks(locks=(OWN, ABOVE), operation="op-1"))
    assert await locks() == set()
    for _ in range(2):
        await restore_locks(RestoreLocks(locks=(OWN, ABOVE), operation="op-1"))
    assert await locks() == {OWN, ABOVE}


async def test_a_lock_that_somebody_changed_meanwhile_is_theirs_to_judge(lab: Lab) -> None:
    await arm.put_resource(OWN.id, LOCKS_API, {"properties": {"level": "ReadOnly"}}, "by-hand")
    with pytest.raises(Refused, match="lock-changed"):
        await restore_locks(RestoreLocks(locks=(OWN,), operation="op-1"))


async def test_the_activity_log_tells_why_by_the_events_correlation_id(lab: Lab) -> None:
    told = lab.emit("extension-failure", "hci-01-n2")
    since = lab.now() - timedelta(hours=1)
    seen = await read_cause(ReadCause(resource_id=MACHINE, correlation_id=told, since=since))
    assert seen.code == "VMExtensionProvisioningError"
    assert "DRConfigurator.exe" in seen.message
    nothing = ReadCause(resource_id=MACHINE, correlation_id="00000000-0000", since=since)
    assert (await read_cause(nothing)).message == ""


async def test_what_is_no_correlation_id_never_becomes_part_of_a_filter(lab: Lab) -> None:
    with pytest.raises(Refused, match="not-a-correlation"):
        await read_cause(ReadCause(resource_id=MACHINE, correlation_id="x' or 'a' eq 'a", since=lab.now()))
