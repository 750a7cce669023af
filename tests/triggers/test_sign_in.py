"""Who gets in: holders of a function key, or with SIGN_IN_ONLY those alone who are signed in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from lab.host.sign_in import PEOPLE, TENANT
from shared.azure.looking import ONLY_LOOKS
from tests.triggers.doors import ALL_ROLES, DOORS, Door, SilentEngine
from triggers.http_endpoint import authorization_level, caller_of, handle_for_role

ROOT = Path(__file__).parents[2]
LEVELS = """
import json
from function_app import app
triggers = [one.get_trigger() for one in app.get_functions()]
print(json.dumps([str(one.auth_level.value) for one in triggers if str(one.type) == "httpTrigger"]))
"""
EVE = next(person for person in PEOPLE if person.name == "eve")
each_door = pytest.mark.parametrize("one", DOORS, ids=lambda one: one.name)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_ROLES", ALL_ROLES)
    monkeypatch.setenv("SIGN_IN_ONLY", "true")
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", "True")
    monkeypatch.setenv("TENANT_ID", TENANT)


@each_door
@pytest.mark.parametrize("authenticated", ["True", "False", ""])
async def test_nobody_gets_in_who_is_not_signed_in(
    one: Door, authenticated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", authenticated)
    engine = SilentEngine()
    (await one.answer(engine)).require_problem(401)
    assert not engine.calls


@handle_for_role("Dr.Admin")
async def tell_caller(req: func.HttpRequest, _client: Any) -> func.HttpResponse:
    return func.HttpResponse(caller_of(req).name)


@pytest.mark.parametrize("authenticated", [True, False])
async def test_a_header_counts_only_where_the_platform_sets_it(
    *, authenticated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBSITE_AUTH_ENABLED", str(authenticated))
    request = func.HttpRequest("GET", "/api/x", headers=EVE.principal_headers, body=b"")
    client: Any = SilentEngine()
    answer = await tell_caller(request, client)
    assert answer.status_code == (200 if authenticated else 401)


async def test_a_person_without_the_role_is_known_and_refused() -> None:
    fay = next(person for person in PEOPLE if person.name == "fay")
    request = func.HttpRequest("GET", "/api/x", headers=fay.principal_headers, body=b"")
    client: Any = SilentEngine()
    assert (await tell_caller(request, client)).status_code == 403


@pytest.mark.parametrize(
    ("sign_in_only", "level"),
    [("true", "ANONYMOUS"), ("1", "ANONYMOUS"), ("false", "FUNCTION"), ("", "FUNCTION"), ("perhaps", "FUNCTION")],
)
def test_keys_are_asked_for_unless_only_the_signed_in_get_in(
    sign_in_only: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGN_IN_ONLY", sign_in_only)
    assert authorization_level().name == level


@pytest.mark.parametrize(("sign_in_only", "level"), [("true", "anonymous"), ("false", "function")])
def test_all_functions_of_the_app_have_that_level(sign_in_only: str, level: str) -> None:
    environment = os.environ | {"SIGN_IN_ONLY": sign_in_only}
    told = subprocess.run(
        [sys.executable, "-c", LEVELS], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    levels = json.loads(told.stdout)
    assert len(levels) == len(DOORS)
    assert {each.lower() for each in levels} == {level}


@pytest.mark.parametrize(
    ("method", "query", "looks"),
    [("GET", {}, True), ("POST", {"preview": "true"}, True), ("POST", {}, False), ("PUT", {}, False)],
)
async def test_who_only_looks_is_known_as_such(method: str, query: dict[str, str], *, looks: bool) -> None:
    """What it asks of Azure leaves room for the runs."""

    @handle_for_role("Dr.Read", "preview")
    async def tell(req: func.HttpRequest, _client: Any) -> func.HttpResponse:
        return func.HttpResponse(str(ONLY_LOOKS.get()))

    request = func.HttpRequest(method, "/api/x", headers=EVE.principal_headers, params=query, body=b"")
    client: Any = SilentEngine()
    assert (await tell(request, client)).get_body() == str(looks).encode()
    assert ONLY_LOOKS.get() is False
