"""A node registers only where its cluster's identity may fetch the vault's key."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from lab.azure import scenario_loader
from lab.azure.arc import extensions
from lab.azure.arm.ids import resource_id
from lab.azure.on_premises import nodes, vault_rights
from lab.azure.simulator.answers import ArmError
from lab.azure.simulator.lab import SUBSCRIPTION, Lab, to_iso
from lab.azure.world import change_world
from lab.clock import ManualClock

CLUSTER = resource_id(SUBSCRIPTION, "rg-hci", "Microsoft.AzureStackHCI/clusters", "hci-01")
VAULT = resource_id(SUBSCRIPTION, "rg-dr", "Microsoft.RecoveryServices/vaults", "vault-dr")
SETTINGS = {"SubscriptionId": SUBSCRIPTION, "ResourceGroup": "rg-dr", "ResourceName": "vault-dr", "SiteId": "s"}


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(ManualClock())
    scenario_loader.load_scenario(lab, "bare")
    yield lab
    lab.store.close()


@pytest.mark.parametrize(("granted", "state"), [(False, "Failed"), (True, "Succeeded")])
def test_without_a_role_on_the_vault_the_extension_fails(lab: Lab, granted: bool, state: str) -> None:
    if granted:
        vault_rights.grant_key_access(lab, CLUSTER, VAULT)
    node = nodes.nodes_of_cluster(lab, CLUSTER)[0]
    body: dict[str, Any] = {"publisher": "Microsoft.SiteRecovery.Dra", "type": "Windows", "settings": SETTINGS}
    extension = f"{node['id']}/extensions/AzureSiteRecovery"
    extensions.install_extension(lab, extension, {"location": "westeurope", "properties": body}, extensions.SERVICE)
    lab.clock.advance(timedelta(minutes=10))
    lab.run_due()
    found = extensions.find_asr(lab, node["id"])
    assert found is not None
    assert found["properties"]["provisioningState"] == state


def test_a_role_holds_minutes_after_it_was_assigned(lab: Lab) -> None:
    vault_rights.grant_key_access(lab, CLUSTER, VAULT)
    (assignment,) = lab.store.all("microsoft.authorization/roleassignments")
    assignment["properties"]["createdOn"] = to_iso(lab.now())
    lab.store.put("microsoft.authorization/roleassignments", assignment["id"], assignment)
    assert not vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
    lab.clock.advance(timedelta(minutes=10))
    assert vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
    assignment["properties"]["createdOn"] = to_iso(lab.now())
    lab.store.put("microsoft.authorization/roleassignments", assignment["id"], assignment)
    change_world(lab, {"roles": {"takeEffectAfter": 0}})
    assert vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
    for wrong in ({}, {"takeEffectAfter": -1}, {"takeEffectAfter": "soon"}, {"other": 1}):
        with pytest.raises(ArmError):
            change_world(lab, {"roles": wrong})


def test_a_role_above_the_vault_does_as_well_and_one_elsewhere_does_not(lab: Lab) -> None:
    vault_rights.grant_key_access(lab, CLUSTER, f"{VAULT}-02")
    assert not vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
    vault_rights.grant_key_access(lab, CLUSTER, VAULT.partition("/providers/")[0])
    assert vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
