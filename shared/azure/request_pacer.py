"""One process's pace of requests to ARM: what was granted is spread out, and a 429 stops all until its time is over.

The shared budget (`request_budget`) grants requests to runs; they come when their timers fire, many at once, and beside
them come previews and the timer's own looks. Here each of them waits for a token of its own before it is sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from azure.core.pipeline.policies import AsyncHTTPPolicy

from shared.arm_ids import subscription_of
from shared.azure.errors import NOTED_REFUSALS, USUAL_WAIT, kind_of_call, wait_named_by
from shared.azure.looking import ONLY_LOOKS
from shared.errors import CallKind, Throttled
from shared.log_lines import ARM_THROTTLED, log_line
from shared.site_recovery.request_budget import AZURE_READS, AZURE_WRITES, BucketLimit

_LOG = logging.getLogger(__name__)
SPARED = 0.95
"""The part of Azure's limits that is used: clocks differ, and requests overtake each other on their way."""
LEFT_BY_READERS = 0.5
"""The part of a full bucket that those who only look leave alone: so many requests can a failover send at once,
however many readers there are, and each token that comes meanwhile is first of all its own."""
SHORTEST_WAIT = 0.001
"""Seconds that are no wait: a clock may not show them."""
LONGEST_WAIT = 20.0
"""Seconds by Azure's clock for which a request waits here; who would wait longer is told when to come again."""


class PacedBucket:
    """A token bucket that may be overdrawn: whoever does so waits until it would be at zero again."""

    def __init__(self, limit: BucketLimit, at: float) -> None:
        self._size, self._rate = limit.size * SPARED, limit.rate * SPARED
        self._level, self._at = self._size, at
        self.closed_until = 0.0

    def time_to_token(self, now: float, *, only_looks: bool = False) -> float:
        """Seconds until the next token is there; who only looks leaves a part of them to others."""
        level = min(self._size, self._level + max(0.0, now - self._at) * self._rate)
        left_alone = self._size * LEFT_BY_READERS if only_looks else 0.0
        return max(0.0, (1 + left_alone - level) / self._rate, self.closed_until - now)

    def take_token(self, now: float) -> None:
        """Take it, there or not."""
        self._level = min(self._size, self._level + max(0.0, now - self._at) * self._rate) - 1
        self._at = max(self._at, now)

    def close(self, now: float, seconds: float) -> None:
        """Nothing is there before so many seconds are over; after that it comes at its usual rate, not all at once."""
        self.closed_until = max(self.closed_until, now + seconds)
        self._level, self._at = min(self._level, 0.0), max(self._at, self.closed_until)


class RequestPacer:
    """The buckets of each subscription. Times are seconds by Azure's clock, which runs `pace` times as fast as ours."""

    def __init__(
        self,
        pace: float = 1,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._pace, self._clock, self._sleep = pace, clock, sleep
        self._buckets: dict[tuple[str, CallKind], PacedBucket] = {}

    async def wait_for_turn(self, subscription: str, kind: CallKind) -> None:
        """Come back when one request may be sent.

        Raises:
            Throttled: that would take too long. Nothing was sent.
        """
        bucket, wait, only_looks = self._bucket(subscription, kind), 0.0, ONLY_LOOKS.get()
        while (left := bucket.time_to_token(self._now(), only_looks=only_looks)) > SHORTEST_WAIT:
            if (wait := wait + left) > LONGEST_WAIT:
                raise Throttled(
                    "not sent: requests to this subscription are throttled", round(left) + 1, subscription, kind
                )
            await self._sleep(left / self._pace)
        bucket.take_token(self._now())

    def close(self, subscription: str, kind: CallKind, seconds: float) -> None:
        """Let nobody send before Azure wants to be asked again."""
        self._bucket(subscription, kind).close(self._now(), seconds)

    def _bucket(self, subscription: str, kind: CallKind) -> PacedBucket:
        place = (subscription.lower(), kind)
        if place not in self._buckets:
            self._buckets[place] = PacedBucket(AZURE_READS if kind == "reads" else AZURE_WRITES, self._now())
        return self._buckets[place]

    def _now(self) -> float:
        return (self._clock or asyncio.get_running_loop().time)() * self._pace


class PacedRequests(AsyncHTTPPolicy[Any, Any]):
    """Lets each request wait for its turn; an answer of 429 closes the way for those that come after it."""

    def __init__(self, pacer: RequestPacer) -> None:
        super().__init__()
        self._pacer = pacer

    async def send(self, request: Any) -> Any:
        """Send it when it is its turn."""
        place = (subscription_of(urlsplit(request.http_request.url).path), kind_of_call(request.http_request.method))
        await self._pacer.wait_for_turn(*place)
        response = await self.next.send(request)
        if response.http_response.status_code == 429:
            wait = wait_named_by(response.http_response.headers) or USUAL_WAIT
            self._pacer.close(*place, wait)
            _LOG.warning(log_line(ARM_THROTTLED, {"subscription": place[0], "calls": place[1], "seconds": wait}))
            if (refusals := NOTED_REFUSALS.get(None)) is not None:
                refusals.append(Throttled("Azure answered 429", wait, *place))
        return response
