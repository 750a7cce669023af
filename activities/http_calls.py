"""Calls to what a plan's author runs himself: hooks and probes by HTTP."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=30)
"""Hooks and probes are tried again: an answer that takes longer comes to nobody."""


@asynccontextmanager
async def post_json(
    url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """POST once, and have the answer; redirects are not followed."""
    async with (
        aiohttp.ClientSession(timeout=TIMEOUT) as session,
        session.post(url, json=body, headers=headers, allow_redirects=False) as response,
    ):
        yield response
