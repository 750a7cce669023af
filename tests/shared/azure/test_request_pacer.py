"""The pace of one process: never faster than Azure takes requests, nobody before a 429 is over, no burst after it."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.azure.errors import wait_named_by
from shared.azure.looking import ONLY_LOOKS
from shared.azure.request_pacer import LEFT_BY_READERS, LONGEST_WAIT, SHORTEST_WAIT, SPARED, RequestPacer
from shared.errors import CallKind, Throttled
from shared.site_recovery.request_budget import AZURE_READS, AZURE_WRITES

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-111122223333"


class Time:
    """A clock that moves as far as somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self.now + seconds, woken))
        await woken.wait()

    async def pass_all(self, done: asyncio.Future[Any]) -> None:
        """Let time pass until it is done."""
        while not done.done():
            for _ in range(5):
                await asyncio.sleep(0)
            if not self._sleepers:
                continue
            self._sleepers.sort(key=lambda one: one[0])
            at, woken = self._sleepers.pop(0)
            self.now = max(self.now, at)
            woken.set()


async def send_all(pacer: RequestPacer, time: Time, count: int, kind: CallKind = "reads") -> list[float]:
    """When each of so many requests at once was sent; those that were told to come again are left out."""
    sent: list[float] = []

    async def send() -> None:
        try:
            await pacer.wait_for_turn(SUBSCRIPTION, kind)
        except Throttled:
            return
        sent.append(time.now)

    done = asyncio.gather(*(send() for _ in range(count)))
    await time.pass_all(done)
    return sent


def most_in_a_second(sent: list[float]) -> int:
    return max(sum(at <= other < at + 1 for other in sent) for at in sent)


@pytest.mark.parametrize(("kind", "limit"), [("reads", AZURE_READS), ("writes", AZURE_WRITES)])
async def test_a_crowd_is_never_faster_than_azure_takes_it(kind: CallKind, limit: tuple[int, float]) -> None:
    time = Time()
    sent = await send_all(RequestPacer(1, time.read, time.sleep), time, 600, kind)
    size, rate = limit
    tokens, last = float(size), 1000.0
    for at in sorted(sent):
        tokens, last = min(size, tokens + (at - last) * rate) - 1, at
        assert tokens >= -SHORTEST_WAIT * rate
    assert len(sent) > size


async def test_a_refusal_keeps_everybody_away_until_its_time_is_over_and_then_there_is_no_burst() -> None:
    time = Time()
    pacer = RequestPacer(1, time.read, time.sleep)
    pacer.close(SUBSCRIPTION.upper(), "reads", 10)
    sent = await send_all(pacer, time, 100)
    assert min(sent) >= 1010 - SHORTEST_WAIT
    assert most_in_a_second(sent) <= AZURE_READS.rate + 1


async def test_a_refusal_of_reads_keeps_no_writes_and_no_other_subscription_away() -> None:
    time = Time()
    pacer = RequestPacer(1, time.read, time.sleep)
    pacer.close(SUBSCRIPTION, "reads", 10)
    await pacer.wait_for_turn(SUBSCRIPTION, "writes")
    await pacer.wait_for_turn("another", "reads")
    assert time.now == 1000


async def test_who_would_wait_for_too_long_is_told_how_long_and_sends_nothing() -> None:
    time = Time()
    pacer = RequestPacer(1, time.read, time.sleep)
    pacer.close(SUBSCRIPTION, "writes", LONGEST_WAIT + 30)
    with pytest.raises(Throttled) as told:
        await pacer.wait_for_turn(SUBSCRIPTION, "writes")
    assert told.value.wait >= LONGEST_WAIT + 30
    assert (told.value.subscription, told.value.kind, time.now) == (SUBSCRIPTION, "writes", 1000)


async def test_who_sleeps_when_a_refusal_comes_sleeps_on() -> None:
    time = Time()
    pacer = RequestPacer(1, time.read, time.sleep)
    await send_all(pacer, time, 238)
    waiting = asyncio.gather(pacer.wait_for_turn(SUBSCRIPTION, "reads"))
    await asyncio.sleep(0)
    pacer.close(SUBSCRIPTION, "reads", 5)
    await time.pass_all(waiting)
    assert time.now >= 1005


@pytest.mark.parametrize("readers", [1, 90, 125, 1000])
async def test_however_many_only_look_there_is_room_for_what_runs_need(readers: int) -> None:
    """Ninety reads of a page at once had Azure throttle the failover that somebody asked for right after."""
    time = Time()
    pacer = RequestPacer(1, time.read, time.sleep)
    looks = ONLY_LOOKS.set(True)
    crowd = asyncio.gather(
        *(pacer.wait_for_turn(SUBSCRIPTION, "reads") for _ in range(readers)), return_exceptions=True
    )
    await asyncio.sleep(0)
    ONLY_LOOKS.reset(looks)
    for _ in range(int(AZURE_READS.size * SPARED * LEFT_BY_READERS) - 1):
        await pacer.wait_for_turn(SUBSCRIPTION, "reads")
    assert time.now == 1000
    await time.pass_all(crowd)


async def test_readers_get_what_is_left_once_runs_need_less() -> None:
    time = Time()
    pacer = RequestPacer(1, time.read, time.sleep)
    await send_all(pacer, time, 300)
    looks = ONLY_LOOKS.set(True)
    began, sent = time.now, await send_all(pacer, time, 40)
    ONLY_LOOKS.reset(looks)
    wait = AZURE_READS.size * LEFT_BY_READERS / AZURE_READS.rate
    assert min(sent) >= began + wait - 1
    assert len(sent) == 40


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 8)), max_size=8), st.sampled_from(["reads", "writes"]))
def test_whatever_comes_when_a_refusal_is_held_and_the_rate_too(waves: list[tuple[int, int]], kind: CallKind) -> None:
    """Waves of requests with refusals between them: after each nobody goes before its time."""

    async def play() -> None:
        time = Time()
        pacer = RequestPacer(1, time.read, time.sleep)
        for count, refusal in waves:
            closed = time.now + refusal
            if refusal:
                pacer.close(SUBSCRIPTION, kind, refusal)
            sent = await send_all(pacer, time, count, kind)
            assert all(at >= closed - SHORTEST_WAIT for at in sent)

    asyncio.run(play())


def test_the_wait_that_azure_names_is_read_in_each_of_its_forms() -> None:
    date = {"Date": "Thu, 26 Nov 2026 10:00:00 GMT", "Retry-After": "Thu, 26 Nov 2026 10:00:42 GMT"}
    assert wait_named_by({"Retry-After": "17"}) == 17
    assert wait_named_by(date) == 42
    assert wait_named_by(date | {"Retry-After": "Thu, 26 Nov 2026 09:00:00 GMT"}) == 0
    assert [wait_named_by({}), wait_named_by({"Retry-After": "soon"}), wait_named_by({"Retry-After": "-3"})] == [
        None
    ] * 3


@pytest.mark.parametrize(
    "named", ["100000", "9" * 14, "9" * 5000, "²", "Fri, 31 Dec 9999 23:59:59 GMT", "99999999999999999999.5", ""]
)
def test_a_wait_of_days_or_of_nonsense_is_not_obeyed(named: str) -> None:
    """A run has to hear who aborts it, and has patience for hours at the most."""
    wait = wait_named_by({"Date": "Thu, 26 Nov 2026 10:00:00 GMT", "Retry-After": named})
    assert wait is None or 0 <= wait <= 900
