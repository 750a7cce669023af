"""One view of Azure for all who only look within some seconds: forty open dashboards ask as often as one.

Runs, and requests that change something, never see an answer that was given to somebody else.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy

from shared.azure.answer_shapes import PLAIN_TEXT
from shared.azure.looking import ONLY_LOOKS

SHARED_FOR = 5.0
"""Seconds by Azure's clock for which an answer is shown to others after it came."""
MOST_KEPT_BYTES = 16 * 2**20


class Look(NamedTuple):
    """An answer that others may have too.

    Attributes:
        until: Until when; infinite while it has not come.
        size: Bytes of its body.
    """

    asked: "asyncio.Task[PipelineResponse[Any, Any]]"
    until: float = float("inf")
    size: int = 0


class SharedLooks(AsyncHTTPPolicy[Any, Any]):
    """Sends a GET of somebody who only looks once for all who want the same. Times are seconds by Azure's clock."""

    def __init__(self, pace: float = 1, clock: Callable[[], float] | None = None) -> None:
        super().__init__()
        self._pace, self._clock = pace, clock
        self._looks: dict[tuple[str, bool], Look] = {}

    async def send(self, request: Any) -> Any:
        """Send it, unless the same was asked a moment ago or is being asked now."""
        if request.http_request.method != "GET" or not ONLY_LOOKS.get():
            return await self.next.send(request)
        key = (request.http_request.url, bool(request.context.options.get(PLAIN_TEXT)))
        look = self._looks.get(key)
        if look is None or look.until <= self._now():
            look = self._looks[key] = Look(asyncio.ensure_future(self._ask(key, request)))
        shared = await asyncio.shield(look.asked)  # whoever gives up takes the answer from nobody else
        request.context.options.pop(PLAIN_TEXT, None)
        return PipelineResponse(request.http_request, shared.http_response, request.context)

    async def _ask(self, key: tuple[str, bool], request: Any) -> "PipelineResponse[Any, Any]":
        try:
            answer: PipelineResponse[Any, Any] = await self.next.send(request)
        except BaseException:
            self._looks.pop(key, None)
            raise
        if answer.http_response.status_code == 200:
            now = self._now()
            self._drop_old(now)
            self._looks[key] = Look(self._looks[key].asked, now + SHARED_FOR, len(answer.http_response.content))
        else:
            self._looks.pop(key, None)
        return answer

    def _drop_old(self, now: float) -> None:
        """Forget what is over, and the oldest of the rest where it is too much."""
        self._looks = {key: look for key, look in self._looks.items() if look.until > now}
        size = sum(look.size for look in self._looks.values())
        for key, look in list(self._looks.items()):
            if size <= MOST_KEPT_BYTES:
                break
            if look.asked.done():
                size -= look.size
                del self._looks[key]

    def _now(self) -> float:
        return (self._clock or asyncio.get_running_loop().time)() * self._pace
