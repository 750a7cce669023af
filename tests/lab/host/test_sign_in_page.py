"""What the local host answers to browsers under `/.auth`: a choice of persons, a session, a sign-out."""

import pytest
from aiohttp import CookieJar

from lab.host.sign_in import PEOPLE, UnauthenticatedAction
from lab.host.sign_in_page import COOKIE, LOGIN, LOGOUT
from tests.lab.host.conftest import Hosted, Serve

REQUIRE = UnauthenticatedAction.REQUIRE
ECHO = "/api/echo/7"
PAGE_URL = "/api/ui"


async def locate(hosted: Hosted, path: str, **params: str) -> tuple[int, str]:
    """The status, and where the answer leads."""
    async with hosted.session.get(hosted.host.url + path, params=params, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", "")


def accept_cookies(hosted: Hosted) -> None:
    hosted.session._cookie_jar = CookieJar(unsafe=True)


async def test_one_chooses_a_person_and_is_signed_in_until_one_signs_out(serve: Serve) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        accept_cookies(hosted)
        assert (await hosted.call("GET", ECHO))[0] == 401
        found = await locate(hosted, LOGIN, **{"as": "lab-bob", "post_login_redirect_uri": PAGE_URL})
        assert found == (302, PAGE_URL)
        status, echoed = await hosted.call("GET", ECHO)
        assert (status, echoed["principal"]) == (200, "bob")
        assert await locate(hosted, LOGOUT, post_logout_redirect_uri=PAGE_URL) == (302, PAGE_URL)
        assert (await hosted.call("GET", ECHO))[0] == 401


async def test_the_choice_names_each_person_and_keeps_where_one_wanted_to(serve: Serve) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        status, page = await hosted.call("GET", f"{LOGIN}?post_login_redirect_uri=/api/ui")
    assert status == 200
    for person in PEOPLE:
        assert f"as={person.token}&amp;post_login_redirect_uri=%2Fapi%2Fui" in page


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "api/ui", "javascript:1"]
)
@pytest.mark.parametrize(("path", "name"), [(LOGIN, "post_login_redirect_uri"), (LOGOUT, "post_logout_redirect_uri")])
async def test_it_leads_to_no_other_host(serve: Serve, path: str, name: str, target: str) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        assert await locate(hosted, path, **{"as": "lab-bob", name: target}) == (400, "")


@pytest.mark.parametrize("wanted", ['"><script>alert(1)</script>', "/x?<b>"])
async def test_what_was_wanted_is_text_in_the_choice(serve: Serve, wanted: str) -> None:
    async with (
        serve(sign_in=REQUIRE) as hosted,
        hosted.session.get(hosted.host.url + LOGIN, params={"post_login_redirect_uri": wanted}) as answer,
    ):
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert "<script" not in page
    assert "<b>" not in page
    assert policy == "default-src 'none'"


@pytest.mark.parametrize("session", ["lab-nobody", "", "LAB-ANN", "lab-ann-x"])
async def test_a_session_that_the_host_did_not_give_opens_nothing(serve: Serve, session: str) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        headers = {"Cookie": f"{COOKIE}={session}"}
        assert (await hosted.call("GET", ECHO, headers=headers))[0] == 401


async def test_the_token_of_a_request_counts_more_than_its_session(serve: Serve) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        headers = {"Cookie": f"{COOKIE}=lab-ann", "Authorization": "Bearer lab-bob"}
        assert (await hosted.call("GET", ECHO, headers=headers))[1]["principal"] == "bob"
        wrong = {"Cookie": f"{COOKIE}=lab-ann", "Authorization": "Bearer nobody"}
        assert (await hosted.call("GET", ECHO, headers=wrong))[0] == 401


@pytest.mark.parametrize("path", ["/.auth/me", "/.auth/", "/.auth/login/github", "/.auth/login/aad/x"])
async def test_there_is_nothing_else_under_auth(serve: Serve, path: str) -> None:
    async with serve(sign_in=REQUIRE) as hosted:
        assert (await hosted.call("GET", path))[0] == 404
