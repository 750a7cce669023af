"""One person tries to be two, and strangers try to be anybody, at each door of the app."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from lab.host.sign_in import PEOPLE, TENANT
from tests.people import let_people_sign_in
from tests.triggers.doors import DOORS, Door, SilentEngine

EVE = next(person for person in PEOPLE if person.name == "eve")
ELSEWHERE = "88888888-8888-8888-8888-888888888888"
each_door = pytest.mark.parametrize("one", DOORS, ids=lambda one: one.name)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)


def as_told(change: Mapping[str, Any], *claims: tuple[str, str]) -> dict[str, str]:
    """The header of an administrator, with what the platform says changed."""
    told = json.loads(base64.b64decode(EVE.principal_headers["X-MS-CLIENT-PRINCIPAL"]))
    renamed = {name for name, _ in claims}
    kept = [claim for claim in told["claims"] if claim["typ"] not in renamed]
    told |= {"claims": [*kept, *({"typ": name, "val": value} for name, value in claims)], **change}
    return {"X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps(told).encode()).decode()}


STRANGERS = {
    "another tenant": as_told({}, ("tid", ELSEWHERE)),
    "no tenant": as_told({}, ("tid", "")),
    "two tenants": as_told({}, ("tid", TENANT), ("tid", ELSEWHERE)),
    "another app": as_told({}, ("aud", ELSEWHERE)),
    "another provider": as_told({"auth_typ": "google"}),
    "no provider": as_told({"auth_typ": ""}),
    "groups for roles": as_told({"role_typ": "groups"}, ("roles", ""), ("groups", "Dr.Admin")),
}


@each_door
@pytest.mark.parametrize("who", STRANGERS)
async def test_a_stranger_gets_in_nowhere_whatever_roles_they_bring(one: Door, who: str) -> None:
    engine = SilentEngine()
    (await one.answer_to(engine, STRANGERS[who])).require_problem(403)
    assert not engine.calls


@each_door
async def test_without_a_tenant_in_the_settings_nobody_gets_in(one: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_ID", "")
    engine = SilentEngine()
    problem = (await one.answer_to(engine, EVE.principal_headers)).require_problem(500)
    assert problem["code"] == "wrong-settings"
    assert "TENANT_ID" in problem["detail"]
    assert not engine.calls
