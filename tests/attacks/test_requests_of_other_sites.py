"""A page of another site makes the browser of somebody who is signed in ask for something: it is not done."""

import pytest

from tests.people import let_people_sign_in, signed_in
from tests.triggers.doors import ALL_ROLES, DOORS, Door, SilentEngine

WRITES = [one for one in DOORS if one.method != "GET"]


@pytest.mark.parametrize("origin", ["cross-site", "same-site", "Cross-Site", "something-new"])
@pytest.mark.parametrize("door", WRITES, ids=lambda door: str(door.name))
async def test_it_reaches_no_engine(door: Door, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)
    engine = SilentEngine()
    answer = await door.answer_to(engine, {**signed_in("eve", *ALL_ROLES.split(",")), "Sec-Fetch-Site": origin})
    assert answer.require_problem(403)["code"] == "cross-site-request"
    assert engine.calls == 0


@pytest.mark.parametrize("header", ["Sec-Fetch-Site", "sec-fetch-site", "SEC-FETCH-SITE"])
async def test_however_the_header_is_spelt(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    let_people_sign_in(monkeypatch)
    answer = await WRITES[0].answer_to(SilentEngine(), {**signed_in("eve", "Dr.Admin"), header: "cross-site"})
    assert answer.require_problem(403)["code"] == "cross-site-request"


@pytest.mark.parametrize("origin", ["same-origin", "none"])
async def test_pages_of_the_app_and_people_at_the_address_line_are_heard(
    origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_people_sign_in(monkeypatch)
    put_site = next(one for one in WRITES if one.name == "put_site")
    answer = await put_site.answer_to(SilentEngine(), {**signed_in("cai", "Dr.Read"), "Sec-Fetch-Site": origin})
    assert answer.require_problem(403)["code"] == "forbidden"  # it came as far as the role
