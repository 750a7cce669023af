"""Each story runs with its own roles, and no other; a right that is missing is told by its name."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from activities.locks import remove_locks, restore_locks
from activities.nodes import create_extension, remove_extension
from activities.preflight import read_site
from activities.prepare import ensure_in_vault, ensure_resource, ensure_role
from shared.errors import Refused, SiteRecoveryError
from shared.healing.contract import CreateExtension, RemoveExtension, RemoveLocks, RestoreLocks
from shared.messages import VaultRef
from shared.onboarding.contract import EnsureInVault, EnsureResource, EnsureRole, ReadSite
from shared.onboarding.preflight.azure_rights import CONTRIBUTOR
from shared.operations.obligations import Lock
from shared.sites.nodes import NodeView
from tests.activities.lab import Lab
from tests.activities.test_in_the_lab import CLUSTER, SUBSCRIPTION, VAULT, begin, ends, items, node
from tests.shared.samples import ISOLATED, site

ITEMS = "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers/replicationProtectedItems"
CACHE = f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.Storage/storageAccounts/stdrcache"
NEW_VAULT = f"{SUBSCRIPTION}/resourceGroups/rg-dr/providers/Microsoft.RecoveryServices/vaults/vault-new"

type Story = Callable[[Lab], Awaitable[None]]


async def read(lab: Lab) -> None:
    facts = await read_site(ReadSite(site=site(cacheStorage=CACHE, drillNetwork={"network": ISOLATED})))
    if facts.unread:
        raise Refused("unread", str(facts.unread))


async def drill(lab: Lab) -> None:
    for verb in ("TestFailover", "TestFailoverCleanup"):
        made = await begin(lab, verb, await items("sql-01"))
        _require_started(made.answers[0].outcome, made.answers[0].detail)
        assert [end.outcome for end in await ends(lab, made)] == ["succeeded"]


async def fail_over(lab: Lab) -> None:
    """Away, and home again."""
    for number, verb in enumerate(("PlannedFailover", "Commit", "Failback", "Commit", "ReverseReplicate")):
        made = await begin(lab, verb, await items("sql-01"), f"op-{number}")  # type: ignore[arg-type]
        _require_started(made.answers[0].outcome, made.answers[0].detail)
        assert [end.outcome for end in await ends(lab, made)] == ["succeeded"]
        lab.advance(timedelta(minutes=5))


async def prepare(lab: Lab) -> None:
    body = {"location": "westeurope", "sku": {"name": "RS0", "tier": "Standard"}, "properties": {}}
    await ensure_resource(EnsureResource(operation="op-1", resource_id=NEW_VAULT, kind="vault", body=body))
    principal = (await ensure_resource(_look_at_cluster())).facts["identity.principalId"]
    await ensure_role(EnsureRole(operation="op-1", scope=NEW_VAULT, role=CONTRIBUTOR, principal=principal))
    request = EnsureInVault(
        vault=VaultRef.from_id(NEW_VAULT), operation="op-1", kind="site", name="site-new", since=lab.now()
    )
    assert (await ensure_in_vault(request)).outcome == "started"


def _look_at_cluster() -> EnsureResource:
    return EnsureResource(operation="op-1", resource_id=CLUSTER, kind="cluster", show=("identity.principalId",))


async def heal(lab: Lab) -> None:
    broken = await node("hci-01-n2")
    assert broken.extension is not None
    await remove_extension(RemoveExtension(extension_id=broken.extension.id, operation="op-1"))

    async def look() -> bool | None:
        return (await node("hci-01-n2")).extension is None or None

    await lab.until(look)
    await create_extension(CreateExtension(machine_id=broken.id, operation="op-1", saved=broken.extension))
    await _lock_and_unlock(broken)


async def _lock_and_unlock(machine: NodeView) -> None:
    locks = (Lock(id=f"{machine.id}/providers/Microsoft.Authorization/locks/keep", level="CanNotDelete"),)
    await restore_locks(RestoreLocks(locks=locks, operation="op-1"))
    await remove_locks(RemoveLocks(locks=locks, operation="op-1"))


def _require_started(outcome: str, detail: str) -> None:
    if outcome != "started":
        raise Refused(outcome, detail)


STORIES: dict[str, Story] = {"reader": read, "drill": drill, "failover": fail_over, "prepare": prepare, "heal": heal}
NEEDED = [
    ("reader", "Microsoft.Network/virtualNetworks/read"),
    ("drill", f"{ITEMS}/testFailover/action"),
    ("failover", f"{ITEMS}/reProtect/action"),
    ("prepare", "Microsoft.Authorization/roleAssignments/write"),
    ("heal", "Microsoft.HybridCompute/machines/extensions/delete"),
    ("heal", "Microsoft.Authorization/locks/write"),
]


@pytest.mark.parametrize("role", STORIES)
async def test_a_story_runs_with_the_reader_and_its_own_role(lab: Lab, role: str) -> None:
    lab.identity(roles=["reader", role])
    await STORIES[role](lab)


@pytest.mark.parametrize("role", [role for role in STORIES if role != "reader"])
async def test_without_its_role_a_story_changes_nothing(lab: Lab, role: str) -> None:
    lab.identity(roles=["reader"])
    with pytest.raises(SiteRecoveryError, match="does not have authorization to perform action"):
        await STORIES[role](lab)
    assert lab.mutations() == []


@pytest.mark.parametrize(("role", "action"), NEEDED)
async def test_one_action_that_is_missing_ends_a_story_with_its_name(lab: Lab, role: str, action: str) -> None:
    lab.identity(roles=["reader", role], without=[action])
    with pytest.raises(SiteRecoveryError, match=f"does not have authorization to perform action '{action}'"):
        await STORIES[role](lab)


async def test_a_failover_is_refused_to_who_may_only_drill(lab: Lab) -> None:
    lab.identity(roles=["reader", "drill"])
    (answer,) = (await begin(lab, "UnplannedFailover", await items("sql-01"))).answers
    assert answer.outcome != "started"
    assert f"{ITEMS}/unplannedFailover/action" in answer.detail
    assert VAULT.vault in answer.detail
    assert lab.ledger("unplannedFailover") == []
