"""The simulated Azure refuses each request of the product that no role of its identity allows, in ARM's words."""

from typing import Any

import pytest

from lab.azure.arm import custom_roles, role_rights, tokens
from lab.azure.arm.tokens import PRODUCT
from lab.azure.simulator.answers import ArmError
from tests.lab.azure.cloud import Cloud
from tests.roles.product_calls import CALLS, answer_yes
from tests.roles.recorded import actions_of, read_role
from tests.shared.azure.fake import Asked, standing

SUBSCRIPTIONS = ("/subscriptions/s1", "/subscriptions/11111111-1111-1111-1111-111111111111")
"""Those that the stories are about."""
NOT_REFUSED = frozenset({"Microsoft.Authorization/permissions/read", "Microsoft.Network/networkSecurityGroups/read"})
"""What one may do everybody may ask; and security groups, of which the simulated Azure has none: it answers 501."""


async def _record_requests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Asked]:
    """A request for each action of any story, by the action in lower case."""
    found: dict[str, Asked] = {}
    async with standing(monkeypatch) as fake:
        answer_yes(fake)
        for call in (call for calls in CALLS.values() for call in calls):
            await call()
        for one in fake.asked:
            for action in actions_of([one]):
                found.setdefault(action.lower(), one)
    return found


def _be_the_product(cloud: Cloud) -> None:
    """Call as the app's identity, with its roles on the subscriptions of the stories."""
    cloud.token = tokens.issue_token(PRODUCT, "https://management.azure.com")["token"]
    for role in custom_roles.IDS.values():
        for subscription in SUBSCRIPTIONS:
            role_rights.grant_role(cloud.lab, PRODUCT, role, subscription)


async def _send(cloud: Cloud, asked: Asked) -> tuple[int, Any]:
    url = f"{asked.path}?{'&'.join(f'{name}={value}' for name, value in asked.query.items())}"
    try:
        status, body, _ = await cloud.call(asked.method, url, asked.body, version=None)
    except AssertionError as complaint:  # the body of a story is no whole one
        return 0, str(complaint)
    return status, body


async def test_each_action_that_is_taken_away_is_refused_by_its_name_and_nothing_is_done(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = await _record_requests(monkeypatch)
    _be_the_product(cloud)
    every = {action for name in CALLS for action in read_role(name)["actions"]}
    assert {action.lower() for action in every} == set(requests)
    wrong = []
    for action in sorted(every):
        custom_roles.choose_rights(cloud.lab, {"without": [action]})
        before = cloud.lab.ledger.list_entries()
        status, body = await _send(cloud, requests[action.lower()])
        custom_roles.choose_rights(cloud.lab, {})
        sentence = (
            f"does not have authorization to perform action '{action}' over scope '{requests[action.lower()].path}'"
        )
        is_refused = status == 403 and body["error"]["code"] == "AuthorizationFailed"
        if is_refused == (action in NOT_REFUSED) or (
            is_refused and sentence.lower() not in body["error"]["message"].lower()
        ):
            wrong.append((action, status, body))
        assert cloud.lab.ledger.list_entries() == before
    assert wrong == []


async def test_with_its_roles_no_request_is_refused_for_want_of_rights(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = await _record_requests(monkeypatch)
    _be_the_product(cloud)
    answers = {action: await _send(cloud, asked) for action, asked in requests.items()}
    assert [action for action, (_, body) in answers.items() if "AuthorizationFailed" in str(body)] == []
    custom_roles.choose_rights(cloud.lab, {"roles": []})
    refused = [action for action, asked in requests.items() if (await _send(cloud, asked))[0] == 403]
    assert set(requests) - set(refused) == {action.lower() for action in NOT_REFUSED}


@pytest.mark.parametrize(
    "wrong",
    [[], {"roles": "reader"}, {"roles": ["owner"]}, {"without": ["Microsoft.Compute/nothing/read"]}, {"other": []}],
)
async def test_a_role_or_an_action_that_there_is_not_is_a_400_and_changes_nothing(cloud: Cloud, wrong: Any) -> None:
    before = custom_roles.held_rights(cloud.lab)
    with pytest.raises(ArmError) as refusal:
        custom_roles.choose_rights(cloud.lab, wrong)
    assert refusal.value.status == 400
    assert custom_roles.held_rights(cloud.lab) == before


async def test_what_the_identity_may_do_is_answered_from_the_same_set(cloud: Cloud) -> None:
    _be_the_product(cloud)
    chosen = await cloud.control(
        "PUT", "identity", {"roles": ["reader", "heal"], "without": ["Microsoft.Compute/skus/read"]}
    )
    assert chosen == await cloud.control("GET", "identity")
    path = f"{SUBSCRIPTIONS[1]}/providers/Microsoft.Authorization/permissions"
    _, body, _ = await cloud.call("GET", path, version="2022-04-01")
    actions = {action for one in body["value"] for action in one["actions"]}
    expected = {*read_role("reader")["actions"], *read_role("heal")["actions"]} - {"Microsoft.Compute/skus/read"}
    assert actions == expected


ASSIGNED = "6f1f3f5e-2a10-5f6e-9f53-0d3f2c3f9a01"


@pytest.mark.parametrize(
    ("role", "kind", "allowed"),
    [
        (role_rights.SITE_RECOVERY_CONTRIBUTOR, "ServicePrincipal", True),
        (role_rights.SITE_RECOVERY_CONTRIBUTOR, "User", False),
        (role_rights.SITE_RECOVERY_CONTRIBUTOR, None, False),
        (role_rights.OWNER, "ServicePrincipal", False),
        (role_rights.READER, "ServicePrincipal", False),
    ],
)
async def test_prepare_assigns_no_role_but_those_of_its_condition(
    cloud: Cloud, role: str, kind: str | None, allowed: bool
) -> None:
    _be_the_product(cloud)
    group = f"{SUBSCRIPTIONS[1]}/resourceGroups/rg-dr"
    path = f"{group}/providers/Microsoft.Authorization/roleAssignments/{ASSIGNED}"
    definition = f"{SUBSCRIPTIONS[1]}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": PRODUCT} | ({"principalType": kind} if kind else {})
    status, body, _ = await cloud.call("PUT", path, {"properties": properties}, version="2022-04-01")
    assert status == (201 if allowed else 403), body
