"""No reader keeps others from reading: of one caller a few requests are served at once, and no more than some wait."""

import asyncio
from typing import Any

import azure.functions as func
import pytest

from shared.principals import Principal
from tests.people import let_people_sign_in, object_id_of, signed_in
from tests.triggers.doors import SilentEngine
from triggers.fair_looks import AT_ONCE, MOST_WAITING, TooManyRequests, turn_of
from triggers.http_endpoint import handle_for_role, json_response

RITA, REX = (Principal(id=object_id_of(name), name=name) for name in ("rita", "rex"))


class Desk:
    """Serves until it is told to stop; keeps who is served at the same time."""

    def __init__(self) -> None:
        self.served: list[str] = []
        self.stop = asyncio.Event()

    async def serve(self, caller: Principal) -> None:
        async with turn_of(caller):
            self.served.append(caller.name)
            await self.stop.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_crowd_of_one_caller_leaves_others_their_turn() -> None:
    desk = Desk()
    crowd = [asyncio.ensure_future(desk.serve(RITA)) for _ in range(60)]
    await settle()
    other = asyncio.ensure_future(desk.serve(REX))
    await settle()
    assert (desk.served.count("rita"), desk.served.count("rex")) == (AT_ONCE, 1)
    desk.stop.set()
    await asyncio.gather(*crowd, other)
    assert desk.served.count("rita") == 60


async def test_whoever_comes_after_too_many_is_told_to_come_again() -> None:
    desk = Desk()
    crowd = [asyncio.ensure_future(desk.serve(RITA)) for _ in range(AT_ONCE + MOST_WAITING)]
    await settle()
    with pytest.raises(TooManyRequests):
        await desk.serve(RITA)
    desk.stop.set()
    await asyncio.gather(*crowd)
    await desk.serve(RITA)


async def test_who_gives_up_frees_their_place() -> None:
    desk = Desk()
    crowd = [asyncio.ensure_future(desk.serve(RITA)) for _ in range(AT_ONCE * 2)]
    await settle()
    for one in crowd:
        one.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    desk.stop.set()
    await asyncio.gather(*(desk.serve(RITA) for _ in range(AT_ONCE)))


@pytest.mark.parametrize(("method", "answer"), [("GET", 429), ("POST", 200)])
async def test_only_those_that_look_wait(monkeypatch: pytest.MonkeyPatch, method: str, answer: int) -> None:
    let_people_sign_in(monkeypatch)
    client: Any = SilentEngine()
    stop = asyncio.Event()

    @handle_for_role("Dr.Read")
    async def slow(_req: func.HttpRequest, _client: Any) -> func.HttpResponse:
        await stop.wait()
        return json_response({})

    def request() -> func.HttpRequest:
        return func.HttpRequest(method, "/api/x", headers=signed_in("rita", "Dr.Read"), body=b"")

    crowd = [asyncio.ensure_future(slow(request(), client)) for _ in range(AT_ONCE + MOST_WAITING)]
    await settle()
    last = asyncio.ensure_future(slow(request(), client))
    await settle()
    stop.set()
    response = await last
    assert response.status_code == answer
    assert ("Retry-After" in response.headers) == (answer == 429)
    assert {one.status_code for one in await asyncio.gather(*crowd)} == {200}
