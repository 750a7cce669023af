"""The durable client as HTTP functions use it: no answer of the engine is waited for without end."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, cast

import azure.durable_functions as df

from triggers.pacing import ENGINE_ANSWER_WITHIN


class BoundedClient:
    """The durable client of one request, made of its binding: none is kept, as the engine's port changes."""

    def __init__(self, client: df.DurableFunctionsClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        """Calls are bounded, everything else is the client's."""
        attribute = getattr(self._client, name)
        return _bound_call(attribute) if inspect.iscoroutinefunction(attribute) else attribute


def bound_client(client: df.DurableFunctionsClient) -> df.DurableFunctionsClient:
    """The client, whose calls raise TimeoutError when the engine does not answer."""
    return cast("df.DurableFunctionsClient", BoundedClient(client))


CONNECTION = ("taskHubName", "rpcBaseUrl", "requiredQueryStringParameters", "maxGrpcMessageSizeInBytes")
"""What a client has to know of the engine to ask it for something."""


@asynccontextmanager
async def reopened_client(client: df.DurableFunctionsClient) -> AsyncIterator[df.DurableFunctionsClient]:
    """A client like that of a request which is over: the worker closes each with its request."""
    fresh = df.DurableFunctionsClient(json.dumps({name: getattr(client, name) for name in CONNECTION}))
    try:
        yield bound_client(fresh)
    finally:
        await fresh.close()


def _bound_call(call: Any) -> Any:
    @wraps(call)
    async def bounded_call(*args: Any, **kwargs: Any) -> Any:
        async with asyncio.timeout(ENGINE_ANSWER_WITHIN.total_seconds()):
            try:
                return await call(*args, **kwargs)
            except asyncio.CancelledError:
                if _is_cancelled():
                    raise
                raise ConnectionError("the channel to the engine was closed") from None

    return bounded_call


def _is_cancelled() -> bool:
    """Whether somebody cancels this request; otherwise a call was cancelled because its channel was closed."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
