"""Who a caller is and what they may do; a header that cannot be read is a mistake with a name."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.principals import (
    ROLES,
    Forbidden,
    Foreign,
    MalformedPrincipal,
    NobodyKnown,
    NotSignedIn,
    Principal,
    identify_caller,
    key_holder,
    require_role,
    require_second_person,
    require_signed_in,
)

ROLE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
OID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
TENANT = "99999999-9999-9999-9999-999999999999"
AUDIENCE = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
ELSEWHERE = "88888888-8888-8888-8888-888888888888"
IDS = {OID, "oid", "sub"}


def caller_with(headers: Mapping[str, str]) -> Principal:
    return identify_caller(headers, TENANT, AUDIENCE)


def header(*claims: tuple[str, str], name: str = "X-MS-CLIENT-PRINCIPAL", **more: Any) -> dict[str, str]:
    held = claims if any(typ == "tid" for typ, _ in claims) else (("tid", TENANT), *claims)
    held = held if any(typ in IDS for typ, _ in held) else (*held, ("oid", "o-9"))
    told = {"auth_typ": "aad", "claims": [{"typ": typ, "val": val} for typ, val in held], **more}
    return {name: base64.b64encode(json.dumps(told).encode()).decode()}


def roles(*held: str) -> tuple[str, ...]:
    return caller_with(header(*(("roles", role) for role in held))).roles


def test_a_signed_in_caller_is_known_by_object_id_and_name() -> None:
    caller = caller_with(header((OID, "o-1"), ("preferred_username", "ada@example.com"), ("roles", "Dr.Drill")))
    assert caller == Principal(id="o-1", name="ada@example.com", roles=("Dr.Read", "Dr.Drill"))


def test_the_platform_says_which_claim_is_the_name_but_roles_are_app_roles_alone() -> None:
    sent = header(("urn:who", "ada"), ("groups", "Dr.Admin"), ("name", "x"), name_typ="urn:who", role_typ="groups")
    caller = caller_with(sent)
    assert (caller.name, caller.roles) == ("ada", ())


@pytest.mark.parametrize(
    ("claims", "more"),
    [
        ((("roles", "Dr.Admin"),), {"auth_typ": "google"}),
        ((("roles", "Dr.Admin"),), {"auth_typ": "github"}),
        ((("roles", "Dr.Admin"),), {"auth_typ": None}),
        ((("roles", "Dr.Admin"),), {"auth_typ": ["aad"]}),
        ((("roles", "Dr.Admin"), ("tid", "88888888-8888-8888-8888-888888888888")), {}),
        ((("roles", "Dr.Admin"), ("tid", "")), {}),
        ((("tid", TENANT), ("tid", "88888888-8888-8888-8888-888888888888"), ("roles", "Dr.Admin")), {}),
    ],
)
def test_who_comes_from_elsewhere_is_nobody_whatever_roles_they_bring(
    claims: tuple[tuple[str, str], ...], more: dict[str, Any]
) -> None:
    with pytest.raises(Foreign):
        caller_with(header(*claims, **more))


def test_without_a_tenant_nobody_who_is_signed_in_comes_in() -> None:
    with pytest.raises(Foreign, match="TENANT_ID"):
        identify_caller(header(("roles", "Dr.Admin")), "", AUDIENCE)


@pytest.mark.parametrize(
    "audiences", [(ELSEWHERE,), ("",), (AUDIENCE, ELSEWHERE), ("api://", AUDIENCE), ("00000003-0",)]
)
def test_a_token_for_another_app_gives_nothing(audiences: tuple[str, ...]) -> None:
    """One for Microsoft Graph, say, that its holder passes on."""
    with pytest.raises(Foreign, match="AUDIENCE"):
        caller_with(header(*(("aud", one) for one in audiences), ("roles", "Dr.Admin")))


@pytest.mark.parametrize("audiences", [(), (AUDIENCE,), (AUDIENCE.upper(),), (f"api://{AUDIENCE}",)])
def test_a_token_for_this_app_says_so_by_its_client_id_or_its_uri(audiences: tuple[str, ...]) -> None:
    caller = caller_with(header(*(("aud", one) for one in audiences), ("roles", "Dr.Admin")))
    assert "Dr.Admin" in caller.roles


@pytest.mark.parametrize(
    ("claims", "is_app"),
    [
        ((("oid", "o-1"), ("idtyp", "app")), True),
        ((("oid", "o-1"), ("sub", "O-1")), True),
        ((("oid", "o-1"), ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", "o-1")), True),
        ((("oid", "o-1"), ("sub", "pairwise")), False),
        ((("oid", "o-1"), ("idtyp", "user")), False),
    ],
)
def test_an_app_that_signed_in_as_itself_is_told_from_a_person(
    claims: tuple[tuple[str, str], ...], *, is_app: bool
) -> None:
    assert caller_with(header(*claims)).is_app is is_app


def test_an_app_counts_as_somebody_only_where_its_id_is_named() -> None:
    app = Principal(id="a-1", name="pipeline", is_app=True, roles=ROLES)
    for named in ((), ("o-1",), ("pipeline",)):
        with pytest.raises(Forbidden, match="is an app"):
            require_second_person(app, "o-2", named)
        with pytest.raises(Forbidden, match="is an app"):
            require_signed_in(app, named)
    require_second_person(app, "o-2", ("A-1",))
    require_signed_in(app, ("A-1",))


def test_one_person_is_one_however_the_id_is_written_and_whatever_the_name_is() -> None:
    for name in ("Ada", "Anna Approver"):
        caller = caller_with(header(("oid", "OID-Op"), ("name", name), ("roles", "Dr.Approve")))
        with pytest.raises(Forbidden, match="another person"):
            require_second_person(caller, "oid-OP")


def test_a_subject_is_no_object_id() -> None:
    with pytest.raises(NotSignedIn):
        caller_with(header(("sub", "s-1"), ("name", "Ada")))


def test_a_name_can_stand_in_a_line() -> None:
    name = caller_with(header(("oid", "o"), ("name", "Ada\n\x1b[2K<b>" + "x" * 1000))).name
    assert name.isprintable()
    assert len(name) == 200


def test_roles_come_from_the_long_claim_as_well_and_the_header_in_any_casing() -> None:
    assert caller_with(header((ROLE, "Dr.Operate"), name="x-ms-client-principal")).roles == (
        "Dr.Read",
        "Dr.Drill",
        "Dr.Operate",
    )


def test_a_function_key_has_the_roles_of_keys_and_is_nobody() -> None:
    assert key_holder(("Dr.Drill", "nonsense")) == Principal(name="function key", roles=("Dr.Read", "Dr.Drill"))


def test_without_the_header_nobody_is_signed_in() -> None:
    with pytest.raises(NotSignedIn):
        caller_with({"Accept": "*/*"})


def test_the_bigger_roles_bring_the_smaller_ones_but_nobody_approves_by_the_way() -> None:
    assert roles("Dr.Admin") == ("Dr.Read", "Dr.Drill", "Dr.Operate", "Dr.Admin")
    assert roles("Dr.Operate") == ("Dr.Read", "Dr.Drill", "Dr.Operate")
    assert roles("Dr.Approve") == ("Dr.Read", "Dr.Approve")
    assert roles("Dr.Drill") == ("Dr.Read", "Dr.Drill")
    assert roles("Global Admin", "dr.admin") == ()


def test_a_missing_role_is_refused_with_what_was_needed_and_what_there_is() -> None:
    caller = caller_with(header(("name", "Ada"), ("roles", "Dr.Read")))
    require_role(caller, "Dr.Read")
    with pytest.raises(Forbidden, match=r"needs the role Dr\.Operate; Ada has Dr\.Read") as caught:
        require_role(caller, "Dr.Operate")
    assert caught.value.field == "X-MS-CLIENT-PRINCIPAL"


def test_an_approver_is_somebody_else_than_the_requester() -> None:
    ada = Principal(id="o-1", name="Ada", roles=("Dr.Read", "Dr.Approve"))
    require_second_person(ada, "o-2")
    with pytest.raises(Forbidden, match="another person") as same:
        require_second_person(ada, "o-1")
    with pytest.raises(NobodyKnown, match="DOOR is keys") as key:
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
        caller_with({"X-MS-CLIENT-PRINCIPAL": sent})
    assert caught.value.field == "X-MS-CLIENT-PRINCIPAL"


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_no_header_brings_a_role_by_accident_nor_breaks_anything(sent: str) -> None:
    try:
        caller = caller_with({"X-MS-CLIENT-PRINCIPAL": sent})
    except (MalformedPrincipal, Foreign, NotSignedIn):
        return
    assert caller.roles == ()
