"""infra/roles.json deploys into the simulated Azure, and its preflight then passes with exactly these rights.

Of infra/main.json it knows the storage accounts and the network; docs/deploy.md lists what it does not know.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from lab.azure.arm import tokens
from lab.azure.simulator.lab import SUBSCRIPTION
from shared.errors import Refused
from shared.onboarding.preflight.check import CheckResult
from tests.activities.lab import Lab
from tests.infra.templates import ROOT, deploy_main, deploy_roles
from tests.roles.conftest import lab, server
from tests.roles.test_preflight import check_rights
from tools.arm.azure_answers import known_to_azure
from tools.arm.deployment import Deployment, Place, Resource

__all__ = ["lab", "server"]
DEPLOYER = tokens.issue_token("deployer", "https://management.azure.com")["token"]
ASSIGNMENTS, DEFINITIONS = (f"Microsoft.Authorization/{kind}" for kind in ("roleAssignments", "roleDefinitions"))
SITE = {
    "name": "hci-01",
    "vault": "rg-dr",
    "targets": ["rg-dr-vms"],
    "clusters": ["rg-hci", "rg-hci-arc"],
    "networks": ["rg-dr-net"],
}
MANY = [
    SITE,
    {**SITE, "name": "hci-02", "clusters": ["rg-hci-arc"], "may": ["drill", "heal"]},
    {**SITE, "name": "hci-03", "vault": "RG-DR", "may": ["failover"]},
]
"""Three sites that share groups, one of them written otherwise."""


def put(lab: Lab, resource: Resource) -> int:
    """Send one resource as ARM does: its status."""
    body = {key: value for key, value in resource.document.items() if key not in {"name", "type", "apiVersion"}}
    url = f"{lab.base}{resource.id}?api-version={resource.api_version}"
    headers = {"Authorization": f"Bearer {DEPLOYER}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def deploy(lab: Lab, resources: Iterable[Resource]) -> None:
    """Roles before their assignments, as the template says; all are taken."""
    for each in sorted(resources, key=lambda one: one.type == ASSIGNMENTS):
        assert put(lab, each) in {200, 201}, each.id


def roles_of(sites: list[dict[str, Any]]) -> list[Resource]:
    return deploy_roles(SUBSCRIPTION, principalId=tokens.PRODUCT, sites=sites).resources


@pytest.fixture
def bare(lab: Lab) -> Lab:
    """The roles that the lab gives the product by itself are taken away: what it may do now comes from the template."""
    lab.identity(roles=[])
    return lab


async def rights() -> dict[str, CheckResult]:
    return dict(await check_rights(allow_lock_removal=True))


async def test_without_a_deployment_nothing_can_be_read(bare: Lab) -> None:
    with pytest.raises(Refused, match="AuthorizationFailed"):
        await rights()


@pytest.mark.parametrize("sites", [[SITE], MANY], ids=["one site", "three sites"])
async def test_with_the_roles_of_the_template_the_preflight_finds_every_right(
    bare: Lab, sites: list[dict[str, Any]]
) -> None:
    deploy(bare, roles_of(sites))
    bare.advance(timedelta(minutes=10))
    found = await rights()
    assert {name: check.evidence for name, check in found.items() if check.state != "pass"} == {}


@pytest.mark.parametrize("left_out", ["drill", "failover", "prepare", "heal"])
async def test_what_a_site_may_not_is_found_missing_and_named(bare: Lab, left_out: str) -> None:
    may = [role for role in ("drill", "failover", "prepare", "heal") if role != left_out]
    deploy(bare, roles_of([{**SITE, "may": may}]))
    bare.advance(timedelta(minutes=10))
    missing = " ".join(line for check in (await rights()).values() for line in check.evidence)
    assert f"of the role {left_out} on" in missing


async def test_a_deployment_that_is_repeated_changes_nothing(bare: Lab) -> None:
    deploy(bare, roles_of(MANY))
    statuses = {put(bare, each) for each in roles_of(MANY) if each.type == ASSIGNMENTS}
    assert statuses <= {200, 201, 409}
    bare.advance(timedelta(minutes=10))
    assert {check.state for check in (await rights()).values()} == {"pass"}


async def test_the_roles_cannot_be_assigned_outside_of_their_scopes(bare: Lab) -> None:
    resources = roles_of([SITE])
    for each in resources:
        if each.type == DEFINITIONS:
            each.document["properties"]["assignableScopes"] = [f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-hci"]
            assert put(bare, each) == 201
    refused = [each for each in resources if each.type == ASSIGNMENTS and "/rg-dr/" in each.id]
    assert refused
    assert {put(bare, each) for each in refused} == {400}


def test_the_storage_accounts_are_taken_and_what_is_not_known_is_listed(bare: Lab) -> None:
    """Each type that the lab refuses as not simulated is in the page, and no other."""
    place = Place(SUBSCRIPTION, "rg-dr")
    template = deploy_main().template
    whole = {
        "environmentName": "prod",
        "allowedScopes": "*",
        "network": "private",
        "privateApp": True,
        "subscribeToFailures": True,
    }
    resources = Deployment(template, {**whole, "alertEmails": "a@x.org"}, place, known_to_azure).resources
    statuses: dict[str, set[int]] = {}
    for each in sorted(resources, key=lambda one: (one.type == ASSIGNMENTS, one.id.count("/"))):
        statuses.setdefault(each.type, set()).add(put(bare, each))
    unknown = {kind for kind, answers in statuses.items() if 501 in answers}
    page = (ROOT / "docs/deploy.md").read_text()
    listed = page.partition("the simulated Azure does not know")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert sorted(set(re.findall(r"`(Microsoft\.[\w./]+)`", listed))) == sorted(unknown)
    for kind in ("Microsoft.Storage/storageAccounts", "Microsoft.Network/virtualNetworks"):
        assert statuses[kind] <= {200, 201}
