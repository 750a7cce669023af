"""A node registers only where its cluster's identity may fetch the vault's key."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.azure import scenario_loader
from lab.azure.arc import extensions
from lab.azure.arm import permissions, role_rights, tokens
from lab.azure.arm.authorization import ASSIGNMENT
from lab.azure.arm.ids import resource_id
from lab.azure.arm.tokens import PRODUCT
from lab.azure.on_premises import nodes, vault_rights
from lab.azure.providers import PROVIDERS
from lab.azure.simulator.answers import ArmError
from lab.azure.simulator.lab import SUBSCRIPTION, Lab, to_iso
from lab.azure.simulator.requests import ArmRequest
from lab.azure.world import change_world
from lab.clock import ManualClock
from tests.lab.azure.cloud import EXTENSION, N1, N2, Cloud

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
    (assignment,) = [each for each in lab.store.all(ASSIGNMENT) if each["id"].lower().startswith(VAULT.lower())]
    assignment["properties"]["createdOn"] = to_iso(lab.now())
    lab.store.put(ASSIGNMENT, assignment["id"], assignment)
    assert not vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
    lab.clock.advance(timedelta(minutes=10))
    assert vault_rights.may_fetch_key(lab, CLUSTER, VAULT)
    assignment["properties"]["createdOn"] = to_iso(lab.now())
    lab.store.put(ASSIGNMENT, assignment["id"], assignment)
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


GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-dr"
ROLES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"


def take_roles(cloud: Cloud) -> None:
    """Call as the product's identity from now on, with nothing left to it but Reader of the subscription."""
    cloud.token = tokens.issue_token(PRODUCT, "https://management.azure.com")["token"]
    for each in list(cloud.lab.store.all(ASSIGNMENT)):
        if each["properties"]["principalId"] == PRODUCT and "resourceGroups" in each["properties"]["scope"]:
            cloud.lab.store.delete(ASSIGNMENT, each["id"])


async def test_without_its_role_the_product_changes_nothing_and_is_told_in_arm_s_words(cloud: Cloud) -> None:
    take_roles(cloud)
    before = cloud.lab.ledger.list_entries()
    status, body, _ = await cloud.call("DELETE", f"{N1}/extensions/{EXTENSION}")
    assert (status, body["error"]["code"]) == (403, "AuthorizationFailed")
    assert "Microsoft.HybridCompute/machines/extensions/delete" in body["error"]["message"]
    assert (await cloud.call("GET", N1))[0] == 200
    assert cloud.lab.ledger.list_entries() == before


async def test_a_new_assignment_of_the_product_holds_minutes_later(cloud: Cloud) -> None:
    take_roles(cloud)
    lock = f"{N2}/providers/Microsoft.Authorization/locks/keep"
    body = {"properties": {"level": "CanNotDelete"}}
    group = N2.partition("/providers/")[0]
    name = "6f1f3f5e-2a10-5f6e-9f53-0d3f2c3f9a01"
    assert (await cloud.call("PUT", lock, body, version="2020-05-01"))[0] == 403
    role_rights.grant_role(cloud.lab, PRODUCT, role_rights.OWNER, group)
    assert (await cloud.call("PUT", lock, body, version="2020-05-01"))[0] == 201
    assigned = {"properties": {"roleDefinitionId": f"{ROLES}/{role_rights.CONTRIBUTOR}", "principalId": PRODUCT}}
    scope = f"{group}/providers/Microsoft.Authorization/roleAssignments"
    assert (await cloud.call("PUT", f"{scope}/{name}", assigned, version="2022-04-01"))[0] == 201
    (owner,) = [each for each in cloud.lab.store.all(ASSIGNMENT, group) if each["name"] != name]
    assert (await cloud.call("DELETE", f"{scope}/{owner['name']}", version="2022-04-01"))[0] == 200
    assert (await cloud.call("DELETE", f"{N2}/extensions/{EXTENSION}"))[0] == 403
    cloud.pass_time(minutes=10)
    assert (await cloud.call("DELETE", lock, version="2020-05-01"))[0] == 403  # a Contributor changes no locks
    assert (await cloud.call("PATCH", f"{N2}/extensions/{EXTENSION}", {"tags": {"a": "b"}}))[0] != 403


def test_a_reader_can_change_nothing_whatever_the_route() -> None:
    reader = role_rights.ROLES[role_rights.READER]
    changing = [
        (route.method, route.template)
        for provider in PROVIDERS
        for route in provider.routes
        if route.method not in {"GET", "HEAD"} and route.template.lower().startswith("/subscriptions/")
    ]
    assert len(changing) > 40
    for method, template in changing:
        path = re.sub(r"{(\w+)}", r"\1", template)
        request = ArmRequest(method=method, path=path, query={}, headers={}, body=None, base="", at=datetime.now(UTC))
        assert not permissions.allows_action(reader, permissions.action_of(request)), (method, template)


@pytest.mark.parametrize(("assigned", "allowed"), [((), True), (("READER",), False), (("READER", "OWNER"), True)])
def test_a_foreign_client_may_do_everything_until_it_has_a_role(
    lab: Lab, assigned: tuple[str, ...], allowed: bool
) -> None:
    for role in assigned:
        role_rights.grant_role(lab, "somebody", getattr(role_rights, role), GROUP)
    granted = role_rights.rights_on(lab, "somebody", VAULT)
    assert any("*" in rights["actions"] for rights in granted) is allowed
    if assigned:
        assert role_rights.rights_on(lab, "somebody", CLUSTER) == []
