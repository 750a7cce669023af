"""Those who only look share what Azure answered for some seconds; runs, and whoever changes something, never do."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from shared.azure.arc_machines import list_machines
from shared.azure.arm import find_resource, list_all, put_resource, read_text
from shared.azure.looking import ONLY_LOOKS
from shared.azure.shared_looks import MOST_KEPT_BYTES, SHARED_FOR
from shared.errors import SiteRecoveryError
from tests.shared.azure.fake import FakeArm, Reply

GROUP = "/subscriptions/s1/resourceGroups/rg"
VM = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/web-01"
API = "2024-01-01"


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody who only looks, while time stands still."""
    monkeypatch.setattr("shared.azure.shared_looks.SharedLooks._now", lambda _self: 100.0)
    token = ONLY_LOOKS.set(True)
    yield
    ONLY_LOOKS.reset(token)


def gets(arm: FakeArm) -> int:
    return sum(1 for call in arm.asked if call.method == "GET" and call.path.startswith("/subscriptions"))


async def test_a_crowd_that_looks_asks_once(arm: FakeArm, looking: None) -> None:
    arm.says("GET", VM, Reply(200, {"id": VM, "name": "web-01"}))
    found = await asyncio.gather(*(find_resource(VM, API) for _ in range(40)))
    assert {one["name"] for one in found if one} == {"web-01"}
    assert gets(arm) == 1
    assert await find_resource(VM, API) is not None
    assert gets(arm) == 1


async def test_a_run_sees_what_is_so_now_whoever_looked_before(arm: FakeArm, looking: None) -> None:
    arm.says("GET", VM, Reply(200, {"id": VM, "state": "old"}))
    await find_resource(VM, API)
    arm.says("GET", VM, Reply(200, {"id": VM, "state": "new"}))
    token = ONLY_LOOKS.set(False)
    fresh = await find_resource(VM, API)
    ONLY_LOOKS.reset(token)
    assert fresh is not None
    assert (fresh["state"], gets(arm)) == ("new", 2)


async def test_it_is_asked_anew_after_some_seconds(
    arm: FakeArm, looking: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm.says("GET", VM, Reply(200, {"id": VM}))
    now = [100.0]
    monkeypatch.setattr("shared.azure.shared_looks.SharedLooks._now", lambda _self: now[0])
    for elapsed, asked in ((0.0, 1), (SHARED_FOR - 0.1, 1), (0.2, 2)):
        now[0] += elapsed
        await find_resource(VM, API)
        assert gets(arm) == asked


@pytest.mark.parametrize("reply", [Reply(404, {"error": {"code": "ResourceNotFound"}}), Reply(500, {}), Reply(429, {})])
async def test_what_is_no_answer_is_not_kept(arm: FakeArm, looking: None, reply: Reply) -> None:
    arm.says("GET", VM, reply)
    for _ in range(2):
        try:
            assert await find_resource(VM, API) is None
        except SiteRecoveryError:
            continue
    arm.says("GET", VM, Reply(200, {"id": VM, "name": "there"}))
    if reply.status != 429:  # after which all wait
        found = await find_resource(VM, API)
        assert found is not None
        assert found["name"] == "there"


async def test_whoever_gives_up_takes_the_answer_from_nobody_else(arm: FakeArm, looking: None) -> None:
    arm.says("GET", VM, Reply(200, {"id": VM, "name": "web-01"}))
    first = asyncio.ensure_future(find_resource(VM, API))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(find_resource(VM, API))
    await asyncio.sleep(0)
    first.cancel()
    found = await second
    assert found is not None
    assert (found["name"], gets(arm)) == ("web-01", 1)


async def test_other_questions_have_answers_of_their_own(arm: FakeArm, looking: None) -> None:
    arm.says("GET", VM, Reply(200, {"id": VM}))
    arm.says("GET", GROUP, Reply(200, {"value": [{"id": VM}]}))
    await find_resource(VM, API)
    await find_resource(VM, "2025-01-01")
    await list_all(GROUP, API)
    assert gets(arm) == 3


async def test_a_text_is_not_taken_for_an_object(arm: FakeArm, looking: None) -> None:
    arm.says("GET", VM, Reply(200, {"id": VM}))
    assert VM in await read_text(VM, API)
    assert await find_resource(VM, API) == {"id": VM}


async def test_what_changes_something_is_sent_each_time(arm: FakeArm, looking: None) -> None:
    arm.says("PUT", VM, Reply(200, {"id": VM}))
    for number in range(3):
        await put_resource(VM, API, {}, f"id-{number}")
    assert sum(1 for call in arm.asked if call.method == "PUT") == 3


async def test_what_is_kept_is_bounded(arm: FakeArm, looking: None) -> None:
    large = "x" * (MOST_KEPT_BYTES // 3)
    ids = [f"{VM}-{number}" for number in range(5)]
    for arm_id in ids:
        arm.says("GET", arm_id, Reply(200, {"id": arm_id, "large": large}))
        await find_resource(arm_id, API)
    before: Any = gets(arm)
    await find_resource(ids[-1], API)
    assert gets(arm) == before
    await find_resource(ids[0], API)
    assert gets(arm) == before + 1


async def test_whoever_asks_for_the_time_of_an_answer_has_it_although_others_asked(arm: FakeArm, looking: None) -> None:
    machines = "/subscriptions/s1/providers/Microsoft.HybridCompute/machines"
    arm.says("GET", machines, Reply(200, {"value": []}))
    (_, first), (_, second) = [await list_machines("s1") for _ in range(2)]
    assert (first, gets(arm)) == (second, 1)
