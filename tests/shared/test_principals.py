"""Who a caller is and what they may do; a header that cannot be read is a mistake with a name."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.principals import (
    ROLES,
    Forbidden,
    MalformedPrincipal,
    Principal,
    identify_caller,
    require_role,
    require_second_person,
)

ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
KEY = ("Dr.Read", "Dr.Drill")


def header(*claims: tuple[str, str], name: str = "X-MS-CLIENT-PRINCIPAL", **more: Any) -> dict[str, str]:
    told = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in claims], **more}
    return {name: base64.b64encode(json.dumps(told).encode()).decode()}


def roles(*held: str) -> tuple[str, ...]:
    return identify_caller(header(*(("roles", role) for role in held)), ()).roles


def test_a_signed_in_caller_is_known_by_object_id_and_name() -> None:
    caller = identify_caller(
        header((OID, "o-1"), ("preferred_username", "ada@example.com"), ("roles", "Dr.Drill")), KEY
    )
    assert caller == Principal(id="o-1", name="ada@example.com", roles=("Dr.Read", "Dr.Drill"))


def test_the_platform_says_which_claims_are_name_and_role() -> None:
    sent = header(("urn:who", "ada"), ("urn:may", "Dr.Read"), ("name", "x"), name_typ="urn:who", role_typ="urn:may")
    caller = identify_caller(sent, ())
    assert (caller.name, caller.roles) == ("ada", ("Dr.Read",))


def test_roles_come_from_the_long_claim_as_well_and_the_header_in_any_casing() -> None:
    assert identify_caller(header((ROLE, "Dr.Operate"), name="x-ms-client-principal"), ()).roles == (
        "Dr.Read",
        "Dr.Drill",
        "Dr.Operate",
    )


def test_a_function_key_has_the_roles_of_keys_and_is_nobody() -> None:
    caller = identify_caller({"Accept": "*/*"}, KEY)
    assert (caller.id, caller.roles) == ("", KEY)


def test_a_signed_in_caller_gets_no_role_of_the_keys() -> None:
    assert identify_caller(header((OID, "o-1")), KEY).roles == ()


def test_where_the_platform_does_not_authenticate_the_header_counts_for_nothing() -> None:
    assert identify_caller(header(("roles", "Dr.Admin")), KEY, trusted=False).roles == KEY


def test_the_bigger_roles_bring_the_smaller_ones_but_nobody_approves_by_the_way() -> None:
    assert roles("Dr.Admin") == ("Dr.Read", "Dr.Drill", "Dr.Operate", "Dr.Admin")
    assert roles("Dr.Operate") == ("Dr.Read", "Dr.Drill", "Dr.Operate")
    assert roles("Dr.Approve") == ("Dr.Read", "Dr.Approve")
    assert roles("Dr.Drill") == ("Dr.Read", "Dr.Drill")
    assert roles("Global Admin", "dr.admin") == ()


def test_a_missing_role_is_refused_with_what_was_needed_and_what_there_is() -> None:
    caller = identify_caller(header(("name", "Ada"), ("roles", "Dr.Read")), ())
    require_role(caller, "Dr.Read")
    with pytest.raises(Forbidden, match=r"needs the role Dr\.Operate; Ada has Dr\.Read") as caught:
        require_role(caller, "Dr.Operate")
    assert caught.value.field == "X-MS-CLIENT-PRINCIPAL"


def test_an_approver_is_somebody_else_than_the_requester() -> None:
    ada = Principal(id="o-1", name="Ada", roles=("Dr.Read", "Dr.Approve"))
    require_second_person(ada, "o-2")
    with pytest.raises(Forbidden, match="another person") as same:
        require_second_person(ada, "o-1")
    with pytest.raises(Forbidden, match="sign in") as key:
        require_second_person(Principal(name="function key", roles=ROLES), "o-2")
    assert (same.value.title, key.value.title) == ("Another person is needed", "Sign in to approve")
    with pytest.raises(Forbidden, match=r"needs the role Dr\.Approve"):
        require_second_person(Principal(id="o-3", name="Eve", roles=("Dr.Admin",)), "o-2")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ("", "does not hold JSON"),
        ("%%%", "is not base64"),
        ("abc", "is not base64"),
        ("\u00e4", "is not base64"),
        (encoded("not json"), "does not hold JSON"),
        (base64.b64encode(b"\xff\xfe\x00").decode(), "does not hold JSON"),
        (encoded("[]"), "does not hold an object"),
        (encoded("[" * 100_000), "does not hold JSON"),
        (encoded('{"claims": {}}'), "no list of claims"),
        (encoded('{"claims": ["x"]}'), "no list of claims"),
    ],
)
def test_a_header_that_cannot_be_read_is_named(sent: str, why: str) -> None:
    with pytest.raises(MalformedPrincipal, match=why) as caught:
        identify_caller({"X-MS-CLIENT-PRINCIPAL": sent}, KEY)
    assert caught.value.field == "X-MS-CLIENT-PRINCIPAL"


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_no_header_brings_a_role_by_accident_nor_breaks_anything(sent: str) -> None:
    try:
        caller = identify_caller({"X-MS-CLIENT-PRINCIPAL": sent}, KEY)
    except MalformedPrincipal:
        return
    assert caller.roles == ()
