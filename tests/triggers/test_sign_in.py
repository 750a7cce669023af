"""Who gets in: those whom App Service authentication names, or holders of a function key, as DOOR says."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.host.sign_in import AUDIENCE, ENTRA, KEYS, PEOPLE, TENANT
from shared.azure.looking import ONLY_LOOKS
from shared.principals import (
    ROLES,
    Foreign,
    MalformedPrincipal,
    NobodyKnown,
    NotSignedIn,
    require_second_person,
    require_signed_in,
)
from tests.people import let_people_sign_in
from tests.triggers.doors import ALL_ROLES, DOORS, PAGE_FUNCTIONS, BrokenEngine, Door, SilentEngine
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
    let_people_sign_in(monkeypatch)


@each_door
async def test_nobody_gets_in_who_is_not_signed_in(one: Door) -> None:
    engine = SilentEngine()
    (await one.answer(engine)).require_problem(401)
    assert not engine.calls


def roles_at(door: str, headers: Mapping[str, str]) -> frozenset[str]:
    """What a caller with these headers may do."""
    request = func.HttpRequest("GET", "/api/x", headers=headers, body=b"")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ENTRA if door == "entra" else KEYS).items():
            patch.setenv(name, value)
        try:
            return frozenset(caller_of(request).roles)
        except (NotSignedIn, MalformedPrincipal, Foreign):
            return frozenset()


def as_told(roles: list[str], provider: str | None, change: Mapping[str, str]) -> str:
    """A principal header of somebody, changed."""
    claims = {"oid": EVE.object_id, "tid": TENANT, "aud": AUDIENCE, **change}
    told = [*claims.items(), *(("roles", role) for role in roles)]
    principal = {"auth_typ": provider, "claims": [{"typ": name, "val": value} for name, value in told]}
    return base64.b64encode(json.dumps(principal).encode()).decode()


PRINCIPALS = st.builds(
    as_told,
    st.lists(st.sampled_from([*ROLES, "Dr.Everything", ""])),
    st.sampled_from(["aad", "google", "", None]),
    st.dictionaries(
        st.sampled_from(["oid", "tid", "aud", "sub", "idtyp"]), st.sampled_from(["", TENANT, AUDIENCE, "app"])
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Authorization", "x-functions-key", "X-MS-CLIENT-PRINCIPAL-ID", "X-MS-TOKEN-AAD-ID-TOKEN", "Cookie"]
    ),
    st.text(st.characters(codec="ascii", categories=["L", "N"])),
)


@given(door=st.sampled_from(["entra", "keys"]), principal=PRINCIPALS | st.text(), others=HEADERS)
def test_a_missing_header_never_gives_more_than_a_present_one(
    door: str, principal: str, others: dict[str, str]
) -> None:
    """At the one door no header is nobody, at the other no header counts."""
    bare = roles_at(door, {})
    with_some = roles_at(door, others)
    with_all = roles_at(door, {**others, "X-MS-CLIENT-PRINCIPAL": principal})
    assert bare == with_some <= with_all
    assert with_all == bare or door == "entra"


@each_door
@pytest.mark.parametrize("header", ["", "X-MS-CLIENT-PRINCIPAL"])
async def test_where_keys_are_the_door_no_header_opens_more(
    one: Door, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the key opens reading alone, whoever the header says it is; what reads goes on to the engine."""
    for name, value in (KEYS | {"KEY_ROLES": "Dr.Read"}).items():
        monkeypatch.setenv(name, value)
    named = {header: EVE.principal_headers[header]} if header else {}
    answer = await one.answer_to(BrokenEngine(PermissionError()), named)
    assert answer.status == (await one.answer_to(BrokenEngine(PermissionError()), {})).status
    assert answer.status != 401


async def test_where_keys_are_the_door_nobody_approves(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (KEYS | {"KEY_ROLES": ALL_ROLES}).items():
        monkeypatch.setenv(name, value)
    nobody = caller_of(func.HttpRequest("POST", "/api/x", headers=EVE.principal_headers, body=b""))
    for refuse in (require_signed_in, lambda caller: require_second_person(caller, "o-2")):
        with pytest.raises(NobodyKnown, match="DOOR is keys") as caught:
            refuse(nobody)
        assert caught.value.code == "keys-are-nobody"


@handle_for_role("Dr.Admin")
async def tell_caller(req: func.HttpRequest, _client: Any) -> func.HttpResponse:
    return func.HttpResponse(caller_of(req).name)


async def test_who_is_signed_in_is_known() -> None:
    request = func.HttpRequest("GET", "/api/x", headers=EVE.principal_headers, body=b"")
    client: Any = SilentEngine()
    assert (await tell_caller(request, client)).get_body() == b"eve"


async def test_a_person_without_the_role_is_known_and_refused() -> None:
    fay = next(person for person in PEOPLE if person.name == "fay")
    request = func.HttpRequest("GET", "/api/x", headers=fay.principal_headers, body=b"")
    client: Any = SilentEngine()
    assert (await tell_caller(request, client)).status_code == 403


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        (ENTRA, "ANONYMOUS"),
        (KEYS, "FUNCTION"),
        (ENTRA | {"DOOR": ""}, "FUNCTION"),
        (ENTRA | {"KEY_ROLES": "Dr.Read"}, "FUNCTION"),
        (ENTRA | {"WEBSITE_AUTH_ENABLED": ""}, "FUNCTION"),
    ],
)
def test_keys_are_asked_for_unless_people_sign_in(
    settings: Mapping[str, str], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert authorization_level().name == level


@pytest.mark.parametrize(("settings", "level"), [(ENTRA, "anonymous"), (KEYS, "function")])
def test_all_functions_of_the_app_have_that_level(settings: Mapping[str, str], level: str) -> None:
    environment = os.environ | settings
    told = subprocess.run(
        [sys.executable, "-c", LEVELS], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    levels = json.loads(told.stdout)
    found = [each.lower() for each in levels]
    page = ["anonymous"] * len(PAGE_FUNCTIONS)  # whoever is not signed in yet needs it to sign in
    assert sorted(found) == sorted([level] * len(DOORS) + page)


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
