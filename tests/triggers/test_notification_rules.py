"""Notification rules over HTTP: what is wrong names its field, and changes nothing."""

import json
from typing import Any

import azure.functions as func
import pytest

from shared.notifications.rule import MOST_RULES
from tests.shared.notifications.samples import TEAMS, WEBHOOK, rule_of
from tests.triggers.doors import ALL_ROLES, door
from tests.triggers.hub import Hub, declared, usual_documents

PUT, LIST = door("put_notification_rule"), door("list_notification_rules")
ALL = {"channels": [TEAMS, WEBHOOK]}


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)


async def put(hub: Hub, body: Any) -> tuple[int, Any]:
    request = func.HttpRequest(
        "PUT",
        "/api/notification-rules/all",
        headers={},
        params={},
        route_params={"rule": "all"},
        body=json.dumps(body).encode(),
    )
    response = await PUT.handler(request, hub)
    return response.status_code, json.loads(response.get_body())


def hub_with(count: int = 0) -> Hub:
    rule = declared(rule_of().model_dump(mode="json", by_alias=True), "d")
    rules = {f"@documents@notification-rule:r{number}": rule for number in range(count)}
    return Hub(entities=usual_documents() | rules)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (ALL | {"covers": {"sites": ["nowhere"]}}, "covers.sites[0]"),
        (ALL | {"covers": {"plans": ["payroll", "nothing"]}}, "covers.plans[1]"),
        ({"channels": [TEAMS | {"url": "https://prod.logic.azure.com/x?sig=y"}]}, "channels[0].url"),
        ({"channels": [WEBHOOK | {"url": "https://127.0.0.1.evil.example:0x/"}]}, "channels[0].url"),
        ({}, "channels"),
    ],
)
async def test_a_rule_that_is_wrong_is_refused_with_its_field(body: Any, field: str) -> None:
    hub = hub_with()
    status, problem = await put(hub, body)
    assert (status, [error["field"] for error in problem["errors"]]) == (400, [field])
    assert hub.count("schedule_new_orchestration") == 0


async def test_a_key_vault_outside_of_the_scopes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_SCOPES", "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg-dr")
    status, problem = await put(hub_with(), ALL)
    assert status == 400
    assert {error["field"] for error in problem["errors"]} == {"channels[0].url", "channels[1].secret"}


async def test_there_are_no_more_rules_than_may_be() -> None:
    hub = hub_with(MOST_RULES)
    status, problem = await put(hub, ALL)
    assert (status, problem["code"]) == (409, "too-many-rules")
    assert hub.count("schedule_new_orchestration") == 0


async def test_the_list_says_what_became_of_the_notifications() -> None:
    hub = hub_with(1)
    hub.entities["@notifications@r0"] = {"sent": 3, "given_up": 1, "left_out": 2}
    (rule,) = (await LIST.answer(hub)).body["value"]
    assert rule["deliveries"] == {"sent": 3, "givenUp": 1, "leftOut": 2, "lastGivenUp": None}
