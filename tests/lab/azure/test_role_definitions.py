"""Custom roles that are made give what they say, where they may be assigned, and nothing that Azure would refuse."""

from typing import Any

import pytest

from lab.azure.arm import custom_roles, ids, tokens
from lab.azure.arm.tokens import PRODUCT
from lab.azure.simulator.lab import SUBSCRIPTION
from tests.lab.azure.cloud import N2, SUB, Cloud


def group_id(group: str) -> str:
    return ids.group_id(SUBSCRIPTION, group)


ROLES = f"{SUB}/providers/Microsoft.Authorization/roleDefinitions"
ROLE, OTHER = "0d9c1f3e-2a10-4f6e-9f53-0d3f2c3f9a01", "0d9c1f3e-2a10-4f6e-9f53-0d3f2c3f9a02"
ASSIGNED = f"{group_id('rg-hci-arc')}/providers/Microsoft.Authorization/roleAssignments/{OTHER}"
VERSION = "2022-04-01"
LOCK = f"{N2}/providers/Microsoft.Authorization/locks/keep"


def role(**properties: Any) -> dict[str, Any]:
    whole = {
        "roleName": "Locks",
        "assignableScopes": [SUB],
        "permissions": [{"actions": ["Microsoft.Authorization/locks/write"]}],
    }
    return {"properties": {**whole, **properties}}


async def put(cloud: Cloud, path: str, body: dict[str, Any]) -> tuple[int, str]:
    status, answer, _ = await cloud.call("PUT", path, body, version=VERSION)
    return status, answer.get("error", {}).get("code", "")


def assign(**more: Any) -> dict[str, Any]:
    return {"properties": {"roleDefinitionId": f"{ROLES}/{ROLE}", "principalId": PRODUCT, **more}}


async def test_a_role_that_is_made_and_assigned_gives_what_it_says_minutes_later(cloud: Cloud) -> None:
    custom_roles.choose_rights(cloud.lab, {"roles": []})
    assert await put(cloud, f"{ROLES}/{ROLE}", role()) == (201, "")
    assert await put(cloud, ASSIGNED, assign(condition="x", conditionVersion="2.0")) == (201, "")
    kept = (await cloud.call("GET", ASSIGNED, version=VERSION))[1]["properties"]
    assert (kept["condition"], kept["conditionVersion"]) == ("x", "2.0")
    cloud.token = tokens.issue_token(PRODUCT, "https://management.azure.com")["token"]
    body = {"properties": {"level": "CanNotDelete"}}
    assert (await cloud.call("PUT", LOCK, body, version="2020-05-01"))[0] == 403
    cloud.pass_time(minutes=10)
    assert (await cloud.call("PUT", LOCK, body, version="2020-05-01"))[0] == 201
    assert (await cloud.call("DELETE", LOCK, version="2020-05-01"))[0] == 403


@pytest.mark.parametrize(
    ("name", "changes", "status", "code"),
    [
        ("not-a-guid", {}, 400, "InvalidRoleDefinitionId"),
        ("b24988ac-6180-42a0-ab88-20f7382dd24c", {}, 400, "InvalidRoleDefinitionId"),
        (OTHER, {}, 409, "RoleDefinitionWithSameNameExists"),
        (OTHER, {"roleName": "x", "assignableScopes": []}, 400, "InvalidAssignableScopes"),
        (OTHER, {"roleName": "x", "assignableScopes": ["/"]}, 400, "InvalidAssignableScopes"),
        (OTHER, {"roleName": "x", "permissions": [{"actions": ["locks"]}]}, 400, "InvalidActionOrNotAction"),
        (OTHER, {"roleName": "x", "permissions": [{"actions": [7]}]}, 400, "InvalidActionOrNotAction"),
        (OTHER, {"roleName": "x", "permissions": [{"verbs": []}]}, 400, "InvalidRoleDefinition"),
    ],
)
async def test_what_azure_would_refuse_is_refused_and_changes_nothing(
    cloud: Cloud, name: str, changes: dict[str, Any], status: int, code: str
) -> None:
    await put(cloud, f"{ROLES}/{ROLE}", role())
    assert await put(cloud, f"{ROLES}/{name}", role(**changes)) == (status, code)
    listed = (await cloud.call("GET", ROLES, version=VERSION))[1]["value"]
    assert [each["name"] for each in listed] == [ROLE]


async def test_a_role_is_assigned_only_where_it_says_and_only_once_it_is_there(cloud: Cloud) -> None:
    assert await put(cloud, ASSIGNED, assign()) == (400, "RoleDefinitionDoesNotExist")
    await put(cloud, f"{ROLES}/{ROLE}", role(assignableScopes=[group_id("rg-hci")]))
    refused = (400, "RoleAssignmentScopeNotAssignableToRoleDefinition")
    assert await put(cloud, ASSIGNED, assign()) == refused  # rg-hci-arc begins with the name of rg-hci
    await put(cloud, f"{ROLES}/{ROLE}", role(assignableScopes=[group_id("rg-hci"), group_id("RG-HCI-arc")]))
    assert await put(cloud, ASSIGNED, assign()) == (201, "")


@pytest.mark.parametrize("more", [{"condition": "x"}, {"condition": "x", "conditionVersion": "1.0"}])
async def test_a_condition_needs_its_version(cloud: Cloud, more: dict[str, str]) -> None:
    await put(cloud, f"{ROLES}/{ROLE}", role())
    assert await put(cloud, ASSIGNED, assign(**more)) == (400, "InvalidRoleAssignmentCondition")


async def test_a_role_that_somebody_has_is_not_deleted(cloud: Cloud) -> None:
    await put(cloud, f"{ROLES}/{ROLE}", role())
    await put(cloud, ASSIGNED, assign())
    status, answer, _ = await cloud.call("DELETE", f"{ROLES}/{ROLE}", version=VERSION)
    assert (status, answer["error"]["code"]) == (400, "RoleDefinitionHasAssignments")
    assert (await cloud.call("DELETE", ASSIGNED, version=VERSION))[0] == 200
    assert (await cloud.call("DELETE", f"{ROLES}/{ROLE}", version=VERSION))[0] == 200
    assert (await cloud.call("DELETE", f"{ROLES}/{ROLE}", version=VERSION))[0] == 204
    assert (await cloud.call("GET", f"{ROLES}/{ROLE}", version=VERSION))[0] == 404


async def test_a_role_is_of_the_subscription_that_there_is(cloud: Cloud) -> None:
    elsewhere = ROLES.replace(SUBSCRIPTION, "22222222-2222-2222-2222-222222222222")
    assert (await put(cloud, f"{elsewhere}/{ROLE}", role()))[0] == 404
