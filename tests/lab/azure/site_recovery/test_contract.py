"""Bodies in both directions fit the OpenAPI document of the pinned SDK."""

from typing import Any

import pytest

from tests.lab.azure.site_recovery.contract import complaints, contract, exchange_complaints, operation_of
from tests.lab.azure.site_recovery.test_plans import LISTED, LISTED_BACK, LISTED_TEST, PATH, _group, _plan
from tests.lab.azure.site_recovery.test_protection import _enable
from tests.lab.azure.site_recovery.test_vault_contents import POLICY
from tests.lab.azure.site_recovery.world import SITE, TEST, TO_AZURE, UNPLANNED, Json, World, failback


class Watched(World):
    """A world that keeps what of its exchanges does not fit the contract."""

    def __init__(self, machines: list[Json] | None = None) -> None:
        super().__init__(machines)
        self.wrong: list[str] = []
        self.operations: set[str] = set()

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """As World's, with every exchange checked."""
        status, received, answered = await super().call(method, path, body, **headers)
        plain = (path if path.startswith("http") else f"{self.vault}{path}").partition("?")[0]
        plain = plain.removeprefix(self.base)
        if operation := operation_of(method, plain):
            self.operations.add(operation["operationId"])
        self.wrong += exchange_complaints(method, plain, body, status, received)
        return status, received, answered

    async def look_at_everything(self) -> None:
        """Read all that the vault lists, and each thing that is listed."""
        for kind in LISTS:
            status, page, _ = await self.call("GET", f"/{kind}")
            assert status == 200, kind
            for each in page.get("value", [])[:5]:
                assert (await self.call("GET", each["id"].partition("/vaults/vault-dr")[2]))[0] == 200
        path = self.record()["id"].partition("/vaults/vault-dr")[2]
        for kind in ("recoveryPoints", "targetComputeSizes"):
            await self.call("GET", f"{path}/{kind}")


LISTS = [
    "replicationAlertSettings",
    "replicationEvents",
    "replicationFabrics",
    "replicationJobs",
    "replicationNetworkMappings",
    "replicationNetworks",
    "replicationPolicies",
    "replicationProtectedItems",
    "replicationProtectionContainerMappings",
    "replicationProtectionContainers",
    "replicationRecoveryPlans",
    "replicationRecoveryServicesProviders",
    "replicationSupportedOperatingSystems",
    "replicationVaultHealth",
    "replicationVaultSettings",
]


async def test_everything_that_is_shown_on_the_whole_way_fits_the_contract() -> None:
    """Each state of an item, each kind of job, running and ended."""
    async with Watched() as world:
        await world.call(
            "PUT", "/replicationAlertSettings/defaultAlertSetting", {"properties": {"sendToOwners": "Send"}}
        )
        await world.call("PUT", "/replicationVaultSettings/default", {"properties": {"migrationSolutionId": "none"}})
        for verb, properties in (
            ("testFailover", TEST),
            ("testFailoverCleanup", {"comments": ""}),
            ("unplannedFailover", UNPLANNED),
            ("failoverCommit", None),
            ("plannedFailover", failback("ForDownTime")),
            ("reProtect", TO_AZURE),
        ):
            await world.start(verb, properties)
            world.pass_time(minutes=2)
            await world.look_at_everything()
            world.pass_time(minutes=40)
            await world.look_at_everything()
        assert world.wrong == []


async def test_what_a_vault_is_filled_with_fits_the_contract() -> None:
    """Enabling, policies, mappings, plans: the bodies that are sent and the things that are made."""
    async with Watched(
        [{"name": "sql-01", "node": "hci-01-n1"}, {"name": "new-01", "node": "hci-01-n3", "protected": False}]
    ) as world:
        path = world.source("new-01")["id"].partition("/vaults/vault-dr")[2]
        await world.call("PUT", path.replace("ProtectableItems", "ProtectedItems"), _enable(world))
        await world.call("PUT", "/replicationPolicies/p2", {"properties": {"providerSpecificInput": POLICY}})
        await world.call("PUT", "/replicationFabrics/hci-02-site", {"properties": {}})
        await world.call("PUT", PATH, _plan(world, _group(world, "sql-01")))
        for hours in (0.05, 2):
            world.pass_time(hours=hours)
            await world.look_at_everything()
        for verb, properties in (
            ("testFailover", LISTED_TEST),
            ("testFailoverCleanup", {"comments": ""}),
            ("plannedFailover", LISTED),
            ("failoverCommit", None),
            ("plannedFailover", LISTED_BACK),
        ):
            await world.call("POST", f"{PATH}/{verb}", {"properties": properties} if properties else None)
            world.pass_time(minutes=40)
            await world.look_at_everything()
        assert world.wrong == []


async def test_refusals_fit_the_contract() -> None:
    """Errors in ARM's envelope."""
    async with Watched() as world:
        path = world.record()["id"].partition("/vaults/vault-dr")[2]
        assert (await world.call("POST", f"{path}/plannedFailover", {"properties": failback()}))[0] == 400
        assert (await world.call("GET", f"/replicationFabrics/{SITE}-2"))[0] == 404
        assert world.wrong == []


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"properties": {"protectionState": 1}}, "is no string"),
        ({"properties": {"colour": "red"}}, "is not in the contract"),
        ({"properties": {"providerSpecificDetails": {"instanceType": "HyperVReplicaAzure", "rpo": 1}}}, "is not in"),
    ],
)
def test_the_check_itself_finds_what_is_wrong(value: Json, complaint: str) -> None:
    """Wrong types and names, also behind a discriminator."""
    schema = contract()["components"]["schemas"]["ReplicationProtectedItem"]
    assert complaint in " ".join(complaints(schema, value))
