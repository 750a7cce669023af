"""App Service authentication before the local host: tokens of persons, and what nobody may send."""

from pathlib import Path

import pytest

from lab.host.sign_in import AUDIENCE, PEOPLE, TENANT, Person, UnauthenticatedAction
from shared.principals import ADMIN, APPROVE, DRILL, OPERATE, READ, identify_caller
from tests.lab.host.conftest import Serve
from tests.lab.host.test_http_triggers import keys_in

ALLOW, REQUIRE = UnauthenticatedAction
ECHO = "/api/echo/7"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


DURABLE_WEBHOOKS = "/runtime/webhooks/durabletask/instances"


@pytest.mark.parametrize("action", UnauthenticatedAction)
@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person.name)
async def test_each_person_signs_in_with_their_token(
    serve: Serve, action: UnauthenticatedAction, person: Person
) -> None:
    async with serve(sign_in=action) as hosted:
        status, echoed = await hosted.call("GET", ECHO, headers=bearer(person.token))
    assert (status, echoed["principal"]) == (200, person.name)


@pytest.mark.parametrize("name", ["X-MS-CLIENT-PRINCIPAL-NAME", "x-ms-client-principal-name"])
@pytest.mark.parametrize(("token", "principal"), [({}, None), (bearer("lab-cai"), "cai")])
@pytest.mark.parametrize("trusted", [False, True])
async def test_a_principal_from_outside_is_replaced_or_removed(
    serve: Serve, name: str, token: dict[str, str], principal: str | None, *, trusted: bool
) -> None:
    async with serve(sign_in=ALLOW, trust_principal=trusted) as hosted:
        status, echoed = await hosted.call("GET", ECHO, headers={name: "eve", **token})
    assert (status, echoed["principal"]) == (200, principal)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic bGFi", "lab-ann"])
async def test_without_a_token_the_action_decides(serve: Serve, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    async with serve(sign_in=REQUIRE) as hosted:
        assert (await hosted.call("GET", ECHO, headers=headers))[0] == 401
        assert (await hosted.call("GET", "/api/nothing", headers=headers))[0] == 401


@pytest.mark.parametrize("action", UnauthenticatedAction)
@pytest.mark.parametrize("token", ["lab-nobody", "LAB-ANN", "lab-ann x"])
async def test_a_wrong_token_is_refused_whatever_the_action(
    serve: Serve, action: UnauthenticatedAction, token: str
) -> None:
    async with serve(sign_in=action) as hosted:
        assert (await hosted.call("GET", ECHO, headers=bearer(token)))[0] == 401


async def test_a_signed_in_person_without_a_key_is_refused_at_the_level_function(serve: Serve) -> None:
    async with serve(sign_in=ALLOW, auth=True) as hosted:
        assert (await hosted.call("POST", "/api/start/greet", headers=bearer("lab-eve")))[0] == 401


async def test_excluded_paths_ask_for_their_keys_and_no_person(serve: Serve) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        assert (await hosted.call("GET", "/admin/host/status"))[0] == 200
        assert (await hosted.call("GET", DURABLE_WEBHOOKS))[0] == 401
        assert (await hosted.call("GET", DURABLE_WEBHOOKS, headers=bearer("lab-eve")))[0] == 200
    async with serve(sign_in=REQUIRE, auth=True) as hosted:
        assert (await hosted.call("GET", "/admin/host/status", headers=bearer("lab-eve")))[0] == 401


async def test_a_key_alone_is_no_sign_in_where_that_is_required(serve: Serve, tmp_path: Path) -> None:
    async with serve(sign_in=REQUIRE, auth=True) as hosted:
        key = {"x-functions-key": keys_in(tmp_path)["host"]["default"]}
        assert (await hosted.call("POST", "/api/start/greet", headers=key))[0] == 401
        assert (await hosted.call("POST", "/api/start/greet", headers=key | bearer("lab-ann")))[0] == 202


def test_the_product_reads_each_person_as_somebody_else() -> None:
    callers = [identify_caller(person.principal_headers, TENANT, AUDIENCE) for person in PEOPLE]
    assert len({caller.id for caller in callers}) == len(PEOPLE)
    assert {caller.name: caller.roles for caller in callers} == {
        "ann": (READ, DRILL, OPERATE),
        "bob": (READ, APPROVE),
        "cai": (READ,),
        "dev": (READ, DRILL),
        "eve": (READ, DRILL, OPERATE, ADMIN),
        "fay": (),
    }
