"""The preflight asks for the roles as they stand in the repository, and names each action that is missing."""

from collections.abc import Mapping

import pytest

from activities.preflight import read_site
from shared.onboarding.contract import ReadSite
from shared.onboarding.preflight import azure_actions
from shared.onboarding.preflight.check import CheckResult
from shared.onboarding.preflight.facts import SiteFacts
from shared.onboarding.preflight.findings import run_checks
from tests.activities.lab import Lab
from tests.roles.product_calls import CALLS
from tests.roles.recorded import read_role
from tests.shared.samples import ISOLATED, site

TABLES: Mapping[str, azure_actions.Actions] = {
    name: getattr(azure_actions, name)
    for name in ("ON_VAULT", "ON_CLUSTER", "FOR_CLUSTER_EXTENSION", "ON_NODES", "FOR_LOCK_REMOVAL", "ON_TARGET_GROUP")
}
OF_PLANS: Mapping[str, tuple[str, ...]] = {
    name: ("Microsoft.Automation/", *(("Microsoft.HybridCompute/",) if name == "drill" else ())) for name in CALLS
}
"""For hooks, which a site does not name: their machines are no nodes of its cluster."""
SEEN_BY_READING = {
    "Microsoft.Authorization/permissions/read",
    "Microsoft.Compute/locations/usages/read",
    "Microsoft.Compute/skus/read",
    "Microsoft.Insights/eventtypes/values/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Resources/subscriptions/resourceGroups/write",
    "Microsoft.Network/virtualNetworks/write",
}
"""On the subscription or a network: what cannot be read says so itself. And what is only made where it is missing."""


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_preflight_looks_at_every_action_of_a_role_that_a_site_needs(name: str) -> None:
    asked = {action for table in TABLES.values() for action in table.get(name, ())}  # type: ignore[call-overload]
    whole = {action for action in read_role(name)["actions"] if not action.startswith(OF_PLANS[name])}
    assert asked <= whole
    assert whole - asked <= SEEN_BY_READING


async def check_rights(*, allow_lock_removal: bool = False) -> Mapping[str, CheckResult]:
    document = site(drillNetwork={"network": ISOLATED}, healingRules={"allowLockRemoval": allow_lock_removal})
    facts = SiteFacts(document, await read_site(ReadSite(site=document)), {}, {})
    return {check.id: check for check in run_checks(facts) if check.id.startswith("rights-")}


async def test_with_the_five_roles_every_right_is_there(lab: Lab) -> None:
    found = await check_rights(allow_lock_removal=True)
    assert {check.state for check in found.values()} == {"pass"}


@pytest.mark.parametrize(
    ("check", "role", "action"),
    [
        ("rights-vault", "prepare", "Microsoft.Authorization/roleAssignments/write"),
        ("rights-vault", "reader", "Microsoft.RecoveryServices/vaults/replicationJobs/read"),
        ("rights-cluster", "reader", "Microsoft.AzureStackHCI/clusters/read"),
        ("rights-cluster", "heal", "Microsoft.HybridCompute/machines/extensions/delete"),
        ("rights-target", "failover", "Microsoft.Compute/disks/delete"),
    ],
)
async def test_a_missing_action_is_named_with_its_role(lab: Lab, check: str, role: str, action: str) -> None:
    lab.identity(without=[action])
    found = (await check_rights())[check]
    assert found.state == "fail"
    assert any(f"of the role {role} on " in line and action in line for line in found.evidence)
    assert "Owner" not in found.remedy


async def test_a_role_that_is_missing_is_named_whole(lab: Lab) -> None:
    lab.identity(roles=["reader", "drill"])
    found = await check_rights()
    lines = " ".join(found["rights-vault"].evidence)
    missing = [action for action in azure_actions.ON_VAULT["failover"] if action not in azure_actions.ON_VAULT["drill"]]
    assert [action for action in missing if action not in lines] == []
    assert "of the role drill" not in lines
